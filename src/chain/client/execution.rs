//! Sending a transaction and learning what became of it.

use std::time::Duration;

use tonic::{Code, Status};

use super::{
    Client, ClientError, Executed, Execution, checks, mask, number, present,
    transport::{MAX_MESSAGE_BYTES, never_sent, within},
};
use crate::chain::{
    convert,
    proto::soma::rpc::{self, transaction_execution_service_client::TransactionExecutionServiceClient},
    types::{Digest, SignedTransaction},
};

/// A node itself gives up after 90 s and says so (`protocol-corrections.md §1`, on §2.6): wait for its answer.
pub(super) const EXECUTE_TIMEOUT: Duration = Duration::from_secs(100);

impl Client {
    /// Sends once, never again by itself. What cannot be expressed on the wire, or would harm the node, is refused here.
    pub async fn execute(&self, transaction: &SignedTransaction) -> Execution {
        self.execute_within(EXECUTE_TIMEOUT, transaction).await
    }

    pub(super) async fn execute_within(&self, limit: Duration, transaction: &SignedTransaction) -> Execution {
        let request = match execute_request(transaction) {
            Ok(request) => request,
            Err(message) => return Execution::Refused(ClientError::Refused { code: "NOT_SENT", message }),
        };
        let mut service =
            TransactionExecutionServiceClient::new(self.node.channel()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        match within(limit, service.execute_transaction(request)).await {
            Err(status) => refused_or_unknown(status),
            Ok(answer) => {
                let read = present("transaction", answer.transaction)
                    .and_then(|transaction_| executed(&transaction_, transaction.digest()));
                // It was sent and answered: whatever the answer looks like, it may have been executed.
                read.map_or_else(Execution::Unknown, |executed| Execution::Executed(Box::new(executed)))
            }
        }
    }

    /// The effects of an executed transaction; `None`: this node knows of none.
    pub async fn transaction(&self, digest: Digest) -> Result<Option<Executed>, ClientError> {
        let request = rpc::GetTransactionRequest {
            digest: Some(digest.to_string()),
            read_mask: mask(&["digest", "effects", "balance_changes", "checkpoint", "timestamp"]),
        };
        match within(self.timeout, self.ledger().get_transaction(request)).await {
            Ok(answer) => executed(&present("transaction", answer.transaction)?, digest).map(Some),
            Err(status) if status.code() == Code::NotFound => Ok(None),
            Err(status) => Err(status.into()),
        }
    }
}

/// The request, if nothing is wrong with the transaction and the node can rebuild exactly what was signed from it
/// (`protocol.md §4.3`).
fn execute_request(transaction: &SignedTransaction) -> Result<rpc::ExecuteTransactionRequest, String> {
    checks::sound(&transaction.data)?;
    let message = convert::transaction_to_proto(&transaction.data);
    let signature = convert::signature_to_proto(&transaction.signature);
    let rebuilt = convert::transaction_from_proto(&message).map_err(|cause| cause.to_string())?;
    let resigned = convert::signature_from_proto(&signature).map_err(|cause| cause.to_string())?;
    if rebuilt != transaction.data || resigned != transaction.signature {
        return Err("the signed bytes cannot be rebuilt from the request: is the URL normalised?".to_owned());
    }
    Ok(rpc::ExecuteTransactionRequest {
        transaction: Some(message),
        signatures: vec![signature],
        read_mask: mask(&["effects", "balance_changes"]),
    })
}

/// Only what the node refused by name, or what never left this process, is certain.
fn refused_or_unknown(status: Status) -> Execution {
    let certain = never_sent(&status) || matches!(status.code(), Code::InvalidArgument | Code::FailedPrecondition);
    let error = ClientError::from(status);
    if certain { Execution::Refused(error) } else { Execution::Unknown(error) }
}

/// The effects, if they are those of `digest`.
pub(super) fn executed(transaction: &rpc::ExecutedTransaction, digest: Digest) -> Result<Executed, ClientError> {
    let effects = convert::effects_from_proto(
        transaction
            .effects
            .as_ref()
            .ok_or_else(|| ClientError::Malformed("an executed transaction without effects".to_owned()))?,
    )?;
    // The effects' digest and the outer one: a nested `transaction.digest` would be wrong (`protocol-corrections.md §1`).
    let outer = transaction.digest.as_deref().map(str::parse::<Digest>);
    if effects.transaction_digest != digest || outer.is_some_and(|outer| outer != Ok(digest)) {
        return Err(ClientError::Malformed(format!(
            "asked for transaction {digest}, got the effects of {}",
            effects.transaction_digest
        )));
    }
    number("total_fee", Some(effects.fee.total_fee))?;
    let balance_changes =
        transaction.balance_changes.iter().map(convert::balance_change_from_proto).collect::<Result<_, _>>()?;
    Ok(Executed { effects, balance_changes })
}
