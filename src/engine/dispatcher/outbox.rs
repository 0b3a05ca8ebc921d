//! From an approved row to a filled target: upload, sign, send, settle.
//!
//! One transaction of the wallet is on its way at a time (`lane`): two would race for the same coins. The bytes are on
//! disk before the first sending, and are sent again unchanged until the chain has said what became of them.

use tokio::time::Instant;

use super::{Dispatcher, Done, Halt};
use crate::{
    api::{Level, Mode, SubmissionId, SubmissionState as State},
    chain::types::SignedTransaction,
    engine::{
        journal::{Outcome, SignedRecord, Step, TransactionKind},
        money::{self, Closing, NotBuilt, Verdict, Wallet},
    },
    primitives::Shannons,
};

/// Uploads at a time.
const UPLOADS: usize = 4;
/// Failed uploads, refused transactions and failed claims before a row is given up.
const ATTEMPTS: u32 = 6;
/// Rounds of only asking for a transaction whose target is closed. Then its bytes are sent once more: a failure costs
/// the base fee, and frees the wallet's coins for certain.
pub(super) const ASKING_ROUNDS: u32 = 4;

impl Dispatcher {
    /// Who may sign now.
    pub(super) fn wallet(&self) -> Option<Wallet> {
        if self.mode == Mode::ReadOnly || self.stopping.is_some() || self.chain.chain_id.is_empty() {
            return None;
        }
        Some(Wallet { client: self.client.clone(), keypair: self.keypair.clone()? })
    }

    pub(super) async fn upload_rows(&mut self) -> Result<(), Halt> {
        let (Some(store), Some(_)) = (&self.store, self.wallet()) else { return Ok(()) };
        let now = Instant::now();
        let at_work = self.rows.live.values().filter(|live| live.state() == State::Approved && live.busy).count();
        let due = self.rows.ids(|live| live.state() == State::Approved && live.hit.is_some() && live.is_due(now));
        for id in due.into_iter().take(UPLOADS.saturating_sub(at_work)) {
            let Some(live) = self.rows.live.get_mut(&id) else { continue };
            let Some(hit) = live.hit.clone() else { continue };
            live.busy = true;
            let (store, done) = (store.clone(), self.done.clone());
            tokio::spawn(async move {
                let result = money::upload(&store, &hit).await.map_err(|e| e.to_string());
                let _ = done.send(Done::Uploaded { id, result });
            });
        }
        Ok(())
    }

    pub(super) async fn uploaded(&mut self, id: SubmissionId, result: Result<String, String>) -> Result<(), Halt> {
        let Some(live) = self.rows.live.get_mut(&id) else { return Ok(()) };
        live.busy = false;
        if live.state() != State::Approved {
            return Ok(());
        }
        match result {
            Ok(url) => {
                live.backoff.reset();
                let mut step = Step::new(State::Approved, State::Uploaded);
                step.facts.url = Some(url);
                self.advance(id, step).await
            }
            Err(why) if live.backoff.failures() + 1 >= ATTEMPTS => {
                self.advance(id, Step::new(State::Approved, State::Failed).noting(why)).await
            }
            Err(why) => {
                live.delay();
                let submission = self.journal.note(id, why).await?;
                self.note_row(submission);
                Ok(())
            }
        }
    }

    /// Gives the wallet to the next transaction, if it is free.
    pub(super) fn next_in_lane(&mut self) {
        if let Some(id) = self.lane {
            let holds = |live: &super::rows::Live| live.in_flight() || live.busy;
            if self.rows.live.get(&id).is_some_and(holds) {
                return;
            }
            self.lane = None;
        }
        let now = Instant::now();
        // What an earlier run left in flight comes first: its coins are spoken for.
        if let Some(id) = self.rows.ids(|live| live.in_flight()).first() {
            self.lane = Some(*id);
            return;
        }
        let Some(wallet) = self.wallet() else { return };
        let Some(state) = &self.chain.state else { return };
        let submits = self.rows.ids(|live| live.state() == State::Uploaded && live.hit.is_some() && live.is_due(now));
        let claims = match self.policy.auto_claim {
            true => {
                self.rows.ids(|live| live.state() == State::Claimable && live.gone_in.is_none() && live.is_due(now))
            }
            false => Vec::new(),
        };
        // In turns: a full board must not keep earned rewards waiting.
        let id = match (submits.first(), claims.first()) {
            (Some(submit), Some(claim)) => {
                if self.claimed_last {
                    submit
                } else {
                    claim
                }
            }
            (Some(id), None) | (None, Some(id)) => id,
            (None, None) => return,
        };
        let Some(live) = self.rows.live.get_mut(id) else { return };
        live.busy = true;
        self.lane = Some(*id);
        let (id, done, parameters, epoch) = (*id, self.done.clone(), state.parameters.clone(), state.epoch);
        let submission = live.submission.clone();
        self.claimed_last = live.state() == State::Claimable;
        match (live.state(), live.hit.clone()) {
            (State::Claimable, _) => tokio::spawn(async move {
                let row = &submission.row;
                let result = money::prepare_claim(&wallet, row.target, submission.reward_pool, &parameters).await;
                let _ = done.send(Done::Prepared { id, kind: TransactionKind::Claim, result });
            }),
            (_, Some(hit)) => tokio::spawn(async move {
                let url = submission.row.url.unwrap_or_default();
                let result = money::prepare_submit(&wallet, &hit, &url, &parameters, epoch).await;
                let _ = done.send(Done::Prepared { id, kind: TransactionKind::Submit, result });
            }),
            // `submits` holds only rows with a hit.
            (_, None) => return,
        };
    }

    pub(super) async fn prepared(
        &mut self,
        id: SubmissionId,
        kind: TransactionKind,
        result: Result<SignedTransaction, NotBuilt>,
    ) -> Result<(), Halt> {
        let Some(live) = self.rows.live.get_mut(&id) else { return Ok(()) };
        live.busy = false;
        let expected = if kind == TransactionKind::Submit { State::Uploaded } else { State::Claimable };
        // Rejected meanwhile, switched to read-only, or the end has begun: the signature is dropped, unsent and unstored.
        // So is a claim of a target that somebody else has claimed meanwhile.
        let gone = kind == TransactionKind::Claim && live.gone_in.is_some();
        if live.state() != expected || gone || self.wallet().is_none() {
            return Ok(());
        }
        match result {
            Ok(transaction) => self.sign_and_send(id, kind, transaction).await,
            Err(error) => self.not_built(id, kind, error).await,
        }
    }

    async fn not_built(&mut self, id: SubmissionId, kind: TransactionKind, error: NotBuilt) -> Result<(), Halt> {
        let Some(live) = self.rows.live.get_mut(&id) else { return Ok(()) };
        let target = live.submission.row.target;
        match (kind, error) {
            (TransactionKind::Submit, NotBuilt::Gone(why)) => {
                self.advance(id, Step::new(State::Uploaded, State::Expired).noting(why)).await?;
                let closed = self.chain.note_closed(target);
                self.apply(closed).await
            }
            (TransactionKind::Submit, NotBuilt::Deleted) => {
                self.advance(id, Step::new(State::Uploaded, State::Expired).noting(NotBuilt::Deleted.to_string()))
                    .await?;
                let closed = self.chain.note_closed(target);
                self.apply(closed).await
            }
            (TransactionKind::Submit, error @ NotBuilt::Url(..)) => {
                self.advance(id, Step::new(State::Uploaded, State::Failed).noting(error.to_string())).await
            }
            (TransactionKind::Claim, NotBuilt::Deleted) => {
                live.gone_in.get_or_insert_default();
                Ok(())
            }
            // Too poor, or the node does not answer: later.
            (_, error) => {
                live.delay();
                let submission = self.journal.note(id, error.to_string()).await?;
                self.note_row(submission);
                self.watch.poke();
                Ok(())
            }
        }
    }

    async fn sign_and_send(
        &mut self,
        id: SubmissionId,
        kind: TransactionKind,
        transaction: SignedTransaction,
    ) -> Result<(), Halt> {
        let (submission, record) = self.journal.sign(id, kind, &transaction, self.chain.height).await?;
        self.note_row(submission);
        if let Some(live) = self.rows.live.get_mut(&id) {
            live.record = Some(record);
            live.retry = None;
            if live.deaths == 0 {
                live.backoff.reset();
            }
            live.asked = 0;
        }
        self.send_in_flight(id).await
    }

    /// One round for the row in the lane, if its transaction's outcome is not known.
    pub(super) async fn settle_lane(&mut self) -> Result<(), Halt> {
        let Some(id) = self.lane else { return Ok(()) };
        let due = self.rows.live.get(&id).is_some_and(|live| live.in_flight() && live.is_due(Instant::now()));
        if due { self.send_in_flight(id).await } else { Ok(()) }
    }

    async fn send_in_flight(&mut self, id: SubmissionId) -> Result<(), Halt> {
        let Some(live) = self.rows.live.get_mut(&id) else { return Ok(()) };
        let Some(record) = &live.record else { return Ok(()) };
        let first = record.sends == 0;
        let open = record.kind == TransactionKind::Claim || self.chain.open.contains_key(&live.submission.row.target);
        if first && !open && self.chain.state.is_some() {
            // Signed before a crash and certainly never sent.
            let dead = Verdict::Dead { why: "the target was gone before it was sent".into(), again: false };
            return self.settled(id, dead).await;
        }
        let closing = match open || live.asked >= ASKING_ROUNDS {
            true if self.mode != Mode::ReadOnly => Closing::Open,
            _ => Closing::Closed,
        };
        live.asked += u32::from(!open);
        live.busy = true;
        if closing == Closing::Open {
            let submission = self.journal.sending(id, record.digest).await?;
            if let Some(record) = &mut live.record {
                record.sends += 1;
            }
            self.note_row(submission);
        }
        let Some(record) = self.rows.live.get(&id).and_then(|live| live.record.clone()) else { return Ok(()) };
        let (client, done) = (self.client.clone(), self.done.clone());
        tokio::spawn(async move {
            let verdict = match record.sends {
                // The usual case asks nothing first: speed decides who fills.
                1 if first => money::send(&client, &record.transaction, 1).await,
                sends => money::resend(&client, &record.transaction, sends, closing).await,
            };
            let _ = done.send(Done::Settled { id, verdict });
        });
        Ok(())
    }

    /// Books what became of the transaction in flight.
    pub(super) async fn settled(&mut self, id: SubmissionId, verdict: Verdict) -> Result<(), Halt> {
        let Some(live) = self.rows.live.get_mut(&id) else { return Ok(()) };
        live.busy = false;
        let Some(record) = live.record.clone() else { return Ok(()) };
        self.watch.poke();
        match record.kind {
            TransactionKind::Submit => self.submit_settled(id, record, verdict).await,
            TransactionKind::Claim => self.claim_settled(id, record, verdict).await,
        }
    }

    async fn submit_settled(&mut self, id: SubmissionId, record: SignedRecord, verdict: Verdict) -> Result<(), Halt> {
        let Some(live) = self.rows.live.get_mut(&id) else { return Ok(()) };
        let (state, row) = (live.state(), &live.submission.row);
        let (target, estimate) = (row.target, row.bond);
        let executed = match verdict {
            Verdict::Executed(executed) => executed,
            Verdict::Dead { why, again } => {
                let open = self.chain.open.contains_key(&target);
                live.deaths += 1;
                let to = match (open, again && live.deaths < ATTEMPTS) {
                    (true, true) if state != State::Signed => State::Uploaded,
                    (true, _) if state != State::Signed => State::Failed,
                    _ => State::Lost,
                };
                live.record = None;
                live.delay();
                let step = Step::new(state, to).noting(format!("never executed, nothing was charged: {why}"));
                return self.settle(id, &record, Outcome::Dead, Shannons::ZERO, 0, Some(step)).await;
            }
            Verdict::Unknown(why) => {
                live.delay();
                if state == State::Sent {
                    let note = format!("sent, and not yet heard of: {why}");
                    self.advance(id, Step::new(State::Sent, State::Unknown).noting(note)).await?;
                }
                return Ok(());
            }
        };
        live.record = None;
        live.asked = 0;
        let fee = Shannons(executed.effects.fee.total_fee);
        let change = self.address.map_or(0, |address| money::change_for(&executed, address));
        let Some(error) = money::failure(&executed.effects) else {
            // What left the wallet beyond the fee is the bond.
            let left = u64::try_from(-change).ok().and_then(|left| left.checked_sub(fee.0));
            let bond = if executed.balance_changes.is_empty() { estimate } else { left.map_or(estimate, Shannons) };
            let mut step = Step::new(state, State::Filled);
            step.facts.bond = Some(bond);
            self.settle(id, &record, Outcome::Success, fee, change, Some(step)).await?;
            let closed = self.chain.note_closed(target);
            return self.apply(closed).await;
        };
        let to = if money::is_lost_race(error) { State::Lost } else { State::Failed };
        let step = Step::new(state, to).noting(format!("{error:?}; the base fee was charged"));
        self.settle(id, &record, Outcome::Failure, fee, change, Some(step)).await?;
        self.log(Level::Warning, format!("submission {} failed: {error:?}", id.0)).await?;
        if to == State::Lost {
            let closed = self.chain.note_closed(target);
            self.apply(closed).await?;
        }
        Ok(())
    }

    pub(super) async fn settle(
        &mut self,
        id: SubmissionId,
        record: &SignedRecord,
        outcome: Outcome,
        fee: Shannons,
        change: i64,
        step: Option<Step>,
    ) -> Result<(), Halt> {
        let submission = self.journal.settle(id, record.digest, outcome, fee, change, step).await?;
        self.note_row(submission);
        Ok(())
    }
}
