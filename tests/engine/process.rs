//! Engines under test: in a process of their own, so that they can die, or in this one.

use std::{
    io::{BufRead, Write},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use somascope::{
    api::{self, EngineHandle, Event, Snapshot, SubmissionRow, SubmissionState},
    engine::{self, EngineConfig},
};

use crate::network::{Orders, PATIENCE};

/// Set for a child process: its [`Orders`] as JSON.
const CHILD: &str = "SOMASCOPE_TEST_ENGINE";

/// The child's side: runs the engine until a line comes on standard input, then shuts it down and reports.
///
/// Called from the test `child_engine`, which does nothing unless it was started as a child.
pub fn run_as_child() {
    let Ok(orders) = std::env::var(CHILD) else { return };
    let orders: Orders = serde_json::from_str(&orders).expect("orders are JSON");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let mut handle = engine::start(orders.config()).await.expect("the engine starts");
        let commands = handle.commands.clone();
        std::thread::spawn(move || {
            for line in std::io::stdin().lock().lines() {
                let Ok(command) = serde_json::from_str::<api::Command>(&line.expect("text")) else { break };
                if commands.blocking_send(command).is_err() {
                    break;
                }
            }
        });
        while let Some(event) = handle.events.recv().await {
            if event == Event::Stopped {
                break;
            }
            #[expect(clippy::print_stderr, reason = "the parent keeps it as the child's log")]
            {
                eprintln!("{event:?}");
            }
        }
        let last: Snapshot = handle.snapshot.borrow().as_ref().clone();
        std::fs::write(&orders.report, serde_json::to_vec(&last).expect("JSON")).expect("the report is written");
    });
}

/// An engine in a process of its own.
pub struct Process {
    child: Child,
    report: PathBuf,
    log: PathBuf,
}

impl Process {
    pub fn start(orders: &Orders) -> Self {
        let _ = std::fs::remove_file(&orders.report);
        let log = orders.dir.with_extension("log");
        let events = std::fs::File::create(&log).expect("a log file");
        let child = Command::new(std::env::current_exe().expect("this binary"))
            .args(["--exact", "child_engine", "--nocapture", "--test-threads=1"])
            .env(CHILD, serde_json::to_string(orders).expect("JSON"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(events)
            .spawn()
            .expect("the child starts");
        Self { child, report: orders.report.clone(), log }
    }

    pub fn command(&mut self, command: &api::Command) {
        let input = self.child.stdin.as_mut().expect("piped");
        writeln!(input, "{}", serde_json::to_string(command).expect("JSON")).expect("the child listens");
    }

    /// Whether the debug text of its events has this in it.
    pub fn saw(&self, text: &str) -> bool {
        std::fs::read_to_string(&self.log).is_ok_and(|log| log.contains(text))
    }

    /// Waits for the end; meanwhile `nudge` may move the world.
    pub async fn wait(&mut self, mut nudge: impl AsyncFnMut()) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("the child can be waited for") {
                return status;
            }
            assert!(started.elapsed() < PATIENCE, "the child does not end");
            nudge().await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Asks it to settle and end; its last snapshot.
    pub async fn shut_down(mut self) -> Snapshot {
        self.command(&api::Command::Shutdown);
        let status = self.wait(async || {}).await;
        assert!(status.success(), "the child ended with {status}");
        serde_json::from_slice(&std::fs::read(&self.report).expect("a report")).expect("a snapshot")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Already ended, in a test that passes.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An engine in this process.
pub struct Running(pub EngineHandle);

impl Running {
    pub async fn start(config: EngineConfig) -> Self {
        Self(engine::start(config).await.expect("the engine starts"))
    }

    /// Waits for a row to enter a state.
    pub async fn row(&mut self, state: SubmissionState) -> Arc<SubmissionRow> {
        self.row_in(&[state]).await
    }

    /// The same for any of these states.
    pub async fn row_in(&mut self, states: &[SubmissionState]) -> Arc<SubmissionRow> {
        let found = async {
            loop {
                match self.0.events.recv().await.unwrap_or_else(|| panic!("the engine ended before {states:?}")) {
                    Event::Submission(row) if states.contains(&row.state) => return row,
                    _ => {}
                }
            }
        };
        tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("no row came to {states:?}"))
    }

    pub async fn command(&self, command: api::Command) {
        self.0.commands.send(command).await.expect("the engine listens");
    }

    pub async fn shut_down(mut self) -> Snapshot {
        self.command(api::Command::Shutdown).await;
        while self.0.events.recv().await.is_some_and(|event| event != Event::Stopped) {}
        self.0.snapshot.borrow().as_ref().clone()
    }
}
