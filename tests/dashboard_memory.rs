//! How the dashboard was left is how it starts: the real loop, twice, with a memory between.

#[path = "support/emulator.rs"]
#[expect(dead_code, reason = "attributes are looked at elsewhere")]
mod emulator;
#[path = "support/fixture.rs"]
#[expect(dead_code, reason = "the empty network is drawn elsewhere")]
mod fixture;

use std::{
    io,
    sync::{Arc, Mutex},
};

use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyModifiers};
use emulator::Emulator;
use futures::stream;
use somascope::{
    api::{Command, EngineHandle, Event},
    app::Saved,
    terminal::{Exit, Memory, Occurrence, Options, drive},
};
use tokio::sync::{mpsc, watch};

/// Every state that was kept; what fails at will.
#[derive(Clone, Debug, Default)]
struct Remembered {
    kept: Arc<Mutex<Vec<Saved>>>,
    fails: bool,
}

impl Memory for Remembered {
    fn keep(&mut self, saved: &Saved) -> io::Result<()> {
        self.kept.lock().expect("nobody panicked").push(saved.clone());
        if self.fails { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

/// Presses keys, leaves with `q`, and waits for the engine to end: what was kept, and the last screen before.
fn session(saved: Saved, keys: &str, memory: &Remembered) -> String {
    let (command_sender, mut commands) = mpsc::channel(64);
    let (events, event_receiver) = mpsc::unbounded_channel();
    let (_snapshots, snapshot) = watch::channel(Arc::new(fixture::busy()));
    let handle = EngineHandle { commands: command_sender, events: event_receiver, snapshot };
    let (mut emulator, screen) = Emulator::new(120, 40);
    let press = |c| Occurrence::Terminal(Input::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE)));
    let inputs: Vec<Occurrence> = keys.chars().map(press).collect();
    let (sender, mut occurrences) = mpsc::unbounded_channel();
    let stream = stream::poll_fn(move |context| occurrences.poll_recv(context));
    let options = Options {
        saved,
        memory: Some(Box::new(memory.clone())),
        ..Options::from_env(|name| (name == "LANG").then(|| "C.UTF-8".into()))
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        let person = async {
            // The first picture shows how it starts.
            while screen.text().trim().is_empty() {
                tokio::task::yield_now().await;
            }
            let first = screen.text();
            inputs.into_iter().for_each(|input| sender.send(input).expect("the loop runs"));
            sender.send(press('q')).expect("the loop runs");
            while commands.recv().await.expect("the loop runs") != Command::Shutdown {}
            events.send(Event::Stopped).expect("the loop runs");
            first
        };
        let (end, first) = tokio::join!(drive(&mut emulator, stream, handle, options), person);
        assert_eq!(end.expect("it ends well"), Exit::Settled);
        first
    })
}

#[test]
fn a_second_start_shows_things_as_the_first_one_was_left() {
    let memory = Remembered::default();
    let first = session(Saved::default(), "2ss", &memory);
    assert!(first.contains("Niche map"), "it starts with the dashboard: {first}");
    let kept = memory.kept.lock().expect("nobody panicked").last().cloned().expect("it was kept");
    assert_eq!((kept.screen.as_deref(), kept.targets_sort.as_deref()), (Some("targets"), Some("distance")));

    let again = Remembered::default();
    let second = session(kept.clone(), "", &again);
    assert!(second.contains("distance") && !second.contains("Niche map"), "{second}");
    assert!(again.kept.lock().expect("nobody panicked").is_empty(), "nothing changed, so nothing is written");

    // Of a file of another version, what is understood.
    let odd = Saved { screen: Some("casino".to_owned()), targets_sort: Some("beauty".to_owned()), ..kept };
    assert!(session(odd, "", &Remembered::default()).contains("Niche map"));
}

#[test]
fn a_memory_that_fails_stops_nothing_and_is_asked_once() {
    let memory = Remembered { fails: true, ..Remembered::default() };
    session(Saved::default(), "2s", &memory);
    assert_eq!(memory.kept.lock().expect("nobody panicked").len(), 1);
}
