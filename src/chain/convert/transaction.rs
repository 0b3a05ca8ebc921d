//! Transactions travel as structure, never as BCS: a server rebuilds the BCS from these fields and checks the signature over
//! that, so only what this mapping reproduces may be signed (`protocol.md §4.3`).

use rpc::transaction_kind::Kind;

use super::{
    FieldError, fields,
    fields::required,
    object_from_proto, object_to_proto,
    tensor::{scalar, vector},
    timestamp_ms, timestamp_to_proto,
};
use crate::chain::{proto::soma::rpc, types::*};

/// With the digest, and with the text forms of the official SDK: `0x` before ids inside the kind, none elsewhere.
///
/// What the messages cannot say is left out, and then the digests differ: tensors that are no f32 arrays, and pay-all
/// (`PayCoins` without amounts).
pub fn transaction_to_proto(data: &TransactionData) -> rpc::Transaction {
    rpc::Transaction {
        digest: Some(data.digest().to_string()),
        kind: Some(rpc::TransactionKind { kind: Some(kind_to_proto(data.kind())) }),
        sender: Some(data.sender().to_string()),
        gas_payment: references_to_proto(data.gas_payment()),
    }
}

/// As a node shows an executed, simulated or stored transaction: `0x` before every id and address. (Checkpoints show the form
/// of [`transaction_to_proto`].)
pub fn transaction_to_proto_prefixed(data: &TransactionData) -> rpc::Transaction {
    fn prefix(text: &mut Option<String>) {
        if let Some(text) = text.as_mut().filter(|text| !text.starts_with("0x")) {
            text.insert_str(0, "0x");
        }
    }
    let mut message = transaction_to_proto(data);
    prefix(&mut message.sender);
    let mut references: Vec<&mut rpc::ObjectReference> = message.gas_payment.iter_mut().collect();
    match message.kind.as_mut().and_then(|kind| kind.kind.as_mut()) {
        Some(Kind::TransferCoin(kind)) => {
            references.extend(&mut kind.coin);
            prefix(&mut kind.recipient);
        }
        Some(Kind::PayCoins(kind)) => {
            references.extend(&mut kind.coins);
            for recipient in &mut kind.recipients {
                *recipient = format!("0x{recipient}");
            }
        }
        Some(Kind::TransferObjects(kind)) => {
            references.extend(&mut kind.objects);
            prefix(&mut kind.recipient);
        }
        Some(Kind::AddStake(kind)) => {
            references.extend(&mut kind.coin_ref);
            prefix(&mut kind.address);
        }
        Some(Kind::AddStakeToModel(kind)) => references.extend(&mut kind.coin_ref),
        Some(Kind::WithdrawStake(kind)) => references.extend(&mut kind.staked_soma),
        Some(Kind::SubmitData(kind)) => references.extend(&mut kind.bond_coin),
        Some(Kind::ReportValidator(kind)) => prefix(&mut kind.reportee),
        Some(Kind::UndoReportValidator(kind)) => prefix(&mut kind.reportee),
        _ => {}
    }
    for reference in references {
        prefix(&mut reference.object_id);
    }
    message
}

/// Ids with or without `0x`; vectors become tensors of shape `[n]`, scalars `[1]`; URLs are normalised. A digest that is no
/// Base58 is an error; a wrong one is not looked at, as on a node.
pub fn transaction_from_proto(transaction: &rpc::Transaction) -> Result<TransactionData, FieldError> {
    if let Some(text) = &transaction.digest {
        fields::digest("digest", Some(text))?;
    }
    let kind = required("kind", transaction.kind.as_ref().and_then(|kind| kind.kind.as_ref()))?;
    let kind = kind_from_proto(kind)?;
    let sender = fields::address("sender", transaction.sender.as_deref())?;
    Ok(TransactionData::new(kind, sender, references_from_proto(&transaction.gas_payment)?))
}

fn kind_to_proto(kind: &TransactionKind) -> Kind {
    use TransactionKind as T;
    match kind {
        T::Genesis { objects } => Kind::Genesis(rpc::GenesisTransaction {
            objects: objects.iter().map(|object| object_to_proto(object, false)).collect(),
        }),
        T::ConsensusCommitPrologueV1 {
            epoch,
            round,
            sub_dag_index,
            commit_timestamp_ms,
            consensus_commit_digest,
            additional_state_digest,
        } => Kind::ConsensusCommitPrologue(rpc::ConsensusCommitPrologue {
            epoch: Some(*epoch),
            round: Some(*round),
            sub_dag_index: *sub_dag_index,
            commit_timestamp: Some(timestamp_to_proto(*commit_timestamp_ms)),
            consensus_commit_digest: Some(consensus_commit_digest.to_string()),
            additional_state_digest: Some(additional_state_digest.to_string()),
        }),
        T::ChangeEpoch { epoch, epoch_start_timestamp_ms, protocol_version, fees, epoch_randomness } => {
            Kind::ChangeEpoch(rpc::ChangeEpoch {
                epoch: Some(*epoch),
                epoch_start_timestamp: Some(timestamp_to_proto(*epoch_start_timestamp_ms)),
                protocol_version: Some(*protocol_version),
                fees: Some(*fees),
                epoch_randomness: Some(epoch_randomness.clone()),
            })
        }
        T::AddValidator {
            pubkey_bytes,
            network_pubkey_bytes,
            worker_pubkey_bytes,
            proof_of_possession,
            net_address,
            p2p_address,
            primary_address,
            proxy_address,
        } => Kind::AddValidator(rpc::AddValidator {
            pubkey_bytes: Some(pubkey_bytes.clone()),
            network_pubkey_bytes: Some(network_pubkey_bytes.clone()),
            worker_pubkey_bytes: Some(worker_pubkey_bytes.clone()),
            net_address: Some(net_address.clone()),
            p2p_address: Some(p2p_address.clone()),
            primary_address: Some(primary_address.clone()),
            proxy_address: Some(proxy_address.clone()),
            proof_of_possession: Some(proof_of_possession.clone()),
        }),
        T::RemoveValidator { pubkey_bytes } => {
            Kind::RemoveValidator(rpc::RemoveValidator { pubkey_bytes: Some(pubkey_bytes.clone()) })
        }
        T::ReportValidator { reportee } => {
            Kind::ReportValidator(rpc::ReportValidator { reportee: Some(reportee.to_string()) })
        }
        T::UndoReportValidator { reportee } => {
            Kind::UndoReportValidator(rpc::UndoReportValidator { reportee: Some(reportee.to_string()) })
        }
        T::UpdateValidatorMetadata {
            next_epoch_network_address,
            next_epoch_p2p_address,
            next_epoch_primary_address,
            next_epoch_proxy_address,
            next_epoch_protocol_pubkey,
            next_epoch_worker_pubkey,
            next_epoch_network_pubkey,
            next_epoch_proof_of_possession,
        } => Kind::UpdateValidatorMetadata(rpc::UpdateValidatorMetadata {
            next_epoch_network_address: next_epoch_network_address.clone(),
            next_epoch_p2p_address: next_epoch_p2p_address.clone(),
            next_epoch_primary_address: next_epoch_primary_address.clone(),
            next_epoch_proxy_address: next_epoch_proxy_address.clone(),
            next_epoch_protocol_pubkey: next_epoch_protocol_pubkey.clone(),
            next_epoch_worker_pubkey: next_epoch_worker_pubkey.clone(),
            next_epoch_network_pubkey: next_epoch_network_pubkey.clone(),
            next_epoch_proof_of_possession: next_epoch_proof_of_possession.clone(),
        }),
        T::SetCommissionRate { new_rate } => {
            Kind::SetCommissionRate(rpc::SetCommissionRate { new_rate: Some(*new_rate) })
        }
        T::TransferCoin { coin, amount, recipient } => Kind::TransferCoin(rpc::TransferCoin {
            coin: Some(reference_to_proto(coin)),
            amount: *amount,
            recipient: Some(recipient.to_string()),
        }),
        T::PayCoins { coins, amounts, recipients } => Kind::PayCoins(rpc::PayCoins {
            coins: references_to_proto(coins),
            amounts: amounts.clone().unwrap_or_default(),
            recipients: recipients.iter().map(Address::to_string).collect(),
        }),
        T::TransferObjects { objects, recipient } => Kind::TransferObjects(rpc::TransferObjects {
            objects: references_to_proto(objects),
            recipient: Some(recipient.to_string()),
        }),
        T::AddStake { address, coin_ref, amount } => Kind::AddStake(rpc::AddStake {
            address: Some(address.to_string()),
            coin_ref: Some(reference_to_proto(coin_ref)),
            amount: *amount,
        }),
        T::WithdrawStake { staked_soma } => {
            Kind::WithdrawStake(rpc::WithdrawStake { staked_soma: Some(reference_to_proto(staked_soma)) })
        }
        T::CreateModel { stake_amount, commission_rate, architecture_version } => Kind::CreateModel(rpc::CreateModel {
            stake_amount: Some(*stake_amount),
            commission_rate: Some(*commission_rate),
            architecture_version: Some(*architecture_version),
        }),
        T::CommitModel { model_id, manifest, weights_commitment, embedding_commitment, decryption_key_commitment } => {
            Kind::CommitModel(rpc::CommitModel {
                model_id: Some(model_id.to_hex_prefixed()),
                manifest: Some(manifest_to_proto(manifest)),
                weights_commitment: Some(weights_commitment.0.to_vec()),
                embedding_commitment: Some(embedding_commitment.0.to_vec()),
                decryption_key_commitment: Some(decryption_key_commitment.0.to_vec()),
            })
        }
        T::RevealModel { model_id, decryption_key, embedding } => Kind::RevealModel(rpc::RevealModel {
            model_id: Some(model_id.to_hex_prefixed()),
            decryption_key: Some(decryption_key.0.to_vec()),
            embedding: vector(embedding),
        }),
        T::AddStakeToModel { model_id, coin_ref, amount } => Kind::AddStakeToModel(rpc::AddStakeToModel {
            model_id: Some(model_id.to_hex_prefixed()),
            coin_ref: Some(reference_to_proto(coin_ref)),
            amount: *amount,
        }),
        T::SetModelCommissionRate { model_id, new_rate } => Kind::SetModelCommissionRate(rpc::SetModelCommissionRate {
            model_id: Some(model_id.to_hex_prefixed()),
            new_rate: Some(*new_rate),
        }),
        T::DeactivateModel { model_id } => {
            Kind::DeactivateModel(rpc::DeactivateModel { model_id: Some(model_id.to_hex_prefixed()) })
        }
        T::ReportModel { model_id } => {
            Kind::ReportModel(rpc::ReportModel { model_id: Some(model_id.to_hex_prefixed()) })
        }
        T::UndoReportModel { model_id } => {
            Kind::UndoReportModel(rpc::UndoReportModel { model_id: Some(model_id.to_hex_prefixed()) })
        }
        T::SubmitData(submit) => Kind::SubmitData(rpc::SubmitData {
            target_id: Some(submit.target_id.to_hex_prefixed()),
            data_manifest: Some(rpc::SubmissionManifest { manifest: Some(manifest_to_proto(&submit.data_manifest)) }),
            model_id: Some(submit.model_id.to_hex_prefixed()),
            embedding: vector(&submit.embedding),
            distance_score: scalar(&submit.distance_score),
            bond_coin: Some(reference_to_proto(&submit.bond_coin)),
            loss_score: vector(&submit.loss_score),
        }),
        T::ClaimRewards { target_id } => {
            Kind::ClaimRewards(rpc::ClaimRewards { target_id: Some(target_id.to_hex_prefixed()) })
        }
        T::ReportSubmission { target_id } => Kind::ReportSubmission(rpc::ReportSubmission {
            target_id: Some(target_id.to_hex_prefixed()),
            challenger: None,
        }),
        T::UndoReportSubmission { target_id } => {
            Kind::UndoReportSubmission(rpc::UndoReportSubmission { target_id: Some(target_id.to_hex_prefixed()) })
        }
    }
}

fn kind_from_proto(kind: &Kind) -> Result<TransactionKind, FieldError> {
    use TransactionKind as T;
    let model = |id: &Option<String>| fields::object_id("model_id", id.as_deref());
    let target = |id: &Option<String>| fields::object_id("target_id", id.as_deref());
    let recipient = |text: &Option<String>| fields::address("recipient", text.as_deref());
    let reportee = |text: &Option<String>| fields::address("reportee", text.as_deref());
    Ok(match kind {
        Kind::Genesis(m) => {
            T::Genesis { objects: m.objects.iter().map(object_from_proto).collect::<Result<_, FieldError>>()? }
        }
        Kind::ConsensusCommitPrologue(m) => T::ConsensusCommitPrologueV1 {
            epoch: required("epoch", m.epoch)?,
            round: required("round", m.round)?,
            sub_dag_index: m.sub_dag_index,
            commit_timestamp_ms: timestamp_ms(
                "commit_timestamp",
                required("commit_timestamp", m.commit_timestamp.as_ref())?,
            )?,
            consensus_commit_digest: fields::digest("consensus_commit_digest", m.consensus_commit_digest.as_deref())?,
            additional_state_digest: fields::digest("additional_state_digest", m.additional_state_digest.as_deref())?,
        },
        Kind::ChangeEpoch(m) => T::ChangeEpoch {
            epoch: required("epoch", m.epoch)?,
            epoch_start_timestamp_ms: timestamp_ms(
                "epoch_start_timestamp",
                required("epoch_start_timestamp", m.epoch_start_timestamp.as_ref())?,
            )?,
            protocol_version: required("protocol_version", m.protocol_version)?,
            fees: required("fees", m.fees)?,
            epoch_randomness: required("epoch_randomness", m.epoch_randomness.clone())?,
        },
        Kind::AddValidator(m) => T::AddValidator {
            pubkey_bytes: required("pubkey_bytes", m.pubkey_bytes.clone())?,
            network_pubkey_bytes: required("network_pubkey_bytes", m.network_pubkey_bytes.clone())?,
            worker_pubkey_bytes: required("worker_pubkey_bytes", m.worker_pubkey_bytes.clone())?,
            proof_of_possession: required("proof_of_possession", m.proof_of_possession.clone())?,
            net_address: required("net_address", m.net_address.clone())?,
            p2p_address: required("p2p_address", m.p2p_address.clone())?,
            primary_address: required("primary_address", m.primary_address.clone())?,
            proxy_address: required("proxy_address", m.proxy_address.clone())?,
        },
        Kind::RemoveValidator(m) => {
            T::RemoveValidator { pubkey_bytes: required("pubkey_bytes", m.pubkey_bytes.clone())? }
        }
        Kind::ReportValidator(m) => T::ReportValidator { reportee: reportee(&m.reportee)? },
        Kind::UndoReportValidator(m) => T::UndoReportValidator { reportee: reportee(&m.reportee)? },
        Kind::UpdateValidatorMetadata(m) => T::UpdateValidatorMetadata {
            next_epoch_network_address: m.next_epoch_network_address.clone(),
            next_epoch_p2p_address: m.next_epoch_p2p_address.clone(),
            next_epoch_primary_address: m.next_epoch_primary_address.clone(),
            next_epoch_proxy_address: m.next_epoch_proxy_address.clone(),
            next_epoch_protocol_pubkey: m.next_epoch_protocol_pubkey.clone(),
            next_epoch_worker_pubkey: m.next_epoch_worker_pubkey.clone(),
            next_epoch_network_pubkey: m.next_epoch_network_pubkey.clone(),
            next_epoch_proof_of_possession: m.next_epoch_proof_of_possession.clone(),
        },
        Kind::SetCommissionRate(m) => T::SetCommissionRate { new_rate: required("new_rate", m.new_rate)? },
        Kind::TransferCoin(m) => T::TransferCoin {
            coin: reference("coin", m.coin.as_ref())?,
            amount: m.amount,
            recipient: recipient(&m.recipient)?,
        },
        Kind::PayCoins(m) => T::PayCoins {
            coins: references_from_proto(&m.coins)?,
            // The message cannot say "none": a node reads an empty list as `Some`.
            amounts: Some(m.amounts.clone()),
            recipients: m
                .recipients
                .iter()
                .map(|text| fields::address("recipients", Some(text)))
                .collect::<Result<_, FieldError>>()?,
        },
        Kind::TransferObjects(m) => {
            T::TransferObjects { objects: references_from_proto(&m.objects)?, recipient: recipient(&m.recipient)? }
        }
        Kind::AddStake(m) => T::AddStake {
            address: fields::address("address", m.address.as_deref())?,
            coin_ref: reference("coin_ref", m.coin_ref.as_ref())?,
            amount: m.amount,
        },
        Kind::WithdrawStake(m) => T::WithdrawStake { staked_soma: reference("staked_soma", m.staked_soma.as_ref())? },
        Kind::CreateModel(m) => T::CreateModel {
            stake_amount: required("stake_amount", m.stake_amount)?,
            commission_rate: required("commission_rate", m.commission_rate)?,
            architecture_version: required("architecture_version", m.architecture_version)?,
        },
        Kind::CommitModel(m) => T::CommitModel {
            model_id: model(&m.model_id)?,
            manifest: manifest_from_proto(required("manifest", m.manifest.as_ref())?)?,
            weights_commitment: commitment("weights_commitment", &m.weights_commitment)?,
            embedding_commitment: commitment("embedding_commitment", &m.embedding_commitment)?,
            decryption_key_commitment: commitment("decryption_key_commitment", &m.decryption_key_commitment)?,
        },
        Kind::RevealModel(m) => T::RevealModel {
            model_id: model(&m.model_id)?,
            decryption_key: commitment("decryption_key", &m.decryption_key)?,
            embedding: SomaTensor::vector(&m.embedding),
        },
        Kind::AddStakeToModel(m) => T::AddStakeToModel {
            model_id: model(&m.model_id)?,
            coin_ref: reference("coin_ref", m.coin_ref.as_ref())?,
            amount: m.amount,
        },
        Kind::SetModelCommissionRate(m) => {
            T::SetModelCommissionRate { model_id: model(&m.model_id)?, new_rate: required("new_rate", m.new_rate)? }
        }
        Kind::DeactivateModel(m) => T::DeactivateModel { model_id: model(&m.model_id)? },
        Kind::ReportModel(m) => T::ReportModel { model_id: model(&m.model_id)? },
        Kind::UndoReportModel(m) => T::UndoReportModel { model_id: model(&m.model_id)? },
        Kind::SubmitData(m) => T::SubmitData(SubmitData {
            target_id: target(&m.target_id)?,
            data_manifest: manifest_from_proto(required(
                "data_manifest",
                m.data_manifest.as_ref().and_then(|submission| submission.manifest.as_ref()),
            )?)?,
            model_id: model(&m.model_id)?,
            embedding: SomaTensor::vector(&m.embedding),
            distance_score: SomaTensor::scalar(required("distance_score", m.distance_score)?),
            loss_score: SomaTensor::vector(&m.loss_score),
            bond_coin: reference("bond_coin", m.bond_coin.as_ref())?,
        }),
        Kind::ClaimRewards(m) => T::ClaimRewards { target_id: target(&m.target_id)? },
        Kind::ReportSubmission(m) => T::ReportSubmission { target_id: target(&m.target_id)? },
        Kind::UndoReportSubmission(m) => T::UndoReportSubmission { target_id: target(&m.target_id)? },
        Kind::InitiateChallenge(_)
        | Kind::ReportChallenge(_)
        | Kind::UndoReportChallenge(_)
        | Kind::ClaimChallengeBond(_) => {
            return Err(FieldError::invalid("kind", "challenge transactions are no longer supported"));
        }
    })
}

fn reference_to_proto(reference: &ObjectRef) -> rpc::ObjectReference {
    rpc::ObjectReference {
        object_id: Some(reference.id.to_string()),
        version: Some(reference.version),
        digest: Some(reference.digest.to_string()),
    }
}

fn references_to_proto(references: &[ObjectRef]) -> Vec<rpc::ObjectReference> {
    references.iter().map(reference_to_proto).collect()
}

fn reference(field: &'static str, reference: Option<&rpc::ObjectReference>) -> Result<ObjectRef, FieldError> {
    reference_from_proto(required(field, reference)?)
}

fn reference_from_proto(reference: &rpc::ObjectReference) -> Result<ObjectRef, FieldError> {
    Ok(ObjectRef {
        id: fields::object_id("object_id", reference.object_id.as_deref())?,
        version: required("version", reference.version)?,
        digest: fields::digest("digest", reference.digest.as_deref())?,
    })
}

fn references_from_proto(references: &[rpc::ObjectReference]) -> Result<Vec<ObjectRef>, FieldError> {
    references.iter().map(reference_from_proto).collect()
}

pub(super) fn manifest_to_proto(manifest: &Manifest) -> rpc::Manifest {
    rpc::Manifest {
        version: Some(rpc::manifest::Version::V1(rpc::ManifestV1 {
            url: Some(manifest.url().to_owned()),
            metadata: Some(rpc::Metadata {
                version: Some(rpc::metadata::Version::V1(rpc::MetadataV1 {
                    checksum: Some(manifest.checksum().0.to_vec()),
                    size: Some(manifest.size()),
                })),
            }),
        })),
    }
}

/// Normalises the URL (`protocol.md §4.3`).
pub(super) fn manifest_from_proto(manifest: &rpc::Manifest) -> Result<Manifest, FieldError> {
    let Some(rpc::manifest::Version::V1(v1)) = &manifest.version else {
        return Err(FieldError::missing("version"));
    };
    let metadata = required("metadata", v1.metadata.as_ref())?;
    let Some(rpc::metadata::Version::V1(metadata)) = &metadata.version else {
        return Err(FieldError::missing("version"));
    };
    let checksum = fields::digest_bytes("checksum", metadata.checksum.as_deref())?;
    let size = required("size", metadata.size)?;
    Manifest::new(required("url", v1.url.as_deref())?, checksum, size)
        .map_err(|cause| FieldError::invalid("url", cause.to_string()))
}

fn commitment(field: &'static str, bytes: &Option<Vec<u8>>) -> Result<Digest, FieldError> {
    fields::digest_bytes(field, bytes.as_deref())
}
