//! A recording and a place in it. The core is a pure function of its events, so the same events give the same state.

use crate::{
    api::Command,
    app::{self, AppEvent, Effect, Life, State, layout::Size, update},
    terminal::recording::{Cursor, Recording},
};

/// Events between two states that are kept, so that going back does not begin at the start.
const MARK: usize = 500;
/// Kept at most, as each holds a whole screen's facts; then every second one is forgotten.
const MARKS: usize = 48;

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
    /// At the next event.
    cursor: Cursor,
    /// Places, each with the state before its event, the earliest first.
    marks: Vec<(Cursor, State)>,
    every: usize,
    /// The viewer has gone another way than the person who was recorded.
    own_way: bool,
    /// The viewer's screen; `None`: that of the recording.
    size: Option<Size>,
    /// Why it ends early, as far as the viewer knows.
    told: Option<String>,
}

impl Tape {
    pub fn new(recording: Recording, look: app::Look) -> Self {
        let state = recording.state(look, recording.size());
        let cursor = recording.start();
        let marks = vec![(cursor.clone(), state.clone())];
        let told = recording.cut.clone();
        Self { recording, state, cursor, marks, every: MARK, own_way: false, size: None, told }
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
        self.recording.times.get(self.cursor.event).copied()
    }

    /// When the last event before `ms` was.
    pub fn previous_ms(&self, ms: u64) -> u64 {
        let before = self.recording.times.partition_point(|t| *t < ms);
        before.checked_sub(1).and_then(|index| self.recording.times.get(index)).copied().unwrap_or(0)
    }

    /// Why the recording ends here, if that was found while it was played; once.
    pub fn trouble(&mut self) -> Option<String> {
        if self.told == self.recording.cut {
            return None;
        }
        self.told.clone_from(&self.recording.cut);
        self.told.clone()
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
        while self.next_ms().is_some_and(|t| t <= to_ms) {
            if !self.own_way && self.cursor.event > 0 && self.cursor.event.is_multiple_of(self.every) {
                self.mark();
            }
            let Some(event) = self.recording.next(&mut self.cursor) else { return };
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
        }
    }

    fn mark(&mut self) {
        if self.marks.last().is_some_and(|(at, _)| at.event >= self.cursor.event) {
            return;
        }
        self.marks.push((self.cursor.clone(), self.state.clone()));
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
        let wanted = self.recording.times.partition_point(|t| *t <= to_ms);
        if self.own_way {
            self.skip_to(wanted);
            let now_ms = self.recording.started_ms().saturating_add(to_ms.min(self.length_ms()));
            self.state.notice = None;
            update(&mut self.state, AppEvent::Clock { now_ms });
            update(&mut self.state, AppEvent::Snapshot(self.cursor.last.clone()));
            return;
        }
        if wanted < self.cursor.event {
            self.rewind(wanted);
        }
        self.advance(to_ms);
    }

    /// To the last mark before an event, with the state that it had there.
    fn rewind(&mut self, wanted: usize) {
        if let Some((at, state)) = self.marks.iter().rev().find(|(at, _)| at.event <= wanted) {
            (self.cursor, self.state) = (at.clone(), state.clone());
        }
        if let Some(size) = self.size {
            update(&mut self.state, AppEvent::Resize(size));
        }
    }

    /// Reads on to an event, or from the last mark before it, and shows nothing of what it reads.
    fn skip_to(&mut self, wanted: usize) {
        let from = self.marks.iter().rev().map(|(at, _)| at).find(|at| at.event <= wanted);
        if let Some(from) = from.filter(|from| wanted < self.cursor.event || from.event > self.cursor.event) {
            self.cursor = from.clone();
        }
        while self.cursor.event < wanted && self.recording.next(&mut self.cursor).is_some() {}
    }

    /// Back on the recorded person's way.
    pub fn follow(&mut self) {
        if self.own_way {
            self.own_way = false;
            let to_ms = self.cursor.event.checked_sub(1).and_then(|last| self.recording.times.get(last)).copied();
            // The state is the viewer's: it is played again.
            self.rewind(self.cursor.event);
            self.advance(to_ms.unwrap_or(0));
        }
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
                // Nobody is there to answer; what the recording holds is shown.
                Effect::Send(Command::Look(_) | Command::LookAtSample(_) | Command::History { .. }) => continue,
                Effect::Send(Command::Shutdown) | Effect::Leave(_) => return Look::Leave,
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
