//! TransactionExecutionService: from the structural message to the ledger, and its refusals in a node's words.

use std::{sync::Arc, time::Duration};

use tonic::{Code, Request, Response, Status};

use super::{
    executed,
    mask::Mask,
    status::{invalid_field, missing_field, refusal},
};
use crate::{
    chain::{
        convert::{FieldError, signature_from_proto, transaction_from_proto},
        proto::soma::rpc::{self as pb, transaction_execution_service_server::TransactionExecutionService},
        types::{SignedTransaction, TransactionData},
    },
    devnet::{
        ledger::{Rejection, TransactionRecord},
        node::{Node, NodeError},
    },
    primitives::now_ms,
};

/// A real node tries again for 90 s what may still become valid (an object that is on its way), then gives up. Nothing is on
/// its way for long inside one process.
const RETRIES: [Duration; 3] = [Duration::from_millis(50), Duration::from_millis(150), Duration::from_millis(300)];

pub(in crate::devnet) struct ExecutionApi {
    pub node: Node,
    /// How the one validator shows in the texts: `k#` and the first four bytes of its key.
    pub validator: String,
}

#[tonic::async_trait]
impl TransactionExecutionService for ExecutionApi {
    async fn execute_transaction(
        &self,
        request: Request<pb::ExecuteTransactionRequest>,
    ) -> Result<Response<pb::ExecuteTransactionResponse>, Status> {
        let request = request.into_inner();
        let data = read_transaction(request.transaction.as_ref())?;
        let mut signatures = Vec::new();
        for (index, signature) in request.signatures.iter().enumerate() {
            let parsed = signature_from_proto(signature)
                .map_err(|e| invalid_field(&format!("signatures[{index}]"), &format!("invalid signature: {e}")))?;
            signatures.push(parsed);
        }
        let mask =
            Mask::of(request.read_mask, &["effects"]).validated("ExecutedTransaction")?.without_whole(&["objects"]);
        let signature = match <[_; 1]>::try_from(signatures) {
            Ok([signature]) => signature,
            Err(signatures) => {
                let text = format!("Invalid user signature: Expect 1 signer signatures but got {}", signatures.len());
                return Err(refusal(Code::InvalidArgument, text));
            }
        };
        let record = self.execute(SignedTransaction { data, signature }).await?;
        let transaction = mask.apply("ExecutedTransaction", executed::executed(&record));
        Ok(Response::new(pb::ExecuteTransactionResponse { transaction: Some(transaction) }))
    }

    async fn simulate_transaction(
        &self,
        request: Request<pb::SimulateTransactionRequest>,
    ) -> Result<Response<pb::SimulateTransactionResponse>, Status> {
        let request = request.into_inner();
        let data = read_transaction(request.transaction.as_ref())?;
        // Not validated: a real node answers unknown paths with nothing.
        let mask = Mask::of(request.read_mask, &["*"]).without_whole(&["transaction", "objects"]);
        let record = self.node.read(move |ledger| ledger.simulate(&data, now_ms())).await?;
        let record = record.map_err(|rejection| rejected(&rejection, &self.validator, 1))?;
        let response = pb::SimulateTransactionResponse { transaction: Some(executed::simulated(&record)) };
        Ok(Response::new(mask.apply("SimulateTransactionResponse", response)))
    }
}

impl ExecutionApi {
    async fn execute(&self, transaction: SignedTransaction) -> Result<Arc<TransactionRecord>, Status> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            match (self.node.execute(transaction.clone()).await, RETRIES.get(attempts - 1)) {
                (Ok(record), _) => return Ok(record),
                (Err(NodeError::Rejected(Rejection::Retriable(_))), Some(wait)) => tokio::time::sleep(*wait).await,
                (Err(NodeError::Rejected(rejection)), _) => {
                    return Err(rejected(&rejection, &self.validator, attempts));
                }
                (Err(error), _) => return Err(error.into()),
            }
        }
    }
}

/// A rejection in a node's words (`protocol-corrections.md §1`, on §2.6).
fn rejected(rejection: &Rejection, validator: &str, attempts: usize) -> Status {
    let by_validators = |text: &str| format!("[{text} {{ {validator} }} with 10000 stake].");
    match rejection {
        Rejection::InvalidSignature(_) | Rejection::Invalid(_) | Rejection::Stale(..) => {
            refusal(Code::InvalidArgument, rejection.to_string())
        }
        Rejection::Locked(..) => refusal(
            Code::FailedPrecondition,
            format!(
                "Transaction is rejected as invalid by more than 1/3 of validators by stake (non-retriable). \
                 Non-retriable errors: {}",
                by_validators(&rejection.to_string())
            ),
        ),
        // What never came back from consensus has no inner error to wrap.
        Rejection::Retriable(text) if text.starts_with("timed-out") => refusal(Code::Unavailable, text.as_str()),
        Rejection::Retriable(text) => refusal(
            Code::Unavailable,
            format!(
                "Transaction timed out before finality could be reached. Attempts: {attempts} & timeout: 90s. Last \
                 error: Transaction processing aborted (retriable with another submission). Retriable errors: {}",
                by_validators(text)
            ),
        ),
    }
}

/// The BCS form of a structural transaction, whose own digest field is ignored.
fn read_transaction(transaction: Option<&pb::Transaction>) -> Result<TransactionData, Status> {
    let transaction = transaction.ok_or_else(|| missing_field("transaction", ""))?;
    transaction_from_proto(transaction).map_err(|error: FieldError| match error.field {
        // The one conversion that a real node makes too late to call it the client's fault.
        "checksum" => {
            refusal(Code::Internal, "Invalid size: Invalid checksum: Invalid value was given to the function")
        }
        _ => invalid_field("transaction", &format!("invalid transaction: {error}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::types::{Digest, ObjectId, ObjectRef};

    fn refused(rejection: Rejection) -> (Code, String) {
        let status = rejected(&rejection, "k#8c66dc2c..", 14);
        (status.code(), status.message().to_owned())
    }

    fn reference() -> ObjectRef {
        ObjectRef { id: ObjectId([0x61; 32]), version: 11, digest: Digest([0; 32]) }
    }

    /// What the reference above prints as.
    fn object() -> String {
        format!("Object (0x{}, Version(11), o#{})", "61".repeat(32), "1".repeat(32))
    }

    // The texts of node-capture.json, `Admission/…` and `Lock/…`.

    #[test]
    fn a_stale_object_is_named_with_its_current_version() {
        let text = format!("{} is not available for consumption, its current version: Version(71)", object());
        assert_eq!(refused(Rejection::Stale(reference(), 71)), (Code::InvalidArgument, text));
    }

    #[test]
    fn a_lock_conflict_comes_wrapped_and_names_the_holder() {
        let text = format!(
            "Transaction is rejected as invalid by more than 1/3 of validators by stake (non-retriable). Non-retriable \
             errors: [{} already locked by a different transaction: TransactionDigest({}) {{ k#8c66dc2c.. }} with 10000 \
             stake].",
            object(),
            "1".repeat(32)
        );
        assert_eq!(refused(Rejection::Locked(reference(), Digest([0; 32]))), (Code::FailedPrecondition, text));
    }

    #[test]
    fn what_may_still_become_valid_is_unavailable() {
        let text = "Transaction timed out before finality could be reached. Attempts: 14 & timeout: 90s. Last error: \
                    Transaction processing aborted (retriable with another submission). Retriable errors: [Gas payment \
                    error No gas payment provided { k#8c66dc2c.. } with 10000 stake].";
        assert_eq!(
            refused(Rejection::Retriable("Gas payment error No gas payment provided".to_owned())),
            (Code::Unavailable, text.to_owned())
        );
    }

    #[test]
    fn a_transaction_without_sender_is_refused_before_the_ledger_sees_it() {
        let Err(status) = read_transaction(None) else { panic!("accepted") };
        assert_eq!((status.code(), status.message()), (Code::InvalidArgument, ""));
    }
}
