//! A recording and a place in it. The core is a pure function of its events, so the same events give the same state.

use std::sync::Arc;

use crate::{
    api::Snapshot,
    app::{self, AppEvent, Effect, Life, State, layout::Size, update},
    terminal::recording::Recording,
};

/// Events between two states that are kept, so that going back does not begin at the start.
const MARK: usize = 500;
/// Kept at most; then every second one is forgotten.
const MARKS: usize = 200;

/// What a key came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Look {
    Around,
    Leave,
    Suspend,
    Mouse(bool),
    Copy(String),
    /// It would have done something.
    Acts,
}

/// A recording, played up to some event.
#[derive(Debug)]
pub struct Tape {
    recording: Recording,
    state: State,
    /// The next event.
    next: usize,
    /// (number of the next event, the state before it), the earliest first.
    marks: Vec<(usize, State)>,
    every: usize,
    /// The viewer has gone another way than the person who was recorded.
    own_way: bool,
    /// The viewer's screen; `None`: that of the recording.
    size: Option<Size>,
}

impl Tape {
    pub fn new(recording: Recording, look: app::Look) -> Self {
        let state = recording.state(look, recording.size());
        let marks = vec![(0, state.clone())];
        Self { recording, state, next: 0, marks, every: MARK, own_way: false, size: None }
    }

    pub fn state(&self) -> &State {
        &self.state
    }

    pub fn recording(&self) -> &Recording {
        &self.recording
    }

    pub fn length_ms(&self) -> u64 {
        self.recording.length_ms()
    }

    /// When the next event is due.
    pub fn next_ms(&self) -> Option<u64> {
        self.recording.events.get(self.next).map(|(t, _)| *t)
    }

    /// When the last event before `ms` was.
    pub fn previous_ms(&self, ms: u64) -> u64 {
        let before = self.recording.events.partition_point(|(t, _)| *t < ms);
        before.checked_sub(1).map_or(0, |index| self.recording.events[index].0)
    }

    /// Whether the recorded person's keys are played.
    pub fn follows(&self) -> bool {
        !self.own_way
    }

    pub fn resize(&mut self, size: Size) {
        self.size = Some(size);
        update(&mut self.state, AppEvent::Resize(size));
    }

    /// Plays on until `to_ms`, inclusive.
    pub fn advance(&mut self, to_ms: u64) {
        while let Some((t, event)) = self.recording.events.get(self.next) {
            if *t > to_ms {
                break;
            }
            let event = event.clone();
            if !self.own_way && self.next > 0 && self.next.is_multiple_of(self.every) {
                self.mark();
            }
            match event {
                AppEvent::Resize(_) if self.size.is_some() => {}
                AppEvent::Key(_)
                | AppEvent::Mouse(_)
                | AppEvent::Touch(..)
                | AppEvent::Paste(_)
                | AppEvent::Interrupt
                    if self.own_way => {}
                event => drop(update(&mut self.state, event)),
            }
            self.next += 1;
        }
    }

    fn mark(&mut self) {
        if self.marks.last().is_some_and(|(at, _)| *at >= self.next) {
            return;
        }
        self.marks.push((self.next, self.state.clone()));
        if self.marks.len() > MARKS {
            let mut index = 0;
            self.marks.retain(|_| {
                index += 1;
                index % 2 == 1
            });
            self.every *= 2;
        }
    }

    /// To any moment. On the recorded person's way it looks as it did then; on the viewer's own, only the facts change.
    pub fn seek(&mut self, to_ms: u64) {
        if self.own_way {
            self.next = self.recording.events.partition_point(|(t, _)| *t <= to_ms);
            let now_ms = self.recording.started_ms().saturating_add(to_ms.min(self.length_ms()));
            let snapshot = self.snapshot_before(self.next);
            self.state.notice = None;
            update(&mut self.state, AppEvent::Clock { now_ms });
            update(&mut self.state, AppEvent::Snapshot(snapshot));
            return;
        }
        let events = &self.recording.events;
        let wanted = events.partition_point(|(t, _)| *t <= to_ms);
        if wanted < self.next {
            let mark = self.marks.iter().rev().find(|(at, _)| *at <= wanted);
            if let Some((at, state)) = mark {
                (self.next, self.state) = (*at, state.clone());
            }
            if let Some(size) = self.size {
                update(&mut self.state, AppEvent::Resize(size));
            }
        }
        self.advance(to_ms);
    }

    /// Back on the recorded person's way.
    pub fn follow(&mut self) {
        if self.own_way {
            self.own_way = false;
            let to_ms = self.next.checked_sub(1).map_or(0, |last| self.recording.events[last].0);
            // The state is the viewer's: everything is played again.
            self.next = usize::MAX;
            self.seek(to_ms);
        }
    }

    fn snapshot_before(&self, next: usize) -> Arc<Snapshot> {
        let told = self.recording.events[..next].iter().rev().find_map(|(_, event)| match event {
            AppEvent::Snapshot(snapshot) => Some(Arc::clone(snapshot)),
            _ => None,
        });
        told.unwrap_or_else(|| Arc::clone(&self.recording.first))
    }

    /// What the viewer presses, as far as it only looks. What would do something does nothing.
    pub fn look_around(&mut self, event: AppEvent) -> Look {
        let mut tried = self.state.clone();
        // Whoever was recorded may have been leaving; the viewer is not.
        tried.life = Life::Running;
        let mut look = Look::Around;
        for effect in update(&mut tried, event) {
            look = match effect {
                Effect::Redraw | Effect::Notify { .. } => continue,
                Effect::Send(crate::api::Command::Shutdown) | Effect::Leave(_) => return Look::Leave,
                Effect::Send(_) => return Look::Acts,
                Effect::Suspend => return Look::Suspend,
                Effect::Copy(text) => Look::Copy(text),
                Effect::CaptureMouse(on) => Look::Mouse(on),
            };
        }
        self.state = tried;
        self.own_way = true;
        look
    }
}
