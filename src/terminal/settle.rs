//! The end that nobody watches: the terminal is gone or a signal asks for the end. Approving stops at once; what is in
//! flight is settled first. Of what a person had asked for and the engine had not taken yet, it is told what lowers the risk.

use std::{collections::VecDeque, future::pending, time::Duration};

use futures::{Stream, StreamExt};
use tokio::{sync::mpsc, time};

use super::Occurrence;
use crate::api::{Command, Event, Mode, PolicyLimits, Snapshot};

/// The engine bounds its settling by itself; this is for an engine that hangs.
const AT_MOST: Duration = Duration::from_secs(60);

/// Commands that were on their way to the engine and still go there, in their order: refusals, and whatever lets less be signed than
/// `now` does. Nobody sees any more what an approval would sign.
pub fn still_sent(outbox: VecDeque<Command>, now: &Snapshot) -> Vec<Command> {
    outbox.into_iter().filter(|command| lowers_risk(command, now)).collect()
}

fn lowers_risk(command: &Command, now: &Snapshot) -> bool {
    match command {
        Command::Reject(_) | Command::RejectMany(_) | Command::PauseScoring(true) | Command::OnlyPinned(true) => true,
        Command::SetMode(mode) => signs(*mode) <= signs(now.mode),
        Command::SetPolicy(limits) => is_within(limits, &now.policy.limits),
        _ => false,
    }
}

/// How much is signed without a person, as ranks.
fn signs(mode: Mode) -> u8 {
    match mode {
        Mode::ReadOnly => 0,
        Mode::Manual => 1,
        Mode::Auto => 2,
    }
}

/// Approves nothing that `now` would not.
fn is_within(limits: &PolicyLimits, now: &PolicyLimits) -> bool {
    limits.max_bond_per_submission <= now.max_bond_per_submission
        && limits.max_bond_per_epoch <= now.max_bond_per_epoch
        && limits.min_margin_millionths >= now.min_margin_millionths
        && limits.min_gain >= now.min_gain
}

/// Tells the engine what is left to tell, asks it to end, and waits until it has, or until a second signal wants no more waiting.
pub async fn settle(
    commands: &mpsc::Sender<Command>,
    left: Vec<Command>,
    events: &mut mpsc::UnboundedReceiver<Event>,
    inputs: &mut (impl Stream<Item = Occurrence> + Unpin),
) {
    let end = async {
        // An engine that takes no more commands is ending already.
        for command in left.into_iter().chain([Command::Shutdown]) {
            let _ = commands.send(command).await;
        }
        while let Some(event) = events.recv().await {
            if event == Event::Stopped {
                return;
            }
        }
    };
    let haste = async {
        loop {
            match inputs.next().await {
                Some(Occurrence::Interrupt | Occurrence::End { .. } | Occurrence::Panicked { .. }) => return,
                // Keys of a terminal that was given back are the shell's.
                Some(_) => {}
                None => pending().await,
            }
        }
    };
    tokio::select! {
        () = end => {}
        () = haste => {}
        () = time::sleep(AT_MOST) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        api::{PolicyView, SubmissionId},
        primitives::Shannons,
    };

    fn limits(bond: u64, margin: u32) -> PolicyLimits {
        PolicyLimits {
            max_bond_per_submission: Shannons(bond),
            max_bond_per_epoch: Shannons(10 * bond),
            min_margin_millionths: margin,
            min_gain: Shannons(5),
        }
    }

    fn auto() -> Snapshot {
        let policy = PolicyView { limits: limits(100, 100), ..PolicyView::default() };
        Snapshot { mode: Mode::Auto, policy: Arc::new(policy), ..Snapshot::default() }
    }

    #[test]
    fn what_lowers_the_risk_is_still_sent_and_no_approval_is() {
        let id = SubmissionId;
        let safe = [
            Command::Reject(id(1)),
            Command::SetPolicy(limits(50, 200)),
            Command::RejectMany(vec![id(2), id(3)]),
            Command::SetMode(Mode::Manual),
            Command::OnlyPinned(true),
            Command::PauseScoring(true),
        ];
        let unsafe_ones = [
            Command::Approve(id(4)),
            Command::ApproveMany(vec![id(5)]),
            Command::SetPolicy(limits(101, 200)),
            Command::SetPolicy(limits(100, 99)),
            Command::OnlyPinned(false),
            Command::AcceptProtocol(9),
            Command::PauseScoring(false),
        ];
        let mixed = unsafe_ones.into_iter().zip(safe.iter().cloned().map(Some).chain([None]));
        let outbox = mixed.flat_map(|(bad, good)| [Some(bad), good]).flatten().collect();
        assert_eq!(still_sent(outbox, &auto()), safe);
        let manual = Snapshot { mode: Mode::Manual, ..auto() };
        assert_eq!(still_sent([Command::SetMode(Mode::Auto)].into(), &manual), []);
    }

    #[tokio::test]
    async fn it_reaches_an_engine_that_is_busy_before_the_end_does() {
        // No more than one command at a time.
        let (commands, mut taken) = mpsc::channel(1);
        let (events, mut told) = mpsc::unbounded_channel();
        let left = vec![Command::Reject(SubmissionId(1)), Command::SetMode(Mode::Manual)];
        let mut inputs = futures::stream::pending();
        let engine = async {
            let mut got = Vec::new();
            while got.last() != Some(&Command::Shutdown) {
                got.extend(taken.recv().await);
            }
            events.send(Event::Stopped).expect("somebody waits for it");
            got
        };
        let (got, ()) = tokio::join!(engine, settle(&commands, left.clone(), &mut told, &mut inputs));
        assert_eq!(got, [left, vec![Command::Shutdown]].concat());
    }
}
