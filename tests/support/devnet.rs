//! `somascope devnet` as a process of a test: its directories are temporary, its ports any free ones.

use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
};

use serde_json::Value;

/// A running one. Dropping it kills it.
pub struct DevnetProcess {
    child: Child,
    /// What it printed when it was ready.
    pub ready: Value,
}

/// How one ended that never became ready.
#[derive(Debug)]
pub struct Refusal {
    pub code: Option<i32>,
    pub stderr: String,
}

impl DevnetProcess {
    /// State in `home/network`, the user's data in `home/data`. Waits until it is ready.
    pub fn start(home: &Path, args: &[&str]) -> Result<Self, Refusal> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_somascope"))
            .args(["devnet", "--json", "--epoch-seconds", "0", "--dir"])
            .arg(home.join("network"))
            .args(args)
            // Nothing of the user's own is read or written, on any system.
            .env("HOME", home)
            .env("SOMASCOPE_CONFIG", "none")
            .env("XDG_DATA_HOME", home.join("data"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().expect("piped")).read_line(&mut line).expect("UTF-8");
        if line.is_empty() {
            let mut stderr = String::new();
            child.stderr.take().expect("piped").read_to_string(&mut stderr).expect("UTF-8");
            return Err(Refusal { code: child.wait().expect("it ended").code(), stderr });
        }
        Ok(Self { child, ready: serde_json::from_str(&line).expect("one line of JSON") })
    }

    pub fn text(&self, name: &str) -> &str {
        self.ready[name].as_str().unwrap_or_else(|| panic!("{name} is text in {}", self.ready))
    }

    pub fn number(&self, name: &str) -> u64 {
        self.ready[name].as_u64().unwrap_or_else(|| panic!("{name} is a number in {}", self.ready))
    }

    /// As a service manager stops it.
    pub fn terminate(mut self) -> ExitStatus {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
        self.child.wait().expect("it ends")
    }

    /// As a machine that loses its power stops it.
    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }
}

impl Drop for DevnetProcess {
    fn drop(&mut self) {
        // Ended already, if a test stopped it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
