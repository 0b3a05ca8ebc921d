//! Writes a recording, on a thread of its own: the interface never waits for a disk.

use std::{
    collections::{BTreeMap, HashMap},
    fs::OpenOptions,
    io,
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
    out::Out,
    redact::redact,
    runs,
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
/// Lists longer than this are written less often than they change: every five seconds, and the more is new the less often.
const LONG: usize = 1_000;
const LONG_EVERY_MS: u64 = 5_000;

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
                let mut writer = Writer { out, previews, last: None, paces: HashMap::new() };
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

/// Whether what is typed now may be a secret: everything but limits, filters, searches and the palette, whatever they are of.
fn types_in_secret(state: &State) -> bool {
    match state.dialog {
        // Without its numbers a form would not close in a replay.
        Some(Dialog::Form) => false,
        Some(Dialog::Typing(purpose)) => !matches!(purpose.prompt(), ":" | "filter /" | "search /"),
        _ => state.place() == Place::Typing,
    }
}

struct Writer {
    out: Out,
    previews: bool,
    /// The last snapshot as a reader knows it.
    last: Option<Snapshot>,
    /// By [`List::pace`](super::lists::List::pace).
    paces: HashMap<&'static str, Pace>,
}

/// Lists that are written together.
#[derive(Clone, Copy, Default)]
struct Pace {
    /// Of the longest.
    len: usize,
    /// Since when one of them may be written.
    due: u64,
    /// Whether none is written this time.
    waits: bool,
}

impl Writer {
    fn run(&mut self, receiver: &Receiver<(u64, Taken)>) -> io::Result<()> {
        // The first screen is on disk at once: with it, whatever comes can be shown.
        let mut flushed: Option<Instant> = None;
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
            if !is_flushed && self.last.is_some() && flushed.is_none_or(|at| at.elapsed() >= FLUSH) {
                self.out.flush()?;
                (flushed, is_flushed) = (Some(Instant::now()), true);
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
        // Before any of them is written, so that all of a pace are as they were, or none.
        self.pace(t, snapshot);
        for list in LISTS {
            if list.is_in(&same) {
                continue;
            }
            let pace = self.paces.entry(list.pace()).or_default();
            match &self.last {
                Some(last) if pace.waits || (list.is_same)(last, snapshot) => {
                    (list.copy)(last, &mut known);
                    (list.clear)(&mut now);
                    same.push(list.name.to_owned());
                }
                last => {
                    let mut fresh = 0;
                    if let Some(changes) = last.as_ref().and_then(|last| (list.changes)(last, snapshot)) {
                        fresh = runs::fresh(&changes);
                        (list.clear)(&mut now);
                        changed.insert(list.name.to_owned(), changes);
                    }
                    // A second for each thousand entries.
                    pace.due = pace.due.max(t + LONG_EVERY_MS.max(fresh as u64));
                }
            }
        }
        self.last = Some(known);
        Told { same, changed, now }
    }

    /// Which lists wait.
    fn pace(&mut self, t: u64, snapshot: &Snapshot) {
        self.paces.values_mut().for_each(|pace| pace.len = 0);
        for list in LISTS {
            let pace = self.paces.entry(list.pace()).or_default();
            pace.len = pace.len.max((list.len)(snapshot));
            pace.waits = pace.len > LONG && t < pace.due;
        }
    }

    fn line(&mut self, entry: &Entry) -> io::Result<()> {
        let mut value = serde_json::to_value(entry)?;
        redact(&mut value, self.previews);
        self.out.line(&value)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;
    use crate::{
        api::{MapPoint, MapTarget, MapView, TargetRow, TargetStage, Tiles},
        app::{Look, layout::Size},
        primitives::{ObjectId, Shannons},
        terminal::recording::read,
    };

    fn state(snapshot: Snapshot) -> State {
        let size = Size { width: 80, height: 24 };
        State::new(Look { ascii: false, colour: true }, size, 0, Arc::new(snapshot))
    }

    fn writer(path: &Path) -> Writer {
        let out = Out::new(File::create(path).expect("a new file"), false).expect("no frame yet");
        Writer { out, previews: false, last: None, paces: HashMap::new() }
    }

    fn id(n: usize) -> ObjectId {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&n.to_le_bytes());
        ObjectId(id)
    }

    fn target(n: usize) -> TargetRow {
        TargetRow {
            id: id(n),
            epoch: 1,
            stage: TargetStage::Open,
            reward: Shannons(5),
            threshold: 1.0,
            models: Vec::new(),
            best_distance: None,
            seen_at_ms: 0,
            pinned: false,
        }
    }

    fn point(n: usize) -> MapPoint {
        let at = |by: f32| (n as f32 * by).fract();
        let (x, y) = (at(0.618), at(0.414));
        MapPoint { x, y, model: 0, source: 0, loss: 1.0, margin: None, nearest: 0, sample: n as u64 }
    }

    /// Targets, and a map with a mark for each of them.
    fn snapshot(targets: impl Iterator<Item = usize>, samples: impl Iterator<Item = usize>) -> Snapshot {
        let rows: Vec<TargetRow> = targets.map(target).collect();
        let mark = |(row, target): (u32, &TargetRow)| MapTarget { x: f32::from(target.id.0[0]), y: 0.0, row };
        let marks = (0..).zip(&rows).map(mark).collect();
        let mut points: Vec<MapPoint> = samples.map(point).collect();
        let tiles = Arc::new(Tiles::order(&mut points));
        let map = MapView { samples: Arc::new(points), tiles, targets: Arc::new(marks), ..MapView::default() };
        Snapshot { targets: Arc::new(rows), map: Arc::new(map), ..Snapshot::default() }
    }

    #[test]
    fn what_is_typed_into_a_form_is_written_as_it_is() {
        let dir = tempfile::tempdir().expect("a place");
        let path = dir.path().join("run.jsonl");
        let mut state = state(Snapshot::default());
        state.dialog = Some(Dialog::Form);
        let mut recorder = Recorder::create(&path, false).expect("a new file");
        recorder.begin(&state);
        recorder.note(&state, &AppEvent::Key(Key::Char('7')));
        recorder.note(&state, &AppEvent::Paste("1.5".to_owned()));
        drop(recorder);
        let mut recording = read(&path).expect("a whole recording");
        let mut cursor = recording.start();
        assert!(matches!(recording.next(&mut cursor), Some(AppEvent::Key(Key::Char('7')))));
        assert!(matches!(recording.next(&mut cursor), Some(AppEvent::Paste(text)) if text == "1.5"));
    }

    #[test]
    fn the_map_and_the_rows_that_it_names_are_of_the_same_moment() {
        let dir = tempfile::tempdir().expect("a place");
        // There are many samples and few targets: alone, targets would be written each time.
        let mut writer = writer(&dir.path().join("run.jsonl"));
        for n in 0..20_usize {
            let now = snapshot(n..n + 50, n..n + 2_000);
            let told = writer.told(n as u64 * 1_000, &now);
            let known = writer.last.as_ref().expect("the first one");
            for mark in known.map.targets.iter() {
                let row = &known.targets[mark.row as usize];
                assert_eq!(mark.x, f32::from(row.id.0[0]), "after {n} s");
            }
            assert!(known.map.tiles().is_some());
            let is_whole = n % 5 == 0;
            assert_eq!(known.targets == now.targets && known.map == now.map, is_whole, "after {n} s");
            assert_eq!(told.same.iter().any(|name| name == "map"), !is_whole, "after {n} s");
        }
    }

    #[test]
    fn of_the_map_only_new_samples_are_written() {
        let dir = tempfile::tempdir().expect("a place");
        let mut writer = writer(&dir.path().join("run.jsonl"));
        writer.told(0, &snapshot(0..1, 0..3_000));
        let told = writer.told(LONG_EVERY_MS, &snapshot(0..1, 5..3_005));
        let of_samples = told.changed.get("map.samples").expect("some are new");
        assert_eq!(runs::fresh(of_samples), 5, "{of_samples}");
        assert_eq!(told.same.iter().filter(|name| *name == "map").count(), 0);
        // Nothing else brings the tiles along.
        let mut moved = snapshot(0..1, 5..3_005);
        let map = Arc::make_mut(&mut moved.map);
        let mut samples = (*map.samples).clone();
        samples[7].margin = Some(0.5);
        map.tiles = Arc::new(Tiles::order(&mut samples));
        map.samples = Arc::new(samples);
        let told = writer.told(2 * LONG_EVERY_MS, &moved);
        assert!(told.same.iter().any(|name| name == "map.tiles"), "{:?}", told.same);
        assert_eq!(told.now.map.tiles, Arc::default());
    }
}
