//! Where `somascope run` reads, scores and keeps: its options through the program, each by what it does.

#[path = "support/ports.rs"]
mod ports;
#[path = "support/serve.rs"]
#[expect(dead_code, reason = "it is killed elsewhere")]
mod serve;

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    time::{Duration, Instant},
};

use rusqlite::{Connection, OpenFlags};
use secrecy::ExposeSecret;
use serde_json::Value;
use serve::ServeProcess;
use somascope::{
    chain::{client::request_faucet, keys::Keypair, types::SomaTensor},
    devnet::{self, Devnet, DevnetConfig, GenesisOptions, ModelSpec, Ports},
    primitives::SHANNONS_PER_SOMA,
};

/// No step takes longer on the slowest machine; every wait ends as soon as its condition holds.
const PATIENCE: Duration = Duration::from_secs(120);
const SEED: [u8; 32] = [7; 32];

fn asset(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("assets").join(name)).expect("an asset")
}

/// Three models of 64 dimensions. `epoch`: `None` has none after the first.
async fn network(dir: &Path, epoch: Option<Duration>) -> Devnet {
    let mut genesis = GenesisOptions::v5(64);
    let parameters = &mut genesis.parameters;
    // So that few windows reach a target alone, and several of one text some more.
    parameters.target_initial_targets_per_epoch = 60;
    parameters.target_hits_per_epoch = 60;
    for threshold in [
        &mut parameters.target_initial_distance_threshold,
        &mut parameters.target_min_distance_threshold,
        &mut parameters.target_max_distance_threshold,
    ] {
        *threshold = SomaTensor::scalar(0.74);
    }
    genesis.emission_per_epoch_shannons = 12_685_185 * 60 * 10 / 8 + 60;
    let models = ["prose", "python", "rust"].map(|kind| ModelSpec {
        name: kind.into(),
        weights: asset(&format!("specialists/{kind}.safetensors")),
        embedding: None,
        stake: SHANNONS_PER_SOMA,
    });
    let config = DevnetConfig {
        dir: dir.join("network"),
        seed: 11,
        listen: Ports::default(),
        epoch,
        genesis,
        models: models.into(),
        faucet_amount: 10 * SHANNONS_PER_SOMA,
    };
    devnet::start(config).await.expect("the network starts")
}

/// `somascope run --headless --json` of somebody without anything of their own.
fn command(home: &Path, url: &str, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_somascope"));
    command.current_dir(home).args(["run", "--headless", "--json", "--network", url, "--dir", "state"]).args(args);
    command
        .env("HOME", home)
        .env("XDG_DATA_HOME", home.join("data"))
        .env("SOMASCOPE_CONFIG", "none")
        .stdin(Stdio::null());
    for name in ["SOMA_CONFIG_DIR", "SOMA_SECRET_KEY", "SOMASCOPE_NETWORK", "SOMASCOPE_PASSPHRASE", "HF_TOKEN"] {
        command.env_remove(name);
    }
    command
}

/// A run that goes on until it is stopped. Dropping it kills it.
struct Running {
    child: Child,
    told: mpsc::Receiver<String>,
    lines: Vec<String>,
}

impl Running {
    fn start(home: &Path, url: &str, args: &[&str]) -> Self {
        let mut command = command(home, url, args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        let (tell, told) = mpsc::channel();
        // Read all the time: a full pipe would hold it up. Ends with the process.
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        Self { child, told, lines: Vec::new() }
    }

    /// A line that it has said, or says.
    fn says(&mut self, parts: &[&str]) -> String {
        let until = Instant::now() + PATIENCE;
        let is_it = |line: &String| parts.iter().all(|part| line.contains(part));
        loop {
            if let Some(line) = self.lines.iter().find(|line| is_it(line)) {
                return line.clone();
            }
            match self.told.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => self.lines.push(line),
                Err(RecvTimeoutError::Disconnected) => panic!("it ended without {parts:?}: {:#?}", self.lines),
                Err(RecvTimeoutError::Timeout) => panic!("no {parts:?} in {PATIENCE:?}: {:#?}", self.lines),
            }
        }
    }

    /// As a service manager stops it: its report.
    fn stop(mut self) -> Value {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
        let mut report = String::new();
        self.child.stdout.take().expect("piped").read_to_string(&mut report).expect("UTF-8");
        let status = self.child.wait().expect("it ends");
        self.lines.extend(self.told.iter());
        assert_eq!(status.code(), Some(0), "{:#?}", self.lines);
        serde_json::from_str(&report).expect("one JSON object")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Ended already, if it was stopped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// (source, bytes) of the library's samples, and how many scores it has; nothing while there is no library.
fn library(home: &Path) -> (Vec<(String, u64)>, u64) {
    let look = || -> rusqlite::Result<_> {
        let file = home.join("state/library/library.sqlite");
        let library = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let mut samples = library.prepare("SELECT source, len FROM samples")?;
        let samples = samples.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
        Ok((samples, library.query_row("SELECT count(*) FROM scores", [], |row| row.get(0))?))
    };
    look().unwrap_or_default()
}

/// Looks until it is so.
async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < end, "waited {PATIENCE:?} until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn write(home: &Path, name: &str, bytes: &[u8]) {
    let path = home.join(name);
    fs::create_dir_all(path.parent().expect("below the home")).expect("ours");
    fs::write(path, bytes).expect("ours");
}

/// The first line of what a server answers.
fn ask(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n").expect("it reads");
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).expect("it answers");
    line
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_how_it_is_cut_who_scores_it_and_what_is_kept_are_options() {
    let dir = tempfile::tempdir().expect("a place");
    let home = dir.path();
    let network = network(home, None).await;
    let prose = [1, 2, 3].map(|n| asset(&format!("corpus/prose/moby-dick-0{n}.txt"))).concat();
    write(home, "corpus/text.txt", &prose[..8192]);
    write(home, "corpus/copy.txt", &prose[..8192]);
    write(home, "corpus/large.txt", &prose[..20_001]);
    write(home, "corpus/fixtures/id_rsa", &prose[10_000..11_500]);
    write(home, "corpus/server.pem", b"not looked into");
    let row = |from: usize| {
        let (body, text) = (String::from_utf8_lossy(&prose[from..][..600]), "not this column");
        serde_json::json!({ "body": body, "text": text }).to_string() + "\n"
    };
    write(home, "corpus/rows.jsonl", [row(12_000), row(13_000), row(14_000)].concat().as_bytes());

    let service = ServeProcess::start(home, &["--device", "cpu"]).expect("it starts");
    let share = ports::free(&[]);
    let mut run = Running::start(
        home,
        &network.rpc_url,
        &[
            ["--data", "corpus", "--allow-secret", "corpus/fixtures", "--column", "body"],
            ["--pieces", "windows", "--window", "2", "--max-bytes", "20000"],
            // No model fits this machine's share of the work, so whatever is scored, the service has scored.
            ["--device", "cpu", "--precision", "f32", "--memory", "0.0001"],
            ["--scorer", service.url(), "--share-data", &format!("http://127.0.0.1:{share}"), "--spool", "1"],
            ["--library", "0.01", "--compose", "any", "--mode", "read-only"],
        ]
        .concat(),
    );
    run.says(&["server.pem", "looks like a secret", "--allow-secret"]);
    run.says(&["large.txt", "20001 bytes are more than the limit"]);
    // Four windows of the text, one of the file that is allowed, and three rows; under three models.
    until("everything is scored", || library(home).1 == 8 * 3).await;
    assert!(ask(share, "/").contains("404"), "samples are shared there, and nothing else");
    let (mut samples, _) = library(home);
    samples.sort_by_key(|(_, len)| *len);
    let lens: Vec<u64> = samples.iter().map(|(_, len)| *len).collect();
    assert!(lens[..3].iter().all(|len| (500..=1800).contains(len)), "rows: {lens:?}");
    assert_eq!(lens[3..], [1500, 2048, 2048, 2048, 2048]);
    assert!(samples[..3].iter().all(|(source, _)| source.contains("rows.jsonl") && source.contains("body")));
    assert!(samples[3].0.contains("fixtures/id_rsa"));
    let report = run.stop();
    let number = |name: &str| report[name].as_u64().expect("a number");
    assert_eq!((number("samples_scored"), number("duplicates")), (8, 4), "{report}");
    assert_eq!((number("model_evaluations"), number("submitted")), (24, 0), "{report}");

    // In the same directory with less room and nobody who could score: the oldest leave, and nothing comes.
    let small = ["--data", "corpus", "--library", "0.000005", "--memory", "0.0001", "--mode", "read-only"];
    let mut run = Running::start(home, &network.rpc_url, &small);
    run.says(&["take", "bytes on cpu", "give more with --memory"]);
    // Of 64 dimensions, about half a kilobyte a row.
    until("the library is within its limit", || (1..=4).contains(&library(home).0.len())).await;
    assert_eq!(run.stop()["samples_scored"], 0);
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_of_one_file_are_composed_and_a_service_that_is_away_is_told_and_stops_nothing() {
    let dir = tempfile::tempdir().expect("a place");
    let home = dir.path();
    let network = network(home, Some(Duration::from_secs(4))).await;
    let objects = &network.objects;
    let environment = format!(
        "SOMA_SECRET_KEY={}\nS3_BUCKET={}\nS3_ACCESS_KEY_ID={}\nS3_SECRET_ACCESS_KEY={}\nS3_ENDPOINT_URL={}\nS3_PUBLIC_URL={}\n",
        hex::encode(SEED),
        objects.bucket,
        objects.access_key_id,
        objects.secret_access_key.expose_secret(),
        objects.endpoint_url,
        objects.public_url,
    );
    write(home, ".env", environment.as_bytes());
    fs::set_permissions(home.join(".env"), fs::Permissions::from_mode(0o600)).expect("ours");
    request_faucet(&network.faucet_url, Keypair::from_seed(SEED).address()).await.expect("the faucet gives");
    write(home, "corpus/prose.txt", &asset("corpus/prose/moby-dick-03.txt"));
    write(home, "corpus/speech.txt", &asset("corpus/prose/state-of-the-union-1863.txt"));

    let away = format!("http://127.0.0.1:{}", ports::free(&[]));
    let mut run = Running::start(
        home,
        &network.rpc_url,
        &[
            &["--data", "corpus", "--pieces", "windows", "--window", "1"][..],
            &["--compose", "same-source", "--mode", "auto", "--device", "cpu", "--scorer", &away],
        ]
        .concat(),
    );
    run.says(&["Warning", &away]);
    // A file, where its first window is, and how many more there are.
    let filled = run.says(&["filled: target", " +"]);
    assert!(filled.contains("prose.txt@") || filled.contains("speech.txt@"), "{filled}");
    let report = run.stop();
    assert!(report["filled"].as_u64() > Some(0), "{report}");
    network.shutdown().await;
}

fn refused(args: &[&str]) -> Output {
    let dir = tempfile::tempdir().expect("a place");
    write(dir.path(), "notes.txt", b"notes");
    let nobody = format!("http://127.0.0.1:{}", ports::free(&[]));
    command(dir.path(), &nobody, &[&["--data", "notes.txt"], args].concat()).output().expect("the binary runs")
}

#[test]
fn an_option_that_will_not_do_ends_with_2_and_says_what_would() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = format!("http://{}", taken.local_addr().expect("an address"));
    let service = "http://127.0.0.1:9124";
    for (args, words) in [
        (&["--device", "cuda:99"][..], &["cuda:99", "there is cpu"][..]),
        (&["--device", "gpu"], &["`gpu` is no device", "cuda:N"]),
        (&["--device", "cpu", "--precision", "bf16"], &["--precision bf16", "f32 only"]),
        (&["--memory", "0"], &["--memory", "more than 0"]),
        (&["--window", "0"], &["--window", "1..=16"]),
        (&["--window", "17"], &["--window", "1..=16"]),
        (&["--pieces", "halves"], &["--pieces", "windows"]),
        (&["--max-bytes", "0"], &["--max-bytes"]),
        (&["--spool", "0"], &["--spool"]),
        (&["--library", "lots"], &["--library", "GiB"]),
        (&["--compose", "sometimes"], &["--compose", "same-source"]),
        (&["--allow-secret", "no/such"], &["--allow-secret no/such"]),
        (&["--share-data", "http://127.0.0.1:9130"], &["--scorer"]),
        (&["--scorer", "http://192.0.2.1:9124"], &["192.0.2.1", "--share-data http://HOST:PORT"]),
        (&["--scorer", service, "--share-data", "127.0.0.1:9130"], &["no address to share samples at", "http://"]),
        (&["--scorer", service, "--share-data", &taken], &["samples cannot be shared", &taken]),
    ] {
        let output = refused(args);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
        for word in words {
            assert!(stderr.contains(word), "{args:?}: `{word}` is not in: {stderr}");
        }
        assert!(output.stdout.is_empty() && !stderr.contains("panicked"), "{args:?}: {stderr}");
    }
}
