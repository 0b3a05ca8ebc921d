//! `somascope serve` as a process of a test: its directories are temporary, its port any free one.

use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    thread::JoinHandle,
};

use serde_json::Value;

/// A running one. Dropping it kills it.
pub struct ServeProcess {
    child: Child,
    log: Option<JoinHandle<String>>,
    /// What it printed when it was ready.
    pub ready: Value,
}

/// How one ended that never became ready.
#[derive(Debug)]
pub struct Refusal {
    pub code: Option<i32>,
    pub stderr: String,
}

impl ServeProcess {
    /// Weights in `home/scoring`. Waits until it is ready.
    pub fn start(home: &Path, args: &[&str]) -> Result<Self, Refusal> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_somascope"))
            .args(["serve", "--json", "--memory", "1", "--data-dir"])
            .arg(home.join("scoring"))
            .args(if args.contains(&"--listen") { &[][..] } else { &["--listen", "127.0.0.1:0"] })
            .args(args)
            // Nothing of the user's own is read or written, on any system.
            .env("HOME", home)
            .env("SOMASCOPE_CONFIG", "none")
            .env("XDG_DATA_HOME", home.join("data"))
            .env_remove("RUST_LOG")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let mut stderr = child.stderr.take().expect("piped");
        // Read all the time: a full pipe would hold it up.
        let log = std::thread::spawn(move || {
            let mut log = String::new();
            stderr.read_to_string(&mut log).expect("UTF-8");
            log
        });
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().expect("piped")).read_line(&mut line).expect("UTF-8");
        if line.is_empty() {
            let code = child.wait().expect("it ended").code();
            return Err(Refusal { code, stderr: log.join().expect("it was read") });
        }
        Ok(Self { child, log: Some(log), ready: serde_json::from_str(&line).expect("one line of JSON") })
    }

    pub fn url(&self) -> &str {
        self.ready["url"].as_str().expect("a URL")
    }

    /// As a service manager stops it.
    pub fn signal(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
    }

    /// How it ended, and its log.
    pub fn ended(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().expect("it ends");
        (status, self.log.take().expect("it is read once").join().expect("it was read"))
    }

    /// As a machine that loses its power stops it.
    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }
}

impl Drop for ServeProcess {
    fn drop(&mut self) {
        // Ended already, if a test stopped it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
