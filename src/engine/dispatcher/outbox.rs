//! From an approved row to a filled target: upload, sign, send, settle.
//!
//! The bytes are on disk before the first sending, and are sent again unchanged until the chain has said what became of
//! them; until then nobody else gets their coins.

use tokio::time::Instant;

use super::{Dispatcher, Done, Halt};
use crate::{
    api::{Level, LogKind, Mode, ServerName, SubmissionId, SubmissionState as State},
    chain::{
        rewards,
        types::{ObjectRef, SignedTransaction},
    },
    engine::{
        journal::{JournalError, Outcome, SignedRecord, Step, TransactionKind},
        money::{self, Closing, CoinTrouble, Flight, NotBuilt, Verdict},
        now_ms,
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
    pub(super) async fn upload_rows(&mut self) -> Result<(), Halt> {
        let (Some(store), Some(_)) = (&self.store, self.wallet()) else { return Ok(()) };
        let now = Instant::now();
        let at_work = self.rows.in_states(&[State::Approved]).filter(|(_, live)| live.busy).count();
        let due = self.rows.ids(&[State::Approved], |live| live.hit.is_some() && live.is_due(now));
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
        match &result {
            Ok(_) => self.heard(ServerName::Objects),
            Err(why) => self.ails(ServerName::Objects, why).await?,
        }
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

    pub(super) async fn prepared(
        &mut self,
        id: SubmissionId,
        kind: TransactionKind,
        result: Result<SignedTransaction, NotBuilt>,
    ) -> Result<(), Halt> {
        let Some(live) = self.rows.live.get_mut(&id) else {
            self.release(id);
            return Ok(());
        };
        live.busy = false;
        let expected = if kind == TransactionKind::Submit { State::Uploaded } else { State::Claimable };
        // Rejected meanwhile, switched to read-only, or the end has begun: the signature is dropped, unsent and unstored.
        // So is a claim of a target that somebody else has claimed meanwhile, and a submission that other weights confirmed.
        let gone = match kind {
            TransactionKind::Claim => live.gone_in.is_some(),
            TransactionKind::Submit => live.hit.is_none(),
        };
        if live.state() != expected || gone || self.wallet().is_none() {
            self.release(id);
            return Ok(());
        }
        match result {
            Ok(transaction) => self.sign_and_send(id, kind, transaction).await,
            Err(error) => {
                self.release(id);
                self.not_built(id, kind, error).await
            }
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
            // The node does not answer, or does not know the coins yet: later.
            (_, error) => {
                live.delay();
                if let NotBuilt::Used { coins, .. } = &error {
                    coins.iter().for_each(|coin| self.purse.refused(coin, CoinTrouble::Stale));
                }

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
        let (submission, record) = match self.journal.sign(id, kind, &transaction, self.chain.height).await {
            Ok(signed) => signed,
            // These very bytes have been executed: a list that lags has brought spent coins back.
            Err(JournalError::AlreadySigned(..)) => {
                let coins: Vec<_> = transaction.data.gas_payment().iter().map(|c| (*c, CoinTrouble::Stale)).collect();
                self.release(id);
                self.put_aside(&coins);
                let text = format!(
                    "submission {}: its coins were spent by the same {} before; others are taken",
                    id.0,
                    kind.word()
                );
                return self.log(Level::Warning, text).await;
            }
            Err(error) => return Err(error.into()),
        };
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

    /// One round for every transaction of a row whose outcome is not known.
    pub(super) async fn settle_rows(&mut self) -> Result<(), Halt> {
        let now = Instant::now();
        for id in self.rows.in_flight() {
            if self.rows.live.get(&id).is_some_and(|live| live.is_due(now)) {
                self.send_in_flight(id).await?;
            }
        }
        Ok(())
    }

    async fn send_in_flight(&mut self, id: SubmissionId) -> Result<(), Halt> {
        let Some(live) = self.rows.live.get_mut(&id) else { return Ok(()) };
        let Some(record) = &live.record else { return Ok(()) };
        let first = record.sends == 0;
        let open = record.kind == TransactionKind::Claim || self.chain.open.contains_key(&live.submission.row.target);
        if first && !open && self.chain.state.is_some() {
            // It was filled while we signed: certainly never sent.
            let why = "the target was gone before it was sent".into();
            let dead = Verdict::Dead { why, again: false, coins: Vec::new() };
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
        let (client, done, chain_id) = (self.client.clone(), self.done.clone(), self.chain.chain_id.clone());
        let SignedRecord { transaction, sends, height, .. } = record;
        let flight = Flight { transaction, sends, height, chain_id };
        tokio::spawn(async move {
            let verdict = match sends {
                // The usual case asks nothing first: speed decides who fills.
                1 if first => money::send(&client, &flight).await,
                _ => money::resend(&client, &flight, closing).await,
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
        let (bond, pool) = (live.submission.row.bond, live.submission.reward_pool);
        match &verdict {
            Verdict::Executed(executed) => {
                let mut hints = vec![bond];
                if let Some(state) = &self.chain.state {
                    let split = rewards::claim_split(&state.parameters, pool);
                    hints.extend([split.submitter, split.claimer, split.model_owner]);
                }
                let all_known = self.purse.executed(&record.transaction.data, executed, &hints, now_ms());
                self.release(id);
                if all_known {
                    self.note_balance().await?;
                } else {
                    self.watch.poke();
                }
            }
            Verdict::Dead { coins, .. } => {
                self.release(id);
                self.put_aside(coins);
            }
            Verdict::Unknown(_) => self.watch.poke(),
        }
        match record.kind {
            TransactionKind::Submit => self.submit_settled(id, record, verdict).await,
            TransactionKind::Claim => self.claim_settled(id, record, verdict).await,
        }
    }

    /// Coins that were refused: others are taken instead, and the wallet is looked at again.
    pub(super) fn put_aside(&mut self, coins: &[(ObjectRef, CoinTrouble)]) {
        for (reference, trouble) in coins {
            self.purse.refused(reference, *trouble);
        }
        if !coins.is_empty() {
            self.watch.poke();
        }
    }

    async fn submit_settled(&mut self, id: SubmissionId, record: SignedRecord, verdict: Verdict) -> Result<(), Halt> {
        let Some(live) = self.rows.live.get_mut(&id) else { return Ok(()) };
        let (state, row) = (live.state(), &live.submission.row);
        let (target, estimate) = (row.target, row.bond);
        let executed = match verdict {
            Verdict::Executed(executed) => executed,
            Verdict::Dead { why, again, .. } => {
                let open = self.chain.open.contains_key(&target);
                live.deaths += 1;
                let to = match (open, again && live.deaths < ATTEMPTS) {
                    (true, true) if state != State::Signed => State::Uploaded,
                    (true, _) if state != State::Signed => State::Failed,
                    _ => State::Lost,
                };
                live.record = None;
                live.delay();
                // Mode and limits may have changed while it was on its way.
                self.review_due |= to == State::Uploaded;
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
            let left = u64::try_from(change.saturating_neg()).ok().and_then(|left| left.checked_sub(fee.0));
            let bond = if executed.balance_changes.is_empty() { estimate } else { left.map_or(estimate, Shannons) };
            let mut step = Step::new(state, State::Filled);
            step.facts.bond = Some(bond);
            let found = live.found;
            self.settle(id, &record, Outcome::Success, fee, change, Some(step)).await?;
            let closed = self.chain.note_closed(target);
            self.apply(closed).await?;
            if let Some(found) = found {
                self.odds.we_filled(found.elapsed().as_millis().try_into().unwrap_or(u64::MAX));
            }
            // Whoever hits it first needs not wait for the checkpoint.
            let spawned = self.chain.filled(&executed.effects);
            return self.apply(spawned).await;
        };
        let to = if money::is_lost_race(error) { State::Lost } else { State::Failed };
        let step = Step::new(state, to).noting(format!("{error:?}; the base fee was charged"));
        self.settle(id, &record, Outcome::Failure, fee, change, Some(step)).await?;
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
        let kind = LogKind::Transaction { what: record.kind.log_word(), digest: record.digest, fee: Some(fee) };
        self.note_row_about(submission, Some(kind));
        Ok(())
    }
}
