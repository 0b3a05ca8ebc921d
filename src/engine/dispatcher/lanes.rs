//! Who uses the wallet next: submissions and claims in turns, each with coins of its own, as many at once as the
//! configuration says.

use tokio::time::Instant;

use super::{Dispatcher, Done, Halt};
use crate::{
    api::{Mode, SubmissionId, SubmissionState as State},
    chain::fees,
    engine::{
        journal::TransactionKind,
        money::{self, Short, Wallet, Want},
    },
    primitives::Shannons,
};

impl Dispatcher {
    /// Who may sign now.
    pub(super) fn wallet(&self) -> Option<Wallet> {
        let held =
            self.stopping.is_some() || self.review_due || self.chain.chain_id.is_empty() || self.why_held().is_some();
        if self.mode == Mode::ReadOnly || held {
            return None;
        }
        Some(Wallet { client: self.client.clone(), keypair: self.keypair.clone()? })
    }

    /// Gives coins to what may be signed next, while there are lanes and coins.
    pub(super) async fn fill_lanes(&mut self) -> Result<(), Halt> {
        if !self.purse.is_known() {
            return Ok(());
        }
        while self.purse.room() > 0 {
            let Some(wallet) = self.wallet() else { break };
            let mut given = false;
            // A claim that a small coin can pay does not wait for a bond.
            for id in self.next_in_turn() {
                given = self.give_coins(id, wallet.clone()).await?;
                if given {
                    break;
                }
            }
            if !given {
                break;
            }
        }
        Ok(())
    }

    /// The next submission and the next claim, in the order of their turns.
    fn next_in_turn(&self) -> Vec<SubmissionId> {
        let now = Instant::now();
        let first = |state: State, wanted: &dyn Fn(&super::rows::Live) -> bool| {
            let states = [state];
            let mut rows = self.rows.in_states(&states);
            rows.find(|(_, live)| !live.in_flight() && live.is_due(now) && wanted(live)).map(|(id, _)| id)
        };
        let submit = match self.chain.is_epoch_ending() {
            true => None,
            false => first(State::Uploaded, &|live| live.hit.is_some()),
        };
        let claim = match self.policy.auto_claim {
            true => first(State::Claimable, &|live| live.gone_in.is_none()),
            false => None,
        };
        // In turns: a full board must not keep earned rewards waiting.
        let turns = if self.claimed_last { [submit, claim] } else { [claim, submit] };
        turns.into_iter().flatten().collect()
    }

    /// Reserves coins for a row and starts its preparation. `false`: all that could pay is in use.
    async fn give_coins(&mut self, id: SubmissionId, wallet: Wallet) -> Result<bool, Halt> {
        let (Some(state), Some(live)) = (&self.chain.state, self.rows.live.get_mut(&id)) else { return Ok(false) };
        let submission = live.submission.clone();
        let is_claim = live.state() == State::Claimable;
        let (needed, want) = match is_claim {
            true => (fees::claim(&state.parameters, submission.reward_pool), Want::Fee),
            false => (money::submit_needs(&state.parameters, submission.row.size_bytes), Want::Bond),
        };
        let grip = match self.purse.reserve(needed, want) {
            Ok(grip) => grip,
            Err(Short::Busy) => return Ok(false),
            Err(Short::Locked) => {
                let why = "the wallet's coins are locked by other transactions; the locks end with the epoch";
                self.wait_for_coins(id, why.to_owned()).await?;
                return Ok(true);
            }
            Err(Short::Poor { held }) => {
                let why = format!("{needed} SOMA are needed for bond and fees, and the wallet holds {held}");
                self.wait_for_coins(id, why).await?;
                return Ok(true);
            }
        };
        live.busy = true;
        self.tickets.insert(id, grip.ticket);
        self.claimed_last = is_claim;
        let careful = live.deaths > 0 || live.failed_claims > 0;
        let (done, epoch) = (self.done.clone(), state.epoch);
        let gas = grip.coins;
        match (is_claim, live.hit.clone()) {
            (true, _) => tokio::spawn(async move {
                let result = money::prepare_claim(&wallet, submission.row.target, gas, careful).await;
                let _ = done.send(Done::Prepared { id, kind: TransactionKind::Claim, result });
            }),
            (false, Some(hit)) => tokio::spawn(async move {
                let url = submission.row.url.unwrap_or_default();
                let result = money::prepare_submit(&wallet, &hit, &url, gas, epoch, careful).await;
                let _ = done.send(Done::Prepared { id, kind: TransactionKind::Submit, result });
            }),
            // Only rows with a hit are in turn.
            (false, None) => return Ok(false),
        };
        Ok(true)
    }

    async fn wait_for_coins(&mut self, id: SubmissionId, why: String) -> Result<(), Halt> {
        if let Some(live) = self.rows.live.get_mut(&id) {
            live.delay();
        }
        self.watch.poke();
        self.note_once(id, why).await
    }

    /// Says why a row waits, if it does not say so already.
    pub(super) async fn note_once(&mut self, id: SubmissionId, why: String) -> Result<(), Halt> {
        let noted = self.rows.live.get(&id).and_then(|live| live.submission.row.note.as_deref());
        if noted != Some(why.as_str()) {
            let submission = self.journal.note(id, why).await?;
            self.note_row(submission);
        }
        Ok(())
    }

    /// Gives the coins of a row back.
    pub(super) fn release(&mut self, id: SubmissionId) {
        if let Some(ticket) = self.tickets.remove(&id) {
            self.purse.release(ticket);
        }
    }

    /// Rows that are ready to be signed and must not be say why.
    pub(super) async fn explain_waiting(&mut self) -> Result<(), Halt> {
        let why = match self.why_held() {
            Some(why) => why,
            None if self.chain.is_epoch_ending() => {
                "the epoch ends in a moment: what is signed now could arrive too late".to_owned()
            }
            None => return Ok(()),
        };
        let waiting: &[State] = match self.why_held() {
            Some(_) => &[State::Approved, State::Uploaded, State::Claimable],
            None => &[State::Uploaded],
        };
        for id in self.rows.ids(waiting, |live| !live.busy && !live.in_flight()) {
            self.note_once(id, why.clone()).await?;
        }
        Ok(())
    }

    /// What one more submission needs, by the rows that are on their way; `None`: there are none.
    pub(super) fn unit(&self) -> Option<Shannons> {
        let parameters = &self.chain.state.as_ref()?.parameters;
        let rows = self.rows.in_states(&super::hits::UNSIGNED);
        rows.map(|(_, live)| money::submit_needs(parameters, live.submission.row.size_bytes)).max()
    }
}
