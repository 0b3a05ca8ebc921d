//! What the dispatcher knows of the chain: the epoch's state, the open targets, the wallet's coins.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use crate::{
    chain::{
        client::{ActiveModelInfo, CheckpointInfo, EpochState, TargetInfo},
        types::{TargetStatus, TargetV1},
    },
    engine::{matching::TargetSpec, now_ms, watch::Refresh},
    primitives::{Digest, ObjectId, Shannons},
};

/// An open target.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct OpenTarget {
    pub embedding: Arc<[f32]>,
    pub models: Vec<ObjectId>,
    pub threshold: f32,
    pub reward: Shannons,
    pub epoch: u64,
    pub seen_at_ms: u64,
    /// Lists in a row that did not name it.
    absences: u32,
}

/// One list may be of a node that lags. So many in a row that do not name a target let it go; if it comes back, it is open.
const ABSENCES: u32 = 2;

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
}

#[derive(Debug, Default)]
pub(super) struct ChainView {
    /// Empty until the node has said it.
    pub chain_id: String,
    pub state: Option<EpochState>,
    /// The newest epoch that anything has shown; its state may not be known yet.
    pub newest_epoch: u64,
    pub open: HashMap<ObjectId, OpenTarget>,
    /// Targets of this epoch that are certainly no longer open: a refresh that began before must not bring them back.
    closed: HashSet<ObjectId>,
    pub balance: Shannons,
    pub coins: u64,
    /// The newest checkpoint that the node has shown to have executed.
    pub height: u64,
    pub last_heard_ms: Option<u64>,
    pub trouble: Option<String>,
}

impl ChainView {
    pub fn epoch(&self) -> Option<u64> {
        self.state.as_ref().map(|state| state.epoch)
    }

    pub fn model(&self, id: &ObjectId) -> Option<&ActiveModelInfo> {
        self.state.as_ref()?.models.iter().find(|model| model.id == *id)
    }

    pub fn weights(&self, id: &ObjectId) -> Option<Digest> {
        self.model(id).map(|model| model.checksum)
    }

    pub fn spec(&self, id: &ObjectId) -> Option<TargetSpec> {
        let target = self.open.get(id)?;
        Some(TargetSpec {
            id: *id,
            embedding: target.embedding.clone(),
            threshold: target.threshold,
            models: target.models.iter().map(|model| (*model, self.weights(model))).collect(),
        })
    }

    fn close(&mut self, id: ObjectId, changes: &mut Changes) {
        self.closed.insert(id);
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

    fn open(&mut self, id: ObjectId, target: OpenTarget, changes: &mut Changes) {
        if !self.closed.contains(&id) && !self.open.contains_key(&id) {
            self.open.insert(id, target);
            changes.opened.push(id);
        }
    }

    /// Everything anew, unless a node that lags tells of an epoch that is over. What became known after the asking began
    /// stays.
    pub fn refreshed(&mut self, refresh: Refresh) -> Changes {
        let mut changes = Changes::default();
        self.last_heard_ms = Some(now_ms());
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
        if let Some(coins) = refresh.coins {
            self.coins = coins.len() as u64;
            self.balance = coins.iter().map(|coin| Shannons(coin.balance)).sum();
        }
        let listed: HashSet<ObjectId> = refresh.open.iter().map(|target| target.id).collect();
        self.open.retain(|id, target| {
            if listed.contains(id) {
                target.absences = 0;
            } else if target.seen_at_ms < refresh.started_ms {
                target.absences += 1;
            }
            let stays = target.epoch >= epoch && target.absences < ABSENCES;
            if !stays {
                changes.closed.push(*id);
            }
            stays
        });
        for target in refresh.open {
            if target.generation_epoch >= epoch {
                self.open(target.id, OpenTarget::from(target), &mut changes);
            }
        }
        if changes.new_epoch.is_some() {
            // Ids are never used twice, so the old epoch's can go.
            self.closed.clear();
        }
        changes
    }

    pub fn checkpoint(&mut self, checkpoint: &CheckpointInfo) -> Changes {
        let mut changes = Changes::default();
        self.last_heard_ms = Some(now_ms());
        self.height = self.height.max(checkpoint.sequence_number);
        let known = self.epoch().unwrap_or(0);
        let newest = checkpoint.targets.iter().map(|(_, target)| target.generation_epoch).max();
        let newest = newest.unwrap_or(known).max(checkpoint.epoch);
        if newest > known {
            // Nothing of the old epoch can be filled any more; the new state comes with the next refresh.
            changes.stale = true;
            self.newest_epoch = self.newest_epoch.max(newest);
            let old: Vec<_> = self.open.iter().filter(|(_, t)| t.epoch < newest).map(|(id, _)| *id).collect();
            old.into_iter().for_each(|id| self.close(id, &mut changes));
        }
        for (id, target) in &checkpoint.targets {
            match target.status {
                TargetStatus::Open if target.generation_epoch >= newest => {
                    // A target that does not decode cannot be answered.
                    if let Ok(target) = OpenTarget::try_from(target) {
                        self.open(*id, target, &mut changes);
                    }
                }
                _ => self.close(*id, &mut changes),
            }
        }
        for id in &checkpoint.deleted {
            self.close(*id, &mut changes);
            changes.deleted.push(*id);
        }
        changes
    }
}

impl From<TargetInfo> for OpenTarget {
    fn from(info: TargetInfo) -> Self {
        Self {
            embedding: info.embedding.into(),
            models: info.model_ids,
            threshold: info.distance_threshold,
            reward: Shannons(info.reward_pool),
            epoch: info.generation_epoch,
            seen_at_ms: now_ms(),
            absences: 0,
        }
    }
}

impl TryFrom<&TargetV1> for OpenTarget {
    type Error = crate::chain::types::TensorError;

    fn try_from(target: &TargetV1) -> Result<Self, Self::Error> {
        Ok(Self {
            embedding: target.embedding.values()?.into(),
            models: target.model_ids.clone(),
            threshold: target.distance_threshold.scalar_value()?,
            reward: Shannons(target.reward_pool),
            epoch: target.generation_epoch,
            seen_at_ms: now_ms(),
            absences: 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::devnet::GenesisOptions;

    fn refresh(epoch: u64, open: &[u8]) -> Refresh {
        let target = |n: &u8| TargetInfo {
            id: ObjectId([*n; 32]),
            embedding: vec![],
            model_ids: vec![],
            distance_threshold: 1.0,
            reward_pool: 1,
            generation_epoch: epoch,
            status: "open".into(),
            submitter: None,
            bond_amount: 0,
        };
        let state = EpochState {
            epoch,
            epoch_start_ms: 0,
            parameters: GenesisOptions::v5(16).parameters,
            distance_threshold: 1.0,
            reward_per_target: 1,
            targets_generated_this_epoch: 0,
            emission_balance: 0,
            emission_per_epoch: 0,
            models: vec![],
        };
        // Asked for after everything that is known became known.
        Refresh { started_ms: u64::MAX, state, open: open.iter().map(target).collect(), coins: None }
    }

    fn open(chain: &ChainView) -> Vec<u8> {
        let mut open: Vec<u8> = chain.open.keys().map(|id| id.0[0]).collect();
        open.sort_unstable();
        open
    }

    #[test]
    fn one_list_without_a_target_closes_nothing_and_two_let_it_go_until_it_is_listed_again() {
        let mut chain = ChainView::default();
        chain.refreshed(refresh(1, &[1, 2]));
        for _ in 0..3 {
            assert_eq!(chain.refreshed(refresh(1, &[1])).closed, []);
            assert_eq!(chain.refreshed(refresh(1, &[1, 2])).closed, []);
        }
        chain.refreshed(refresh(1, &[1]));
        assert_eq!(chain.refreshed(refresh(1, &[1])).closed, [ObjectId([2; 32])]);
        assert_eq!(chain.refreshed(refresh(1, &[1, 2])).opened, [ObjectId([2; 32])]);
        assert_eq!(open(&chain), [1, 2]);
    }

    #[test]
    fn a_target_that_is_known_to_be_filled_stays_closed_whatever_a_list_says() {
        let mut chain = ChainView::default();
        chain.refreshed(refresh(1, &[1, 2]));
        chain.note_closed(ObjectId([2; 32]));
        chain.refreshed(refresh(1, &[1, 2]));
        assert_eq!(open(&chain), [1]);
    }

    #[test]
    fn a_list_of_an_epoch_that_is_over_changes_nothing() {
        let mut chain = ChainView::default();
        chain.refreshed(refresh(2, &[3, 4]));
        let changes = chain.refreshed(refresh(1, &[1, 2]));
        assert_eq!((changes.new_epoch, open(&chain), chain.epoch()), (None, vec![3, 4], Some(2)));
        assert_eq!(chain.refreshed(refresh(3, &[5])).new_epoch, Some(3));
        assert_eq!(open(&chain), [5]);
    }
}
