//! From a draft to its outcome: journal, sign, send, settle. And what an earlier run left half-way.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Desk, DeskError, Draft, Leftover, Order, Settled};
use crate::{
    api::SubmissionState as State,
    chain::{
        client::{Executed, Preflight},
        types::{ObjectRef, SignedTransaction, TargetStatus},
    },
    engine::{
        journal::{JournalError, OpenOrder, OrderKind, Outcome, SignedRecord, Step, Submission, TransactionKind},
        money::{self, Closing, CoinTrouble, Flight, Payment, Verdict},
    },
    primitives::{Digest, ObjectId, Shannons},
};

/// How long an outcome that nobody knows is asked for, after the node has had its own time to answer.
const PATIENCE: Duration = Duration::from_secs(20);
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(400);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);
/// Transactions that are built for one order while others use up its coins.
pub(super) const ATTEMPTS: u32 = 3;
/// Rounds of only asking, before bytes whose target is closed are sent once more.
const ASKING_ROUNDS: u32 = 3;

const NEVER_SENT: &str = "it was signed and never sent";

/// One attempt.
pub(super) enum Attempt {
    Done(Settled),
    /// Nothing was signed; later it may work.
    Later(String),
    /// Refused at its very first sending, so it never executed and never will; without these coins it may work.
    Again {
        why: String,
        coins: Vec<ObjectRef>,
    },
}

impl Desk {
    /// Journals, signs, sends and settles. What others do to the coins meanwhile costs another attempt, never another
    /// payment; an attempt that would cost more than was drafted is refused.
    pub async fn carry_out(&mut self, draft: Draft) -> Result<Settled, DeskError> {
        self.refuse_beside_unknown().await?;
        let (mut draft, mut avoid) = (draft, Vec::new());
        for attempt in 1.. {
            let (why, sent) = match self.attempt(&draft).await? {
                Attempt::Done(settled) => return Ok(settled),
                Attempt::Later(why) => (why, false),
                Attempt::Again { why, coins } => {
                    avoid.extend(coins);
                    (why, true)
                }
            };
            if attempt >= ATTEMPTS {
                return Ok(Settled::Refused { why });
            }
            let next = match self.draft_without(draft.order.clone(), &avoid).await {
                Ok(next) => next,
                // What is left of the wallet does not do.
                Err(error @ (DeskError::Poor { .. } | DeskError::Scattered { .. } | DeskError::Order(_)))
                    if !avoid.is_empty() =>
                {
                    return Ok(Settled::Refused { why: format!("{why}; without the coins in question: {error}") });
                }
                Err(error) => return Err(error),
            };
            if next.total > draft.total || next.gain < draft.gain {
                return Ok(Settled::Refused { why: format!("{why}; and its costs have changed meanwhile") });
            }
            // The same bytes sent a second time would leave their outcome open.
            if sent && next.data == draft.data {
                return Ok(Settled::Refused { why });
            }
            draft = next;
        }
        Ok(Settled::Refused { why: "no attempt was made".into() })
    }

    /// While one transaction's outcome is unknown its coins are spoken for, and the same order might be given twice.
    pub(super) async fn refuse_beside_unknown(&self) -> Result<(), DeskError> {
        if let Some(order) = self.journal.open_orders().await?.first() {
            return Err(DeskError::Unsettled { what: order.what.clone(), digest: order.digest });
        }
        for submission in self.journal.unfinished().await? {
            if let Some(record) = self.journal.in_flight(submission.row.id).await? {
                return Err(DeskError::Unsettled { what: what_of(&submission, record.kind), digest: record.digest });
            }
        }
        Ok(())
    }

    async fn attempt(&self, draft: &Draft) -> Result<Attempt, DeskError> {
        // What a node would answer after 90 s, or execute in vain, is not even signed.
        match self.wallet.client.preflight(&draft.data).await {
            Ok(()) => {}
            Err(Preflight::Node(error)) => return Err(error.into()),
            Err(error @ (Preflight::Stale { .. } | Preflight::Missing { .. } | Preflight::NodeBehind { .. })) => {
                sleep(FIRST_PAUSE).await;
                return Ok(Attempt::Later(error.to_string()));
            }
            Err(error) => return Ok(Attempt::Done(Settled::Refused { why: error.to_string() })),
        }
        let transaction = self.wallet.keypair.sign(draft.data.clone());
        let kind = match &draft.order {
            Order::Claim { target } => match self.row_to_claim(*target).await? {
                Some(row) => return self.claim_row(row, &transaction, draft.height).await,
                None => OrderKind::Claim,
            },
            Order::Send { .. } => OrderKind::Send,
            Order::Merge => OrderKind::Merge,
            Order::Split { .. } => OrderKind::Split,
        };
        let order = self.journal.sign_order(kind, draft.what.clone(), &transaction, draft.height).await?;
        let verdict = self.send_order(&order).await?;
        self.book_order(&order, verdict).await
    }

    async fn send_order(&self, order: &OpenOrder) -> Result<Verdict, DeskError> {
        let sending = async || self.journal.sending_order(order.digest).await;
        let flight = self.flight(&order.transaction, order.sends, order.height);
        self.send(flight, 0, &order.what, sending).await
    }

    fn flight(&self, transaction: &SignedTransaction, sends: u32, height: u64) -> Flight {
        Flight { transaction: transaction.clone(), sends, height, chain_id: self.chain_id.clone() }
    }

    /// Sends the bytes, and the same bytes again, until their outcome is known or patience ends. `asking`: rounds of only
    /// asking before that. Only a refusal of the very first sending lets anything be built again without asking a person.
    async fn send(
        &self,
        mut flight: Flight,
        asking: u32,
        what: &str,
        sending: impl AsyncFn() -> Result<(), JournalError>,
    ) -> Result<Verdict, DeskError> {
        let client = &self.wallet.client;
        let started = Instant::now();
        let (mut resent, mut asking, mut pause) = (asking > 0, asking, FIRST_PAUSE);
        loop {
            let verdict = if asking > 0 {
                asking -= 1;
                money::resend(client, &flight, Closing::Closed).await
            } else {
                sending().await.map_err(|error| match flight.sends {
                    0 => error.into(),
                    _ => unsettled(what, flight.transaction.digest(), error),
                })?;
                flight.sends += 1;
                match flight.sends {
                    1 => money::send(client, &flight).await,
                    _ => money::resend(client, &flight, Closing::Open).await,
                }
            };
            if !matches!(verdict, Verdict::Unknown(_)) || started.elapsed() + pause > PATIENCE {
                return Ok(if flight.sends == 1 && !resent { verdict } else { for_a_person(verdict) });
            }
            resent = true;
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn book_order(&self, order: &OpenOrder, verdict: Verdict) -> Result<Attempt, DeskError> {
        let booked = self.booked_order(order.digest, verdict).await;
        booked.map_err(|error| unsettled(&order.what, order.digest, error))
    }

    async fn booked_order(&self, digest: Digest, verdict: Verdict) -> Result<Attempt, JournalError> {
        Ok(match verdict {
            Verdict::Executed(executed) => {
                let outcome = outcome_of(&executed);
                let (fee, change) = self.cost_of(&executed);
                self.journal.settle_order(digest, outcome, fee, change).await?;
                Attempt::Done(self.settled(digest, &executed))
            }
            Verdict::Dead { why, again, coins } => {
                self.journal.settle_order(digest, Outcome::Dead, Shannons::ZERO, 0).await?;
                refused(why, again, coins)
            }
            Verdict::Unknown(why) => Attempt::Done(Settled::Unknown { digest, why }),
        })
    }

    fn cost_of(&self, executed: &Executed) -> (Shannons, i64) {
        (Shannons(executed.effects.fee.total_fee), money::change_for(executed, self.address))
    }

    fn settled(&self, digest: Digest, executed: &Executed) -> Settled {
        let (fee, balance_change) = self.cost_of(executed);
        Settled::Executed {
            digest,
            success: executed.effects.succeeded(),
            failure: money::failure(&executed.effects).map(|error| format!("{error:?}")),
            fee,
            balance_change,
            created: executed.effects.created().map(|(id, _)| id).collect(),
        }
    }

    /// The journal's own row of a target, brought to where it can be claimed.
    async fn row_to_claim(&self, target: ObjectId) -> Result<Option<Submission>, DeskError> {
        let Some(submission) = self.journal.live_row(target).await? else { return Ok(None) };
        Ok(match submission.row.state {
            State::Filled => {
                let step = Step::new(State::Filled, State::Claimable);
                Some(self.journal.advance(submission.row.id, step).await?)
            }
            State::Claimable => Some(submission),
            _ => None,
        })
    }

    async fn claim_row(
        &self,
        submission: Submission,
        transaction: &SignedTransaction,
        height: u64,
    ) -> Result<Attempt, DeskError> {
        let id = submission.row.id;
        let (submission, record) = self.journal.sign(id, TransactionKind::Claim, transaction, height).await?;
        let verdict = self.send_row(&submission, &record, 0).await?;
        self.book_row(&submission, &record, verdict).await
    }

    /// Sends the transaction of a row.
    pub(super) async fn send_row(
        &self,
        submission: &Submission,
        record: &SignedRecord,
        asking: u32,
    ) -> Result<Verdict, DeskError> {
        let id = submission.row.id;
        let sending = async || self.journal.sending(id, record.digest).await.map(drop);
        let flight = self.flight(&record.transaction, record.sends, record.height);
        self.send(flight, asking, &what_of(submission, record.kind), sending).await
    }

    /// Books what a row's transaction came to, and moves the row with it.
    pub(super) async fn book_row(
        &self,
        submission: &Submission,
        record: &SignedRecord,
        verdict: Verdict,
    ) -> Result<Attempt, DeskError> {
        let booked = match record.kind {
            TransactionKind::Submit => self.book_submit(submission, record, verdict).await,
            TransactionKind::Claim => self.book_claim(submission, record, verdict).await,
        };
        booked.map_err(|error| unsettled(&what_of(submission, record.kind), record.digest, error))
    }

    async fn book_claim(
        &self,
        submission: &Submission,
        record: &SignedRecord,
        verdict: Verdict,
    ) -> Result<Attempt, JournalError> {
        let (row, digest) = (&submission.row, record.digest);
        match verdict {
            Verdict::Executed(executed) => {
                let (fee, change) = self.cost_of(&executed);
                let step = executed.effects.succeeded().then(|| {
                    let received = change.saturating_add_unsigned(fee.0);
                    claimed_step(Payment::from_received(received, row.bond, submission.reward_pool))
                });
                self.journal.settle(row.id, digest, outcome_of(&executed), fee, change, step).await?;
                Ok(Attempt::Done(self.settled(digest, &executed)))
            }
            Verdict::Dead { why, again, coins } => {
                self.journal.settle(row.id, digest, Outcome::Dead, Shannons::ZERO, 0, None).await?;
                Ok(refused(why, again, coins))
            }
            Verdict::Unknown(why) => {
                self.journal.note(row.id, format!("claim sent, and not yet heard of: {why}")).await?;
                Ok(Attempt::Done(Settled::Unknown { digest, why }))
            }
        }
    }

    /// A dead one that may be built again is `Uploaded` again.
    async fn book_submit(
        &self,
        submission: &Submission,
        record: &SignedRecord,
        verdict: Verdict,
    ) -> Result<Attempt, JournalError> {
        let (id, digest) = (submission.row.id, record.digest);
        // Sending has moved it since.
        let state = self.journal.submission(id).await?.row.state;
        match verdict {
            Verdict::Executed(executed) => {
                let (fee, change) = self.cost_of(&executed);
                let step = match money::failure(&executed.effects) {
                    None => {
                        // What left the wallet beyond the fee is the bond.
                        let left = u64::try_from(change.saturating_neg()).ok().and_then(|left| left.checked_sub(fee.0));
                        let told = left.filter(|_| !executed.balance_changes.is_empty());
                        let mut step = Step::new(state, State::Filled);
                        step.facts.bond = Some(told.map_or(submission.row.bond, Shannons));
                        step
                    }
                    Some(error) => {
                        let to = if money::is_lost_race(error) { State::Lost } else { State::Failed };
                        Step::new(state, to).noting(format!("{error:?}; the base fee was charged"))
                    }
                };
                self.journal.settle(id, digest, outcome_of(&executed), fee, change, Some(step)).await?;
                Ok(Attempt::Done(self.settled(digest, &executed)))
            }
            Verdict::Dead { why, again, coins } => {
                let to = match state {
                    State::Signed => State::Lost,
                    _ if again => State::Uploaded,
                    _ => State::Failed,
                };
                let step = Step::new(state, to).noting(format!("never executed, nothing was charged: {why}"));
                self.journal.settle(id, digest, Outcome::Dead, Shannons::ZERO, 0, Some(step)).await?;
                Ok(refused(why, to == State::Uploaded, coins))
            }
            Verdict::Unknown(why) => {
                if state == State::Sent {
                    let note = format!("sent, and not yet heard of: {why}");
                    self.journal.advance(id, Step::new(State::Sent, State::Unknown).noting(note)).await?;
                }
                Ok(Attempt::Done(Settled::Unknown { digest, why }))
            }
        }
    }

    /// Orders and submissions of an earlier run whose outcome is not known. What was certainly never sent is dropped: nobody has
    /// said that it is still wanted.
    pub(super) async fn settle_leftovers(&self) -> Result<Vec<Leftover>, DeskError> {
        let mut leftovers = Vec::new();
        for order in self.journal.open_orders().await? {
            let verdict = match order.sends {
                0 => never_sent(),
                _ => self.send_order(&order).await?,
            };
            let attempt = self.book_order(&order, for_a_person(verdict)).await?;
            leftovers.push(Leftover { what: order.what, digest: order.digest, settled: ended(attempt) });
        }
        for (submission, kind, digest) in self.journal.drop_unsent().await? {
            let mut why = NEVER_SENT.to_owned();
            if kind == TransactionKind::Submit {
                // An approval that stayed would have the next run sign it anew, after it was told that it never will be.
                let step = Step::new(State::Uploaded, State::AwaitingApproval).noting(NEVER_SENT);
                self.journal.advance(submission.row.id, step).await?;
                why.push_str("; the submission waits for an approval again");
            }
            let settled = Settled::Refused { why };
            leftovers.push(Leftover { what: what_of(&submission, kind), digest, settled });
        }
        for submission in self.journal.unfinished().await? {
            let Some(record) = self.journal.in_flight(submission.row.id).await? else { continue };
            let open = record.kind == TransactionKind::Claim || self.is_open(submission.row.target).await?;
            let verdict = self.send_row(&submission, &record, if open { 0 } else { ASKING_ROUNDS }).await?;
            let attempt = self.book_row(&submission, &record, for_a_person(verdict)).await?;
            let what = what_of(&submission, record.kind);
            leftovers.push(Leftover { what, digest: record.digest, settled: ended(attempt) });
        }
        Ok(leftovers)
    }

    /// Whether a target takes submissions now.
    async fn is_open(&self, target: ObjectId) -> Result<bool, DeskError> {
        let (state, target) = tokio::try_join!(self.wallet.client.epoch_state(), self.wallet.client.target(target))?;
        Ok(target.is_some_and(|t| t.status == TargetStatus::Open && t.generation_epoch >= state.epoch))
    }
}

fn never_sent() -> Verdict {
    Verdict::Dead { why: NEVER_SENT.into(), again: false, coins: Vec::new() }
}

/// What was not refused at its first sending is not built again by itself, now or by the next run: whoever wants it gives
/// the order anew. However sure the node is, a second signature is a second payment if it errs.
fn for_a_person(verdict: Verdict) -> Verdict {
    match verdict {
        Verdict::Dead { why, again: true, coins } => {
            let why = format!("{why}; it is not signed anew by itself: give the order again if it is still wanted");
            Verdict::Dead { why, again: false, coins }
        }
        other => other,
    }
}

fn refused(why: String, again: bool, coins: Vec<(ObjectRef, CoinTrouble)>) -> Attempt {
    match again {
        true => Attempt::Again { why, coins: coins.into_iter().map(|(coin, _)| coin).collect() },
        false => Attempt::Done(Settled::Refused { why }),
    }
}

/// The journal failed after bytes were sent: nobody may take that for an order that was not carried out.
fn unsettled(what: &str, digest: Digest, error: JournalError) -> DeskError {
    DeskError::Unsettled { what: format!("{what} (the journal could not be written: {error})"), digest }
}

fn ended(attempt: Attempt) -> Settled {
    match attempt {
        Attempt::Done(settled) => settled,
        Attempt::Later(why) | Attempt::Again { why, .. } => Settled::Refused { why },
    }
}

fn what_of(submission: &Submission, kind: TransactionKind) -> String {
    let target = submission.row.target.short();
    match kind {
        TransactionKind::Submit => format!("submit {} for target {target}", submission.row.source),
        TransactionKind::Claim => format!("claim our target {target}"),
    }
}

fn outcome_of(executed: &Executed) -> Outcome {
    if executed.effects.succeeded() { Outcome::Success } else { Outcome::Failure }
}

fn claimed_step(payment: Payment) -> Step {
    let (to, paid) = match payment {
        Payment::Paid(paid) => (State::Claimed, paid),
        Payment::Forfeited(paid) => (State::Forfeited, paid),
    };
    let mut step = Step::new(State::Claimable, to);
    step.facts.paid = Some(paid);
    if to == State::Forfeited {
        step = step.noting("validators reported the data and took the bond");
    }
    step
}
