//! What the interface is told, written down and shown again: the same pictures, nothing secret, and clear words about files
//! that are no good.

#[path = "support/emulator.rs"]
#[expect(dead_code, reason = "attributes are looked at elsewhere")]
mod emulator;
#[path = "support/fixture.rs"]
#[expect(dead_code, reason = "the empty network is drawn elsewhere")]
mod fixture;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command as Process, Output},
    sync::Arc,
    time::{Duration, Instant},
};

use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyModifiers};
use emulator::{Emulator, Shared};
use futures::stream;
use somascope::{
    api::{EngineHandle, Event, Level, LogLine, Snapshot},
    app::{AppEvent, Key, Look, Pane, Place, layout::Size},
    terminal::{
        Exit, Occurrence, Options, Recorder, TerminalError, drive,
        recording::{self, ReadError},
        replay::{self, Start, Tape},
    },
};
use tokio::sync::{mpsc, watch};

const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Look = Look { ascii: false, colour: true };

/// A network in full swing, now.
fn busy() -> Snapshot {
    let mut snapshot = fixture::busy();
    let now_ms = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_millis() as u64;
    let later = now_ms - fixture::NOW_MS;
    for upstream in &mut snapshot.network.upstreams {
        upstream.last_heard_ms = upstream.last_heard_ms.map(|at| at + later);
    }
    // Over: no second changes what is shown.
    snapshot.network.epoch_ends_at_ms = 0;
    let map = Arc::make_mut(&mut snapshot.map);
    // As an engine numbers them.
    Arc::make_mut(&mut map.samples).iter_mut().zip(1..).for_each(|(point, number)| point.sample = number);
    snapshot
}

async fn wait_for(screen: &Shared, text: &str) {
    let deadline = Instant::now() + PATIENCE;
    while !screen.text().contains(text) {
        assert!(Instant::now() < deadline, "never `{text}`; the screen is\n{}", screen.text());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn key(code: KeyCode) -> Occurrence {
    Occurrence::Terminal(Input::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

/// Records a session at 100×30 in which somebody looks around while the engine works; gives what was on the screen at the end.
fn record(path: &Path, previews: bool) -> String {
    let (command_sender, _commands) = mpsc::channel(4);
    let (events, event_receiver) = mpsc::unbounded_channel();
    let (snapshots, snapshot) = watch::channel(Arc::new(busy()));
    let handle = EngineHandle { commands: command_sender, events: event_receiver, snapshot };
    let (inputs, mut occurrences) = mpsc::unbounded_channel();
    let (mut emulator, screen) = Emulator::new(100, 30);
    let recorder = Recorder::create(path, previews).expect("a new file");
    let options = Options { look: LOOK, recorder: Some(recorder), ..Options::from_env(|_| None) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let (end, last) = runtime.block_on(async {
        let stream = stream::poll_fn(move |context| occurrences.poll_recv(context));
        let script = async {
            wait_for(&screen, "Wallet").await;
            inputs.send(key(KeyCode::Char('2'))).expect("the loop runs");
            for c in "/hit".chars() {
                inputs.send(key(KeyCode::Char(c))).expect("the loop runs");
            }
            wait_for(&screen, "filter /hit").await;
            inputs.send(key(KeyCode::Enter)).expect("the loop runs");
            let mut snapshot = busy();
            snapshot.throughput.samples_scored = 4_321;
            let mut log = (*snapshot.log).clone();
            log.push(LogLine::new(
                snapshot.at_ms,
                Level::Warning,
                "no answer from https://user:hunter2@rpc.example.org/v2/KEY0123456789?token=abc",
            ));
            snapshot.log = Arc::new(log);
            snapshots.send_replace(Arc::new(snapshot));
            inputs.send(key(KeyCode::Char('1'))).expect("the loop runs");
            wait_for(&screen, "Balance").await;
            inputs.send(key(KeyCode::Char('7'))).expect("the loop runs");
            wait_for(&screen, "rpc.example.org").await;
            inputs.send(key(KeyCode::Char('4'))).expect("the loop runs");
            wait_for(&screen, "4,321").await;
            let last = screen.text();
            events.send(Event::Stopped).expect("the loop runs");
            last
        };
        tokio::join!(drive(&mut emulator, stream, handle, options), script)
    });
    assert!(matches!(end, Ok(Exit::Settled)), "{end:?}");
    last
}

fn play(path: &Path, at_ms: u64) -> String {
    let mut tape = Tape::new(recording::read(path).expect("a whole recording"), LOOK);
    tape.seek(at_ms);
    replay::picture(&tape)
}

#[test]
fn a_replay_shows_what_was_shown_and_shows_it_again_the_same() {
    let dir = tempfile::tempdir().expect("a place");
    for name in ["run.jsonl", "run.jsonl.zst"] {
        let path = dir.path().join(name);
        let shown = record(&path, false);
        let mode = fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "for its owner only");
        let replayed = play(&path, u64::MAX);
        assert_eq!(replayed.trim_end(), shown.trim_end());
        assert_eq!(play(&path, u64::MAX), replayed);
    }
}

#[test]
fn every_moment_looks_the_same_whichever_way_it_is_reached() {
    let dir = tempfile::tempdir().expect("a place");
    let path = dir.path().join("run.jsonl.zst");
    record(&path, false);
    let recording = recording::read(&path).expect("a whole recording");
    let times = recording.times.clone();
    let mut forward = Tape::new(recording, LOOK);
    let straight: Vec<String> = times
        .iter()
        .map(|t| {
            forward.advance(*t);
            replay::picture(&forward)
        })
        .collect();
    assert!(straight.iter().any(|picture| picture.contains("filter /hit")), "typing is seen, too");
    for (t, expected) in times.iter().zip(&straight).rev() {
        forward.seek(*t);
        assert_eq!(replay::picture(&forward), *expected, "back at {t} ms");
    }
}

#[test]
fn a_recording_has_no_contents_and_nothing_behind_the_host_of_an_address() {
    let dir = tempfile::tempdir().expect("a place");
    let path = dir.path().join("run.jsonl");
    record(&path, false);
    let text = fs::read_to_string(&path).expect("JSON lines");
    for secret in ["hunter2", "KEY0123456789", "token=abc", "Ishmael"] {
        assert!(!text.contains(secret), "{secret} is in the recording");
    }
    assert!(text.contains("https://rpc.example.org/…"), "what is wrong can still be seen");
    assert!(text.contains("\"preview\":[]"));
    assert!(text.contains("prose/moby-dick"), "names of files are in it, as the help says");
    // Asked for, contents are in it; as bytes.
    let path = dir.path().join("with.jsonl");
    record(&path, true);
    let bytes = serde_json::to_string(&b"Call me Ishmael".to_vec()).expect("JSON");
    let text = fs::read_to_string(&path).expect("JSON lines");
    assert!(text.contains(bytes.trim_matches(['[', ']'])));
}

#[test]
fn lists_that_do_not_change_are_written_once() {
    let dir = tempfile::tempdir().expect("a place");
    let path = dir.path().join("run.jsonl");
    record(&path, false);
    let text = fs::read_to_string(&path).expect("JSON lines");
    // Two snapshots are in it, made from the fixture twice: nothing is shared, so all is written twice, but no more.
    let id = fixture::id("target", 50).to_hex_prefixed();
    let id = id.trim_start_matches("0x");
    assert!(text.matches(id).count() <= 4, "{}", text.matches(id).count());
}

#[test]
fn a_recording_that_was_cut_is_shown_as_far_as_it_goes_and_a_broken_one_says_where() {
    let dir = tempfile::tempdir().expect("a place");
    for name in ["run.jsonl", "run.jsonl.zst"] {
        let path = dir.path().join(name);
        record(&path, false);
        let bytes = fs::read(&path).expect("it is there");
        let whole = recording::read(&path).expect("whole").times.len();
        let cut = dir.path().join("cut");
        fs::write(&cut, &bytes[..bytes.len() - 20]).expect("writable");
        let recording = recording::read(&cut).expect("its beginning is good");
        assert!(recording.cut.as_deref().is_some_and(|why| why.contains("cut off in line")), "{:?}", recording.cut);
        assert!(recording.times.len() < whole || name.ends_with("zst"));
    }
    let plain = fs::read_to_string(dir.path().join("run.jsonl")).expect("JSON lines");
    let wrong = dir.path().join("wrong");
    let error = |text: &str| {
        fs::write(&wrong, text).expect("writable");
        recording::read(&wrong).expect_err("it is no good").to_string()
    };
    let mut lines: Vec<&str> = plain.lines().collect();
    // What is before a broken line can be shown; where that is, is told.
    for (line, why) in [
        (r#"{"t":1,"is":{"key":"NoSuchKey"}}"#, "line 4 is broken: unknown variant"),
        ("\u{1b}[2J", "line 4 is broken"),
        (r#"{"t":1,"is":{"dance":1}}"#, "line 4 is broken: unknown variant `dance`"),
        (r#"{"t":1,"is":{"snapshot":{"same":["beauty"],"now":{}}}}"#, "line 4 is broken: it has a list `beauty`"),
        (
            r#"{"t":1,"is":{"snapshot":{"changed":{"targets":[{"keep":[0,99999]}]},"now":{}}}}"#,
            "line 4 is broken: a list keeps what was not in it",
        ),
    ] {
        lines[3] = line;
        fs::write(&wrong, lines.join("\n") + "\n").expect("writable");
        let mut recording = recording::read(&wrong).expect("its beginning is good");
        recording.verify();
        assert_eq!(recording.times.len(), 1, "{line}");
        assert!(recording.cut.as_deref().is_some_and(|cut| cut.starts_with(why)), "{:?}", recording.cut);
        let mut tape = Tape::new(recording::read(&wrong).expect("its beginning is good"), LOOK);
        tape.seek(u64::MAX);
        assert!(replay::picture(&tape).contains("Wallet"), "what is before it is shown");
    }
    assert!(error("hello\n").contains("no recording of somascope"));
    assert!(error("{}\n").contains("no recording of somascope"));
    assert!(error("").contains("no recording of somascope"));
    assert!(error(&format!("{}\n", plain.lines().next().expect("a header"))).contains("before the first screen"));
    let newer = plain.replacen("\"somascope_recording\":2", "\"somascope_recording\":3", 1);
    assert!(error(&newer).contains("format 3; this program reads format 2"));
    // A bomb is no recording.
    fs::write(&wrong, zstd::encode_all(&vec![b'a'; 1 << 20][..], 3).expect("compressed")).expect("writable");
    assert!(matches!(recording::read(&wrong), Err(ReadError::Other(_))));
}

#[test]
fn nothing_is_written_over() {
    let dir = tempfile::tempdir().expect("a place");
    let path = dir.path().join("notes.txt");
    fs::write(&path, "mine").expect("writable");
    let error = Recorder::create(&path, false).expect_err("it exists").to_string();
    assert!(error.contains("notes.txt") && error.contains("choose another name"), "{error}");
    assert_eq!(fs::read_to_string(&path).expect("readable"), "mine");
}

/// Plays `script` against a replay on a 100×31 screen: the recorded one and its bar.
fn watch_replay<F: Future<Output = ()>>(
    tape: Tape,
    script: impl FnOnce(mpsc::UnboundedSender<Occurrence>, Shared) -> F,
) -> Result<Exit, TerminalError> {
    let (inputs, mut occurrences) = mpsc::unbounded_channel();
    let (mut emulator, screen) = Emulator::new(100, 31);
    let options = Options { look: LOOK, ..Options::from_env(|_| None) };
    let stream = stream::poll_fn(move |context| occurrences.poll_recv(context));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        let start = Start { at_ms: 0, speed: 64.0 };
        tokio::join!(replay::play(&mut emulator, stream, tape, start, options), script(inputs, screen)).0
    })
}

/// What a screen asks the engine for to show more does nothing: it is no reason to keep the viewer out.
#[test]
fn the_viewer_can_look_at_what_asks_for_more() {
    let dir = tempfile::tempdir().expect("a place");
    let path = dir.path().join("run.jsonl.zst");
    record(&path, false);
    let mut tape = Tape::new(recording::read(&path).expect("a whole recording"), LOOK);
    tape.seek(u64::MAX);
    let mut press = |key| {
        assert_eq!(format!("{:?}", tape.look_around(AppEvent::Key(key))), "Around", "{key:?}");
        tape.state().clone()
    };
    assert_eq!(press(Key::Char('3')).place(), Place::Pane(Pane::Map));
    ["hjklhjkl", "llllllll", "jjjjjjjj"].concat().chars().for_each(|c| drop(press(Key::Char(c))));
    assert_eq!(press(Key::Char('5')).place(), Place::Pane(Pane::Rewards));
    press(Key::Char('2'));
    assert_eq!(press(Key::Enter).place(), Place::Target);
    assert_eq!(
        format!("{:?}", tape.look_around(AppEvent::Key(Key::Char('p')))),
        "Acts",
        "what changes something does not"
    );
}

#[test]
fn the_viewer_looks_around_and_can_do_nothing() {
    let dir = tempfile::tempdir().expect("a place");
    let path = dir.path().join("run.jsonl.zst");
    let shown = record(&path, false);
    let tape = Tape::new(recording::read(&path).expect("a whole recording"), LOOK);
    let end = watch_replay(tape, async |inputs, screen| {
        let press = |code| inputs.send(key(code)).expect("the loop runs");
        wait_for(&screen, "REPLAY").await;
        wait_for(&screen, "ended").await;
        assert!(screen.text().contains(shown.lines().nth(3).expect("a line")), "at its end it is as it was");
        press(KeyCode::Char('a'));
        wait_for(&screen, "f follow").await;
        press(KeyCode::Char('y'));
        wait_for(&screen, "nothing is changed or sent").await;
        assert!(screen.text().contains("y approve"), "it still waits:\n{}", screen.text());
        press(KeyCode::Char('f'));
        wait_for(&screen, "4,321").await;
        press(KeyCode::Home);
        wait_for(&screen, "0:00:00 /").await;
        press(KeyCode::Char('q'));
    });
    assert!(matches!(end, Ok(Exit::Settled)), "{end:?}");
}

fn somascope(args: &[&str]) -> Output {
    Process::new(env!("CARGO_BIN_EXE_somascope"))
        .args(args)
        .env_remove("NO_COLOR")
        .env("LC_ALL", "C.UTF-8")
        .output()
        .expect("it runs")
}

#[test]
fn the_command_prints_screens_and_says_what_a_file_is() {
    let dir = tempfile::tempdir().expect("a place");
    let path = dir.path().join("run.jsonl.zst");
    let shown = record(&path, false);
    let file = path.to_str().expect("UTF-8");
    let printed = somascope(&["replay", file, "--text"]);
    assert!(printed.status.success());
    assert_eq!(String::from_utf8_lossy(&printed.stdout).trim_end(), shown.trim_end());
    let small = somascope(&["replay", file, "--text", "60x12", "--at", "0"]);
    let small = String::from_utf8_lossy(&small.stdout).into_owned();
    assert_eq!(small.lines().count(), 12);
    let checked = somascope(&["replay", file, "--check", "--json"]);
    let summary: serde_json::Value = serde_json::from_slice(&checked.stdout).expect("JSON");
    assert_eq!((&summary["width"], &summary["cut"]), (&100.into(), &serde_json::Value::Null));
    assert!(summary["events"].as_u64().is_some_and(|events| events > 10), "{summary}");
    let missing = somascope(&["replay", "/no/such/file", "--check"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("cannot replay /no/such/file"));
    // Without a terminal there is nothing to show it on.
    let shown = somascope(&["replay", file]);
    assert_eq!(shown.status.code(), Some(2));
}

#[test]
fn keys_and_sizes_have_names_that_stay() {
    // What old recordings have in them.
    assert_eq!(serde_json::to_string(&Key::Char('x')).expect("JSON"), r#"{"Char":"x"}"#);
    assert_eq!(serde_json::to_string(&Key::PageUp).expect("JSON"), r#""PageUp""#);
    let _ = Size::default();
}
