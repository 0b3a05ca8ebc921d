//! What can be claimed, for how much, and at what cost.

use super::{Desk, DeskError};
use crate::{
    chain::{
        client::ClaimableTarget,
        fees, rewards,
        types::{SystemParameters, TargetStatus, TargetV1},
    },
    primitives::{Address, ObjectId, Shannons},
};

/// Whose targets are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    Ours,
    /// Filled by others, and expired ones: they pay the finder's fee.
    Others,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimableKind {
    Ours,
    /// Filled by somebody else.
    Others,
    /// Nobody filled it.
    Expired,
}

impl ClaimableKind {
    pub fn word(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Others => "others",
            Self::Expired => "expired",
        }
    }
}

/// A target that can be claimed now, with the exact costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimable {
    pub target: ObjectId,
    pub kind: ClaimableKind,
    /// Of its generation.
    pub epoch: u64,
    pub reward_pool: Shannons,
    /// Comes back; only for ours.
    pub bond: Shannons,
    /// What comes in, before the fee.
    pub gain: Shannons,
    pub fee: Shannons,
    /// Validators that have reported its data; known only after a closer look.
    pub reports: usize,
}

impl Claimable {
    /// The gain exceeds the cost.
    pub fn pays(&self) -> bool {
        self.gain > self.fee
    }

    pub(super) fn what(&self) -> String {
        let whose = match self.kind {
            ClaimableKind::Ours => "our target",
            ClaimableKind::Others => "somebody else's target",
            ClaimableKind::Expired => "expired target",
        };
        format!("claim {whose} {}", self.target.short())
    }
}

/// Everything of a claim but who may send it: anybody may (`protocol.md §7.7`).
struct Facts {
    target: ObjectId,
    epoch: u64,
    filled: bool,
    ours: bool,
    reward_pool: Shannons,
    bond: Shannons,
    reports: usize,
}

fn worth(parameters: &SystemParameters, facts: Facts) -> Claimable {
    let Facts { target, epoch, filled, ours, reward_pool, bond, reports } = facts;
    let split = rewards::claim_split(parameters, reward_pool);
    let count = |amounts: &[Shannons]| amounts.iter().filter(|amount| **amount > Shannons::ZERO).count() as u64;
    let shared = count(&[split.submitter, split.model_owner, split.claimer, bond]);
    let coins = match filled {
        false => count(&[split.claimer]),
        // Either the shares, or the reporters' parts of the bond: whichever costs more.
        true => shared.max(count(&[split.claimer]).saturating_add(reports as u64)),
    };
    let kind = match (filled, ours) {
        (false, _) => ClaimableKind::Expired,
        (true, true) => ClaimableKind::Ours,
        (true, false) => ClaimableKind::Others,
    };
    let mine = kind == ClaimableKind::Ours;
    Claimable {
        target,
        kind,
        epoch,
        reward_pool,
        bond: if mine { bond } else { Shannons::ZERO },
        gain: if mine { split.submitter.saturating_add(split.claimer) } else { split.claimer },
        fee: fees::claim_creating(parameters, reward_pool, coins),
        reports,
    }
}

/// What the claim of a target would bring and cost; an error if it cannot be claimed in this epoch.
pub(super) fn appraise(
    parameters: &SystemParameters,
    id: ObjectId,
    target: &TargetV1,
    address: Address,
    epoch: u64,
) -> Result<Claimable, DeskError> {
    let from = match target.status {
        TargetStatus::Open => target.generation_epoch.saturating_add(1),
        TargetStatus::Filled { fill_epoch } => fill_epoch.saturating_add(2),
        TargetStatus::Claimed => return Err(DeskError::NoTarget(id)),
    };
    if epoch < from {
        return Err(DeskError::TooEarly { target: id, from, epoch });
    }
    let facts = Facts {
        target: id,
        epoch: target.generation_epoch,
        filled: target.status != TargetStatus::Open,
        ours: target.submitter == Some(address),
        reward_pool: Shannons(target.reward_pool),
        bond: Shannons(target.bond_amount),
        reports: target.submission_reports.len(),
    };
    Ok(worth(parameters, facts))
}

impl Desk {
    /// What the claim of one target would bring and cost now; an error if it cannot be claimed in this epoch.
    pub async fn appraise(&self, target: ObjectId) -> Result<Claimable, DeskError> {
        let client = &self.wallet.client;
        let (state, object) = tokio::try_join!(client.epoch_state(), client.target(target))?;
        appraise(&state.parameters, target, &object.ok_or(DeskError::NoTarget(target))?, self.address, state.epoch)
    }

    /// Whether a target is no longer on the chain.
    pub async fn is_gone(&self, target: ObjectId) -> Result<bool, DeskError> {
        Ok(self.wallet.client.target(target).await?.is_none())
    }

    /// Targets that can be claimed now, best gain first; of others' at most `limit`.
    pub async fn claimable(&self, whose: Whose, limit: usize) -> Result<Vec<Claimable>, DeskError> {
        let state = self.state().await?;
        let found = match whose {
            Whose::Ours => self.wallet.client.filled_by(self.address).await?,
            Whose::Others => self.wallet.client.claimable(limit).await?,
        };
        let ripe = |target: &ClaimableTarget| match target.submitter {
            Some(_) => target.generation_epoch.saturating_add(2) <= state.epoch,
            None => target.generation_epoch < state.epoch,
        };
        let wanted = |target: &ClaimableTarget| (target.submitter == Some(self.address)) == (whose == Whose::Ours);
        let mut claims: Vec<Claimable> = found
            .iter()
            .filter(|target| ripe(target) && wanted(target))
            .map(|target| {
                let facts = Facts {
                    target: target.id,
                    epoch: target.generation_epoch,
                    filled: target.submitter.is_some(),
                    ours: target.submitter == Some(self.address),
                    reward_pool: Shannons(target.reward_pool),
                    bond: Shannons(target.bond_amount),
                    reports: 0,
                };
                worth(&state.parameters, facts)
            })
            .collect();
        claims.sort_by_key(|claim| (std::cmp::Reverse(claim.gain.saturating_sub(claim.fee)), claim.target));
        Ok(claims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::types::SomaTensor;

    fn target(status: TargetStatus, submitter: Option<Address>, bond: u64) -> TargetV1 {
        TargetV1 {
            embedding: SomaTensor::vector(&[1.0]),
            model_ids: vec![],
            distance_threshold: SomaTensor::scalar(1.0),
            reward_pool: 12_685_185,
            generation_epoch: 5,
            status,
            submitter,
            winning_model_id: None,
            winning_model_owner: None,
            bond_amount: bond,
            winning_data_manifest: None,
            winning_embedding: None,
            winning_distance_score: None,
            winning_loss_score: None,
            submission_reports: Default::default(),
        }
    }

    fn appraised(target: &TargetV1, epoch: u64, bps: u64) -> Result<Claimable, DeskError> {
        let parameters = SystemParameters { value_fee_bps: bps, ..crate::chain::fixtures::parameters() };
        appraise(&parameters, ObjectId([9; 32]), target, Address([1; 32]), epoch)
    }

    /// The amounts and fees seen on a node (`protocol-corrections.md §2 and §3`).
    #[test]
    fn a_claim_is_worth_and_costs_what_the_network_pays_and_charges() {
        let filled = TargetStatus::Filled { fill_epoch: 5 };
        let ours = appraised(&target(filled, Some(Address([1; 32])), 134_615), 7, 7).unwrap();
        assert_eq!((ours.kind, ours.gain, ours.bond), (ClaimableKind::Ours, Shannons(6_374_306), Shannons(134_615)));
        assert_eq!(ours.fee, Shannons(2800 + 3805));
        let others = appraised(&target(filled, Some(Address([2; 32])), 134_615), 7, 7).unwrap();
        assert_eq!((others.gain, others.bond, others.fee), (Shannons(63_425), Shannons::ZERO, Shannons(2800 + 3805)));
        let expired = appraised(&target(TargetStatus::Open, None, 0), 6, 7).unwrap();
        assert_eq!(
            (expired.kind, expired.gain, expired.fee),
            (ClaimableKind::Expired, Shannons(63_425), Shannons(5705))
        );
        assert!(expired.pays());
        // Without a bond there is no coin for it.
        let bare = appraised(&target(filled, Some(Address([2; 32])), 0), 7, 7).unwrap();
        assert_eq!(bare.fee, Shannons(2500 + 3805));
    }

    #[test]
    fn what_is_audited_or_still_open_is_too_early_and_says_from_when() {
        let filled = target(TargetStatus::Filled { fill_epoch: 5 }, Some(Address([1; 32])), 1);
        assert!(matches!(appraised(&filled, 6, 7), Err(DeskError::TooEarly { from: 7, epoch: 6, .. })));
        let open = target(TargetStatus::Open, None, 0);
        assert!(matches!(appraised(&open, 5, 7), Err(DeskError::TooEarly { from: 6, epoch: 5, .. })));
    }

    #[test]
    fn a_finders_fee_that_does_not_cover_its_cost_does_not_pay() {
        let mut small = target(TargetStatus::Open, None, 0);
        small.reward_pool = 380_000;
        // 0.5 % of it is 1,900, which is the cost without the value fee.
        assert!(!appraised(&small, 6, 7).unwrap().pays());
    }
}
