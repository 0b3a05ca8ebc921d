//! What the interface was told, written down: a file of JSON lines (zstd-compressed if its name ends in `.zst`) that shows
//! a run again, for bug reports. Its format is in `docs/recordings.md`.
//!
//! What crosses `api` has no secrets. Here go, besides: the contents of the user's data (previews), what may be a secret in an
//! address (everything behind its host), and what is typed where the interface does not show it. File names, ids, the
//! wallet's address and amounts stay: a recording is for people whom one would show the screen.

mod entry;
mod lists;
mod out;
mod reader;
mod redact;
mod runs;
mod text;
mod writer;

pub use reader::{Cursor, ReadError, Recording, read};
pub use writer::{RecordError, Recorder};
