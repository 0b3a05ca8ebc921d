//! An account of the network itself: signs and executes one transaction after the other.

use std::sync::Arc;

use super::{
    ledger::TransactionRecord,
    node::{Node, NodeError},
};
use crate::chain::{
    keys::Keypair,
    types::{ExecutionFailure, ExecutionStatus, ObjectRef, ObjectType, TransactionData, TransactionKind},
};

/// Coins that one transaction of a tidy account merges at most.
const MERGED_COINS: usize = 32;

pub(super) struct Account {
    node: Node,
    keypair: Keypair,
    is_tidy: bool,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum AccountError {
    #[error("account {0} has no coin")]
    NoCoin(crate::primitives::Address),
    #[error(transparent)]
    Node(#[from] NodeError),
    #[error("the transaction failed: {0:?}")]
    Failed(ExecutionFailure),
}

impl Account {
    pub fn new(node: Node, keypair: Keypair) -> Self {
        Self { node, keypair, is_tidy: false }
    }

    /// Pays with several coins at once, which leaves one of them: who is paid often keeps a short purse.
    pub fn tidy(self) -> Self {
        Self { is_tidy: true, ..self }
    }

    /// Signs and executes what `kind` makes of the richest coin, which also pays. A failed execution is an error.
    ///
    /// One call at a time: two would take the same coin.
    pub async fn send(
        &self,
        kind: impl FnOnce(ObjectRef) -> TransactionKind,
    ) -> Result<Arc<TransactionRecord>, AccountError> {
        let owner = self.keypair.address();
        let count = if self.is_tidy { MERGED_COINS } else { 1 };
        // Coins come in ascending order of balance.
        let richest = self.node.read(move |ledger| {
            let owned = ledger.owned(&owner);
            let coins = owned.iter().rev().filter(|object| object.object_type == ObjectType::Coin);
            coins.take(count).map(|coin| coin.reference()).collect::<Vec<_>>()
        });
        let coins = richest.await?;
        let coin = *coins.first().ok_or(AccountError::NoCoin(owner))?;
        let data = TransactionData::new(kind(coin), owner, coins);
        let record = self.node.execute(self.keypair.sign(data)).await?;
        match &record.effects.v1().status {
            ExecutionStatus::Success => Ok(record),
            ExecutionStatus::Failure { error } => Err(AccountError::Failed(error.clone())),
        }
    }
}
