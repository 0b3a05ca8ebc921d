//! LedgerService: objects, transactions, checkpoints and epochs as they are stored.

use tonic::{Code, Request, Response, Status};

use super::{
    executed,
    mask::Mask,
    status::{Unparsable, item_error, missing_field, refusal, unparsable},
};
use crate::{
    chain::{
        convert::{object_to_proto, parameters_attributes, system_state_to_proto, timestamp_to_proto},
        proto::soma::rpc::{self as pb, ledger_service_server::LedgerService},
        types::{Digest, ObjectId, SystemParameters, SystemStateV1},
    },
    devnet::{CHAIN, SERVER, ledger::Ledger, node::Node},
};

const OBJECT_MASK: &[&str] = &["object_id", "version", "digest"];
const EPOCH_MASK: &[&str] =
    &["epoch", "committee", "first_checkpoint", "last_checkpoint", "start", "end", "protocol_config.protocol_version"];

pub(in crate::devnet) struct LedgerApi(pub Node);

#[tonic::async_trait]
impl LedgerService for LedgerApi {
    async fn get_service_info(
        &self,
        _request: Request<pb::GetServiceInfoRequest>,
    ) -> Result<Response<pb::GetServiceInfoResponse>, Status> {
        let head = self.0.head();
        let (chain_id, lowest_with_objects) =
            self.0.read(|ledger| (ledger.chain_id(), ledger.lowest_checkpoint_with_objects())).await?;
        Ok(Response::new(pb::GetServiceInfoResponse {
            chain_id: Some(chain_id.to_string()),
            chain: Some(CHAIN.to_owned()),
            epoch: Some(head.epoch),
            checkpoint_height: Some(head.checkpoint),
            timestamp: Some(timestamp_to_proto(head.timestamp_ms)),
            lowest_available_checkpoint: Some(0),
            lowest_available_checkpoint_objects: lowest_with_objects,
            server: Some(SERVER.to_owned()),
        }))
    }

    async fn get_object(
        &self,
        request: Request<pb::GetObjectRequest>,
    ) -> Result<Response<pb::GetObjectResponse>, Status> {
        let mut request = request.into_inner();
        let mask = Mask::of(request.read_mask.take(), OBJECT_MASK).validated("Object")?;
        let wanted = WantedObject::parse(0, &request)?;
        let found = self.0.read(move |ledger| wanted.find(ledger)).await?;
        let object = found.map_err(|missing| refusal(Code::NotFound, missing))?;
        Ok(Response::new(pb::GetObjectResponse { object: Some(mask.apply("Object", object)) }))
    }

    async fn batch_get_objects(
        &self,
        request: Request<pb::BatchGetObjectsRequest>,
    ) -> Result<Response<pb::BatchGetObjectsResponse>, Status> {
        let request = request.into_inner();
        let mask = Mask::of(request.read_mask, OBJECT_MASK).validated("Object")?;
        let wanted: Vec<_> = request
            .requests
            .iter()
            .enumerate()
            .map(|(index, request)| WantedObject::parse(index, request))
            .collect::<Result<_, _>>()?;
        let found = self.0.read(move |ledger| wanted.iter().map(|w| w.find(ledger)).collect::<Vec<_>>()).await?;
        let results = found.into_iter().map(|object| {
            use pb::get_object_result::Result as Item;
            let item = match object {
                Ok(object) => Item::Object(mask.apply("Object", object)),
                Err(missing) => Item::Error(item_error(Code::NotFound, missing)),
            };
            pb::GetObjectResult { result: Some(item) }
        });
        Ok(Response::new(pb::BatchGetObjectsResponse { objects: results.collect() }))
    }

    async fn get_transaction(
        &self,
        request: Request<pb::GetTransactionRequest>,
    ) -> Result<Response<pb::GetTransactionResponse>, Status> {
        let request = request.into_inner();
        let mask = Mask::of(request.read_mask, &["digest"]).validated("ExecutedTransaction")?;
        let text = request.digest.ok_or_else(|| missing_field("digest", "missing digest"))?;
        let digest: Digest = text.parse().map_err(|_| unparsable("digest", "digest", Unparsable::Digest))?;
        let record = self.0.read(move |ledger| ledger.transaction(&digest)).await?;
        let record = record.ok_or_else(|| refusal(Code::NotFound, transaction_missing(&digest)))?;
        let transaction = mask.apply("ExecutedTransaction", executed::stored(&record));
        Ok(Response::new(pb::GetTransactionResponse { transaction: Some(transaction) }))
    }

    async fn batch_get_transactions(
        &self,
        request: Request<pb::BatchGetTransactionsRequest>,
    ) -> Result<Response<pb::BatchGetTransactionsResponse>, Status> {
        let request = request.into_inner();
        let mask = Mask::of(request.read_mask, &["digest"]).validated("ExecutedTransaction")?;
        let digests: Vec<Digest> = request
            .digests
            .iter()
            .enumerate()
            .map(|(index, text)| {
                text.parse().map_err(|_| unparsable(&format!("digests[{index}]"), "digest", Unparsable::Digest))
            })
            .collect::<Result<_, _>>()?;
        let found = self
            .0
            .read(move |ledger| digests.into_iter().map(|d| (d, ledger.transaction(&d))).collect::<Vec<_>>())
            .await?;
        let results = found.into_iter().map(|(digest, record)| {
            use pb::get_transaction_result::Result as Item;
            let item = match record {
                Some(record) => Item::Transaction(mask.apply("ExecutedTransaction", executed::stored(&record))),
                None => Item::Error(item_error(Code::NotFound, transaction_missing(&digest))),
            };
            pb::GetTransactionResult { result: Some(item) }
        });
        Ok(Response::new(pb::BatchGetTransactionsResponse { transactions: results.collect() }))
    }

    async fn get_checkpoint(
        &self,
        request: Request<pb::GetCheckpointRequest>,
    ) -> Result<Response<pb::GetCheckpointResponse>, Status> {
        use pb::get_checkpoint_request::CheckpointId;
        let request = request.into_inner();
        let mask = Mask::of(request.read_mask, &["sequence_number", "digest"]).validated("Checkpoint")?;
        let (name, record) = match request.checkpoint_id {
            None => ("latest".to_owned(), self.0.read(|ledger| ledger.checkpoint(None)).await?),
            Some(CheckpointId::SequenceNumber(number)) => {
                (number.to_string(), self.0.read(move |ledger| ledger.checkpoint(Some(number))).await?)
            }
            Some(CheckpointId::Digest(text)) => {
                let digest: Digest = text.parse().map_err(|_| unparsable("digest", "digest", Unparsable::Digest))?;
                (digest.to_string(), self.0.read(move |ledger| ledger.checkpoint_by_digest(&digest)).await?)
            }
        };
        let record = record.ok_or_else(|| refusal(Code::NotFound, format!("Checkpoint {name} not found")))?;
        let checkpoint = mask.apply("Checkpoint", executed::checkpoint(&record));
        Ok(Response::new(pb::GetCheckpointResponse { checkpoint: Some(checkpoint) }))
    }

    async fn get_epoch(&self, request: Request<pb::GetEpochRequest>) -> Result<Response<pb::GetEpochResponse>, Status> {
        let request = request.into_inner();
        let mask = Mask::of(request.read_mask, EPOCH_MASK).validated("Epoch")?;
        let with_state = mask.selects("system_state");
        let found = self.0.read(move |ledger| epoch(ledger, request.epoch, with_state)).await?;
        let epoch =
            found.map_err(|number| refusal(Code::NotFound, format!("Committee for epoch {number} not found")))?;
        Ok(Response::new(pb::GetEpochResponse { epoch: Some(mask.apply("Epoch", epoch)) }))
    }
}

/// `protocol.md §11`.
const PROTOCOL_EMBEDDING_DIM: u64 = 2048;

fn transaction_missing(digest: &Digest) -> String {
    format!("Transaction {digest} not found")
}

struct WantedObject {
    id: ObjectId,
    version: Option<u64>,
}

impl WantedObject {
    /// `index`: its place in a batch; a single request reports place 0.
    fn parse(index: usize, request: &pb::GetObjectRequest) -> Result<Self, Status> {
        let field = format!("requests[{index}].object_id");
        let text = request.object_id.as_deref().ok_or_else(|| missing_field(&field, ""))?;
        let id = text.parse().map_err(|_| unparsable(&field, "object_id", Unparsable::Address))?;
        Ok(Self { id, version: request.version })
    }

    /// The object, or the text that says which one is missing.
    fn find(&self, ledger: &Ledger) -> Result<pb::Object, String> {
        let id = self.id.to_hex_prefixed();
        match self.version {
            None => ledger
                .object(&self.id)
                .map(|object| object_to_proto(object, false))
                .ok_or_else(|| format!("Object {id} not found")),
            Some(version) => ledger
                .object_at(&self.id, version)
                .map(|object| object_to_proto(&object, false))
                .ok_or_else(|| format!("Object {id} with version {version} not found")),
        }
    }
}

/// An epoch (the running one if `number` is absent), or the number of one that never was.
fn epoch(ledger: &Ledger, number: Option<u64>, with_state: bool) -> Result<pb::Epoch, u64> {
    let live = ledger.system_state();
    let number = number.unwrap_or(live.epoch);
    let record = ledger.epoch(number).ok_or(number)?;
    // The running epoch shows the state as it is, a past one as it began.
    let state = if number == live.epoch { live } else { &record.state_at_start };
    Ok(pb::Epoch {
        epoch: Some(number),
        committee: Some(committee(number, &record.state_at_start)),
        system_state: with_state.then(|| system_state_to_proto(state)),
        first_checkpoint: Some(record.first_checkpoint),
        // A real node leaves it out for finished epochs too (`protocol-corrections.md §1`, on §2.3).
        last_checkpoint: None,
        start: Some(timestamp_to_proto(record.start_ms)),
        end: record.end_ms.map(timestamp_to_proto),
        protocol_config: Some(pb::ProtocolConfig {
            protocol_version: Some(state.protocol_version),
            feature_flags: Default::default(),
            // The protocol's constants: a network of small models has its dimension in the system state only.
            attributes: parameters_attributes(&SystemParameters {
                target_embedding_dim: PROTOCOL_EMBEDDING_DIM,
                ..ledger.genesis_parameters().clone()
            })
            .into_iter()
            .collect(),
        }),
    })
}

fn committee(epoch: u64, state: &SystemStateV1) -> pb::ValidatorCommittee {
    let members = state.validators.validators.iter().map(|validator| {
        let metadata = &validator.metadata;
        pb::ValidatorCommitteeMember {
            authority_key: Some(metadata.protocol_pubkey.0.to_vec()),
            weight: Some(validator.voting_power),
            network_metadata: Some(pb::ValidatorNetworkMetadata {
                consensus_address: Some(metadata.primary_address.clone()),
                hostname: Some(metadata.net_address.clone()),
                protocol_key: Some(metadata.worker_pubkey.0.to_vec()),
                network_key: Some(metadata.network_pubkey.0.to_vec()),
            }),
        }
    });
    pb::ValidatorCommittee { epoch: Some(epoch), members: members.collect() }
}
