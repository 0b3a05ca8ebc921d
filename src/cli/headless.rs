//! The engine without an interface: progress to standard error, a report at the end.

use std::{io::Write, sync::Arc, time::Duration};

use serde::Serialize;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use crate::{
    api::{Command, EngineHandle, Event, Level, Mode, Snapshot, SubmissionState as State},
    primitives::{Shannons, clean},
};

/// What a run came to. Field names are a contract: scripts read them.
///
/// Over a run in which only the engine moves the wallet,
/// `balance_end − balance_start = rewards − fees − (bonds_locked − bonds_locked_start) − bonds_forfeited`.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Report {
    pub samples_scored: u64,
    pub model_evaluations: u64,
    /// Samples that the last reading of the corpus left out because they, or nearly they, came before.
    pub duplicates: u64,
    pub hits: u64,
    pub submitted: u64,
    pub filled: u64,
    pub claimed: u64,
    pub balance_start_shannons: Shannons,
    pub balance_end_shannons: Shannons,
    pub rewards_shannons: Shannons,
    pub fees_shannons: Shannons,
    /// Locked by an earlier run in the same directory.
    pub bonds_locked_start_shannons: Shannons,
    pub bonds_locked_shannons: Shannons,
    pub bonds_forfeited_shannons: Shannons,
    /// Epochs that ended during the run.
    pub epochs: u64,
    pub elapsed_s: f64,
}

impl Report {
    /// `first` and `last`: what the engine knew at the start and at the end. Counts and sums are those of this run.
    pub fn new(first: &Snapshot, last: &Snapshot, balance_start: Shannons, elapsed: Duration) -> Self {
        let (before, after) = (&first.throughput, &last.throughput);
        let (start, end) = (first.rewards.total, last.rewards.total);
        Self {
            samples_scored: after.samples_scored - before.samples_scored,
            model_evaluations: after.model_evaluations - before.model_evaluations,
            duplicates: after.duplicates,
            hits: after.hits - before.hits,
            submitted: end.submitted - start.submitted,
            filled: end.filled - start.filled,
            claimed: end.claimed - start.claimed,
            balance_start_shannons: balance_start,
            balance_end_shannons: last.wallet.balance,
            rewards_shannons: end.rewards.saturating_sub(start.rewards),
            fees_shannons: end.fees.saturating_sub(start.fees),
            bonds_locked_start_shannons: start.bonds_locked,
            bonds_locked_shannons: end.bonds_locked,
            bonds_forfeited_shannons: end.bonds_forfeited.saturating_sub(start.bonds_forfeited),
            epochs: last.network.epoch.saturating_sub(first.network.epoch),
            elapsed_s: elapsed.as_secs_f64(),
        }
    }

    /// The same for people.
    pub fn print(&self, out: &mut impl Write) -> std::io::Result<()> {
        writeln!(
            out,
            "scored     {} samples ({} model evaluations, {} duplicates left out)",
            self.samples_scored, self.model_evaluations, self.duplicates
        )?;
        writeln!(out, "hits       {}", self.hits)?;
        writeln!(out, "submitted  {} ({} filled, {} claimed)", self.submitted, self.filled, self.claimed)?;
        writeln!(
            out,
            "balance    {} → {} SOMA (rewards {}, fees {}, bonds still locked {})",
            self.balance_start_shannons,
            self.balance_end_shannons,
            self.rewards_shannons,
            self.fees_shannons,
            self.bonds_locked_shannons
        )?;
        writeln!(out, "time       {:.1} s, {} epochs", self.elapsed_s, self.epochs)
    }
}

/// A run as it was followed.
pub struct Followed {
    /// The first state in which the network was known.
    pub first: Arc<Snapshot>,
    /// Published after everything in flight was settled.
    pub last: Arc<Snapshot>,
    /// The engine ended because it was asked to; otherwise its log tells what stopped it.
    pub asked: bool,
}

/// Follows the engine until `epochs` more epochs have ended (`None`: until a signal), then lets it settle.
pub async fn follow(
    mut handle: EngineHandle,
    epochs: Option<u64>,
    progress: &mut impl Write,
) -> std::io::Result<Followed> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut known = handle.snapshot.clone();
    let mut first: Option<Arc<Snapshot>> = None;
    let mut asked = false;
    loop {
        let stop = tokio::select! {
            // Before facts: the first epoch that is heard of must not count as one that ended.
            biased;
            found = known.wait_for(|s| !s.network.chain_id.is_empty()), if first.is_none() => {
                let Ok(found) = found else { break };
                if found.mode == Mode::Manual {
                    let _ = writeln!(progress, "manual mode without a terminal: hits wait, nothing is submitted");
                }
                first = Some(found.clone());
                false
            }
            event = handle.events.recv() => match event {
                Some(Event::Stopped) | None => break,
                Some(event) => {
                    // A closed standard error must not stop the work.
                    let _ = tell(&event, &handle.snapshot, progress);
                    match (event, epochs, &first) {
                        (Event::EpochStarted { epoch }, Some(epochs), Some(first)) => {
                            epoch >= first.network.epoch.saturating_add(epochs)
                        }
                        _ => false,
                    }
                }
            },
            _ = terminate.recv() => true,
            _ = hangup.recv() => true,
            _ = interrupt.recv() => true,
        };
        if stop && !asked {
            asked = true;
            let _ = writeln!(progress, "settling what is in flight …");
            // A closed channel means that the engine has ended; `Stopped` or `None` follows.
            let _ = handle.commands.send(Command::Shutdown).await;
        }
    }
    let last = handle.snapshot.borrow().clone();
    Ok(Followed { first: first.unwrap_or_else(|| last.clone()), last, asked })
}

fn tell(event: &Event, snapshot: &watch::Receiver<Arc<Snapshot>>, progress: &mut impl Write) -> std::io::Result<()> {
    match event {
        Event::EpochStarted { epoch } => {
            let snapshot = snapshot.borrow();
            let (throughput, total) = (&snapshot.throughput, snapshot.rewards.total);
            writeln!(
                progress,
                "epoch {epoch}: {} samples scored ({:.1}/s), {} hits, {} filled, {} claimed, balance {} SOMA",
                throughput.samples_scored,
                throughput.samples_per_s,
                throughput.hits,
                total.filled,
                total.claimed,
                snapshot.wallet.balance
            )
        }
        Event::Submission(row) if matches!(row.state, State::Filled | State::Lost | State::Claimed) => writeln!(
            progress,
            "{}: target {} with {} ({} bytes, distance {:.4} of {:.4}){}",
            row.state.word(),
            row.target.short(),
            clean(&row.source),
            row.size_bytes,
            row.distance,
            row.threshold,
            row.note.as_deref().map(|note| format!(": {}", clean(note))).unwrap_or_default()
        ),
        Event::Log(line) if line.level != Level::Info => writeln!(progress, "{:?}: {}", line.level, clean(&line.text)),
        // Failed, unknown and forfeited submissions come as warnings in the log.
        Event::Submission(_)
        | Event::Log(_)
        | Event::History(_)
        | Event::Sample(_)
        | Event::Exported(_)
        | Event::Stopped => Ok(()),
    }
}
