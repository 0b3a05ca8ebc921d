//! The real program on a pseudo-terminal of 120×40: how soon it is there, what it costs when nothing happens and while it
//! scores, and how soon a key is seen while scoring has every core.
//!
//! Runs against an embedded network in a process of its own, so that only the dashboard and its engine are counted.
//!
//! `cargo bench --bench terminal`, or with one of `start`, `idle`, `live` behind ` -- `. Linux only (`/proc`).

#![expect(clippy::print_stdout, reason = "its results")]

#[path = "../tests/support/devnet.rs"]
#[expect(dead_code, reason = "it is started and dropped")]
mod devnet;

use std::{
    fs,
    io::{self, Read, Write},
    num::NonZeroU16,
    path::Path,
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

use devnet::DevnetProcess;
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

const SIZE: (u16, u16) = (120, 40);
const STARTS: usize = 20;
const WATCHED: Duration = Duration::from_secs(60);
const KEYS: usize = 300;
const PATIENCE: Duration = Duration::from_secs(120);
/// Of the kernel's counts in `/proc/PID/stat`.
const TICKS_PER_SECOND: f64 = 100.0;

/// What the terminal has seen.
struct Seen {
    parser: vt100::Parser,
    bytes: u64,
    writes: u64,
    /// When the last bytes came.
    at: Instant,
}

struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    writer: Box<dyn Write + Send>,
    /// Kept open for the child.
    _master: Box<dyn MasterPty + Send>,
    seen: Arc<(Mutex<Seen>, Condvar)>,
    started: Instant,
}

impl Terminal {
    fn start(home: &Path, args: &[&str]) -> Self {
        let size = PtySize { rows: SIZE.1, cols: SIZE.0, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("the system has pseudo-terminals");
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_somascope"));
        command.args(args);
        command.cwd(home);
        let home = home.to_str().expect("UTF-8");
        for (name, value) in
            [("TERM", "xterm-256color"), ("LC_ALL", "C.UTF-8"), ("HOME", home), ("XDG_DATA_HOME", home)]
        {
            command.env(name, value);
        }
        for name in ["SSH_CONNECTION", "NO_COLOR", "SOMA_SECRET_KEY", "SOMASCOPE_NETWORK"] {
            command.env_remove(name);
        }
        let nonzero = |n| NonZeroU16::new(n).expect("not nothing");
        let parser = vt100::Parser::new(nonzero(SIZE.1), nonzero(SIZE.0), 0);
        let started = Instant::now();
        let seen = Arc::new((Mutex::new(Seen { parser, bytes: 0, writes: 0, at: started }), Condvar::new()));
        let child = pair.slave.spawn_command(command).expect("the program starts");
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().expect("the terminal can be read");
        let shared = Arc::clone(&seen);
        thread::spawn(move || {
            let mut bytes = vec![0; 64 << 10];
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                let at = Instant::now();
                let (seen, bell) = &*shared;
                let mut seen = seen.lock().expect("nobody panics while looking");
                seen.parser.process(&bytes[..count]);
                seen.bytes += count as u64;
                seen.writes += 1;
                seen.at = at;
                bell.notify_all();
            }
        });
        let writer = pair.master.take_writer().expect("the writer is taken once");
        Self { child, writer, _master: pair.master, seen, started }
    }

    /// When the screen became so.
    fn wait(&self, what: &str, is: impl Fn(&vt100::Screen) -> bool) -> Instant {
        let (seen, bell) = &*self.seen;
        let guard = seen.lock().expect("nobody panics while looking");
        let (guard, timeout) =
            bell.wait_timeout_while(guard, PATIENCE, |seen| !is(seen.parser.screen())).expect("nobody panics");
        assert!(!timeout.timed_out(), "never {what}; the screen is\n{}", guard.parser.screen().contents());
        guard.at
    }

    fn press(&mut self, keys: &str) {
        self.writer.write_all(keys.as_bytes()).and_then(|()| self.writer.flush()).expect("it reads its keys");
    }

    /// Bytes and writes so far, and processor seconds of the process.
    fn spent(&self) -> (u64, u64, f64) {
        let pid = self.child.process_id().expect("it was started");
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("Linux");
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks: f64 = [11, 12].iter().map(|&n| fields[n].parse::<f64>().expect("a number")).sum();
        let seen = self.seen.0.lock().expect("nobody panics while looking");
        (seen.bytes, seen.writes, ticks / TICKS_PER_SECOND)
    }

    fn watch(&self, what: &str) {
        let before = self.spent();
        thread::sleep(WATCHED);
        let after = self.spent();
        let seconds = WATCHED.as_secs_f64();
        println!(
            "{what}: {:.3} kB/s in {:.2} writes/s to the terminal, {:.2} % of a core, over {seconds:.0} s",
            (after.0 - before.0) as f64 / 1000.0 / seconds,
            (after.1 - before.1) as f64 / seconds,
            (after.2 - before.2) / seconds * 100.0
        );
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Ended already, if it fell over.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn percentile(sorted: &[Duration], part: f64) -> f64 {
    let at = ((sorted.len() - 1) as f64 * part).round() as usize;
    sorted[at].as_secs_f64() * 1000.0
}

fn tell(what: &str, mut times: Vec<Duration>) {
    times.sort();
    println!(
        "{what}: median {:.1} ms, 90 % {:.1} ms, 99 % {:.1} ms, longest {:.1} ms, {} times",
        percentile(&times, 0.5),
        percentile(&times, 0.9),
        percentile(&times, 0.99),
        percentile(&times, 1.0),
        times.len()
    );
}

fn starts() -> io::Result<()> {
    let mut times = Vec::new();
    for _ in 0..STARTS {
        let home = tempfile::tempdir()?;
        let terminal = Terminal::start(home.path(), &["demo"]);
        let at = terminal
            .wait("the dashboard", |screen| screen.alternate_screen() && screen.contents().contains("Open targets"));
        times.push(at - terminal.started);
    }
    tell("demo, start to first picture", times);
    let home = tempfile::tempdir()?;
    let network = network(home.path())?;
    let data = corpus(home.path(), 1)?;
    let mut times = Vec::new();
    for _ in 0..STARTS {
        let terminal = Terminal::start(home.path(), &run(network.text("rpc_url"), &data));
        let at = terminal
            .wait("the dashboard", |screen| screen.alternate_screen() && screen.contents().contains("Open targets"));
        times.push(at - terminal.started);
    }
    tell("run, start to first picture", times);
    Ok(())
}

fn run<'a>(url: &'a str, data: &'a str) -> [&'a str; 7] {
    ["run", "--network", url, "--mode", "read-only", "--data", data]
}

/// Files of words that do not repeat, `kibibytes` of them.
fn corpus(home: &Path, kibibytes: usize) -> io::Result<String> {
    let dir = home.join("corpus");
    fs::create_dir_all(&dir)?;
    let mut state = 88_172_645_463_325_252_u64;
    for file in 0..kibibytes.div_ceil(64) {
        let mut text = String::new();
        while text.len() < (kibibytes - file * 64).min(64) * 1024 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            text.push_str(&format!("{} ", state % 99_991));
        }
        fs::write(dir.join(format!("{file}.txt")), text)?;
    }
    dir.into_os_string().into_string().map_err(|_| io::Error::other("a directory that is no UTF-8"))
}

fn network(home: &Path) -> io::Result<DevnetProcess> {
    DevnetProcess::start(home, &["--port-base", "0"]).map_err(|refusal| io::Error::other(refusal.stderr))
}

fn idle() -> io::Result<()> {
    let home = tempfile::tempdir()?;
    let network = network(home.path())?;
    let data = corpus(home.path(), 1)?;
    let terminal = Terminal::start(home.path(), &run(network.text("rpc_url"), &data));
    terminal.wait("an idle engine", |screen| screen.contents().contains("corpus scored"));
    // The chart of its work passes by.
    thread::sleep(Duration::from_secs(90));
    terminal.watch("idle, connected");
    Ok(())
}

fn live() -> io::Result<()> {
    let home = tempfile::tempdir()?;
    let network = network(home.path())?;
    let data = corpus(home.path(), 64 << 10)?;
    let mut terminal = Terminal::start(home.path(), &run(network.text("rpc_url"), &data));
    terminal.wait("scoring", |screen| {
        let text = screen.contents();
        text.contains("Samples/s") && !text.contains("corpus scored")
    });
    thread::sleep(Duration::from_secs(15));
    terminal.watch("live scoring");
    let mut times = Vec::new();
    let is_help = |screen: &vt100::Screen| screen.contents().contains("On this screen");
    for n in 0..KEYS {
        let since = Instant::now();
        terminal.press("?");
        let at = if n % 2 == 0 {
            terminal.wait("the help", is_help)
        } else {
            terminal.wait("no help", |screen| !is_help(screen))
        };
        times.push(at.saturating_duration_since(since));
        // Keys are not in step with the pictures of the engine's news.
        thread::sleep(Duration::from_millis(53 + (n as u64 * 7) % 90));
    }
    tell("a key until it is seen, while scoring has every core", times);
    Ok(())
}

fn main() -> io::Result<()> {
    let chosen: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    type Measure = fn() -> io::Result<()>;
    let measures: [(&str, Measure); 3] = [("start", starts), ("idle", idle), ("live", live)];
    for (name, measure) in measures {
        if chosen.is_empty() || chosen.iter().any(|word| word == name) {
            measure()?;
        }
    }
    Ok(())
}
