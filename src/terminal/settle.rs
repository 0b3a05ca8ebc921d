//! The end that nobody watches: the terminal is gone or a signal asks for the end. Approving stops at once; what is in
//! flight is settled first.

use std::{future::pending, time::Duration};

use futures::{Stream, StreamExt};
use tokio::{sync::mpsc, time};

use super::Occurrence;
use crate::api::{Command, Event};

/// The engine bounds its settling by itself; this is for an engine that hangs.
const AT_MOST: Duration = Duration::from_secs(60);

/// Asks the engine to end, and waits until it has, or until a second signal wants no more waiting.
pub async fn settle(
    commands: &mpsc::Sender<Command>,
    events: &mut mpsc::UnboundedReceiver<Event>,
    inputs: &mut (impl Stream<Item = Occurrence> + Unpin),
) {
    let end = async {
        // An engine that takes no more commands is ending already.
        let _ = commands.send(Command::Shutdown).await;
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
