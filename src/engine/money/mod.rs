//! The money path's executors: what to build, how to read what came back, and the limits of automatic approval.
//!
//! Knows the chain's client and types, the object store and confirmed hits; never the journal. Holds no state but
//! the purse's: the dispatcher journals every signed byte before it calls [`send`], and books what [`Verdict`] says.

mod build;
mod payment;
mod policy;
mod purse;
mod settle;

use crate::chain::types::TransactionEffectsV1;

pub(super) use build::{
    NotBuilt, SplitPlan, Wallet, prepare_claim, prepare_submit, sign_merge, sign_split, submit_needs, upload,
};
pub(super) use payment::{Found, Payment, find_payment};
pub(super) use policy::{Claimant, Costs, Worth};
pub(super) use purse::{CoinTrouble, Purse, Short, Ticket, Want};
pub(super) use settle::{Closing, Flight, Verdict, change_for, resend, send};

use super::Policy;
use crate::{
    chain::types::{ExecutionFailure, ExecutionStatus},
    primitives::Shannons,
};

/// Ten times all shannons that there are: no true amount is larger, and sums of many still fit the journal.
pub(super) const MOST: Shannons = Shannons(100_000_000_000_000_000);

/// Why an executed transaction failed, if it did.
pub(super) fn failure(effects: &TransactionEffectsV1) -> Option<&ExecutionFailure> {
    match &effects.status {
        ExecutionStatus::Success => None,
        ExecutionStatus::Failure { error } => Some(error),
    }
}

/// The target was filled, expired or claimed before our transaction was sequenced.
pub(super) fn is_lost_race(error: &ExecutionFailure) -> bool {
    matches!(
        error,
        ExecutionFailure::TargetNotOpen | ExecutionFailure::TargetExpired { .. } | ExecutionFailure::InputObjectDeleted
    )
}
