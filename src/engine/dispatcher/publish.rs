//! The dispatcher's truth as a snapshot, and the lists that only change now and then.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{Dispatcher, Done, pipeline::Residency};
use crate::{
    api::{
        BoardModel, DeviceMemory, MapView, Mode, ModelRow, NetworkView, Snapshot, Stage, Stages, SubmissionRow,
        SubmissionState as State, TargetRow, TargetStage, ThroughputView, WalletView,
    },
    chain::rewards::claim_split,
    engine::{
        matching::{Ask, MOST_UNKEPT},
        now_ms,
        published::id_of,
        scoring::{Activity, WeightsState},
    },
    model::Placement,
    primitives::{ObjectId, Shannons},
};

/// Entries of the wallet's history and lines of the log on the screen.
pub(super) const BALANCES: usize = 600;
pub(super) const LINES: usize = 4000;

impl Dispatcher {
    /// Asks for another look at the library, and fits the map's basis on another thread, if the time of either has come.
    pub(super) fn review_map(&mut self) {
        let waits = self.survey_again.is_some_and(|at| tokio::time::Instant::now() < at);
        if self.survey_due && !self.is_surveying && !waits {
            self.survey_due = false;
            self.is_surveying = true;
            let models = self.chain.state.as_ref().map_or(&[][..], |state| &state.models);
            let number = |weights| models.iter().zip(0u16..).find(|(m, _)| id_of(m) == weights).map_or(0, |(_, n)| n);
            let weights = self.pipeline.in_play.values().map(|weights| (*weights, number(*weights))).collect();
            self.matcher.ask(Ask::Survey { weights, basis: self.map.basis() });
        }
        let Some(state) = &self.chain.state else { return };
        let models = || state.models.iter().map(|model| model.embedding.clone()).collect();
        if let Some(job) = self.map.job(state.epoch, models) {
            let done = self.done.clone();
            self.dirty = true;
            self.map_due = true;
            tokio::task::spawn_blocking(move || {
                // Nobody listens after the end.
                let _ = done.send(Done::Fitted(Box::new(job.run())));
            });
        }
    }

    pub(super) fn publish(&mut self) {
        self.version += 1;
        let last = self.snapshot.borrow().clone();
        // Thousands: made anew only when they may be others.
        let targets = match std::mem::take(&mut self.targets_due) {
            true => share(&last.targets, self.target_rows()),
            false => last.targets.clone(),
        };
        let models = self.model_rows();
        let looked_at = self.target_detail(&targets);
        let map = match std::mem::take(&mut self.map_due) || !Arc::ptr_eq(&targets, &last.targets) {
            true => Some(self.map_view(&targets)).filter(|map| !is_same(map, &last.map)).map(Arc::new),
            false => None,
        };
        let view = Snapshot {
            version: self.version,
            at_ms: now_ms(),
            mode: self.mode,
            scoring_paused: self.pipeline.paused,
            only_pinned: self.pins.only(),
            network: self.network_view(),
            wallet: self.wallet_view(),
            map: map.unwrap_or_else(|| last.map.clone()),
            board: self.board_view.clone(),
            inspection: self.inspection.clone(),
            targets,
            looked_at,
            models: share(&last.models, models),
            throughput: self.throughput_view(),
            policy: share(&last.policy, self.policy_view()),
            approvals: share(&last.approvals, self.approvals()),
            submissions: share_rows(&last.submissions, self.rows.recent()),
            rewards: self.rewards.clone(),
            // Thousands: copied only when there are others.
            log: match std::mem::take(&mut self.lines_due) {
                true => Arc::new(self.lines.iter().cloned().collect()),
                false => last.log.clone(),
            },
            log_first: self.lines_first,
        };
        self.dirty = false;
        self.published_at = Some(tokio::time::Instant::now());
        self.snapshot.send_replace(Arc::new(view));
    }

    fn network_view(&self) -> NetworkView {
        let state = self.chain.state.as_ref();
        NetworkView {
            name: self.network_name.clone(),
            rpc_url: self.rpc_url.clone(),
            chain_id: self.chain.chain_id.clone(),
            epoch: state.map_or(0, |state| state.epoch),
            epoch_ends_at_ms: state
                .map_or(0, |state| state.epoch_start_ms.saturating_add(state.parameters.epoch_duration_ms)),
            threshold: state.map_or(0.0, |state| state.distance_threshold),
            reward_per_target: Shannons(state.map_or(0, |state| state.reward_per_target)),
            reward_for_submitter: state.map_or(Shannons::ZERO, |state| {
                let split = claim_split(&state.parameters, Shannons(state.reward_per_target));
                split.submitter.saturating_add(split.claimer)
            }),
            embedding_dim: state.map_or(0, |state| state.parameters.target_embedding_dim),
            protocol_version: state.map_or(0, |state| state.protocol_version),
            unaccepted_protocol: self.unaccepted_protocol(),
            upstreams: self.health.upstreams.clone(),
            trouble: self.trouble(),
        }
    }

    fn wallet_view(&self) -> WalletView {
        let expected = |row: &SubmissionRow| row.expected_reward;
        WalletView {
            address: self.address,
            balance: self.purse.balance(),
            coins: self.purse.len() as u64,
            locked_bonds: self.rows.sum(&[State::Filled, State::Claimable], |row| row.bond),
            pending_rewards: self.rows.sum(&[State::Filled], expected),
            claimable_rewards: self.rows.sum(&[State::Claimable], expected),
            history: self.balances.clone(),
        }
    }

    /// Open ones, best margin first; then those that we filled in this epoch.
    fn target_rows(&mut self) -> Vec<TargetRow> {
        self.listed.clear();
        for model in self.chain.open.values().flat_map(|target| &target.models) {
            *self.listed.entry(*model).or_default() += 1;
        }
        let on_its_way = [State::Approved, State::Uploaded, State::Signed, State::Sent, State::Unknown];
        let in_flight: HashSet<ObjectId> =
            self.rows.in_states(&on_its_way).map(|(_, live)| live.submission.row.target).collect();
        let mut rows: Vec<TargetRow> = self
            .chain
            .open
            .iter()
            .map(|(id, target)| {
                let standing = self.standings.get(id);
                let best_distance = standing.and_then(|standing| standing.best_distance);
                let stage = if in_flight.contains(id) {
                    TargetStage::InFlight
                } else if best_distance.is_some_and(|distance| distance <= target.threshold) {
                    TargetStage::Hit
                } else {
                    TargetStage::Open
                };
                TargetRow {
                    id: *id,
                    epoch: target.epoch,
                    stage,
                    reward: target.reward,
                    threshold: target.threshold,
                    models: target.models.clone(),
                    best_distance,
                    seen_at_ms: target.seen_at_ms,
                    pinned: self.pins.has(id, &target.models),
                }
            })
            .collect();
        let margin = |row: &TargetRow| row.margin().unwrap_or(f32::NEG_INFINITY);
        rows.sort_by(|a, b| margin(b).total_cmp(&margin(a)).then(a.id.cmp(&b.id)));
        let ours = self.rows.in_states(&[State::Filled]).map(|(_, live)| &live.submission);
        rows.extend(ours.filter(|ours| Some(ours.row.epoch) == self.chain.epoch()).map(|ours| TargetRow {
            id: ours.row.target,
            epoch: ours.row.epoch,
            stage: TargetStage::Ours,
            reward: ours.reward_pool,
            threshold: ours.row.threshold,
            models: ours.row.losses.iter().map(|(model, _)| *model).collect(),
            best_distance: Some(ours.row.distance),
            seen_at_ms: ours.row.changed_at_ms,
            // A niche picked by eye is looked at with what was earned there.
            pinned: self.is_pinned(&ours.row.target),
        }));
        rows
    }

    fn model_rows(&self) -> Vec<ModelRow> {
        let Some(state) = &self.chain.state else { return Vec::new() };
        let states = self.weights.watch().borrow().clone();
        let placed: HashMap<ObjectId, &BoardModel> =
            self.board_view.models.iter().map(|placed| (placed.id, placed)).collect();
        let rows = state.models.iter().map(|model| {
            let files = states.iter().find(|state| state.checksum == model.checksum);
            let loaded_on = |state: &WeightsState| state.residents.iter().map(Placement::to_string).collect();
            let is_fetching = |state: &&WeightsState| !state.on_disk && state.activity == Activity::Fetching;
            let id = id_of(model);
            let residency = self.pipeline.residents.get(&id);
            let place = placed.get(&model.id);
            let won = self.map.weights.iter().position(|weights| *weights == id);
            ModelRow {
                id: model.id,
                stake: Shannons(model.stake),
                commission_bps: model.commission_bps,
                resident: matches!(residency, Some(Residency::Ready)),
                loaded_on: files.map(loaded_on).unwrap_or_default(),
                fetching: files.filter(is_fetching).map(|state| (state.fetched, state.size)),
                trouble: match residency {
                    Some(Residency::Failed { why, .. }) => Some(why.clone()),
                    _ => None,
                },
                wins: won.and_then(|index| self.map.picture.wins.get(index)).copied().unwrap_or(0),
                targets: self.listed.get(&model.id).copied().unwrap_or(0),
                pinned: self.pins.has_model(&model.id),
                crowd: place.map_or(0, |place| place.crowd),
                nearest: place.and_then(|place| place.nearest),
            }
        });
        rows.collect()
    }

    fn map_view(&mut self, targets: &[TargetRow]) -> MapView {
        let Some(state) = &self.chain.state else { return MapView::default() };
        let models = state.models.iter().map(|model| (model.id, model.embedding.as_slice()));
        self.map.view(state.epoch, models, targets)
    }

    fn throughput_view(&self) -> ThroughputView {
        let stage = |waiting: usize, room: usize| Stage { waiting: waiting as u64, room: room as u64 };
        let (rows, appetite) = self.scorers.rows();
        let scorers = self.meter.scorers();
        let now_s = now_ms() / 1000;
        ThroughputView {
            samples_scored: self.meter.samples,
            model_evaluations: self.meter.evaluations,
            tokens: self.meter.tokens,
            samples_per_s: self.meter.samples_per_s(),
            tokens_per_s: self.meter.tokens_per_s(),
            hits: self.hits,
            hits_per_h: self.meter.hits_per_h(now_s),
            evaluations_per_s: self.meter.evaluations_per_s(),
            queue: self.scorers.samples() as u64 + self.reader.readings.len() as u64,
            remaining: self.pipeline.remaining(),
            skipped: self.pipeline.skipped() + self.pipeline.failures,
            minute: self.meter.minute.clone(),
            hour: self.meter.hour.clone(),
            day: self.meter.day.clone(),
            memory: self.memory(),
            resident_bytes: self.meter.resident_bytes,
            duplicates: self.pipeline.duplicates(),
            rows_per_s: scorers.iter().map(|scorer| scorer.rows_per_s).sum(),
            bytes_per_s: scorers.iter().map(|scorer| scorer.bytes_per_s).sum(),
            stages: Stages {
                read: stage(self.reader.readings.len(), self.reader.readings.max_capacity()),
                scoring: stage(rows, appetite),
                scored: stage(self.scorers.results.len(), self.scorers.results.max_capacity()),
                saving: stage(self.matcher.unkept(), MOST_UNKEPT),
            },
            scorers,
            device: self.scorers.gauges().iter().map(|gauge| gauge.name.as_str()).collect::<Vec<_>>().join(", "),
        }
    }

    /// Of the devices that score here, and of the processor, which confirms.
    fn memory(&self) -> Vec<DeviceMemory> {
        self.devices
            .iter()
            .map(|device| {
                let (used, budget) = self.weights.memory_of(*device);
                DeviceMemory { device: device.to_string(), used, budget }
            })
            .collect()
    }

    /// What is pinned first, then best expected gain.
    fn approvals(&self) -> Vec<Arc<SubmissionRow>> {
        // In read-only mode nothing can be decided.
        if self.mode == Mode::ReadOnly {
            return Vec::new();
        }
        let waiting = self.rows.in_states(&[State::AwaitingApproval]).filter(|(_, live)| self.admits_row(live));
        let mut rows: Vec<_> = waiting
            .map(|(_, live)| {
                let row = &live.submission.row;
                let prospect = self.prospect(row, live.submission.reward_pool);
                Arc::new(SubmissionRow { prospect, ..row.clone() })
            })
            .collect();
        rows.sort_by(|a, b| {
            let gain = |row: &SubmissionRow| row.prospect.map_or(i64::MIN, |prospect| prospect.gain);
            let pinned = |row: &SubmissionRow| self.is_pinned(&row.target);
            pinned(b).cmp(&pinned(a)).then(gain(b).cmp(&gain(a))).then(a.bond.cmp(&b.bond)).then(a.id.cmp(&b.id))
        });
        rows
    }
}

/// What has not changed is not copied: the interface sees by the pointer that it has drawn it already.
fn share<T: PartialEq>(last: &Arc<T>, now: T) -> Arc<T> {
    if **last == now { last.clone() } else { Arc::new(now) }
}

/// A new row is a new allocation; an old one is not looked into.
fn share_rows<'a>(
    last: &Arc<Vec<Arc<SubmissionRow>>>,
    now: impl Iterator<Item = &'a Arc<SubmissionRow>> + Clone,
) -> Arc<Vec<Arc<SubmissionRow>>> {
    let is_same = last.len() == now.clone().count() && last.iter().zip(now.clone()).all(|(a, b)| Arc::ptr_eq(a, b));
    if is_same { last.clone() } else { Arc::new(now.cloned().collect()) }
}

/// Whether a map shows the same. Its samples are shared between snapshots, so a hundred thousand are not compared one by one.
fn is_same(a: &MapView, b: &MapView) -> bool {
    Arc::ptr_eq(&a.samples, &b.samples)
        && (a.basis, a.layout, a.fitting, a.explained, a.scored)
            == (b.basis, b.layout, b.fitting, b.explained, b.scored)
        && (&a.sources, &a.reached, &a.models, &a.targets) == (&b.sources, &b.reached, &b.models, &b.targets)
        && a.coverage == b.coverage
}
