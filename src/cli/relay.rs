//! The interface before its engine: what it is told until there is one, and the two ends that are joined then.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use crate::{
    api::{Command, EngineHandle, Event, Level, LogLine, Mode, NetworkView, Snapshot},
    primitives::now_ms,
};

const COMMANDS: usize = 64;

/// Where the engine will be joined. Dropped without that, it ends the interface.
pub struct Socket {
    commands: mpsc::Receiver<Command>,
    events: mpsc::UnboundedSender<Event>,
    snapshot: watch::Sender<Arc<Snapshot>>,
}

/// A handle for the interface, and the place of its engine. What is commanded until that is there, waits.
pub fn socket(starting: Snapshot) -> (EngineHandle, Socket) {
    let (command_sender, commands) = mpsc::channel(COMMANDS);
    let (events, event_receiver) = mpsc::unbounded_channel();
    let (snapshot, snapshot_receiver) = watch::channel(Arc::new(starting));
    let handle = EngineHandle { commands: command_sender, events: event_receiver, snapshot: snapshot_receiver };
    (handle, Socket { commands, events, snapshot })
}

/// What is shown before the engine has told anything.
pub fn starting(network: &str, rpc_url: &str, mode: Mode, doing: &str) -> Snapshot {
    Snapshot {
        at_ms: now_ms(),
        mode,
        network: NetworkView { name: network.to_owned(), rpc_url: rpc_url.to_owned(), ..NetworkView::default() },
        log: Arc::new(vec![LogLine::new(now_ms(), Level::Info, doing)]),
        ..Snapshot::default()
    }
}

impl Socket {
    /// Joins the two ends until one of them goes away.
    pub async fn join(mut self, engine: EngineHandle) {
        let EngineHandle { commands, mut events, mut snapshot } = engine;
        self.snapshot.send_replace(snapshot.borrow_and_update().clone());
        let mut publishes = true;
        loop {
            // Numbers first: whoever hears of the end finds the last ones.
            tokio::select! {
                biased;
                changed = snapshot.changed(), if publishes => match changed {
                    Ok(()) => drop(self.snapshot.send_replace(snapshot.borrow_and_update().clone())),
                    Err(_) => publishes = false,
                },
                event = events.recv() => match event {
                    Some(event) => {
                        if self.events.send(event).is_err() {
                            return;
                        }
                    }
                    None => return,
                },
                command = self.commands.recv() => match command {
                    Some(command) => drop(commands.send(command).await),
                    None => return,
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_commanded_before_the_engine_came_reaches_it_and_the_last_numbers_come_before_the_end() {
        let (mut front, back) = socket(starting("devnet", "", Mode::Manual, "starting"));
        front.commands.send(Command::Shutdown).await.expect("it waits");
        assert_eq!(front.snapshot.borrow().log[0].text, "starting");

        let (engine, mut far) = socket(Snapshot { version: 1, ..Snapshot::default() });
        let joined = tokio::spawn(back.join(engine));
        assert_eq!(far.commands.recv().await, Some(Command::Shutdown));
        far.snapshot.send_replace(Arc::new(Snapshot { version: 2, ..Snapshot::default() }));
        far.events.send(Event::Stopped).expect("it is joined");
        assert_eq!(front.events.recv().await, Some(Event::Stopped));
        assert_eq!(front.snapshot.borrow().version, 2);
        drop(far);
        joined.await.expect("it ends with the engine");
        assert_eq!(front.events.recv().await, None);
    }
}
