//! The real loop: driven by keys on an emulated screen, and as a child process on a real pseudo-terminal.

#[path = "support/emulator.rs"]
#[expect(dead_code, reason = "attributes are looked at elsewhere")]
mod emulator;
#[path = "support/fixture.rs"]
#[expect(dead_code, reason = "the empty network is drawn elsewhere")]
mod fixture;
#[path = "support/pty.rs"]
mod pty;

use std::{
    sync::{Arc, LazyLock},
    task::Poll,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyModifiers};
use emulator::{Emulator, Shared};
use futures::stream;
use pty::{Pty, Signal};
use somascope::{
    api::{Command, EngineHandle, Event, Level, LogLine, Mode, Snapshot, SubmissionId},
    app::{Look, Saved},
    terminal::{Exit, Occurrence, Options, TerminalError, drive, run_with},
};
use tokio::sync::{mpsc, watch};

const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Look = Look { ascii: false, colour: true };

fn options() -> Options {
    Options { look: LOOK, ..Options::from_env(|_| None) }
}

/// A busy network on which no displayed text depends on the second: last heard hours ago, the epoch over.
fn still() -> Snapshot {
    static BUSY: LazyLock<Snapshot> = LazyLock::new(fixture::busy);
    let mut snapshot = BUSY.clone();
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis() as u64;
    for upstream in &mut snapshot.network.upstreams {
        upstream.last_heard_ms = Some(now_ms - 3 * 3_600_000 - 20_000);
    }
    snapshot.network.epoch_ends_at_ms = 0;
    snapshot
}

/// The engine's end of the handle.
struct Engine {
    commands: mpsc::Receiver<Command>,
    events: mpsc::UnboundedSender<Event>,
    snapshot: watch::Sender<Arc<Snapshot>>,
}

fn engine(snapshot: Snapshot) -> (EngineHandle, Engine) {
    let (command_sender, commands) = mpsc::channel(4);
    let (events, event_receiver) = mpsc::unbounded_channel();
    let (snapshot, snapshot_receiver) = watch::channel(Arc::new(snapshot));
    let handle = EngineHandle { commands: command_sender, events: event_receiver, snapshot: snapshot_receiver };
    (handle, Engine { commands, events, snapshot })
}

/// A person and an engine before the loop.
struct Player {
    inputs: mpsc::UnboundedSender<Occurrence>,
    engine: Engine,
    screen: Shared,
}

impl Player {
    fn occur(&self, occurrence: Occurrence) {
        self.inputs.send(occurrence).expect("the loop runs");
    }

    fn press(&self, code: KeyCode) {
        self.occur(Occurrence::Terminal(Input::Key(KeyEvent::new(code, KeyModifiers::NONE))));
    }

    fn keys(&self, keys: &str) {
        keys.chars().for_each(|c| self.press(KeyCode::Char(c)));
    }

    #[track_caller]
    fn wait_for(&self, text: &'static str) -> impl Future<Output = ()> {
        let screen = self.screen.clone();
        async move {
            let deadline = Instant::now() + PATIENCE;
            while !screen.text().contains(text) {
                assert!(Instant::now() < deadline, "never `{text}`; the screen is\n{}", screen.text());
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }

    async fn command(&mut self) -> Command {
        tokio::time::timeout(PATIENCE, self.engine.commands.recv())
            .await
            .expect("a command comes")
            .expect("the loop runs")
    }
}

/// Plays `script` against the real loop on an 80×24 screen.
fn play<F: Future<Output = ()>>(snapshot: Snapshot, script: impl FnOnce(Player) -> F) -> Result<Exit, TerminalError> {
    play_with(options(), snapshot, script)
}

fn play_with<F: Future<Output = ()>>(
    options: Options,
    snapshot: Snapshot,
    script: impl FnOnce(Player) -> F,
) -> Result<Exit, TerminalError> {
    let (handle, engine) = engine(snapshot);
    let (inputs, mut occurrences) = mpsc::unbounded_channel();
    let (mut emulator, screen) = Emulator::new(80, 24);
    let stream = stream::poll_fn(move |context| occurrences.poll_recv(context));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        let player = Player { inputs, engine, screen };
        tokio::join!(drive(&mut emulator, stream, handle, options), script(player)).0
    })
}

#[test]
fn a_hit_is_approved_by_key_and_quitting_waits_for_the_engine() {
    let end = play(still(), async |mut player| {
        player.wait_for("3 to approve: press a").await;
        player.keys("a");
        player.wait_for("Approving also approves claiming the reward later.").await;
        player.keys("y");
        assert_eq!(player.command().await, Command::Approve(SubmissionId(0)));
        player.wait_for("2 to approve").await;
        player.keys("n");
        assert_eq!(player.command().await, Command::Reject(SubmissionId(1)));
        player.keys("q");
        assert_eq!(player.command().await, Command::Shutdown);
        player.wait_for("settling").await;
        player.engine.events.send(Event::Stopped).expect("the loop runs");
    });
    assert!(matches!(end, Ok(Exit::Settled)), "{end:?}");
}

#[test]
fn a_screen_that_is_shown_again_asks_for_what_it_shows() {
    let saved = Saved { screen: Some("rewards".to_owned()), ..Saved::default() };
    let end = play_with(Options { saved, ..options() }, still(), async |mut player| {
        player.wait_for("5 Rewards").await;
        // The first picture is drawn before anything happens: the journal is asked for all the same.
        assert_eq!(player.command().await, Command::History { before: Some(SubmissionId(0)) });
        player.keys("q");
        assert_eq!(player.command().await, Command::Shutdown);
        player.engine.events.send(Event::Stopped).expect("the loop runs");
    });
    assert!(matches!(end, Ok(Exit::Settled)), "{end:?}");
}

#[test]
fn a_second_q_leaves_at_once() {
    let end = play(still(), async |mut player| {
        player.wait_for("Wallet").await;
        player.keys("q");
        assert_eq!(player.command().await, Command::Shutdown);
        player.wait_for("q leaves at once").await;
        player.keys("q");
        player.inputs.closed().await;
    });
    assert!(matches!(end, Ok(Exit::Unsettled)), "{end:?}");
}

#[test]
fn auto_is_asked_for_and_manual_is_not() {
    let end = play(still(), async |mut player| {
        player.keys("m");
        player.wait_for("Let the policy approve by itself").await;
        player.keys("y");
        assert_eq!(player.command().await, Command::SetMode(Mode::Auto));
        let mut snapshot = still();
        snapshot.mode = Mode::Auto;
        player.engine.snapshot.send_replace(Arc::new(snapshot));
        player.wait_for("AUTO    3 to approve").await;
        player.keys("m");
        assert_eq!(player.command().await, Command::SetMode(Mode::Manual));
        player.engine.events.send(Event::Stopped).expect("the loop runs");
    });
    assert!(matches!(end, Ok(Exit::Settled)), "{end:?}");
}

#[test]
fn nothing_changed_means_not_one_byte() {
    let end = play(still(), async |player| {
        player.wait_for("q quit").await;
        let before = player.screen.look().bytes;
        // Two ticks of the clock, snapshots that say the same, keys that mean nothing, unremarkable events.
        for version in 100..110 {
            player.engine.snapshot.send_replace(Arc::new(Snapshot { version, ..still() }));
            player.keys("X");
            player.engine.events.send(Event::EpochStarted { epoch: 12 }).expect("the loop runs");
            tokio::time::sleep(Duration::from_millis(220)).await;
        }
        assert_eq!(player.screen.look().bytes - before, 0);
        // And it was not asleep.
        player.keys("?");
        player.wait_for("On this screen").await;
        player.engine.events.send(Event::Stopped).expect("the loop runs");
    });
    assert!(matches!(end, Ok(Exit::Settled)), "{end:?}");
}

#[test]
fn a_burst_of_events_costs_few_pictures() {
    let end = play(still(), async |player| {
        player.wait_for("q quit").await;
        let before = player.screen.look().bytes;
        for n in 0..2_000 {
            let line = LogLine::new(0, Level::Warning, format!("warning number {n}"));
            player.engine.events.send(Event::Log(line)).expect("the loop runs");
        }
        player.wait_for("warning number 1999").await;
        let bytes = player.screen.look().bytes - before;
        assert!(bytes < 4_000, "{bytes} bytes for one line of text");
        player.engine.events.send(Event::Stopped).expect("the loop runs");
    });
    assert!(matches!(end, Ok(Exit::Settled)), "{end:?}");
}

#[test]
fn a_storm_of_resizes_ends_at_the_last_size() {
    let end = play(still(), async |player| {
        player.wait_for("q quit").await;
        for width in (40..120).chain([100]) {
            player.screen.resize(width, 30);
            player.occur(Occurrence::Terminal(Input::Resize(width, 30)));
        }
        let deadline = Instant::now() + PATIENCE;
        while !player.screen.text().lines().any(|line| line.chars().count() == 100) {
            assert!(Instant::now() < deadline, "{}", player.screen.text());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        player.engine.events.send(Event::Stopped).expect("the loop runs");
    });
    assert!(matches!(end, Ok(Exit::Settled)), "{end:?}");
}

#[test]
fn stopped_it_draws_nothing_and_continued_it_paints_everything() {
    let end = play(still(), async |player| {
        player.wait_for("q quit").await;
        player.occur(Occurrence::Stop);
        player.keys("?");
        let deadline = Instant::now() + PATIENCE;
        while player.screen.look().suspended == 0 {
            assert!(Instant::now() < deadline, "it is not stopped");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(!player.screen.text().contains("On this screen"));
        // The shell has written over everything.
        player.screen.look().parser.process(b"\x1b[2J\x1b[Hsome shell");
        player.occur(Occurrence::Continue);
        player.wait_for("On this screen").await;
        player.wait_for("somascope").await;
        player.engine.events.send(Event::Stopped).expect("the loop runs");
    });
    assert!(matches!(end, Ok(Exit::Settled)), "{end:?}");
}

#[test]
fn the_address_goes_to_the_terminals_clipboard_and_the_mouse_is_taken_on_request() {
    let end = play(still(), async |player| {
        player.keys("c");
        player.wait_for("sent to the terminal's clipboard").await;
        player.keys("M");
        player.wait_for("the mouse acts here").await;
        let address = still().wallet.address.expect("the fixture has a wallet").to_hex_prefixed();
        assert_eq!(player.screen.look().clipboard, [address]);
        assert!(player.screen.look().mouse);
        player.engine.events.send(Event::Stopped).expect("the loop runs");
    });
    assert!(matches!(end, Ok(Exit::Settled)), "{end:?}");
}

#[test]
fn an_engine_that_goes_away_is_an_error() {
    let end = play(still(), async |player| drop(player));
    assert!(matches!(end, Err(TerminalError::EngineGone)), "{end:?}");
}

#[test]
fn a_lost_terminal_stops_approving_and_ends_when_what_is_in_flight_is_settled() {
    for by_write in [false, true] {
        let end = play(still(), async |mut player| {
            player.wait_for("3 to approve: press a").await;
            player.keys("a");
            player.wait_for("Approving also approves claiming the reward later.").await;
            if by_write {
                player.screen.look().broken = true;
                player.keys("?");
            } else {
                player.occur(Occurrence::Lost(std::io::ErrorKind::BrokenPipe.into()));
            }
            assert_eq!(player.command().await, Command::Shutdown);
            assert!(player.screen.look().left, "the terminal is given back first");
            // Whoever has the terminal's other end now approves nothing.
            player.keys("y");
            player.engine.events.send(Event::EpochStarted { epoch: 13 }).expect("it still waits");
            player.engine.events.send(Event::Stopped).expect("it still waits");
            player.inputs.closed().await;
            assert!(player.engine.commands.recv().await.is_none(), "nothing but the end was commanded");
        });
        assert!(matches!(end, Err(TerminalError::Lost { .. })), "{end:?}");
    }
}

#[test]
fn a_signal_settles_and_a_second_one_does_not_wait() {
    for hasty in [false, true] {
        let end = play(still(), async |mut player| {
            player.wait_for("Wallet").await;
            player.occur(Occurrence::End { signal: 1 });
            assert_eq!(player.command().await, Command::Shutdown);
            assert!(player.screen.look().left);
            if hasty {
                player.occur(Occurrence::End { signal: 15 });
            } else {
                player.engine.events.send(Event::Stopped).expect("it waits");
            }
            player.inputs.closed().await;
        });
        assert!(matches!(end, Ok(Exit::Signal(1))), "{end:?}");
    }
}

#[test]
fn low_bandwidth_draws_at_most_twice_a_second() {
    let options = Options { low_bandwidth: true, ..options() };
    let end = play_with(options, still(), async |player| {
        player.wait_for("q quit").await;
        let (before, since) = (player.screen.look().pictures, Instant::now());
        for n in 0..60 {
            let line = LogLine::new(0, Level::Warning, format!("warning number {n}"));
            player.engine.events.send(Event::Log(line)).expect("the loop runs");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        player.wait_for("warning number 59").await;
        let pictures = player.screen.look().pictures - before;
        let most = 2.0 * since.elapsed().as_secs_f32() + 1.0;
        assert!(pictures as f32 <= most && pictures >= 2, "{pictures} pictures, {most} at most");
        player.engine.events.send(Event::Stopped).expect("the loop runs");
    });
    assert!(matches!(end, Ok(Exit::Settled)), "{end:?}");
}

// On a real pseudo-terminal.

/// The loop in a process of its own: this test's binary, started again by the tests below.
#[test]
#[ignore = "a child of the tests below"]
fn child() {
    let scenario = std::env::var("SOMASCOPE_TEST_CHILD").expect("only the tests below start this");
    let (handle, engine) = engine(still());
    let Engine { mut commands, events, snapshot } = engine;
    let (tell, mut told) = mpsc::unbounded_channel();
    thread::Builder::new()
        .name("engine".to_owned())
        .spawn(move || {
            let _snapshot = snapshot;
            while let Some(command) = commands.blocking_recv() {
                match command {
                    Command::PauseScoring(_) if scenario == "owner panics" => drop(tell.send(())),
                    Command::PauseScoring(_) => panic!("a worker fell over"),
                    Command::Shutdown => drop(events.send(Event::Stopped)),
                    _ => {}
                }
            }
        })
        .expect("a thread");
    let more = stream::poll_fn(move |context| match told.poll_recv(context) {
        Poll::Ready(Some(())) => panic!("the owner fell over"),
        Poll::Ready(None) | Poll::Pending => Poll::Pending,
    });
    let end = run_with(handle, Options { mouse: true, ..options() }, more);
    println!("ended with {end:?}");
}

fn start(scenario: &str) -> Pty {
    let program = std::env::current_exe().expect("a test has a path");
    let arguments = ["child", "--exact", "--ignored", "--nocapture"];
    let pty = Pty::spawn(program, &arguments, &[("SOMASCOPE_TEST_CHILD", scenario)], (100, 30));
    pty.wait_for("3 to approve: press a", PATIENCE);
    pty.with_screen(|screen| assert!(screen.alternate_screen() && screen.hide_cursor()));
    pty
}

#[track_caller]
fn ends(mut pty: Pty, with: &str) {
    pty.wait_exit(PATIENCE);
    assert!(pty.text().contains(with), "{}", pty.text());
    pty.assert_restored();
}

#[test]
fn quitting_restores_the_terminal() {
    let pty = start("quiet");
    pty.send("q");
    ends(pty, "ended with Ok(Settled)");
}

#[test]
fn control_c_quits_like_q() {
    let pty = start("quiet");
    pty.send("\x03");
    ends(pty, "ended with Ok(Settled)");
}

#[test]
fn signals_restore_the_terminal() {
    for (signal, end) in [
        (Signal::TERM, "ended with Ok(Signal(15))"),
        (Signal::HUP, "ended with Ok(Signal(1))"),
        (Signal::INT, "ended with Ok(Settled)"),
    ] {
        let pty = start("quiet");
        pty.signal(signal);
        ends(pty, end);
    }
}

#[test]
fn a_panic_of_a_worker_is_told_on_the_restored_terminal() {
    let pty = start("quiet");
    pty.send("p");
    ends(pty, "ended with Err(Panicked { thread: \"engine\", message: \"a worker fell over\" })");
}

#[test]
fn a_panic_of_the_owner_restores_the_terminal_before_it_is_told() {
    let mut pty = start("owner panics");
    pty.send("p");
    let status = pty.wait_exit(PATIENCE);
    assert!(!status.success());
    assert!(pty.text().contains("the owner fell over"), "{}", pty.text());
    pty.assert_restored();
}

#[test]
fn stopping_gives_the_terminal_to_the_shell_and_continuing_takes_it_back() {
    for by_key in [true, false] {
        let pty = start("quiet");
        if by_key {
            pty.send("\x1a");
        } else {
            pty.signal(Signal::TSTP);
        }
        pty.wait_until("the shell's screen", PATIENCE, |screen| !screen.alternate_screen());
        // Its last bytes are seen before it has stopped.
        let stat = format!("/proc/{}/stat", pty.pid());
        let deadline = Instant::now() + PATIENCE;
        while !std::fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") T ")) {
            assert!(Instant::now() < deadline, "it does not stop");
            thread::sleep(Duration::from_millis(5));
        }
        pty.assert_restored();
        pty.signal(Signal::CONT);
        pty.wait_for("3 to approve: press a", PATIENCE);
        pty.send("q");
        ends(pty, "ended with Ok(Settled)");
    }
}

#[test]
fn the_terminal_may_shrink_under_the_dashboard() {
    let pty = start("quiet");
    pty.resize(60, 12);
    pty.wait_until("one pane", PATIENCE, |screen| {
        let text = screen.contents();
        text.contains("Open targets") && !text.contains("Wallet")
    });
    pty.send("q");
    ends(pty, "ended with Ok(Settled)");
}

#[test]
fn without_a_terminal_there_is_nothing_to_show_it_on() {
    let (handle, _engine) = engine(still());
    // Under a test's pipe, or under `script`, at least one of the two is no terminal when this is run by a machine.
    if !std::io::IsTerminal::is_terminal(&std::io::stdout()) {
        let error = run_with(handle, options(), stream::pending()).expect_err("there is no terminal");
        assert!(matches!(error, TerminalError::NoTerminal), "{error}");
    }
}

// The driver itself.

#[test]
fn the_driver_sees_text_sends_keys_and_reports_exit_codes() {
    let mut pty = Pty::spawn("sh", &["-c", "printf 'name? '; read name; echo hello $name; exit 7"], &[], (40, 5));
    pty.wait_for("name?", PATIENCE);
    pty.send("world\r");
    pty.wait_for("hello world", PATIENCE);
    assert_eq!(pty.wait_exit(PATIENCE).exit_code(), 7);
    pty.assert_restored();
}

#[test]
fn the_driver_notices_a_terminal_that_was_not_restored() {
    for broken in ["stty raw -echo", r"printf '\033[?1049h'", r"printf '\033[?25l'", r"printf '\033[?1000h'"] {
        let mut pty = Pty::spawn("sh", &["-c", broken], &[], (40, 5));
        pty.wait_exit(PATIENCE);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| pty.assert_restored()));
        assert!(outcome.is_err(), "{broken}");
    }
}

#[test]
fn the_driver_answers_where_the_cursor_is() {
    let ask = r"stty raw -echo; printf 'ab\033[6n'; dd bs=1 count=6 2>/dev/null | tail -c 5; stty -raw echo";
    let mut pty = Pty::spawn("sh", &["-c", ask], &[], (40, 5));
    pty.wait_for("[1;3R", PATIENCE);
    pty.wait_exit(PATIENCE);
}
