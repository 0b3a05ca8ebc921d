//! What the dispatcher knows of the chain: the epoch's state, the open targets, the wallet's coins.

use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
};

use crate::{
    chain::{
        client::{ActiveModelInfo, CheckpointInfo, EpochState, TargetInfo},
        types::{TargetStatus, TargetV1},
    },
    engine::{
        matching::TargetSpec,
        money, now_ms,
        scoring::{WeightsSpec, weights_id},
        watch::Refresh,
    },
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
    /// Computed from the fill that spawned it, and shown by nobody yet.
    pub is_predicted: bool,
    /// We saw it open; it was not merely there when we first looked.
    seen_opening: bool,
    /// Lists in a row that did not name it.
    absences: u32,
}

impl OpenTarget {
    /// Whether the chain shows what we hold.
    fn is_as(&self, shown: &Self) -> bool {
        let bits = |embedding: &[f32]| embedding.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        self.models == shown.models
            && self.threshold.to_bits() == shown.threshold.to_bits()
            && (self.reward, self.epoch) == (shown.reward, shown.epoch)
            && bits(&self.embedding) == bits(&shown.embedding)
    }
}

/// One list may be of a node that lags. So many in a row that do not name a target let it go; if it comes back, it is open.
const ABSENCES: u32 = 2;

/// Nothing is signed for a target in the last 1/2000 of its epoch (43 s of a day), but for at least a second (a transaction's
/// way to the chain) and at most a tenth of the epoch.
const MARGIN_PART: u64 = 2000;
const MARGIN_LEAST_MS: u64 = 1000;
const MARGIN_MOST_PART: u64 = 10;

/// A target is of its checkpoint's epoch, or of the one that the checkpoint begins; a list may have been made a while later.
const EPOCHS_AHEAD: u64 = 8;

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
    /// How long targets that others have filled were open, where we saw it all.
    pub lifetimes_ms: Vec<u64>,
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

    pub fn model(&self, id: &ObjectId) -> Option<&ActiveModelInfo> {
        self.state.as_ref()?.models.iter().find(|model| model.id == *id)
    }

    /// Weights that the next targets may list, and no target in play does: of active models, then (without their key) what is
    /// about to be revealed; richest stake first, as targets choose by stake.
    pub fn next_weights(&self, in_play: impl Fn(&ObjectId) -> bool) -> Vec<WeightsSpec> {
        let Some(state) = &self.state else { return Vec::new() };
        let mut active: Vec<&ActiveModelInfo> = state.models.iter().filter(|model| !in_play(&model.id)).collect();
        active.sort_by_key(|model| Reverse(model.stake));
        let active = active.into_iter().map(spec_of);
        let upcoming = state.upcoming.iter().map(|weights| WeightsSpec {
            checksum: weights.checksum,
            url: weights.url.clone(),
            size: weights.size,
            key: None,
        });
        active.chain(upcoming).collect()
    }

    /// The id of a model's weights ([`WeightsSpec::id`]).
    pub fn weights(&self, id: &ObjectId) -> Option<Digest> {
        self.model(id).map(id_of)
    }

    /// Where to get a model's weights. Other models may name the same ones elsewhere, truly or not: after an attempt at one place the
    /// next one's turn it is.
    pub fn source(&self, id: &ObjectId, tried: Option<&WeightsSpec>) -> Option<WeightsSpec> {
        let own = self.model(id)?;
        let mut named: Vec<&ActiveModelInfo> = self.state.iter().flat_map(|state| &state.models).collect();
        named.retain(|model| id_of(model) == id_of(own));
        let last = tried.and_then(|tried| named.iter().rposition(|model| spec_of(model) == *tried));
        let next = last.map_or(0, |last| (last + 1) % named.len());
        named.get(next).map(|model| spec_of(model))
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
                    // Our own are closed by now.
                    if let Some(filled) = self.open.get(id).filter(|filled| filled.seen_opening) {
                        changes.lifetimes_ms.push(now_ms().saturating_sub(filled.seen_at_ms));
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

/// A model's weights as its owner has published them. The chain verifies none of it: another model may name the same file.
pub(super) fn spec_of(model: &ActiveModelInfo) -> WeightsSpec {
    WeightsSpec { checksum: model.checksum, url: model.url.clone(), size: model.size, key: Some(model.decryption_key) }
}

/// [`WeightsSpec::id`] of the same.
pub(super) fn id_of(model: &ActiveModelInfo) -> Digest {
    weights_id(model.checksum, Some(&model.decryption_key))
}

/// Whether a target can be one at all: what a lying node makes up is passed over.
fn is_plausible(reward_pool: u64, generation_epoch: u64, epoch: u64) -> bool {
    Shannons(reward_pool) <= money::MOST && generation_epoch <= epoch.saturating_add(EPOCHS_AHEAD)
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
            is_predicted: false,
            seen_opening: false,
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
            is_predicted: false,
            seen_opening: true,
            absences: 0,
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{
        chain::{
            client::ServiceInfo,
            types::{
                EffectsObjectChange, ExecutionStatus, IdOperation, ObjectIn, ObjectOut, SomaTensor,
                TransactionEffectsV1, TransactionFee,
            },
        },
        devnet::GenesisOptions,
        primitives::Address,
    };

    pub fn active_model(n: u8) -> ActiveModelInfo {
        ActiveModelInfo {
            id: ObjectId([n; 32]),
            owner: Address([1; 32]),
            stake: u64::from(n) * 1_000,
            commission_bps: 0,
            url: String::new(),
            checksum: Digest([n; 32]),
            size: 1,
            decryption_key: [0; 32],
            embedding: crate::model::arrgen::normal(n.into(), 16, 0.0, 1.0),
        }
    }

    pub fn effects_of_fill(
        transaction_digest: Digest,
        executed_epoch: u64,
        spawned: Option<ObjectId>,
    ) -> TransactionEffectsV1 {
        let created = EffectsObjectChange {
            input_state: ObjectIn::NotExist,
            output_state: ObjectOut::NotExist,
            id_operation: IdOperation::Created,
        };
        TransactionEffectsV1 {
            status: ExecutionStatus::Success,
            executed_epoch,
            fee: TransactionFee::default(),
            transaction_digest,
            gas_object_index: None,
            dependencies: vec![],
            version: 1,
            changed_objects: spawned.into_iter().map(|id| (id, created.clone())).collect(),
            unchanged_shared_objects: vec![],
        }
    }

    pub fn refresh(epoch: u64, open: &[u8]) -> Refresh {
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
            protocol_version: 5,
            epoch_start_ms: 0,
            parameters: GenesisOptions::v5(16).parameters,
            distance_threshold: 1.0,
            reward_per_target: 1,
            targets_generated_this_epoch: 0,
            emission_balance: 0,
            emission_per_epoch: 0,
            models: vec![],
            upcoming: vec![],
        };
        // Asked for after everything that is known became known.
        let open = Some(open.iter().map(target).collect());
        Refresh { started_ms: u64::MAX, service: ServiceInfo::default(), state, open, coins: None }
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
    fn nothing_is_signed_in_an_epochs_last_moments_and_an_overdue_end_is_not_waited_for() {
        let ending = |length: u64, left: i64| {
            let mut refresh = refresh(1, &[]);
            refresh.state.parameters.epoch_duration_ms = length;
            refresh.state.epoch_start_ms = now_ms().saturating_add_signed(left) - length;
            let mut chain = ChainView::default();
            chain.refreshed(refresh);
            chain.is_epoch_ending()
        };
        const DAY: u64 = 86_400_000;
        assert_eq!([60_000, 30_000, -30_000, -60_000].map(|left| ending(DAY, left)), [false, true, true, false]);
        // A demo's epoch of 20 s.
        assert_eq!([2_000, 500, -2_000].map(|left| ending(20_000, left)), [false, true, false]);
    }

    #[test]
    fn a_light_look_keeps_the_targets_and_a_new_epoch_asks_for_its_own() {
        let mut chain = ChainView::default();
        chain.refreshed(refresh(1, &[1, 2]));
        let light = |epoch| Refresh { open: None, ..refresh(epoch, &[]) };
        assert!(!chain.refreshed(light(1)).stale);
        assert_eq!(open(&chain), [1, 2]);
        let changes = chain.refreshed(light(2));
        assert_eq!((changes.stale, changes.closed.len(), open(&chain)), (true, 2, vec![]));
    }

    #[test]
    fn a_target_that_no_chain_can_have_is_passed_over() {
        let mut chain = ChainView::default();
        let mut told = refresh(1, &[1, 2, 3]);
        if let Some([_, rich, late]) = told.open.as_deref_mut() {
            (rich.reward_pool, late.generation_epoch) = (1 << 63, u64::MAX);
        }
        chain.refreshed(told);
        assert_eq!(open(&chain), [1]);

        let target = |reward_pool, generation_epoch| TargetV1 {
            embedding: SomaTensor::vector(&[1.0]),
            model_ids: vec![],
            distance_threshold: SomaTensor::scalar(1.0),
            reward_pool,
            generation_epoch,
            status: TargetStatus::Open,
            submitter: None,
            winning_model_id: None,
            winning_model_owner: None,
            bond_amount: 0,
            winning_data_manifest: None,
            winning_embedding: None,
            winning_distance_score: None,
            winning_loss_score: None,
            submission_reports: Default::default(),
        };
        let targets = [target(u64::MAX, 1), target(1, u64::MAX), target(money::MOST.0, 1)];
        let changes = chain.checkpoint(&CheckpointInfo {
            sequence_number: 1,
            epoch: 1,
            timestamp_ms: 0,
            transactions: vec![],
            targets: (4..).map(|n| ObjectId([n; 32])).zip(targets).collect(),
            deleted: vec![],
        });
        assert_eq!((open(&chain), chain.newest_epoch, changes.stale), (vec![1, 6], 1, false));
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
