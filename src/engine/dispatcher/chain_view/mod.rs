//! What the dispatcher knows of the chain: the epoch's state, its registry, the open targets. Pure: it is told, and says what changed.

mod models;
mod target;
#[cfg(test)]
pub(super) mod tests;

use std::collections::{HashMap, HashSet, VecDeque};

pub(super) use self::target::OpenTarget;
use self::target::is_plausible;
use crate::{
    chain::{
        client::{CheckpointInfo, EpochState, TargetInfo},
        types::{TargetStatus, TargetV1},
    },
    engine::{now_ms, watch::Refresh},
    primitives::{Address, ObjectId},
};

/// One list may be of a node that lags. So many in a row that do not name a target let it go; if it comes back, it is open.
const ABSENCES: u32 = 2;

/// Nothing is signed for a target in the last 1/2000 of its epoch (43 s of a day), but for at least a second (a transaction's
/// way to the chain) and at most a tenth of the epoch.
const MARGIN_PART: u64 = 2000;
const MARGIN_LEAST_MS: u64 = 1000;
const MARGIN_MOST_PART: u64 = 10;

/// What a piece of news changed.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub opened: Vec<ObjectId>,
    pub closed: Vec<ObjectId>,
    pub new_epoch: Option<u64>,
    pub models: bool,
    /// Deleted objects that were no open targets of ours to know: perhaps claims.
    pub deleted: Vec<ObjectId>,
    /// The chain has moved to an epoch whose state we have not seen.
    pub stale: bool,
    /// The list did not name something that is open as far as we know.
    pub doubt: bool,
    /// A target is not what we computed of it.
    pub disagreement: Option<ObjectId>,
    /// Who filled targets, ourselves included, and how long these had been open, where we saw it all.
    pub fills: Vec<(Option<Address>, u64)>,
}

#[derive(Debug, Default)]
pub(super) struct ChainView {
    /// Empty until the node has said it.
    pub chain_id: String,
    pub state: Option<EpochState>,
    /// The newest epoch that anything has shown; its state may not be known yet.
    pub newest_epoch: u64,
    pub open: HashMap<ObjectId, OpenTarget>,
    /// Targets that are certainly no longer open: a list that was asked for before must not bring them back. Ids are never
    /// used twice.
    closed: HashSet<ObjectId>,
    closed_in_order: VecDeque<ObjectId>,
    /// The newest checkpoint that the node has shown to have executed.
    pub height: u64,
    /// Chain time less our clock, as the newest checkpoint showed it.
    skew_ms: Option<i64>,
}

/// Closed targets that are remembered: hours of fills at the network's pace.
const CLOSED_KEPT: usize = 20_000;

impl ChainView {
    pub fn epoch(&self) -> Option<u64> {
        self.state.as_ref().map(|state| state.epoch)
    }

    /// Whether so little of the epoch is left that a submission signed now might arrive in the next one, where it fails and
    /// costs the base fee. An epoch that is overdue ends when somebody ends it: that is no reason to wait.
    pub fn is_epoch_ending(&self) -> bool {
        let Some(state) = &self.state else { return false };
        let length = state.parameters.epoch_duration_ms;
        let end = state.epoch_start_ms.saturating_add(length);
        let margin = (length / MARGIN_PART).max(MARGIN_LEAST_MS).min(length / MARGIN_MOST_PART);
        now_ms().saturating_add_signed(self.skew_ms.unwrap_or(0)).abs_diff(end) < margin
    }

    fn close(&mut self, id: ObjectId, changes: &mut Changes) {
        if self.closed.insert(id) {
            self.closed_in_order.push_back(id);
            if self.closed_in_order.len() > CLOSED_KEPT
                && let Some(oldest) = self.closed_in_order.pop_front()
            {
                self.closed.remove(&oldest);
            }
        }
        if self.open.remove(&id).is_some() {
            changes.closed.push(id);
        }
    }

    /// Notes that a target is not open any more, whoever says so.
    pub fn note_closed(&mut self, id: ObjectId) -> Changes {
        let mut changes = Changes::default();
        self.close(id, &mut changes);
        changes
    }

    pub(super) fn open(&mut self, id: ObjectId, target: OpenTarget, changes: &mut Changes) {
        match self.open.get_mut(&id) {
            _ if self.closed.contains(&id) => {}
            None => {
                self.open.insert(id, target);
                changes.opened.push(id);
            }
            Some(held) if held.is_predicted && !target.is_predicted => {
                if held.is_as(&target) {
                    held.is_predicted = false;
                } else {
                    *held = OpenTarget { seen_at_ms: held.seen_at_ms, ..target };
                    changes.disagreement = Some(id);
                    changes.opened.push(id);
                }
            }
            Some(_) => {}
        }
    }

    /// Everything anew, unless a node that lags tells of an epoch that is over. What became known after the asking began
    /// stays.
    pub fn refreshed(&mut self, refresh: Refresh) -> Changes {
        let mut changes = Changes::default();
        self.height = self.height.max(refresh.service.checkpoint_height);
        let epoch = refresh.state.epoch;
        if epoch < self.newest_epoch {
            return changes;
        }
        self.newest_epoch = epoch;
        if self.epoch() != Some(epoch) {
            changes.new_epoch = Some(epoch);
        }
        changes.models = self.state.as_ref().is_none_or(|known| known.models != refresh.state.models);
        self.state = Some(refresh.state);
        // Everything of the epochs before is over.
        let old: Vec<ObjectId> = match changes.new_epoch {
            Some(_) => self.open.iter().filter(|(_, t)| t.epoch < epoch).map(|(id, _)| *id).collect(),
            None => Vec::new(),
        };
        old.into_iter().for_each(|id| self.close(id, &mut changes));
        if changes.new_epoch.is_some() {
            // Clocks may be set anew.
            self.skew_ms = None;
        }
        // A light look does not bring the new epoch's targets.
        changes.stale |= changes.new_epoch.is_some() && refresh.open.is_none();
        if let Some(open) = refresh.open {
            self.listed(epoch, refresh.started_ms, open, &mut changes);
        }
        changes
    }

    fn listed(&mut self, epoch: u64, started_ms: u64, open: Vec<TargetInfo>, changes: &mut Changes) {
        let listed: HashSet<ObjectId> = open.iter().map(|target| target.id).collect();
        self.open.retain(|id, target| {
            if listed.contains(id) {
                target.absences = 0;
            } else if target.seen_at_ms < started_ms {
                target.absences += 1;
            }
            changes.doubt |= target.absences > 0;
            let stays = target.absences < ABSENCES;
            if !stays {
                changes.closed.push(*id);
            }
            stays
        });
        for target in open {
            if target.generation_epoch >= epoch && is_plausible(target.reward_pool, target.generation_epoch, epoch) {
                self.open(target.id, OpenTarget::from(target), changes);
            }
        }
    }

    pub fn checkpoint(&mut self, checkpoint: &CheckpointInfo) -> Changes {
        let mut changes = Changes::default();
        self.height = self.height.max(checkpoint.sequence_number);
        let skew = i128::from(checkpoint.timestamp_ms) - i128::from(now_ms());
        // Delays only lessen it: the greatest is the truest.
        self.skew_ms = self.skew_ms.max(i64::try_from(skew).ok());
        let known = self.epoch().unwrap_or(0);
        let now = checkpoint.epoch.max(self.newest_epoch);
        let plausible = |target: &TargetV1| is_plausible(target.reward_pool, target.generation_epoch, now);
        let targets: Vec<_> = checkpoint.targets.iter().filter(|(_, target)| plausible(target)).collect();
        let newest = targets.iter().map(|(_, target)| target.generation_epoch).max();
        let newest = newest.unwrap_or(known).max(checkpoint.epoch).max(self.newest_epoch);
        if newest > known {
            // Nothing of the old epoch can be filled any more; the new state comes with the next refresh.
            changes.stale = true;
        }
        if newest > self.newest_epoch {
            self.newest_epoch = newest;
            let old: Vec<_> = self.open.iter().filter(|(_, t)| t.epoch < newest).map(|(id, _)| *id).collect();
            old.into_iter().for_each(|id| self.close(id, &mut changes));
        }
        for (id, target) in targets {
            match target.status {
                TargetStatus::Open if target.generation_epoch >= newest => {
                    // A target that does not decode cannot be answered.
                    if let Ok(target) = OpenTarget::try_from(target) {
                        self.open(*id, target, &mut changes);
                    }
                }
                TargetStatus::Filled { .. } => {
                    if let Some(filled) = self.open.get(id).filter(|filled| filled.seen_opening) {
                        changes.fills.push((target.submitter, now_ms().saturating_sub(filled.seen_at_ms)));
                    }
                    self.close(*id, &mut changes);
                }
                _ => self.close(*id, &mut changes),
            }
        }
        for id in &checkpoint.deleted {
            // Most are coins.
            if self.open.contains_key(id) {
                self.close(*id, &mut changes);
            }
            changes.deleted.push(*id);
        }
        changes
    }
}
