//! Which objects a transaction uses (`protocol.md §4.5`).

use std::collections::BTreeSet;

use super::{ObjectId, ObjectRef, ObjectType, SubmitData, TransactionData, TransactionKind};

/// Largest transaction that consensus takes, in bytes of BCS.
pub const MAX_TRANSACTION_BYTES: usize = 262_144;

/// What a kind uses besides gas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KindInputs {
    /// Objects of the sender, at exactly these versions, with the type that each must have; `None`: any.
    pub owned: Vec<(ObjectRef, Option<ObjectType>)>,
    /// The system state and, behind it, the target.
    pub shared: Vec<ObjectId>,
}

impl KindInputs {
    /// True if an object is named twice.
    pub fn repeat(&self) -> bool {
        let ids = self.owned.iter().map(|(reference, _)| reference.id).chain(self.shared.iter().copied());
        ids.collect::<BTreeSet<_>>().len() != self.owned.len() + self.shared.len()
    }
}

impl TransactionKind {
    /// `None`: a system transaction, which no user sends.
    pub fn inputs(&self) -> Option<KindInputs> {
        const STATE: ObjectId = ObjectId::SYSTEM_STATE;
        let coin = |reference: &ObjectRef| (*reference, Some(ObjectType::Coin));
        let (owned, shared) = match self {
            Self::Genesis { .. } | Self::ConsensusCommitPrologueV1 { .. } | Self::ChangeEpoch { .. } => return None,
            Self::TransferCoin { coin: reference, .. } => (vec![coin(reference)], vec![]),
            Self::PayCoins { coins, .. } => (coins.iter().map(coin).collect(), vec![]),
            Self::TransferObjects { objects, .. } => {
                (objects.iter().map(|reference| (*reference, None)).collect(), vec![])
            }
            Self::AddStake { coin_ref, .. } | Self::AddStakeToModel { coin_ref, .. } => {
                (vec![coin(coin_ref)], vec![STATE])
            }
            Self::WithdrawStake { staked_soma } => (vec![(*staked_soma, Some(ObjectType::StakedSoma))], vec![STATE]),
            Self::SubmitData(SubmitData { bond_coin, target_id, .. }) => {
                (vec![coin(bond_coin)], vec![STATE, *target_id])
            }
            Self::ClaimRewards { target_id }
            | Self::ReportSubmission { target_id }
            | Self::UndoReportSubmission { target_id } => (vec![], vec![STATE, *target_id]),
            Self::AddValidator { .. }
            | Self::RemoveValidator { .. }
            | Self::ReportValidator { .. }
            | Self::UndoReportValidator { .. }
            | Self::UpdateValidatorMetadata { .. }
            | Self::SetCommissionRate { .. }
            | Self::CreateModel { .. }
            | Self::CommitModel { .. }
            | Self::RevealModel { .. }
            | Self::SetModelCommissionRate { .. }
            | Self::DeactivateModel { .. }
            | Self::ReportModel { .. }
            | Self::UndoReportModel { .. } => (vec![], vec![STATE]),
        };
        Some(KindInputs { owned, shared })
    }

    /// The target that it is about.
    pub fn target_id(&self) -> Option<ObjectId> {
        match self {
            Self::SubmitData(SubmitData { target_id, .. })
            | Self::ClaimRewards { target_id }
            | Self::ReportSubmission { target_id }
            | Self::UndoReportSubmission { target_id } => Some(*target_id),
            _ => None,
        }
    }
}

impl TransactionData {
    /// The gas coins that the kind does not name too: a coin named in both counts at the kind's version, whatever the payment
    /// says (`protocol-corrections.md §2`).
    pub fn only_gas<'a>(&'a self, inputs: &'a KindInputs) -> impl Iterator<Item = &'a ObjectRef> {
        self.gas_payment().iter().filter(|gas| !inputs.owned.iter().any(|(owned, _)| owned.id == gas.id))
    }
}
