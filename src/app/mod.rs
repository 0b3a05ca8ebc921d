//! The interface's functional core: an event comes in, the state changes, effects go out.
//!
//! Knows `api` and `primitives` only. Never does I/O, never draws, never reads a clock: time arrives as
//! [`AppEvent::Clock`], so a recording of events replays the screen exactly.

pub mod actions;
mod approvals;
mod board;
mod copying;
mod event;
mod field;
mod form;
mod hints;
mod inspect;
pub mod layout;
pub mod log;
pub mod map;
mod models;
mod notify;
mod pointer;
pub mod policy;
mod rewards;
mod saved;
mod state;
pub mod targets;
mod throughput;
mod update;
pub mod wizard;

pub use approvals::{Approvals, Batch, Gone, Sums, Verdict};
pub use board::{BoardScreen, Section, shows_all};
pub use copying::{Part, choices};
pub use event::{AppEvent, Effect, Key, Leave, Mouse, UnknownKey};
pub use field::TextField;
pub use form::{Form, FormKind, margin_text};
pub use hints::{Hint, hints};
pub use inspect::Inspector;
pub use log::LogView;
pub use map::{Bounds, MapWindow, Near};
pub use models::{ModelList, ModelSort};
pub use notify::{Notifier, Notify};
pub use pointer::{Hit, Hits, List, Row, Sorting, Touch};
pub use rewards::{Period, Periods, SubmissionSort, Submissions};
pub use saved::Saved;
pub use state::{Dialog, Life, Look, Notice, Pane, Place, Purpose, Screen, State};
pub use targets::{SortKey, TargetList};
pub use throughput::{Chart, Measure, Span};
pub use update::update;
