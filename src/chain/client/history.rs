//! What a node still knows of the past: transactions with sender and kind, and objects at older versions.

use tonic::Code;

use super::{Client, ClientError, Executed, OBJECT_MASK, execution::executed, mask, present, transport::within};
use crate::chain::{
    convert,
    proto::soma::rpc,
    types::{Address, Digest, Object, ObjectId, TransactionKind},
};

/// An executed transaction as a node remembers it.
#[derive(Clone, Debug, PartialEq)]
pub struct PastTransaction {
    pub digest: Digest,
    pub sender: Option<Address>,
    /// `None`: one that this program has no use for, or does not understand.
    pub kind: Option<TransactionKind>,
    pub executed: Executed,
    pub checkpoint: Option<u64>,
    pub timestamp_ms: Option<u64>,
}

/// Each of these is safe; the whole `transaction` is not (`protocol-corrections.md §0`).
const PAST_MASK: &[&str] =
    &["digest", "effects", "balance_changes", "checkpoint", "timestamp", "transaction.kind", "transaction.sender"];

impl Client {
    /// `None`: this node does not know it, or not any more.
    pub async fn past_transaction(&self, digest: Digest) -> Result<Option<PastTransaction>, ClientError> {
        let request = rpc::GetTransactionRequest { digest: Some(digest.to_string()), read_mask: mask(PAST_MASK) };
        let answer = match within(self.timeout, self.ledger().get_transaction(request)).await {
            Ok(answer) => present("transaction", answer.transaction)?,
            Err(status) if status.code() == Code::NotFound => return Ok(None),
            Err(status) => return Err(status.into()),
        };
        // Gas and digest were not asked for, so this is not what was signed: only kind and sender may be read from it.
        let data = answer.transaction.as_ref().and_then(|transaction| {
            let kind_and_sender = rpc::Transaction {
                digest: None,
                gas_payment: Vec::new(),
                kind: transaction.kind.clone(),
                sender: transaction.sender.clone(),
            };
            convert::transaction_from_proto(&kind_and_sender).ok()
        });
        let sender = answer.transaction.as_ref().and_then(|transaction| transaction.sender.as_deref()?.parse().ok());
        let timestamp = answer.timestamp.as_ref().map(|at| convert::timestamp_ms("timestamp", at)).transpose()?;
        Ok(Some(PastTransaction {
            digest,
            sender,
            kind: data.map(|data| data.kind().clone()),
            executed: executed(&answer, digest)?,
            checkpoint: answer.checkpoint,
            timestamp_ms: timestamp,
        }))
    }

    /// The object as it was at a version; `None`: never, or no longer known.
    pub async fn object_at(&self, id: ObjectId, version: u64) -> Result<Option<Object>, ClientError> {
        let request = rpc::GetObjectRequest {
            object_id: Some(id.to_hex_prefixed()),
            version: Some(version),
            read_mask: mask(OBJECT_MASK),
        };
        let answer = match within(self.timeout, self.ledger().get_object(request)).await {
            Ok(answer) => answer,
            Err(status) if status.code() == Code::NotFound => return Ok(None),
            Err(status) => return Err(status.into()),
        };
        let object = convert::object_from_proto(&present("object", answer.object)?)?;
        if object.id() != id || object.version != version {
            let (found, at) = (object.id(), object.version);
            return Err(ClientError::Malformed(format!("asked for object {id} at {version}, got {found} at {at}")));
        }
        Ok(Some(object))
    }
}
