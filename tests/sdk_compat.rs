//! The official SDK, unmodified, plays the whole game against `somascope devnet`.
//!
//! Each scenario is a Python script in `tests/sdk/` that gets a network of its own. The SDK lives in a virtual environment in the
//! target directory, made by the first run. `SOMASCOPE_SKIP_SDK=1` leaves the scenarios out.

#[path = "support/devnet.rs"]
#[expect(dead_code, reason = "what it prints and survives is looked at elsewhere")]
mod devnet;
#[path = "support/serve.rs"]
#[expect(dead_code, reason = "how it ends is looked at elsewhere")]
mod serve;

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

use devnet::DevnetProcess;
use serve::ServeProcess;

const SDK: &str = "soma-sdk==0.1.15";
const ADVICE: &str = "install Python 3.10 or newer with its venv module (Debian: `apt-get install python3 python3-venv`), or set \
                      SOMASCOPE_SKIP_SDK=1 to leave the official SDK out";

/// The Python of the environment that has the SDK; `None`: left out.
fn python() -> Option<&'static Path> {
    static PYTHON: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    if std::env::var_os("SOMASCOPE_SKIP_SDK").is_some_and(|value| value == "1") {
        let thread = std::thread::current();
        let scenario = thread.name().unwrap_or("a scenario");
        // Past the test harness, which shows only what failed.
        let _ = writeln!(std::io::stderr(), "left out by SOMASCOPE_SKIP_SDK=1: {scenario}");
        return None;
    }
    match PYTHON.get_or_init(environment) {
        Ok(python) => Some(python),
        Err(error) => panic!("{error}"),
    }
}

/// Makes the environment if it is not there with this very SDK.
fn environment() -> Result<PathBuf, String> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("tmp is in the target directory");
    // Two test runs at once must not make it twice.
    let lock = fs::File::create(target.join("sdk-venv.lock")).map_err(|e| format!("no place for the SDK: {e}"))?;
    lock.lock().map_err(|e| format!("no lock for the SDK: {e}"))?;
    let venv = target.join("sdk-venv");
    let python = venv.join("bin").join("python");
    let installed = "import importlib.metadata as m, soma_sdk; print('soma-sdk==' + m.version('soma-sdk'))";
    if run(Command::new(&python).args(["-c", installed])).is_ok_and(|found| found.trim() == SDK) {
        return Ok(python);
    }
    run(Command::new("python3").args(["-c", "import sys, venv, ensurepip; assert sys.version_info >= (3, 10)"]))
        .map_err(|error| format!("the official SDK needs Python: {ADVICE}\n{error}"))?;
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))
        .map_err(|error| format!("no virtual environment for the official SDK: {ADVICE}\n{error}"))?;
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", SDK])).map_err(
        |error| format!("the official SDK cannot be installed; SOMASCOPE_SKIP_SDK=1 leaves it out\n{error}"),
    )?;
    Ok(python)
}

fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("{command:?}: {}\n{}", output.status, said(&output)))
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn test_model(n: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/model/small16_model_{n}.safetensors"))
}

/// Four models, of which three serve each target.
fn models_in(dir: &Path) -> PathBuf {
    let models = dir.join("models");
    fs::create_dir(&models).expect("a directory");
    for n in 0..3 {
        fs::copy(test_model(n), models.join(format!("small-{n}.safetensors"))).expect("a copy");
    }
    // The first again with the signs of its last weights turned: another model with other losses.
    let mut fourth = fs::read(test_model(0)).expect("a model");
    fourth.rchunks_exact_mut(4).take(64).for_each(|weight| weight[3] ^= 0x80);
    fs::write(models.join("small-3.safetensors"), fourth).expect("a file");
    models
}

/// Runs a script against a network; `file` is what else it needs. The network must stand it and stop cleanly.
fn play(script: &str, python: &Path, home: &Path, network: DevnetProcess, file: Option<&Path>) {
    let ready = home.join("ready.json");
    fs::write(&ready, network.ready.to_string()).expect("a file");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk").join(script);
    let mut command = Command::new(python);
    // Nothing is written beside the sources.
    command.arg("-B").arg(&script).arg(&ready).args(file);
    if let Err(failure) = run(&mut command) {
        let log = fs::read_to_string(home.join("network/somascope.log")).unwrap_or_default();
        panic!("{failure}\nthe network's log:\n{log}");
    }
    assert!(network.terminate().success(), "the network stops cleanly");
}

/// On a network with models, in epoch 2.
fn play_with_models(script: &str) {
    let Some(python) = python() else { return };
    let home = tempfile::tempdir().expect("a directory");
    let models = models_in(home.path());
    let dir = models.to_str().expect("UTF-8");
    let network = DevnetProcess::start(home.path(), &["--port-base", "0", "--models", dir]).expect("it starts");
    play(script, python, home.path(), network, Some(&models));
}

#[test]
fn every_read_method_answers_what_the_network_must_say() {
    play_with_models("reads.py");
}

#[test]
fn coins_are_given_sent_paid_merged_and_staked() {
    play_with_models("money.py");
}

#[test]
fn data_is_scored_submitted_and_claimed_by_its_submitter_and_by_a_stranger() {
    play_with_models("submissions.py");
}

#[test]
fn every_refusal_has_its_kind_and_costs_the_base_fee() {
    play_with_models("refusals.py");
}

#[test]
fn stale_locked_and_foreign_objects_are_refused_in_words_that_the_sdk_understands() {
    play_with_models("conflicts.py");
}

#[test]
fn expired_targets_pay_a_finders_fee() {
    play_with_models("expiry.py");
}

#[test]
fn a_model_is_created_committed_revealed_staked_on_updated_and_given_up() {
    let Some(python) = python() else { return };
    let home = tempfile::tempdir().expect("a directory");
    let network = DevnetProcess::start(home.path(), &["--port-base", "0", "--dim", "16"]).expect("it starts");
    play("model_life.py", python, home.path(), network, Some(&test_model(1)));
}

#[test]
fn scoring_is_done_by_somascope_serve_as_by_the_official_service() {
    let Some(python) = python() else { return };
    let home = tempfile::tempdir().expect("a directory");
    let service = ServeProcess::start(home.path(), &[]).expect("it starts");
    let ready = home.path().join("ready.json");
    fs::write(&ready, service.ready.to_string()).expect("a file");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(python);
    command.arg("-B").arg(root.join("tests/sdk/scoring.py")).arg(&ready).arg(root.join("tests/data/model"));
    let played = run(&mut command);
    service.signal();
    let (status, log) = service.ended();
    played.unwrap_or_else(|failure| panic!("{failure}\nthe service's log:\n{log}"));
    assert!(status.success(), "{log}");
}

/// The default ports may be somebody's on this machine; then the program must say which, and what to do.
#[test]
fn the_sdks_localnet_is_found_on_the_default_ports() {
    let Some(python) = python() else { return };
    let home = tempfile::tempdir().expect("a directory");
    match DevnetProcess::start(home.path(), &["--dim", "16"]) {
        Ok(network) => play("preset.py", python, home.path(), network, None),
        Err(refusal) => {
            assert_eq!(refusal.code, Some(2), "{}", refusal.stderr);
            let ports = ["port 9000 ", "port 9123 ", "port 9124 ", "port 9125 "];
            assert!(ports.iter().any(|port| refusal.stderr.contains(port)), "{}", refusal.stderr);
            assert!(refusal.stderr.contains("in use") && refusal.stderr.contains("--port-base"), "{}", refusal.stderr);
            let _ = writeln!(std::io::stderr(), "not tried, as the ports are taken: {}", refusal.stderr.trim());
        }
    }
}
