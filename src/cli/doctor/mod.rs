//! `somascope doctor`: is everything in place, and what to do where it is not.
//!
//! `checks` asks the network and the bucket, `machine` looks at this computer and its files. No check changes anything but
//! one small object in the bucket, which it removes again; none signs.

pub(in crate::cli) mod checks;
pub(in crate::cli) mod machine;

pub(in crate::cli) use crate::engine::available_memory;

use std::{path::Path, path::PathBuf};

use anyhow::Context;
use clap::Args;
use serde::Serialize;

use super::{
    CommonArgs,
    bucket::BucketArgs,
    environment::Environment,
    exit::{self, Exit},
    network::NetworkArgs,
    output::Page,
    signer::WalletArgs,
};

/// Check key and balance, chain and clock, scoring service, bucket, device, data and file modes, and say what to do about each.
///
/// The bucket is tried as a submission would: a small object is written, read back through its public URL, and deleted. Nothing is signed.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  somascope doctor\n  somascope doctor --network testnet --data ~/corpus\n  somascope doctor --json\n\n\
    JSON: network, ok, warnings, failures, checks (name, status: ok, warn or fail, what, remedy).\n\n\
    Exit codes: 0 nothing failed; 1 something was refused; 2 a key, file or setting will not do; 3 a service did not answer. With several \
    failures, the first."
)]
pub struct Doctor {
    /// Also check that this directory or file can be scored. Repeat for several.
    #[arg(long, value_name = "PATH")]
    data: Vec<PathBuf>,
    #[command(flatten)]
    common: CommonArgs,
    #[command(flatten)]
    wallet: WalletArgs,
    #[command(flatten)]
    network: NetworkArgs,
    #[command(flatten)]
    bucket: BucketArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::cli) enum Status {
    Ok,
    Warn,
    Fail,
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
        }
    }
}

/// One finding.
#[derive(Debug, Serialize)]
pub(in crate::cli) struct Check {
    name: &'static str,
    pub status: Status,
    pub what: String,
    /// What to do; nothing if all is well.
    pub remedy: Option<String>,
    #[serde(skip)]
    exit: Exit,
}

impl Check {
    fn ok(name: &'static str, what: impl Into<String>) -> Self {
        Self { name, status: Status::Ok, what: what.into(), remedy: None, exit: Exit::Ok }
    }

    fn warn(name: &'static str, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, status: Status::Warn, what: what.into(), remedy: Some(remedy.into()), exit: Exit::Ok }
    }

    fn fail(name: &'static str, exit: Exit, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { name, status: Status::Fail, what: what.into(), remedy: Some(remedy.into()), exit }
    }

    /// An error that knows its exit code.
    fn failed(name: &'static str, error: &anyhow::Error, remedy: impl Into<String>) -> Self {
        Self::fail(name, Exit::of(error), exit::line(error), remedy)
    }
}

#[derive(Serialize)]
struct Report {
    network: Option<String>,
    ok: usize,
    warnings: usize,
    failures: usize,
    checks: Vec<Check>,
}

impl Doctor {
    pub fn run(self) -> anyhow::Result<Exit> {
        let (network, checks) = super::block_on(async { Ok(self.examine().await) })?;
        let count = |status| checks.iter().filter(|check: &&Check| check.status == status).count();
        let exit = checks.iter().find(|check| check.status == Status::Fail).map_or(Exit::Ok, |check| check.exit);
        let report = Report {
            network,
            ok: count(Status::Ok),
            warnings: count(Status::Warn),
            failures: count(Status::Fail),
            checks,
        };
        self.common.output.open().show(&report, page).context("standard output")?;
        Ok(exit)
    }

    /// Every check that can be made, whatever the others found.
    async fn examine(&self) -> (Option<String>, Vec<Check>) {
        let mut checks = machine::files();
        let environment = match Environment::read(Path::new(".")) {
            Ok(environment) => environment,
            Err(error) => {
                let remedy = "mend .env as it says: everything else depends on it";
                checks.push(Check::fail("environment", Exit::BadInput, error.to_string(), remedy));
                checks.extend(machine::data(&self.data));
                return (None, checks);
            }
        };
        let wallet = checks::wallet(&self.wallet, &environment, &mut checks);
        let network = match self.network.resolve(&environment) {
            Ok(network) => Some(network),
            Err(error) => {
                checks.push(Check::failed("network", &error, "name a network with --network or SOMASCOPE_NETWORK"));
                None
            }
        };
        let mut models = None;
        if let Some(network) = &network {
            models = checks::chain(network, wallet, &mut checks).await;
            checks.extend(checks::scoring(network).await);
            checks::bucket(network, &environment, &self.bucket, &mut checks).await;
        }
        checks.extend(machine::device(models.as_deref()));
        checks.extend(machine::data(&self.data));
        (network.map(|network| network.title()), checks)
    }
}

fn page(page: &mut Page, report: &Report) {
    let rows = report
        .checks
        .iter()
        .map(|check| vec![check.status.word().to_owned(), check.name.to_owned(), check.what.clone()]);
    page.table(&["STATUS", "CHECK", "FOUND"], rows.collect());
    let remedies: Vec<_> = report.checks.iter().filter_map(|check| Some((check, check.remedy.as_ref()?))).collect();
    if !remedies.is_empty() {
        page.line("").line("What to do:");
    }
    for (check, remedy) in remedies {
        page.line(format!("  {} {}: {remedy}", check.status.word(), check.name));
    }
    page.line("");
    page.line(format!("{} ok, {} warnings, {} failures", report.ok, report.warnings, report.failures));
}
