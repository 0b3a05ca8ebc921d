//! From a filled target to its reward: claimable two epochs later, claimed by us or by somebody else.

use std::time::Duration;

use super::{Dispatcher, Done, Halt, outbox::ASKING_ROUNDS};
use crate::{
    api::{Level, SubmissionId, SubmissionState as State},
    chain::{client::ClientError, types::ExecutionFailure},
    engine::{
        journal::{Outcome, SignedRecord, Step},
        money::{self, Payment, Verdict},
    },
    primitives::{Digest, ObjectId, Shannons},
};

/// A claim that failed costs its base fee each time: it is not tried again at once.
const FAILED_CLAIM_PAUSE: Duration = Duration::from_secs(600);

impl Dispatcher {
    /// Validators report in the epoch after the fill; after that one the reward can be claimed (`protocol.md §7.1`).
    pub(super) async fn ripen_rows(&mut self) -> Result<(), Halt> {
        let Some(epoch) = self.chain.epoch() else { return Ok(()) };
        let ripe = |live: &super::rows::Live| {
            live.state() == State::Filled && (live.submission.row.epoch + 1 < epoch || live.gone_in.is_some())
        };
        for id in self.rows.ids(ripe) {
            self.advance(id, Step::new(State::Filled, State::Claimable)).await?;
        }
        Ok(())
    }

    /// A target that we filled has gone: somebody claimed it, perhaps we. If a claim of ours is on its way it is settled
    /// first, and what it says counts; should it fail, this tells where the payment is.
    pub(super) fn targets_gone(&mut self, deleted: &[ObjectId], transactions: &[Digest]) {
        for live in self.rows.live.values_mut() {
            let is_filled = matches!(live.state(), State::Filled | State::Claimable);
            if is_filled && deleted.contains(&live.submission.row.target) {
                let own = live.record.as_ref().map(|record| record.digest);
                live.gone_in = Some(transactions.iter().copied().filter(|digest| Some(*digest) != own).collect());
            }
        }
    }

    /// Looks for what a claim of somebody else has paid us.
    pub(super) fn find_payments(&mut self) {
        let Some(owner) = self.address else { return };
        let now = tokio::time::Instant::now();
        let due = self.rows.ids(|live| {
            live.state() == State::Claimable && live.gone_in.is_some() && !live.in_flight() && live.is_due(now)
        });
        for id in due {
            let Some(live) = self.rows.live.get_mut(&id) else { continue };
            let recent = live.gone_in.clone().unwrap_or_default();
            live.busy = true;
            let (client, done, target) = (self.client.clone(), self.done.clone(), live.submission.row.target);
            tokio::spawn(async move {
                let result = money::find_payment(&client, owner, target, &recent).await;
                let _ = done.send(Done::Payment { id, result });
            });
        }
    }

    pub(super) async fn payment_found(
        &mut self,
        id: SubmissionId,
        result: Result<Option<i64>, ClientError>,
    ) -> Result<(), Halt> {
        let Some(live) = self.rows.live.get_mut(&id) else { return Ok(()) };
        live.busy = false;
        let (bond, pool) = (live.submission.row.bond, live.submission.reward_pool);
        let step = match result {
            Err(_) => {
                live.delay();
                return Ok(());
            }
            Ok(Some(received)) => {
                paid_step(Payment::from_received(received, bond, pool), Some("claimed by somebody else"))
            }
            // The claim may be known a moment after its checkpoint.
            Ok(None) if live.asked < ASKING_ROUNDS => {
                live.asked += 1;
                live.delay();
                return Ok(());
            }
            // What others claim of reported data pays us nothing, so nothing is what there is to find. A payment that
            // nobody has seen is not booked.
            Ok(None) => paid_step(Payment::Forfeited(Shannons::ZERO), None)
                .noting("claimed by somebody else; payment not found, the bond may be lost"),
        };
        self.watch.poke();
        self.advance(id, step).await
    }

    pub(super) async fn claim_settled(
        &mut self,
        id: SubmissionId,
        record: SignedRecord,
        verdict: Verdict,
    ) -> Result<(), Halt> {
        let Some(live) = self.rows.live.get_mut(&id) else { return Ok(()) };
        let executed = match verdict {
            Verdict::Executed(executed) => executed,
            Verdict::Dead { why, .. } => {
                live.record = None;
                live.deaths += 1;
                live.delay();
                self.settle(id, &record, Outcome::Dead, Shannons::ZERO, 0, None).await?;
                return self.log(Level::Info, format!("the claim of submission {} is built again: {why}", id.0)).await;
            }
            Verdict::Unknown(why) => {
                live.delay();
                let submission = self.journal.note(id, format!("claim sent, and not yet heard of: {why}")).await?;
                self.note_row(submission);
                return Ok(());
            }
        };
        live.record = None;
        let (bond, pool) = (live.submission.row.bond, live.submission.reward_pool);
        let fee = Shannons(executed.effects.fee.total_fee);
        let change = self.address.map_or(0, |address| money::change_for(&executed, address));
        let Some(error) = money::failure(&executed.effects) else {
            let received = change.saturating_add_unsigned(fee.0);
            let step = paid_step(Payment::from_received(received, bond, pool), None);
            return self.settle(id, &record, Outcome::Success, fee, change, Some(step)).await;
        };
        if matches!(error, ExecutionFailure::InputObjectDeleted | ExecutionFailure::TargetAlreadyClaimed) {
            live.gone_in.get_or_insert_default();
        } else if live.gone_in.is_none() {
            live.retry = Some(tokio::time::Instant::now() + FAILED_CLAIM_PAUSE);
        }
        let text = format!("the claim of submission {} failed: {error:?}; the base fee was charged", id.0);
        self.settle(id, &record, Outcome::Failure, fee, change, None).await?;
        self.log(Level::Warning, text).await
    }
}

fn paid_step(payment: Payment, note: Option<&str>) -> Step {
    let (to, paid) = match payment {
        Payment::Paid(paid) => (State::Claimed, paid),
        Payment::Forfeited(paid) => (State::Forfeited, paid),
    };
    let mut step = Step::new(State::Claimable, to);
    step.note = match to {
        State::Forfeited => Some("validators reported the data and took the bond".into()),
        _ => note.map(str::to_owned),
    };
    step.facts.paid = Some(paid);
    step
}
