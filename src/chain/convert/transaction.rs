//! Transactions.
use super::FieldError;
use crate::chain::{proto::soma::rpc, types::*};

pub fn transaction_to_proto(_data: &TransactionData) -> rpc::Transaction {
    unimplemented!()
}
pub fn transaction_from_proto(_transaction: &rpc::Transaction) -> Result<TransactionData, FieldError> {
    unimplemented!()
}
