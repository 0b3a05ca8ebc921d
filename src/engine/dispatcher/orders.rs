//! Orders: splits and merges of coins, ahead of the submissions that need them, and whatever an earlier run or another
//! command left signed.
//!
//! They move our own coins among ourselves and cost fees only, so they ask nobody: but they are made only when the policy
//! approves by itself, or a person has approved several submissions that wait.

use tokio::time::Instant;

use super::{Dispatcher, Done, Halt};
use crate::{
    api::{Level, LogKind, Mode, SubmissionState as State},
    engine::{
        backoff::Backoff,
        journal::{JournalError, OpenOrder, OrderId, OrderKind, Outcome},
        money::{self, Closing, CoinTrouble, Flight, SplitPlan, Ticket, Verdict},
        now_ms,
    },
    primitives::Shannons,
};

/// So many coins that nobody needs are merged by an order of their own; fewer go with the next gas payments.
const MANY_SPARE: usize = 128;
const MERGED_AT_ONCE: usize = 256;

/// An order whose outcome is not known.
pub(super) struct LiveOrder {
    pub order: OpenOrder,
    ticket: Ticket,
    busy: bool,
    retry: Option<Instant>,
    backoff: Backoff,
}

impl LiveOrder {
    pub fn new(order: OpenOrder, ticket: Ticket) -> Self {
        let backoff = Backoff::new(std::time::Duration::from_millis(500), std::time::Duration::from_secs(30));
        Self { order, ticket, busy: false, retry: None, backoff }
    }

    fn is_due(&self, now: Instant) -> bool {
        !self.busy && self.retry.is_none_or(|retry| retry <= now)
    }
}

impl Dispatcher {
    /// Splits coins ahead, or merges spare ones, if there is reason to. One order at a time.
    pub(super) async fn tend_purse(&mut self) -> Result<(), Halt> {
        let now = Instant::now();
        let waits = self.tended.is_some_and(|until| now < until);
        if waits || !self.orders.is_empty() || !self.purse.is_known() || self.purse.room() == 0 {
            return Ok(());
        }
        let (Some(wallet), Some(state)) = (self.wallet(), &self.chain.state) else { return Ok(()) };
        let approved = self.rows.count(&[State::Approved, State::Uploaded]);
        let flying = self.rows.count(&[State::Signed, State::Sent, State::Unknown]);
        let demand = match self.mode {
            // What the policy refuses needs no coins until a person says otherwise.
            Mode::Auto => {
                let wanted = |live: &super::rows::Live| !self.refusals.has(&live.submission.row.target);
                flying + self.rows.in_states(&super::hits::UNSIGNED).filter(|(_, live)| wanted(live)).count()
            }
            _ if approved >= 2 => flying + approved,
            _ => 0,
        };
        let Some(unit) = self.unit().filter(|_| demand >= 2) else { return Ok(()) };
        let parameters = state.parameters.clone();
        let missing = self.purse.ahead().min(demand).saturating_sub(self.purse.able(unit));
        let signed = if missing > 0
            && let Some(grip) = self.purse.reserve_richest(SplitPlan::least(&parameters, unit))
        {
            match (SplitPlan::of(&parameters, grip.sum, missing, unit), grip.coins.first()) {
                (Some(plan), Some(coin)) => {
                    let what = format!("a coin split for {} submissions at once", plan.parts + 1);
                    Some((OrderKind::Split, what, money::sign_split(&wallet.keypair, *coin, plan), grip.ticket))
                }
                _ => {
                    self.purse.release(grip.ticket);
                    None
                }
            }
        } else if let Some(grip) = self.purse.reserve_spare(MANY_SPARE, MERGED_AT_ONCE) {
            match money::sign_merge(&wallet.keypair, &grip.coins) {
                Some(transaction) if grip.sum >= money::submit_needs(&parameters, 0) => {
                    let what = format!("{} small coins merged", grip.coins.len());
                    Some((OrderKind::Merge, what, transaction, grip.ticket))
                }
                _ => {
                    self.purse.release(grip.ticket);
                    None
                }
            }
        } else {
            None
        };
        let Some((kind, what, transaction, ticket)) = signed else { return Ok(()) };
        let order = match self.journal.sign_order(kind, what, &transaction, self.chain.height).await {
            Ok(order) => order,
            // These very bytes have been executed: a list that lags has brought spent coins back.
            Err(JournalError::OrderSigned(_)) => {
                let coins: Vec<_> = transaction.data.gas_payment().iter().map(|c| (*c, CoinTrouble::Stale)).collect();
                self.purse.release(ticket);
                self.put_aside(&coins);
                let text = "a coin was spent by the same order before; others are taken".to_owned();
                return self.log(Level::Warning, text).await;
            }
            Err(error) => return Err(error.into()),
        };
        let id = order.id;
        self.orders.insert(id, LiveOrder::new(order, ticket));
        self.send_order(id).await
    }

    /// One round for every order that is due.
    pub(super) async fn settle_orders(&mut self) -> Result<(), Halt> {
        let now = Instant::now();
        let due: Vec<OrderId> = self.orders.iter().filter(|(_, order)| order.is_due(now)).map(|(id, _)| *id).collect();
        for id in due {
            self.send_order(id).await?;
        }
        Ok(())
    }

    async fn send_order(&mut self, id: OrderId) -> Result<(), Halt> {
        let Some(live) = self.orders.get_mut(&id) else { return Ok(()) };
        let first = live.order.sends == 0;
        let may_send = self.mode != Mode::ReadOnly;
        live.busy = true;
        if may_send {
            self.journal.sending_order(live.order.digest).await?;
            live.order.sends += 1;
        }
        let flight = Flight {
            transaction: live.order.transaction.clone(),
            sends: live.order.sends,
            height: live.order.height,
            chain_id: self.chain.chain_id.clone(),
        };
        let (client, done) = (self.client.clone(), self.done.clone());
        tokio::spawn(async move {
            let verdict = match (first, may_send) {
                (true, true) => money::send(&client, &flight).await,
                (_, true) => money::resend(&client, &flight, Closing::Open).await,
                (_, false) => money::resend(&client, &flight, Closing::Closed).await,
            };
            let _ = done.send(Done::OrderSettled { id, verdict });
        });
        Ok(())
    }

    /// Books what became of an order.
    pub(super) async fn order_settled(&mut self, id: OrderId, verdict: Verdict) -> Result<(), Halt> {
        let Some(live) = self.orders.get_mut(&id) else { return Ok(()) };
        live.busy = false;
        if let Verdict::Unknown(_) = verdict {
            live.retry = Some(Instant::now() + live.backoff.next_delay());
            return Ok(());
        }
        let Some(LiveOrder { order, ticket, .. }) = self.orders.remove(&id) else { return Ok(()) };
        self.purse.release(ticket);
        let (outcome, fee, change, level, text) = match verdict {
            Verdict::Executed(executed) => {
                if !self.purse.executed(&order.transaction.data, &executed, &[], now_ms()) {
                    self.watch.poke();
                }
                let fee = Shannons(executed.effects.fee.total_fee);
                let change = self.address.map_or(0, |address| money::change_for(&executed, address));
                match money::failure(&executed.effects) {
                    None => (Outcome::Success, fee, change, Level::Info, format!("{}, fee {fee} SOMA", order.what)),
                    Some(error) => {
                        let text = format!("failed: {}: {error:?}; fee {fee} SOMA", order.what);
                        (Outcome::Failure, fee, change, Level::Warning, text)
                    }
                }
            }
            Verdict::Dead { why, coins, .. } => {
                self.put_aside(&coins);
                let text = format!("{}: never executed, nothing was charged: {why}", order.what);
                (Outcome::Dead, Shannons::ZERO, 0, Level::Warning, text)
            }
            Verdict::Unknown(_) => return Ok(()),
        };
        self.journal.settle_order(order.digest, outcome, fee, change).await?;
        // What did not work is not tried again at once: it may cost its fee each time.
        self.tended = match outcome {
            Outcome::Success => {
                self.tend_pause.reset();
                None
            }
            _ => Some(Instant::now() + self.tend_pause.next_delay()),
        };
        self.rewards_due = true;
        let kind = LogKind::Transaction { what: order.kind.log_word(), digest: order.digest, fee: Some(fee) };
        self.log_about(kind, level, text).await
    }
}
