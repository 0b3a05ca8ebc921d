//! Whatever we can hold survives BCS and protobuf; whatever arrives is read or refused, never a panic.

use proptest::{collection::vec, option, prelude::*};
use prost::Message;
use serde::{Serialize, de::DeserializeOwned};

use super::*;
use crate::chain::{
    proto::soma::rpc,
    services::{GasResponse, ScoreRequest, ScoreResponse},
    types::*,
};

fn digest() -> impl Strategy<Value = Digest> {
    any::<[u8; 32]>().prop_map(Digest)
}

fn id() -> impl Strategy<Value = ObjectId> {
    // Leading zeros are what servers strip.
    prop_oneof![
        any::<[u8; 32]>().prop_map(ObjectId),
        any::<u8>().prop_map(|last| {
            let mut bytes = [0; 32];
            bytes[31] = last;
            ObjectId(bytes)
        })
    ]
}

fn address() -> impl Strategy<Value = Address> {
    id().prop_map(|id| Address(id.0))
}

fn reference() -> impl Strategy<Value = ObjectRef> {
    (id(), any::<u64>(), digest()).prop_map(|(id, version, digest)| ObjectRef { id, version, digest })
}

/// Any bits, NaN too: what was signed must be rebuilt whatever it means.
fn tensor() -> impl Strategy<Value = SomaTensor> {
    vec(any::<u32>().prop_map(f32::from_bits), 0..20).prop_map(|values| SomaTensor::vector(&values))
}

fn scalar() -> impl Strategy<Value = SomaTensor> {
    any::<u32>().prop_map(|bits| SomaTensor::scalar(f32::from_bits(bits)))
}

fn manifest() -> impl Strategy<Value = Manifest> {
    ("https?://[a-z]{1,9}(\\.[a-z]{2,3})?(:81)?/[a-zA-Z0-9 ü%?#./]{0,20}", digest(), any::<u64>())
        .prop_filter_map("a URL", |(url, checksum, size)| Manifest::new(&url, checksum, size).ok())
}

fn owner() -> impl Strategy<Value = Owner> {
    prop_oneof![
        address().prop_map(Owner::Address),
        any::<u64>().prop_map(|initial_shared_version| Owner::Shared { initial_shared_version }),
        Just(Owner::Immutable),
    ]
}

fn object_type() -> impl Strategy<Value = ObjectType> {
    prop_oneof![
        Just(ObjectType::SystemState),
        Just(ObjectType::Coin),
        Just(ObjectType::StakedSoma),
        Just(ObjectType::Target)
    ]
}

fn object() -> impl Strategy<Value = Object> {
    (object_type(), id(), any::<u64>(), vec(any::<u8>(), 0..60), owner(), digest()).prop_map(
        |(object_type, id, version, body, owner, previous)| {
            Object::new(object_type, id, version, &body, owner, previous)
        },
    )
}

/// The kinds that the network itself sends and those of validators.
fn network_kind() -> impl Strategy<Value = TransactionKind> {
    use TransactionKind as T;
    let bytes = || vec(any::<u8>(), 0..9);
    prop_oneof![
        vec(object(), 0..3).prop_map(|objects| T::Genesis { objects }),
        (any::<[u64; 3]>(), option::of(any::<u64>()), digest(), digest()).prop_map(
            |([epoch, round, commit_timestamp_ms], sub_dag_index, consensus_commit_digest, additional_state_digest)| {
                T::ConsensusCommitPrologueV1 {
                    epoch,
                    round,
                    sub_dag_index,
                    commit_timestamp_ms,
                    consensus_commit_digest,
                    additional_state_digest,
                }
            }
        ),
        (any::<[u64; 4]>(), bytes()).prop_map(
            |([epoch, epoch_start_timestamp_ms, protocol_version, fees], epoch_randomness)| T::ChangeEpoch {
                epoch,
                epoch_start_timestamp_ms,
                protocol_version,
                fees,
                epoch_randomness,
            }
        ),
        (bytes(), bytes(), bytes(), bytes()).prop_map(|(a, b, c, d)| T::AddValidator {
            pubkey_bytes: a.clone(),
            network_pubkey_bytes: b.clone(),
            worker_pubkey_bytes: c.clone(),
            proof_of_possession: d.clone(),
            net_address: d,
            p2p_address: c,
            primary_address: b,
            proxy_address: a,
        }),
        bytes().prop_map(|pubkey_bytes| T::RemoveValidator { pubkey_bytes }),
        address().prop_map(|reportee| T::ReportValidator { reportee }),
        address().prop_map(|reportee| T::UndoReportValidator { reportee }),
        [option::of(bytes()), option::of(bytes()), option::of(bytes())].prop_map(|[a, b, c]| {
            T::UpdateValidatorMetadata {
                next_epoch_network_address: a.clone(),
                next_epoch_p2p_address: b.clone(),
                next_epoch_primary_address: c.clone(),
                next_epoch_proxy_address: None,
                next_epoch_protocol_pubkey: a,
                next_epoch_worker_pubkey: b,
                next_epoch_network_pubkey: c,
                next_epoch_proof_of_possession: Some(Vec::new()),
            }
        }),
        any::<u64>().prop_map(|new_rate| T::SetCommissionRate { new_rate }),
    ]
}

/// The kinds of accounts; `PayCoins` always has amounts, because the message cannot say otherwise.
fn account_kind() -> impl Strategy<Value = TransactionKind> {
    use TransactionKind as T;
    let amount = || option::of(any::<u64>());
    prop_oneof![
        (reference(), amount(), address()).prop_map(|(coin, amount, recipient)| T::TransferCoin {
            coin,
            amount,
            recipient
        }),
        (vec(reference(), 0..4), vec(any::<u64>(), 0..4), vec(address(), 0..4))
            .prop_map(|(coins, amounts, recipients)| T::PayCoins { coins, amounts: Some(amounts), recipients }),
        (vec(reference(), 0..4), address()).prop_map(|(objects, recipient)| T::TransferObjects { objects, recipient }),
        (address(), reference(), amount()).prop_map(|(address, coin_ref, amount)| T::AddStake {
            address,
            coin_ref,
            amount
        }),
        reference().prop_map(|staked_soma| T::WithdrawStake { staked_soma }),
    ]
}

fn model_kind() -> impl Strategy<Value = TransactionKind> {
    use TransactionKind as T;
    prop_oneof![
        any::<[u64; 3]>().prop_map(|[stake_amount, commission_rate, architecture_version]| T::CreateModel {
            stake_amount,
            commission_rate,
            architecture_version
        }),
        (id(), manifest(), digest(), digest(), digest()).prop_map(
            |(model_id, manifest, weights_commitment, embedding_commitment, decryption_key_commitment)| {
                T::CommitModel {
                    model_id,
                    manifest,
                    weights_commitment,
                    embedding_commitment,
                    decryption_key_commitment,
                }
            }
        ),
        (id(), digest(), tensor()).prop_map(|(model_id, decryption_key, embedding)| T::RevealModel {
            model_id,
            decryption_key,
            embedding
        }),
        (id(), reference(), option::of(any::<u64>())).prop_map(|(model_id, coin_ref, amount)| T::AddStakeToModel {
            model_id,
            coin_ref,
            amount
        }),
        (id(), any::<u64>()).prop_map(|(model_id, new_rate)| T::SetModelCommissionRate { model_id, new_rate }),
        id().prop_map(|model_id| T::DeactivateModel { model_id }),
        id().prop_map(|model_id| T::ReportModel { model_id }),
        id().prop_map(|model_id| T::UndoReportModel { model_id }),
    ]
}

fn target_kind() -> impl Strategy<Value = TransactionKind> {
    use TransactionKind as T;
    prop_oneof![
        (id(), manifest(), id(), tensor(), scalar(), tensor(), reference()).prop_map(
            |(target_id, data_manifest, model_id, embedding, distance_score, loss_score, bond_coin)| {
                T::SubmitData(SubmitData {
                    target_id,
                    data_manifest,
                    model_id,
                    embedding,
                    distance_score,
                    loss_score,
                    bond_coin,
                })
            }
        ),
        id().prop_map(|target_id| T::ClaimRewards { target_id }),
        id().prop_map(|target_id| T::ReportSubmission { target_id }),
        id().prop_map(|target_id| T::UndoReportSubmission { target_id }),
    ]
}

fn transaction() -> impl Strategy<Value = TransactionData> {
    let kind = prop_oneof![network_kind(), account_kind(), model_kind(), target_kind()];
    (kind, address(), vec(reference(), 0..3)).prop_map(|(kind, sender, gas)| TransactionData::new(kind, sender, gas))
}

/// One of each shape that a detail takes; the plain ones are in `every_plain_failure_survives`.
fn failure() -> impl Strategy<Value = ExecutionFailure> {
    use ExecutionFailure as F;
    let float = || (-4.0f32..4.0).prop_map(SomaTensor::scalar);
    prop_oneof![
        id().prop_map(|object_id| F::InvalidOwnership { object_id }),
        id().prop_map(|object_id| F::ObjectNotFound { object_id }),
        id().prop_map(|object_id| F::InvalidObjectType { object_id }),
        ".{0,30}".prop_map(|reason| F::InvalidArguments { reason }),
        ".{0,30}".prop_map(|field| F::DuplicateValidatorMetadata { field }),
        ".{0,30}".prop_map(|reason| F::InvalidProofOfPossession { reason }),
        ".{0,30}".prop_map(F::ModelInvalidState),
        ".{0,30}".prop_map(F::ArithmeticOverflow),
        ".{1,30}".prop_map(F::SomaError),
        any::<[u64; 2]>()
            .prop_map(|[generation_epoch, current_epoch]| F::TargetExpired { generation_epoch, current_epoch }),
        any::<[u64; 2]>().prop_map(|[fill_epoch, current_epoch]| F::AuditWindowOpen { fill_epoch, current_epoch }),
        any::<[u64; 2]>().prop_map(|[fill_epoch, current_epoch]| F::AuditWindowClosed { fill_epoch, current_epoch }),
        (id(), id()).prop_map(|(model_id, target_id)| F::ModelNotInTarget { model_id, target_id }),
        any::<[u64; 2]>().prop_map(|[expected, actual]| F::EmbeddingDimensionMismatch { expected, actual }),
        (float(), float()).prop_map(|(score, threshold)| F::DistanceExceedsThreshold { score, threshold }),
        any::<[u64; 2]>().prop_map(|[required, provided]| F::InsufficientBond { required, provided }),
        any::<[u64; 2]>().prop_map(|[size, max_size]| F::DataExceedsMaxSize { size, max_size }),
    ]
}

fn effects() -> impl Strategy<Value = TransactionEffects> {
    let input_state = prop_oneof![
        Just(ObjectIn::NotExist),
        (any::<u64>(), digest(), owner())
            .prop_map(|(version, digest, owner)| ObjectIn::Exist((version, digest), owner))
    ];
    let output_state = prop_oneof![
        Just(ObjectOut::NotExist),
        (digest(), owner()).prop_map(|(digest, owner)| ObjectOut::ObjectWrite(digest, owner))
    ];
    let id_operation = prop_oneof![Just(IdOperation::None), Just(IdOperation::Created), Just(IdOperation::Deleted)];
    let change = (input_state, output_state, id_operation).prop_map(|(input_state, output_state, id_operation)| {
        EffectsObjectChange { input_state, output_state, id_operation }
    });
    let unchanged = prop_oneof![
        (any::<u64>(), digest()).prop_map(|(version, digest)| UnchangedSharedKind::ReadOnlyRoot(version, digest)),
        any::<u64>().prop_map(UnchangedSharedKind::MutateDeleted),
        any::<u64>().prop_map(UnchangedSharedKind::ReadDeleted),
        any::<u64>().prop_map(UnchangedSharedKind::Cancelled),
    ];
    let status =
        prop_oneof![Just(ExecutionStatus::Success), failure().prop_map(|error| ExecutionStatus::Failure { error })];
    (
        (status, any::<[u64; 6]>(), digest(), option::of(any::<u32>())),
        (vec(digest(), 0..3), vec((id(), change), 0..4), vec((id(), unchanged), 0..3)),
    )
        .prop_map(|((status, n, transaction_digest, gas_object_index), (dependencies, changed, unchanged))| {
            TransactionEffects::V1(TransactionEffectsV1 {
                status,
                executed_epoch: n[0],
                fee: TransactionFee { base_fee: n[1], operation_fee: n[2], value_fee: n[3], total_fee: n[4] },
                transaction_digest,
                gas_object_index,
                dependencies,
                version: n[5],
                changed_objects: changed,
                unchanged_shared_objects: unchanged,
            })
        })
}

fn summary() -> impl Strategy<Value = CheckpointSummary> {
    let commitments = || {
        let commitment = prop_oneof![
            digest().prop_map(CheckpointCommitment::EcmhLiveObjectSet),
            digest().prop_map(CheckpointCommitment::CheckpointArtifacts)
        ];
        vec(commitment, 0..3)
    };
    let end = (vec((vec(any::<u8>(), 0..9), any::<u64>()), 0..3), any::<u64>(), commitments()).prop_map(
        |(next_epoch_validator_committee, next_epoch_protocol_version, epoch_commitments)| EndOfEpochData {
            next_epoch_validator_committee,
            next_epoch_protocol_version,
            epoch_commitments,
        },
    );
    (any::<[u64; 8]>(), digest(), option::of(digest()), commitments(), option::of(end)).prop_map(
        |(n, content_digest, previous_digest, checkpoint_commitments, end_of_epoch_data)| CheckpointSummary {
            epoch: n[0],
            sequence_number: n[1],
            network_total_transactions: n[2],
            content_digest,
            previous_digest,
            epoch_rolling_transaction_fees: TransactionFee {
                base_fee: n[3],
                operation_fee: n[4],
                value_fee: n[5],
                total_fee: n[6],
            },
            timestamp_ms: n[7],
            checkpoint_commitments,
            end_of_epoch_data,
            version_specific_data: Vec::new(),
        },
    )
}

/// Through the bytes of the message, as on the wire.
fn sent<M: Message + Default>(message: &M) -> M {
    M::decode(&message.encode_to_vec()[..]).expect("our own message")
}

fn survives_bcs<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T) {
    assert_eq!(bcs::from_bytes::<T>(&to_bcs(value)).as_ref(), Ok(value));
}

proptest! {
    #[test]
    fn transactions_survive_both_forms(data in transaction()) {
        survives_bcs(&data);
        prop_assert_eq!(transaction_from_proto(&sent(&transaction_to_proto(&data))), Ok(data));
    }

    #[test]
    fn effects_survive_both_forms_in_either_style(effects in effects(), checkpoint: bool) {
        survives_bcs(&effects);
        let style = if checkpoint { EffectsStyle::Checkpoint } else { EffectsStyle::Execute };
        let message = sent(&effects_to_proto(&effects, style, None));
        prop_assert_eq!(effects_from_proto(&message), Ok(effects.v1().clone()));
    }

    #[test]
    fn objects_survive_both_forms(object in object(), prefixed: bool) {
        survives_bcs(&object);
        prop_assert_eq!(object_from_proto(&sent(&object_to_proto(&object, prefixed))), Ok(object));
    }

    #[test]
    fn summaries_survive_both_forms(summary in summary()) {
        survives_bcs(&summary);
        prop_assert_eq!(checkpoint_summary_from_proto(&sent(&checkpoint_summary_to_proto(&summary))), Ok(summary));
    }

    #[test]
    fn signatures_and_balance_changes_survive(parts: [[u8; 32]; 3], who in address(), amount: i128) {
        let signature = UserSignature([&[0][..], &parts.concat()].concat());
        prop_assert_eq!(signature_from_proto(&sent(&signature_to_proto(&signature))), Ok(signature));
        let change = BalanceChange { address: who, amount };
        prop_assert_eq!(balance_change_from_proto(&sent(&balance_change_to_proto(&change))), Ok(change));
    }

    #[test]
    fn a_listed_target_keeps_its_id_whatever_zeros_it_has(id in id(), model in id(), threshold in -2.0f32..2.0) {
        let target = TargetV1 {
            embedding: SomaTensor::vector(&[1.0, threshold]),
            model_ids: vec![model],
            distance_threshold: SomaTensor::scalar(threshold),
            reward_pool: 7,
            generation_epoch: 3,
            status: TargetStatus::Filled { fill_epoch: 3 },
            submitter: Some(Address(model.0)),
            winning_model_id: Some(model),
            winning_model_owner: Some(Address(id.0)),
            bond_amount: 5,
            winning_data_manifest: None,
            winning_embedding: None,
            winning_distance_score: None,
            winning_loss_score: None,
            submission_reports: Default::default(),
        };
        let object = Object::new(ObjectType::Target, id, 1, &to_bcs(&target), Owner::SHARED, Digest::default());
        let message = target_to_proto(&object, &target, target_status_word(target.status));
        prop_assert!(message.id.as_deref().is_some_and(|text| text.starts_with("0x") && !text.starts_with("0x00")));
        let info = target_info_from_proto(&sent(&message)).expect("a target");
        prop_assert_eq!((info.id, info.model_ids, info.distance_threshold), (id, vec![model], threshold));
        prop_assert_eq!((info.status.as_str(), info.submitter, info.bond_amount), ("filled", Some(Address(model.0)), 5));
    }

    #[test]
    fn no_bytes_panic_a_bcs_decoder(bytes in vec(any::<u8>(), 0..300)) {
        feed_bcs(&bytes);
    }

    /// Lengths up to 2^31 where a vector begins: nothing is allocated before it has arrived.
    #[test]
    fn no_claimed_length_exhausts_the_memory(claimed in 0u32..0x8000_0000, at in 0usize..80, rest in vec(any::<u8>(), 0..80)) {
        let mut length = Vec::new();
        let mut left = claimed;
        while left >= 0x80 {
            length.push(left as u8 | 0x80);
            left >>= 7;
        }
        length.push(left as u8);
        let at = at.min(rest.len());
        feed_bcs(&[&rest[..at], &length, &rest[at..]].concat());
    }

    /// A valid encoding with one byte changed reaches further in than noise does.
    #[test]
    fn no_damaged_value_panics_a_decoder(data in transaction(), effects in effects(), at: prop::sample::Index, byte: u8) {
        for mut bytes in [to_bcs(&data), to_bcs(&effects)] {
            let at = at.index(bytes.len());
            bytes[at] = byte;
            feed_bcs(&bytes);
        }
        let messages = [
            transaction_to_proto(&data).encode_to_vec(),
            effects_to_proto(&effects, EffectsStyle::Execute, None).encode_to_vec(),
        ];
        for mut bytes in messages {
            let at = at.index(bytes.len());
            bytes[at] = byte;
            feed_proto(&bytes);
        }
    }

    #[test]
    fn no_bytes_panic_a_conversion(bytes in vec(any::<u8>(), 0..300)) {
        feed_proto(&bytes);
    }
}

/// Every decoder of outside BCS; the results do not matter.
fn feed_bcs(bytes: &[u8]) {
    let _ = bcs::from_bytes::<TransactionData>(bytes);
    let _ = SignedTransaction::from_bytes(bytes);
    let _ = bcs::from_bytes::<TransactionEffects>(bytes);
    let _ = bcs::from_bytes::<SystemState>(bytes);
    let _ = bcs::from_bytes::<TargetV1>(bytes);
    let _ = bcs::from_bytes::<CheckpointSummary>(bytes);
    let _ = bcs::from_bytes::<ScoreRequest>(bytes);
    let _ = bcs::from_bytes::<ScoreResponse>(bytes);
    let _ = bcs::from_bytes::<GasResponse>(bytes);
    if let Ok(object) = Object::from_bytes(bytes) {
        let _ = (object.coin_balance(), object.target(), object.staked_soma(), object.system_state());
    }
}

fn feed_proto(bytes: &[u8]) {
    let _ = rpc::Transaction::decode(bytes).map(|m| transaction_from_proto(&m));
    let _ = rpc::UserSignature::decode(bytes).map(|m| signature_from_proto(&m));
    let _ = rpc::TransactionEffects::decode(bytes).map(|m| effects_from_proto(&m));
    let _ = rpc::Object::decode(bytes).map(|m| object_from_proto(&m));
    let _ = rpc::Target::decode(bytes).map(|m| target_info_from_proto(&m));
    let _ = rpc::SystemState::decode(bytes).map(|m| epoch_state_from_proto(&m));
    let _ = rpc::CheckpointSummary::decode(bytes).map(|m| checkpoint_summary_from_proto(&m));
    let _ = rpc::BalanceChange::decode(bytes).map(|m| balance_change_from_proto(&m));
}

/// Variants are found by their BCS index, so that none can be forgotten.
#[test]
fn every_failure_has_a_kind_and_survives() {
    let mut plain = 0;
    for index in 0..=51u8 {
        let with_zeros = [&[index][..], &[0; 100]].concat();
        // The plain ones are one byte long; the others are in the property test above.
        let Ok(failure) = bcs::from_bytes::<ExecutionFailure>(&with_zeros[..1]) else { continue };
        plain += 1;
        for style in [EffectsStyle::Execute, EffectsStyle::Checkpoint] {
            let message = super::failure::failure_to_proto(&failure, style);
            assert_ne!(message.kind, Some(rpc::execution_error::ExecutionErrorKind::OtherError.into()), "{failure:?}");
            assert_eq!(super::failure::failure_from_proto(&message), failure);
        }
    }
    assert_eq!(plain, 35);
}

#[test]
fn failures_read_as_a_node_prints_them() {
    let distance = ExecutionFailure::DistanceExceedsThreshold {
        score: SomaTensor::scalar(1.99),
        threshold: SomaTensor::scalar(1.199_999_8),
    };
    let execute = super::failure::failure_to_proto(&distance, EffectsStyle::Execute);
    assert_eq!(execute.description(), "DistanceExceedsThreshold { score: 1.99, threshold: 1.1999998 }");
    let checkpoint = super::failure::failure_to_proto(&distance, EffectsStyle::Checkpoint);
    assert_eq!(
        checkpoint.description(),
        "DistanceExceedsThreshold { score: SomaTensor(TensorData { bytes: Bytes { data: [82, 184, 254, \"...\"], len: 4 }, \
         shape: [1], dtype: F32 }), threshold: SomaTensor(TensorData { bytes: Bytes { data: [152, 153, 153, \"...\"], len: \
         4 }, shape: [1], dtype: F32 }) }"
    );
    let other = Some(rpc::execution_error::ErrorDetails::OtherError("score=1.99, threshold=1.1999998".to_owned()));
    assert_eq!((&execute.error_details, &checkpoint.error_details), (&other, &other));
}

#[test]
fn a_failure_stays_a_failure_whatever_is_said_about_it() {
    for (kind, description) in
        [(None, "new words"), (Some(999), "new words"), (Some(17), "new words"), (Some(43), "new words")]
    {
        let error = rpc::ExecutionError { kind, description: Some(description.to_owned()), error_details: None };
        let read = super::failure::failure_from_proto(&error);
        assert_eq!(read, ExecutionFailure::SomaError("new words".to_owned()));
    }
}

#[test]
fn refusals_read_as_a_node_prints_them() {
    let data = TransactionData::new(
        TransactionKind::ClaimRewards { target_id: ObjectId([1; 32]) },
        Address([2; 32]),
        Vec::new(),
    );
    let good = transaction_to_proto(&data);
    let error = |message: &rpc::Transaction| transaction_from_proto(message).map_err(|e| e.to_string()).err();
    assert_eq!(
        error(&rpc::Transaction { sender: None, ..good.clone() }).as_deref(),
        Some("error converting from protobuf: field: sender reason: FIELD_MISSING")
    );
    assert_eq!(
        error(&rpc::Transaction { sender: Some("zz".into()), ..good.clone() }).as_deref(),
        Some(
            "error converting from protobuf: field: sender reason: FIELD_INVALID description: Unable to parse Address (must \
             be hex string of length 32)"
        )
    );
    assert_eq!(
        error(&rpc::Transaction { digest: Some("0OIl".into()), ..good.clone() }).as_deref(),
        Some(
            "error converting from protobuf: field: digest reason: FIELD_INVALID description: Unable to parse Digest (must \
             be Base58 string of length 32)"
        )
    );
    let relative = rpc::Manifest {
        version: Some(rpc::manifest::Version::V1(rpc::ManifestV1 {
            url: Some("not a url".into()),
            metadata: Some(rpc::Metadata {
                version: Some(rpc::metadata::Version::V1(rpc::MetadataV1 {
                    checksum: Some(vec![0; 32]),
                    size: Some(1),
                })),
            }),
        })),
    };
    assert_eq!(
        super::transaction::manifest_from_proto(&relative).map_err(|e| e.to_string()).err().as_deref(),
        Some(
            "error converting from protobuf: field: url reason: FIELD_INVALID description: relative URL without a base"
        )
    );
    // A wrong digest is not looked at, a missing one not missed.
    let unnamed = rpc::Transaction { digest: None, ..good.clone() };
    assert_eq!(transaction_from_proto(&unnamed), Ok(data.clone()));
    let misnamed = rpc::Transaction { digest: Some(Digest([9; 32]).to_string()), ..good };
    assert_eq!(transaction_from_proto(&misnamed), Ok(data));
}
