//! From a filled target to its reward: claimable two epochs later, claimed by us or by somebody else.

use std::time::Duration;

use super::{Dispatcher, Done, Halt, outbox::ASKING_ROUNDS};
use crate::{
    api::{Level, SubmissionId, SubmissionState as State},
    chain::{client::ClientError, types::ExecutionFailure},
    engine::{
        journal::{Outcome, SignedRecord, Step},
        money::{self, Found, Payment, Verdict},
    },
    primitives::{Digest, ObjectId, Shannons},
};

/// A claim that failed costs its base fee each time: it is tried again after this part of an epoch, then after twice as
/// much, and so on up to a whole epoch.
const FAILED_CLAIM_PAUSE: u32 = 24;

impl Dispatcher {
    /// Validators report in the epoch after the fill; after that one the reward can be claimed (`protocol.md §7.1`).
    pub(super) async fn ripen_rows(&mut self) -> Result<(), Halt> {
        let Some(epoch) = self.chain.epoch() else { return Ok(()) };
        // Days of fills wait here: they are looked through only when one of them can be ripe.
        if self.ripened == Some(epoch) {
            return Ok(());
        }
        self.ripened = Some(epoch);
        let ripe = |live: &super::rows::Live| live.submission.row.epoch + 1 < epoch || live.gone_in.is_some();
        for id in self.rows.ids(&[State::Filled], ripe) {
            self.advance(id, Step::new(State::Filled, State::Claimable)).await?;
        }
        Ok(())
    }

    /// A target that we filled has gone: somebody claimed it, perhaps we. If a claim of ours is on its way it is settled
    /// first, and what it says counts; should it fail, this tells where the payment is.
    pub(super) fn targets_gone(&mut self, deleted: &[ObjectId], transactions: &[Digest]) {
        for target in deleted {
            let Some(live) = self.rows.of_target(target) else { continue };
            if matches!(live.state(), State::Filled | State::Claimable) {
                let own = live.record.as_ref().map(|record| record.digest);
                live.gone_in = Some(transactions.iter().copied().filter(|digest| Some(*digest) != own).collect());
                self.ripened = None;
            }
        }
    }

    /// Looks for what a claim of somebody else has paid us.
    pub(super) fn find_payments(&mut self) {
        let Some(owner) = self.address else { return };
        let now = tokio::time::Instant::now();
        let due =
            self.rows.ids(&[State::Claimable], |live| live.gone_in.is_some() && !live.in_flight() && live.is_due(now));
        for id in due {
            let Some(live) = self.rows.live.get_mut(&id) else { continue };
            let recent = live.gone_in.clone().unwrap_or_default();
            live.busy = true;
            let (client, done, target) = (self.client.clone(), self.done.clone(), live.submission.row.target);
            let (chain_id, height) = (self.chain.chain_id.clone(), self.chain.height);
            tokio::spawn(async move {
                let result = money::find_payment(&client, owner, target, &recent, &chain_id, height).await;
                let _ = done.send(Done::Payment { id, result });
            });
        }
    }

    pub(super) async fn payment_found(
        &mut self,
        id: SubmissionId,
        result: Result<Found, ClientError>,
    ) -> Result<(), Halt> {
        let Some(live) = self.rows.live.get_mut(&id) else { return Ok(()) };
        live.busy = false;
        let (bond, pool) = (live.submission.row.bond, live.submission.reward_pool);
        let step = match result {
            Err(_) => {
                live.delay();
                return Ok(());
            }
            // Whoever said that it was gone saw another chain, or an older one.
            Ok(Found::StillThere) => {
                live.gone_in = None;
                live.asked = 0;
                live.delay();
                return Ok(());
            }
            Ok(Found::Received(received)) => {
                paid_step(Payment::from_received(received, bond, pool), Some("claimed by somebody else"))
            }
            // The claim may be known a moment after its checkpoint.
            Ok(Found::Nothing) if live.asked < ASKING_ROUNDS => {
                live.asked += 1;
                live.delay();
                return Ok(());
            }
            // What others claim of reported data pays us nothing, so nothing is what there is to find. A payment that
            // nobody has seen is not booked.
            Ok(Found::Nothing) => paid_step(Payment::Forfeited(Shannons::ZERO), None)
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
        live.failed_claims += 1;
        let mut text = format!("the claim failed: {error:?}; the base fee was charged");
        if matches!(error, ExecutionFailure::InputObjectDeleted | ExecutionFailure::TargetAlreadyClaimed) {
            live.gone_in.get_or_insert_default();
        } else if live.gone_in.is_none() {
            let epoch_ms = self.chain.state.as_ref().map_or(0, |state| state.parameters.epoch_duration_ms);
            let pause = claim_pause(Duration::from_millis(epoch_ms), live.failed_claims);
            live.retry = Some(tokio::time::Instant::now() + pause);
            text = format!("{text}; tried again in {} s", pause.as_secs());
        }
        self.settle(id, &record, Outcome::Failure, fee, change, None).await?;
        self.log(Level::Warning, format!("submission {}: {text}", id.0)).await?;
        self.note_once(id, text).await
    }
}

/// How long a claim waits after `failed` failures.
pub(super) fn claim_pause(epoch: Duration, failed: u32) -> Duration {
    let first = (epoch / FAILED_CLAIM_PAUSE).max(Duration::from_secs(1));
    first.saturating_mul(1 << failed.saturating_sub(1).min(16)).min(epoch.max(first))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_that_fails_again_and_again_is_tried_ever_more_rarely_but_once_an_epoch() {
        let hours = |failed| claim_pause(Duration::from_secs(86_400), failed).as_secs() / 3600;
        assert_eq!([1, 2, 3, 4, 5, 6, 40].map(hours), [1, 2, 4, 8, 16, 24, 24]);
        // On a network with short epochs it does not become a storm.
        assert_eq!(claim_pause(Duration::from_millis(300), 1), Duration::from_secs(1));
    }
}
