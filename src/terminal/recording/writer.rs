//! Writes a recording, on a thread of its own: the interface never waits for a disk.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TrySendError},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{
    entry::{Entry, FORMAT, Header, Told, What},
    lists::LISTS,
    redact::redact,
};
use crate::{
    api::Snapshot,
    app::{
        AppEvent, Dialog, Key, Place, State,
        actions::{ACTIONS, ActionInfo, Keymap},
    },
};

/// Events that may wait for the disk.
const WAITING: usize = 4096;
/// What a crash may lose.
const FLUSH: Duration = Duration::from_secs(1);
/// Lists longer than this are written less often than they change: every five seconds, and the longer the less often.
const LONG: usize = 1_000;
const LONG_EVERY_MS: u64 = 5_000;
/// Of the file, and of what is in it.
const MOST_BYTES: u64 = 256 << 20;
const MOST_TEXT: u64 = 8 << 30;
const ZSTD_LEVEL: i32 = 3;
/// Text of a frame: whoever goes back in a recording unpacks no more than this.
const FRAME: u64 = 32 << 20;

#[derive(Debug, thiserror::Error)]
#[error("cannot record to {}: {source}", path.display())]
pub struct RecordError {
    path: PathBuf,
    source: io::Error,
}

/// The interface's end of a recording. Dropping it writes what is left and closes the file.
#[derive(Debug)]
pub struct Recorder {
    sender: Option<SyncSender<(u64, Taken)>>,
    started: Instant,
    /// Events that did not fit in, since the last that did.
    lost: u64,
    trouble: Arc<Mutex<Option<String>>>,
    thread: Option<JoinHandle<()>>,
}

/// What the interface hands over: nothing is copied but pointers.
#[derive(Debug)]
enum Taken {
    Header(Box<Header>),
    What(Box<What>),
    Snapshot(Arc<Snapshot>),
}

impl Recorder {
    /// Begins a new file, for its owner only. `previews`: with the first bytes of the user's data.
    ///
    /// # Errors
    /// There is a file of this name, or none can be made.
    pub fn create(path: &Path, previews: bool) -> Result<Self, RecordError> {
        let failed = |source| RecordError { path: path.to_owned(), source };
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|error| {
            let exists = error.kind() == io::ErrorKind::AlreadyExists;
            failed(if exists { io::Error::other("the file exists; choose another name") } else { error })
        })?;
        let out = Out::new(file, path.extension().is_some_and(|extension| extension == "zst")).map_err(failed)?;
        let (sender, receiver) = mpsc::sync_channel(WAITING);
        let trouble = Arc::new(Mutex::new(None));
        let told = Arc::clone(&trouble);
        let name = path.display().to_string();
        let thread = thread::Builder::new()
            .name("recorder".to_owned())
            .spawn(move || {
                let mut writer = Writer { out, previews, last: None, written: [0; LISTS.len()] };
                if let Err(error) = writer.run(&receiver) {
                    let text = format!("the recording ends here: {name}: {error}");
                    *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
                }
            })
            .map_err(failed)?;
        Ok(Self { sender: Some(sender), started: Instant::now(), lost: 0, trouble, thread: Some(thread) })
    }

    /// The state in which the interface begins.
    pub fn begin(&mut self, state: &State) {
        self.started = Instant::now();
        self.send(Taken::Header(Box::new(Header {
            somascope_recording: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            now_ms: state.now_ms,
            width: state.size.width,
            height: state.size.height,
            ascii: state.look.ascii,
            colour: state.look.colour,
            mouse: state.mouse,
            low_bandwidth: state.low_bandwidth,
            keys: other_keys(&state.keymap),
            hint: state.notice.as_ref().map(|notice| (notice.level, notice.text.clone(), notice.until_ms)),
            saved: state.saved(),
        })));
        self.send(Taken::Snapshot(Arc::clone(&state.snapshot)));
    }

    /// What is about to happen to `state`.
    pub fn note(&mut self, state: &State, event: &AppEvent) {
        let what = match event {
            AppEvent::Snapshot(snapshot) => return self.send(Taken::Snapshot(Arc::clone(snapshot))),
            AppEvent::Key(Key::Char(_)) if types_in_secret(state) => What::Key(Key::Char('*')),
            AppEvent::Key(key) => What::Key(*key),
            AppEvent::Paste(text) if types_in_secret(state) => What::Paste("*".repeat(text.chars().count())),
            // Whatever is on the clipboard goes nowhere else.
            AppEvent::Paste(text) if state.place() == Place::Typing => What::Paste(text.clone()),
            AppEvent::Paste(_) => What::Paste(String::new()),
            AppEvent::Mouse(mouse) => What::Mouse(*mouse),
            AppEvent::Touch(mouse, touch) => What::Touch(*mouse, *touch),
            AppEvent::Resize(size) => What::Resize(size.width, size.height),
            AppEvent::Engine(event) => What::Engine(event.clone()),
            AppEvent::Clock { now_ms } => What::Clock(*now_ms),
            AppEvent::Interrupt => What::Interrupt(()),
        };
        self.send(Taken::What(Box::new(what)));
    }

    /// Why nothing is recorded any more; told once.
    pub fn trouble(&mut self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn send(&mut self, taken: Taken) {
        let Some(sender) = &self.sender else { return };
        let t = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        if self.lost > 0 && sender.try_send((t, Taken::What(Box::new(What::Gap(self.lost))))).is_ok() {
            self.lost = 0;
        }
        if self.lost > 0 {
            self.lost += 1;
            return;
        }
        match sender.try_send((t, taken)) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => self.lost = 1,
            Err(TrySendError::Disconnected(_)) => self.sender = None,
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.sender = None;
        if let Some(thread) = self.thread.take() {
            // It has told its trouble already, if it had any.
            let _ = thread.join();
        }
    }
}

fn other_keys(keymap: &Keymap) -> Vec<(String, Vec<Key>)> {
    let usual = Keymap::default();
    let is_other = |info: &&ActionInfo| keymap.keys(info) != usual.keys(info);
    ACTIONS.iter().filter(is_other).map(|info| (info.id.to_owned(), keymap.keys(info).to_vec())).collect()
}

/// Whether what is typed now may be a secret: everything but filters, searches and the palette, whatever they are of.
fn types_in_secret(state: &State) -> bool {
    match state.dialog {
        Some(Dialog::Typing(purpose)) => !matches!(purpose.prompt(), ":" | "filter /" | "search /"),
        _ => state.place() == Place::Typing,
    }
}

struct Writer {
    out: Out,
    previews: bool,
    /// The last snapshot as a reader knows it.
    last: Option<Snapshot>,
    /// When each list was last written.
    written: [u64; LISTS.len()],
}

impl Writer {
    fn run(&mut self, receiver: &Receiver<(u64, Taken)>) -> io::Result<()> {
        let mut flushed = Instant::now();
        let mut is_flushed = true;
        loop {
            match receiver.recv_timeout(if is_flushed { Duration::from_secs(3600) } else { FLUSH }) {
                Ok((t, taken)) => {
                    if !self.write(t, taken)? {
                        self.line(&Entry { t, is: What::Full(()) })?;
                        self.out.finish()?;
                        return Err(io::Error::other("it is as large as it may be"));
                    }
                    is_flushed = false;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.out.finish(),
            }
            if !is_flushed && flushed.elapsed() >= FLUSH {
                self.out.flush()?;
                (flushed, is_flushed) = (Instant::now(), true);
            }
        }
    }

    /// Whether there is room for more.
    fn write(&mut self, t: u64, taken: Taken) -> io::Result<bool> {
        match taken {
            Taken::Header(header) => {
                let mut value = serde_json::to_value(&header)?;
                redact(&mut value, self.previews);
                self.out.line(&value)?;
            }
            Taken::What(what) => self.line(&Entry { t, is: *what })?,
            Taken::Snapshot(snapshot) => {
                let told = self.told(t, &snapshot);
                self.line(&Entry { t, is: What::Snapshot(Box::new(told)) })?;
            }
        }
        Ok(self.out.has_room())
    }

    /// What is new in a snapshot, and what a reader then knows.
    fn told(&mut self, t: u64, snapshot: &Snapshot) -> Told {
        let (mut now, mut known) = (snapshot.clone(), snapshot.clone());
        let (mut same, mut changed) = (Vec::new(), BTreeMap::new());
        for (list, written) in LISTS.iter().zip(&mut self.written) {
            if list.is_in(&same) {
                continue;
            }
            let len = (list.len)(snapshot);
            // A second for each thousand entries.
            let pause = LONG_EVERY_MS.max(len as u64);
            let can_wait = len > LONG && t < *written + pause;
            match &self.last {
                Some(last) if can_wait || (list.is_same)(last, snapshot) => {
                    (list.copy)(last, &mut known);
                    (list.clear)(&mut now);
                    same.push(list.name.to_owned());
                }
                last => {
                    *written = t;
                    if let Some(changes) = last.as_ref().and_then(|last| (list.changes)(last, snapshot)) {
                        (list.clear)(&mut now);
                        changed.insert(list.name.to_owned(), changes);
                    }
                }
            }
        }
        self.last = Some(known);
        Told { same, changed, now }
    }

    fn line(&mut self, entry: &Entry) -> io::Result<()> {
        let mut value = serde_json::to_value(entry)?;
        redact(&mut value, self.previews);
        self.out.line(&value)
    }
}

/// The file, with or without compression.
struct Out {
    kind: Kind,
    text: u64,
}

enum Kind {
    Plain(BufWriter<File>),
    Zstd { encoder: Box<zstd::stream::write::Encoder<'static, File>>, frame: u64 },
    Done,
}

impl Out {
    fn new(file: File, compressed: bool) -> io::Result<Self> {
        let kind = if compressed {
            Kind::Zstd { encoder: Box::new(zstd::stream::write::Encoder::new(file, ZSTD_LEVEL)?), frame: 0 }
        } else {
            Kind::Plain(BufWriter::new(file))
        };
        Ok(Self { kind, text: 0 })
    }

    fn line(&mut self, value: &serde_json::Value) -> io::Result<()> {
        let mut text = serde_json::to_vec(value)?;
        text.push(b'\n');
        self.text += text.len() as u64;
        match &mut self.kind {
            Kind::Plain(file) => file.write_all(&text),
            Kind::Zstd { encoder, frame } => {
                *frame += text.len() as u64;
                encoder.write_all(&text)?;
                if *frame < FRAME {
                    return Ok(());
                }
                let Kind::Zstd { encoder, .. } = std::mem::replace(&mut self.kind, Kind::Done) else { return Ok(()) };
                *self = Self { text: self.text, ..Self::new(encoder.finish()?, true)? };
                Ok(())
            }
            Kind::Done => Ok(()),
        }
    }

    fn has_room(&self) -> bool {
        let file = match &self.kind {
            Kind::Plain(_) => self.text,
            Kind::Zstd { encoder, .. } => encoder.get_ref().metadata().map_or(0, |metadata| metadata.len()),
            Kind::Done => return false,
        };
        file < MOST_BYTES && self.text < MOST_TEXT
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.kind {
            Kind::Plain(file) => file.flush(),
            Kind::Zstd { encoder, .. } => encoder.flush(),
            Kind::Done => Ok(()),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        match std::mem::replace(&mut self.kind, Kind::Done) {
            Kind::Plain(mut file) => file.flush(),
            Kind::Zstd { encoder, .. } => encoder.finish().map(drop),
            Kind::Done => Ok(()),
        }
    }
}
