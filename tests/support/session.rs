//! A user of the command line: a home of its own, a network, and everything that was ever printed.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::{Mutex, PoisonError},
};

use serde_json::Value;

/// Variables that must not come in from the machine that runs the test.
pub const FOREIGN: [&str; 5] =
    ["SOMA_CONFIG_DIR", "SOMA_SECRET_KEY", "SOMASCOPE_NETWORK", "SOMASCOPE_PASSPHRASE", "RUST_LOG"];

pub struct Session {
    dir: tempfile::TempDir,
    printed: Mutex<String>,
    /// Added to every command.
    pub environment: Vec<(String, String)>,
}

/// How a command ended and what it printed.
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Session {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a place"), printed: Mutex::default(), environment: Vec::new() }
    }

    pub fn home(&self) -> &Path {
        self.dir.path()
    }

    /// somascope's data directory.
    pub fn data(&self) -> PathBuf {
        self.home().join("data/somascope")
    }

    pub fn run(&self, args: &[&str]) -> Ended {
        self.run_with(args, None)
    }

    pub fn run_with(&self, args: &[&str], input: Option<&str>) -> Ended {
        let mut command = Command::new(env!("CARGO_BIN_EXE_somascope"));
        command
            .current_dir(self.home())
            .args(args)
            .env("HOME", self.home())
            .env("XDG_DATA_HOME", self.home().join("data"))
            .env("SOMASCOPE_CONFIG", "none");
        for name in FOREIGN {
            command.env_remove(name);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary runs");
        if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
            stdin.write_all(input.as_bytes()).expect("it reads");
        }
        let Output { status, stdout, stderr } = child.wait_with_output().expect("it ends");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        let ended = Ended { code: status.code().expect("no signal"), stdout: text(stdout), stderr: text(stderr) };
        self.printed.lock().unwrap_or_else(PoisonError::into_inner).push_str(&(ended.stdout.clone() + &ended.stderr));
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
        ended
    }

    /// Every file of this name below the home.
    pub fn files(&self, name: &str) -> Vec<PathBuf> {
        let mut files = Vec::new();
        walk(self.home(), &mut files);
        files.retain(|file| file.file_name().is_some_and(|found| found == name));
        files
    }

    /// Everything that was printed, and the bytes of every file, have none of these.
    #[track_caller]
    pub fn assert_never_seen(&self, secrets: &[String]) {
        let printed = self.printed.lock().unwrap_or_else(PoisonError::into_inner);
        let mut files = Vec::new();
        walk(self.home(), &mut files);
        assert!(!files.is_empty());
        for secret in secrets {
            assert!(secret.len() > 8, "too short to be looked for");
            assert!(!printed.contains(secret.as_str()), "a secret was printed");
            for file in &files {
                let bytes = fs::read(file).expect("readable");
                let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
                assert!(!found, "{} has a secret in it", file.display());
            }
        }
    }
}

fn walk(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("readable").flatten() {
        let path = entry.path();
        if path.is_dir() { walk(&path, files) } else { files.push(path) }
    }
}

impl Ended {
    #[track_caller]
    pub fn ok(self) -> Self {
        self.ends(0)
    }

    #[track_caller]
    pub fn ends(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// Standard error has all of these.
    #[track_caller]
    pub fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.stderr.contains(word), "`{word}` is not in: {}", self.stderr);
        }
        self
    }

    /// The one JSON object on standard output.
    #[track_caller]
    pub fn json(&self) -> Value {
        let lines = self.lines();
        assert_eq!(lines.len(), 1, "one object and nothing else: {}", self.stdout);
        lines.into_iter().next().unwrap_or_default()
    }

    /// One JSON object a line.
    #[track_caller]
    pub fn lines(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}
