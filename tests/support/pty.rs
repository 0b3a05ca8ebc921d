//! Drives a program on a real pseudo-terminal: keys in, an emulated screen out.

use std::{
    io::{Read, Write},
    num::NonZeroU16,
    path::Path,
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};
pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};

const POLL: Duration = Duration::from_millis(10);

/// Between these a terminal shows nothing (mode 2026).
const BEGIN_UPDATE: &[u8] = b"\x1b[?2026h";
const END_UPDATE: &[u8] = b"\x1b[?2026l";

pub struct Pty {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    writer: Arc<Mutex<Box<dyn Write + Send>>>,
    parser: Arc<Mutex<vt100::Parser>>,
    reader: Option<JoinHandle<()>>,
    modes_before: String,
}

impl Pty {
    /// Starts `program` with `arguments` on a terminal of this size; `environment` is added to the test's own.
    pub fn spawn(
        program: impl AsRef<Path>,
        arguments: &[&str],
        environment: &[(&str, &str)],
        (columns, rows): (u16, u16),
    ) -> Self {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("the system has pseudo-terminals");
        let mut command = CommandBuilder::new(program.as_ref());
        command.args(arguments);
        command.cwd(env!("CARGO_MANIFEST_DIR"));
        for (name, value) in [("TERM", "xterm-256color"), ("LANG", "C.UTF-8"), ("LC_ALL", "C.UTF-8")] {
            command.env(name, value);
        }
        command.env_remove("NO_COLOR");
        // Not what this machine's user has configured.
        command.env("SOMASCOPE_CONFIG", "none");
        // A backtrace would push the message off the screen.
        command.env("RUST_BACKTRACE", "0");
        environment.iter().for_each(|(name, value)| command.env(name, value));
        let modes_before = modes(&*pair.master);
        let child = pair.slave.spawn_command(command).expect("the program starts");
        // Ours is closed, so that the end of the child is the end of the stream.
        drop(pair.slave);

        let nonzero = |n| NonZeroU16::new(n).expect("a terminal has at least one cell");
        let parser = Arc::new(Mutex::new(vt100::Parser::new(nonzero(rows), nonzero(columns), 0)));
        let writer = Arc::new(Mutex::new(pair.master.take_writer().expect("the writer is taken once")));
        let reader = pair.master.try_clone_reader().expect("the terminal can be read");
        let reader = thread::spawn({
            let (parser, writer) = (Arc::clone(&parser), Arc::clone(&writer));
            move || read(reader, &parser, &writer)
        });
        Self { child, master: pair.master, writer, parser, reader: Some(reader), modes_before }
    }

    /// Types these bytes; `\r` is Enter, `\x1b` is Esc.
    pub fn send(&self, keys: &str) {
        let mut writer = self.writer.lock().expect("the reader does not panic");
        writer.write_all(keys.as_bytes()).and_then(|()| writer.flush()).expect("the child reads its keys");
    }

    pub fn resize(&self, columns: u16, rows: u16) {
        let nonzero = |n| NonZeroU16::new(n).expect("a terminal has at least one cell");
        self.parser.lock().expect("the reader does not panic").screen_mut().set_size(nonzero(rows), nonzero(columns));
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        self.master.resize(size).expect("the terminal can be resized");
    }

    pub fn with_screen<T>(&self, look: impl FnOnce(&vt100::Screen) -> T) -> T {
        look(self.parser.lock().expect("the reader does not panic").screen())
    }

    /// What is on the screen, trailing spaces dropped.
    pub fn text(&self) -> String {
        self.with_screen(vt100::Screen::contents)
    }

    /// Waits until the screen is as it should be; shows it when it never is.
    #[track_caller]
    pub fn wait_until(&self, what: &str, timeout: Duration, is: impl Fn(&vt100::Screen) -> bool) {
        assert!(self.comes(timeout, is), "not within {timeout:?}: {what}; the screen is\n{}", self.text());
    }

    /// Whether the screen becomes so in this time.
    pub fn comes(&self, timeout: Duration, is: impl Fn(&vt100::Screen) -> bool) -> bool {
        let deadline = Instant::now() + timeout;
        while !self.with_screen(&is) {
            if Instant::now() >= deadline {
                return false;
            }
            thread::sleep(POLL);
        }
        true
    }

    #[track_caller]
    pub fn wait_for(&self, text: &str, timeout: Duration) {
        self.wait_until(&format!("`{text}`"), timeout, |screen| screen.contents().contains(text));
    }

    pub fn pid(&self) -> u32 {
        self.child.process_id().expect("the child was started")
    }

    #[track_caller]
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(pid, signal).expect("it runs");
    }

    /// Waits for the child's end and for its last words.
    #[track_caller]
    pub fn wait_exit(&mut self, timeout: Duration) -> ExitStatus {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(status) = self.child.try_wait().expect("the child can be waited for") {
                if let Some(reader) = self.reader.take() {
                    reader.join().expect("the reader does not panic");
                }
                return status;
            }
            assert!(Instant::now() < deadline, "no end within {timeout:?}; the screen is\n{}", self.text());
            thread::sleep(POLL);
        }
    }

    /// The terminal is as the child found it.
    #[track_caller]
    pub fn assert_restored(&self) {
        self.with_screen(|screen| {
            assert!(!screen.alternate_screen(), "the alternate screen was not left");
            assert!(!screen.hide_cursor(), "the cursor is still hidden");
            assert!(!screen.bracketed_paste(), "bracketed paste is still on");
            assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None, "the mouse is still captured");
        });
        assert_eq!(modes(&*self.master), self.modes_before, "the line discipline was not restored");
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        // Errors mean that it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Raw mode, echo and the like, to compare.
fn modes(master: &dyn MasterPty) -> String {
    format!("{:?}", master.get_termios())
}

fn read(mut reader: Box<dyn Read + Send>, parser: &Mutex<vt100::Parser>, writer: &Mutex<Box<dyn Write + Send>>) {
    let mut bytes = [0; 8192];
    let mut held = Vec::new();
    // EIO is how Linux says that nobody has the other side open any more.
    while let Ok(count @ 1..) = reader.read(&mut bytes) {
        held.extend_from_slice(&bytes[..count]);
        let shown: Vec<u8> = held.drain(..shown_of(&held)).collect();
        let mut parser = parser.lock().expect("nobody panics while looking");
        parser.process(&shown);
        // A program may ask where the cursor is, and waits for the answer.
        if shown.windows(4).any(|window| window == b"\x1b[6n") {
            let (row, column) = parser.screen().cursor_position();
            let mut writer = writer.lock().expect("nobody panics while writing");
            drop(write!(writer, "\x1b[{};{}R", row + 1, column + 1));
        }
    }
    parser.lock().expect("nobody panics while looking").process(&held);
}

/// How many of these bytes a terminal shows now: a synchronized update waits for its end, so that nobody sees half a picture.
fn shown_of(bytes: &[u8]) -> usize {
    let last = |mark: &[u8]| bytes.windows(mark.len()).rposition(|window| window == mark);
    if let Some(begun) = last(BEGIN_UPDATE).filter(|&begun| last(END_UPDATE).is_none_or(|ended| ended < begun)) {
        return begun;
    }
    // The mark itself may be cut in two.
    let cut = (1..BEGIN_UPDATE.len()).rev().find(|&length| bytes.ends_with(&BEGIN_UPDATE[..length]));
    bytes.len() - cut.unwrap_or(0)
}
