//! Who approves: a person, or the policy within its limits. What the policy approved under limits that hold no more is taken back while
//! nobody has signed it.

use std::collections::{HashMap, VecDeque};

use super::{Dispatcher, Halt};
use crate::{
    api::{
        AutoView, Level, LogKind, Mode, PolicyLimits, PolicyView, Prospect, Refusal, SubmissionId, SubmissionRow,
        SubmissionState as State,
    },
    engine::{
        journal::{BY_POLICY, Committed, Step},
        matching::Ask,
        money::{Claimant, Costs, MOST, Worth},
        now_ms,
    },
    primitives::{ObjectId, Shannons},
};

/// Why something is kept back.
const ONLY_PINNED: &str = "only what is for pinned targets is";

/// Refusals that the screen shows.
const SHOWN: usize = 16;

/// What the policy left alone in this epoch, in this run.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    why: HashMap<ObjectId, String>,
    newest: VecDeque<Refusal>,
}

impl Refusals {
    /// Gives whether that is news.
    pub fn note(&mut self, target: ObjectId, source: String, why: String) -> bool {
        if self.why.get(&target) == Some(&why) {
            return false;
        }
        self.newest.retain(|refusal| refusal.target != target);
        self.newest.push_front(Refusal { at_ms: now_ms(), target, source, why: why.clone() });
        self.newest.truncate(SHOWN);
        self.why.insert(target, why);
        true
    }

    pub fn has(&self, target: &ObjectId) -> bool {
        self.why.contains_key(target)
    }

    fn forget(&mut self, target: &ObjectId) {
        if self.why.remove(target).is_some() {
            self.newest.retain(|refusal| refusal.target != *target);
        }
    }

    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Dispatcher {
    /// Moves confirmed rows before a judge: a person, or the policy.
    pub(super) async fn judge_rows(&mut self) -> Result<(), Halt> {
        if self.stopping.is_some() {
            return Ok(());
        }
        for id in self.rows.ids(&[State::Confirmed], |live| live.hit.is_some() && self.admits_row(live)) {
            self.advance(id, Step::new(State::Confirmed, State::AwaitingApproval)).await?;
        }
        if self.mode == Mode::Auto && self.store.is_some() {
            for id in self.pinned_first(self.rows.ids(&[State::AwaitingApproval], |live| live.hit.is_some())) {
                self.approve_within_limits(id, Some(BY_POLICY)).await?;
            }
        }
        Ok(())
    }

    /// The limits of an epoch are for them first.
    fn pinned_first(&self, mut ids: Vec<SubmissionId>) -> Vec<SubmissionId> {
        ids.sort_by_key(|id| !self.rows.live.get(id).is_some_and(|live| self.is_pinned(&live.submission.row.target)));
        ids
    }

    /// Whether anything may be approved for a row's target.
    fn admits_id(&self, id: SubmissionId) -> bool {
        self.rows.live.get(&id).is_some_and(|live| self.admits_row(live))
    }

    fn costs_of(&self, row: &SubmissionRow, reward_pool: Shannons) -> Option<Costs> {
        let parameters = &self.chain.state.as_ref()?.parameters;
        Some(Costs::estimate(parameters, row.size_bytes, reward_pool))
    }

    /// How long the target has been open, as far as we know.
    fn age_ms(&self, target: &ObjectId) -> u64 {
        self.chain.open.get(target).map_or(0, |open| now_ms().saturating_sub(open.seen_at_ms))
    }

    fn claimant(&self, id: SubmissionId) -> Option<Claimant> {
        let submission = &self.rows.live.get(&id)?.submission;
        let costs = self.costs_of(&submission.row, submission.reward_pool)?;
        let gain = self.odds.expected_gain(&costs, self.age_ms(&submission.row.target));
        Some(Claimant { costs, gain, margin: submission.row.margin() })
    }

    /// What a waiting candidate is worth, for a person.
    pub(super) fn prospect(&self, row: &SubmissionRow, reward_pool: Shannons) -> Option<Prospect> {
        Some(self.odds.prospect(&self.costs_of(row, reward_pool)?, self.age_ms(&row.target)))
    }

    /// `by`: what the step says, if no person gave the approval.
    async fn approve_within_limits(&mut self, id: SubmissionId, by: Option<&str>) -> Result<(), Halt> {
        if !self.admits_id(id) {
            return Ok(());
        }
        let Some(claimant) = self.claimant(id) else { return Ok(()) };
        // Anew for each row: the approval of the one before has moved the sum.
        self.review_committed().await?;
        let why = match self.policy.judge(&claimant, self.committed.bonds) {
            Worth::Yes => {
                if let Some(live) = self.rows.live.get(&id) {
                    self.refusals.forget(&live.submission.row.target);
                }
                let step = Step { note: by.map(str::to_owned), ..Step::new(State::AwaitingApproval, State::Approved) };
                return self.advance(id, step).await;
            }
            Worth::Beyond(why) => why,
            Worth::No => "the expected reward does not pay for it".into(),
        };
        if self.mode == Mode::Auto
            && let Some(live) = self.rows.live.get(&id)
        {
            let row = &live.submission.row;
            self.dirty |= self.refusals.note(row.target, row.source.clone(), why.clone());
        }
        self.note_once(id, why).await
    }

    pub(super) async fn approve(&mut self, id: SubmissionId) -> Result<(), Halt> {
        if let Some(why) = self.why_not_sign() {
            return self.log(Level::Warning, format!("submission {} is not approved: {why}", id.0)).await;
        }
        match self.rows.live.get(&id).map(|live| live.state()) {
            Some(State::AwaitingApproval) if !self.admits_id(id) => {
                let text = format!("submission {} is not approved: {ONLY_PINNED}", id.0);
                self.log(Level::Warning, text).await
            }
            Some(State::AwaitingApproval) => {
                self.advance(id, Step::new(State::AwaitingApproval, State::Approved)).await
            }
            _ => self.log(Level::Warning, format!("submission {} does not wait for an approval", id.0)).await,
        }
    }

    /// What a person has chosen, each as by itself.
    pub(super) async fn approve_many(&mut self, ids: Vec<SubmissionId>) -> Result<(), Halt> {
        if let Some(why) = self.why_not_sign() {
            return self.log(Level::Warning, format!("nothing is approved: {why}")).await;
        }
        for id in ids {
            self.approve(id).await?;
        }
        Ok(())
    }

    pub(super) async fn reject_many(&mut self, ids: Vec<SubmissionId>) -> Result<(), Halt> {
        for id in ids {
            self.reject(id).await?;
        }
        Ok(())
    }

    pub(super) async fn reject(&mut self, id: SubmissionId) -> Result<(), Halt> {
        let live = self.rows.live.get(&id);
        let state = live.filter(|live| !live.busy || live.state() == State::AwaitingApproval).map(|live| live.state());
        match state {
            Some(state @ (State::AwaitingApproval | State::Approved | State::Uploaded)) => {
                self.candidates_due = true;
                self.advance(id, Step::new(state, State::Rejected)).await
            }
            _ => self.log(Level::Warning, format!("submission {} can no longer be rejected", id.0)).await,
        }
    }

    /// What the user is shown when an approval cannot be given.
    fn why_not_sign(&self) -> Option<&'static str> {
        match (self.mode, &self.keypair, &self.store) {
            (Mode::ReadOnly, ..) => Some("the engine is read-only"),
            (_, None, _) => Some("there is no key"),
            (_, _, None) => Some("no object store is configured, so validators could not fetch the data"),
            _ => None,
        }
    }

    /// Bonds that are approved or on the chain in this epoch.
    pub(super) async fn review_committed(&mut self) -> Result<(), Halt> {
        if std::mem::take(&mut self.committed_due) {
            self.committed = match self.chain.epoch() {
                Some(epoch) => self.journal.bonds_committed(epoch).await?,
                None => Committed::default(),
            };
        }
        Ok(())
    }

    /// Takes over other limits. The loop does nothing between this and [`Self::review_approved`], and until that nothing is signed.
    pub(super) async fn set_policy(&mut self, limits: PolicyLimits) -> Result<(), Halt> {
        let before = self.policy.limits();
        if let Some(why) = self.why_not_limits(&limits) {
            return self.log_about(LogKind::Policy, Level::Warning, format!("limits stay as they are: {why}")).await;
        }
        if limits == before {
            return Ok(());
        }
        self.policy.obey(&limits);
        self.policy_edited_ms = Some(now_ms());
        self.review_due = true;
        self.candidates_due = true;
        self.refusals.clear();
        if limits.min_margin_millionths != before.min_margin_millionths {
            self.matcher.ask(Ask::MinMargin(limits.min_margin()));
        }
        self.log_about(LogKind::Policy, Level::Info, format!("limits: {}", changes(&before, &limits))).await
    }

    fn why_not_limits(&self, limits: &PolicyLimits) -> Option<&'static str> {
        let bonds = limits.max_bond_per_submission.max(limits.max_bond_per_epoch).max(limits.min_gain);
        match limits {
            _ if self.mode == Mode::ReadOnly => Some("the engine is read-only"),
            _ if bonds > MOST => Some("an amount is larger than all money"),
            _ if limits.min_margin_millionths > PolicyLimits::MOST_MARGIN_MILLIONTHS => Some("no margin is above 2"),
            _ => None,
        }
    }

    pub(super) async fn set_mode(&mut self, mode: Mode) -> Result<(), Halt> {
        if mode != Mode::ReadOnly && self.keypair.is_none() {
            return self.log(Level::Warning, "without a key the engine stays read-only".into()).await;
        }
        if mode == Mode::Auto && self.policy.auto_barred {
            let text = "the mode stays as it is: the configuration is broken, and its limits are not known (`somascope config check`)";
            return self.log_about(LogKind::Policy, Level::Warning, text.into()).await;
        }
        let before = std::mem::replace(&mut self.mode, mode);
        self.candidates_due = true;
        if before == mode {
            return Ok(());
        }
        if before == Mode::Auto {
            // What it approved and nobody has signed waits for a person again.
            self.disarmed = true;
            self.review_due = true;
        }
        let text = format!("mode: {} {ARROW} {}", word(before), word(mode));
        self.log_about(LogKind::Policy, Level::Info, text).await
    }

    /// After the limits, the mode or the pins changed, at the start, and when a signature has died: what the policy approved is judged by the mode and
    /// the limits of now. What they do not cover goes back before a person; what is signed and may have been sent stays, and counts.
    pub(super) async fn review_approved(&mut self) -> Result<(), Halt> {
        // Without the network's parameters nobody can say what it costs; nothing is signed before.
        if !self.review_due || self.chain.state.is_none() || self.mode == Mode::ReadOnly {
            return Ok(());
        }
        let ids = self.journal.approved_by_policy().await?;
        let bond = |id: &SubmissionId| self.rows.live.get(id).map(|live| live.submission.row.bond);
        let doubtful: Shannons = ids.iter().filter_map(bond).sum();
        self.committed_due = true;
        self.review_committed().await?;
        let mut committed = self.committed.bonds.saturating_sub(doubtful);
        for id in ids {
            let (Some(claimant), Some(live)) = (self.claimant(id), self.rows.live.get(&id)) else { continue };
            let (state, row) = (live.state(), &live.submission.row);
            let why = match self.policy.judge(&claimant, committed) {
                _ if self.disarmed => "AUTO was switched off".to_owned(),
                _ if self.mode != Mode::Auto => "AUTO is off".to_owned(),
                _ if !self.admits(&row.target) => ONLY_PINNED.to_owned(),
                Worth::Yes => {
                    committed = committed.saturating_add(row.bond);
                    continue;
                }
                Worth::Beyond(why) => why,
                Worth::No => "the expected reward does not pay for it".into(),
            };
            let text = format!("the policy's approval of {} is taken back: {why}", row.source);
            let kind = LogKind::Hit { target: row.target };
            self.advance(id, Step::new(state, State::AwaitingApproval).noting(why)).await?;
            self.log_about(kind, Level::Warning, text).await?;
        }
        self.review_due = false;
        self.disarmed = false;
        Ok(())
    }

    pub(super) fn policy_view(&self) -> PolicyView {
        PolicyView {
            limits: self.policy.limits(),
            at_start: self.limits_at_start,
            edited_at_ms: self.policy_edited_ms,
            used: self.committed.bonds,
            auto: AutoView {
                approved: self.committed.by_policy,
                bonds: self.committed.bonds_by_policy,
                refused: self.refusals.why.len() as u64,
                refusals: self.refusals.newest.iter().cloned().collect(),
            },
        }
    }
}

const ARROW: &str = "\u{2192}";

fn word(mode: Mode) -> &'static str {
    match mode {
        Mode::Manual => "MANUAL",
        Mode::Auto => "AUTO",
        Mode::ReadOnly => "READ-ONLY",
    }
}

/// Old and new of what is not the same.
fn changes(before: &PolicyLimits, now: &PolicyLimits) -> String {
    let amount =
        |name: &str, old: Shannons, new: Shannons| (old != new).then(|| format!("{name} {old} {ARROW} {new} SOMA"));
    let margin = (before.min_margin_millionths != now.min_margin_millionths)
        .then(|| format!("minimum margin {:.6} {ARROW} {:.6}", before.min_margin(), now.min_margin()));
    let parts = [
        amount("bond of a submission", before.max_bond_per_submission, now.max_bond_per_submission),
        amount("bonds of an epoch", before.max_bond_per_epoch, now.max_bond_per_epoch),
        margin,
        amount("minimum gain", before.min_gain, now.min_gain),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
