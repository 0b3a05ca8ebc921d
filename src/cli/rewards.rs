//! `somascope rewards`: what was filled, pending, claimed and forfeited, from the chain and from this machine.

use std::path::Path;

use anyhow::Context;
use clap::{Args, ValueEnum};

use super::{
    CommonArgs, environment::Environment, exit::Exit, files::Target, network::NetworkArgs, order::tell_line,
    output::Page, place::StateArgs, signer::ReaderArgs,
};
use crate::{
    engine::history::{self, Entry, EntryState, EpochSum, JournalUse, Limits, Query, Rewards},
    export::{EpochRecord, Format, PictureSize, SubmissionRecord, chart::RewardsChart, csv, render},
    primitives::{Shannons, clean},
};

/// Show rewards, bonds and fees of a wallet.
///
/// Rebuilt from the chain alone, so it works on a fresh machine, as far as the node still remembers. On the machine that submitted it
/// also names the files, and what it found is kept beside the journal, so that nothing is lost when the node forgets. Signs nothing.
#[derive(Args)]
#[command(
    mut_arg("dir", |arg| arg.conflicts_with("address")),
    after_help = "Examples:\n  somascope rewards\n  somascope rewards --address 0x2b… --network testnet --json\n  \
    somascope rewards --csv rewards.csv\n  somascope rewards --csv - --by epoch | column -s, -t\n  \
    somascope rewards --svg rewards.svg --png rewards.png --size 1600x900\n\n\
    Files: what --csv, --png and --svg wrote is told on standard error; a new one is for you alone. One that is there is not touched \
    without --force, and then replaced when the new one is whole. `-` is standard output, in place of everything else. In tables, \
    amounts are exact, in shannons and in SOMA; text that a spreadsheet would take for a formula begins with an apostrophe. Pictures need \
    no font of the system.\n\n\
    JSON: network, address, epoch, balance_shannons, complete (the sums explain the balance), gaps, journal (joined, busy, none), totals, \
    epochs, submissions, finds. `totals`: submitted, filled, pending, claimable, claimed, forfeited, lost, rewards_shannons, \
    expected_shannons, finder_fees_shannons, fees_shannons, bonds_locked_shannons, bonds_forfeited_shannons, received_shannons, \
    sent_shannons. Each submission: target, state (unknown, pending, claimable, claimed, forfeited, forgotten, lost, failed), epoch, \
    claimable_epoch, bond_shannons, fee_shannons, reward_pool_shannons, expected_shannons, paid_shannons, submit_digest, claim_digest, \
    claimed_by_others, model, distance, threshold, size_bytes, checksum, url, submitted_at_ms, source, note, steps (state, at_ms). Each of `epochs`: epoch, \
    filled, lost, claimed, earned_shannons, pending_shannons, bonds_locked_shannons, bonds_forfeited_shannons, fees_shannons. Each of \
    `finds`: target, digest, epoch, paid_shannons, fee_shannons, succeeded.\n\n\
    If complete, balance = received + rewards + finder fees - fees - bonds locked - bonds forfeited - sent.\n\n\
    Exit codes: 0 shown, complete or not; 1 the node refused to tell; 2 bad input; 3 unreachable."
)]
pub struct RewardsCommand {
    /// Ask the node for so many transactions at most; beside a journal what was found is kept, and the next run goes on from there.
    #[arg(long, default_value_t = 20_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_transactions: u32,
    /// Write a table (CSV) to this file; `-` is standard output.
    #[arg(long, value_name = "FILE")]
    csv: Option<Target>,
    /// What the table has a line for.
    #[arg(long, value_name = "WHAT", default_value = "submission", requires = "csv")]
    by: By,
    /// Draw earned, pending, forfeited and fees by epoch, and what they come to, as pixels.
    #[arg(long, value_name = "FILE")]
    png: Option<Target>,
    /// The same as vectors.
    #[arg(long, value_name = "FILE")]
    svg: Option<Target>,
    /// Of the picture, in pixels.
    #[arg(long, value_name = "WIDTHxHEIGHT", default_value = "1200x800")]
    size: PictureSize,
    /// Write over files that are there.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    common: CommonArgs,
    #[command(flatten)]
    reader: ReaderArgs,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    network: NetworkArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum By {
    Submission,
    Epoch,
}

#[derive(serde::Serialize)]
struct Shown {
    network: String,
    #[serde(flatten)]
    rewards: Rewards,
}

/// Transactions between two words of progress.
const TELL_EVERY: usize = 200;

impl RewardsCommand {
    pub fn run(self) -> anyhow::Result<Exit> {
        // Before the node is asked for minutes.
        let asked: Vec<(&str, &Target)> = self.asked().collect();
        let printed = asked.iter().filter(|(_, to)| to.is_standard()).map(|(option, _)| *option);
        let printed: Vec<&str> = printed.chain(self.common.output.json.then_some("--json")).collect();
        if let [first, second, ..] = printed.as_slice()
            && *first != "--json"
        {
            let text = format!("{first} - and {second} both print on standard output: choose one");
            return Err(Exit::BadInput.because(text));
        }
        for (n, (option, to)) in asked.iter().enumerate() {
            to.ensure_usable(self.force, *option != "--png")?;
            if let Some((other, _)) = asked[..n].iter().find(|(_, other)| other == to) {
                return Err(Exit::BadInput.because(format!("{other} and {option} both name {to}: choose another name")));
            }
        }
        let is_printed = !printed.is_empty() && !self.common.output.json;
        let environment = Environment::read(Path::new("."))?;
        let network = self.network.resolve(&environment)?;
        let address = self.reader.address(&environment)?;
        // Where nothing was ever signed there is nothing to join, and looking makes nothing.
        let dir = self.state.of(&self.reader).to_look(&network, Some(address), None)?;
        let query = Query {
            rpc_url: network.rpc_url.clone(),
            address,
            dir: Some(dir),
            limits: Limits { transactions: self.max_transactions as usize, ..Limits::default() },
        };
        let mut told = 0;
        let progress = |asked: usize| {
            if asked >= told + TELL_EVERY {
                told = asked;
                tell_line(&format!("{asked} transactions …"));
            }
        };
        let rewards = super::block_on(async { Ok(history::rewards(query, progress).await?) })?;
        let shown = Shown { network: network.title(), rewards };
        self.write(&shown)?;
        if !is_printed {
            self.common.output.open().show(&shown, page).context("standard output")?;
        }
        Ok(Exit::Ok)
    }

    /// What is to be written, with the option that says so.
    fn asked(&self) -> impl Iterator<Item = (&'static str, &Target)> {
        let options = [("--csv", &self.csv), ("--png", &self.png), ("--svg", &self.svg)];
        options.into_iter().filter_map(|(option, to)| Some((option, to.as_ref()?)))
    }

    /// The files that were asked for.
    fn write(&self, shown: &Shown) -> anyhow::Result<()> {
        let epochs: Vec<_> = shown.rewards.epochs.iter().map(epoch_record).collect();
        if let Some(to) = &self.csv {
            let table = match self.by {
                By::Submission => {
                    let records: Vec<_> = shown.rewards.submissions.iter().map(submission_record).collect();
                    csv::submissions(&records)
                }
                By::Epoch => csv::epochs(&epochs),
            };
            self.put(to, table.as_bytes())?;
        }
        let title = format!("Rewards of 0x{} on {}", shown.rewards.address, shown.network);
        let chart = RewardsChart { title, epochs };
        for (to, format) in [(&self.png, Format::Png), (&self.svg, Format::Svg)] {
            if let Some(to) = to {
                self.put(to, &render(&chart, format, self.size)?)?;
            }
        }
        Ok(())
    }

    fn put(&self, to: &Target, bytes: &[u8]) -> anyhow::Result<()> {
        if let Some(file) = to.put(bytes, self.force)? {
            tell_line(&clean(&format!("wrote {}", file.display())));
        }
        Ok(())
    }
}

fn epoch_record(epoch: &EpochSum) -> EpochRecord {
    EpochRecord {
        epoch: epoch.epoch,
        filled: epoch.filled,
        lost: epoch.lost,
        earned: epoch.earned,
        pending: epoch.pending,
        forfeited: epoch.bonds_forfeited,
        fees: epoch.fees,
    }
}

/// The steps are those of the dashboard's tables: the chain keeps no more than their end.
fn submission_record(entry: &Entry) -> SubmissionRecord {
    SubmissionRecord {
        target: entry.target,
        state: entry.state.word(),
        epoch: entry.epoch,
        claimable_epoch: entry.claimable_epoch,
        source: entry.source.clone(),
        size_bytes: entry.size_bytes,
        checksum: entry.checksum,
        url: entry.url.clone(),
        model: entry.model,
        distance: entry.distance,
        threshold: entry.threshold,
        bond: entry.bond,
        fee: entry.fee,
        expected: entry.expected,
        paid: entry.paid,
        submit_digest: entry.submit_digest,
        claim_digest: entry.claim_digest,
        submitted_at_ms: entry.submitted_at_ms,
        steps: entry.steps.clone(),
        note: entry.note.clone(),
    }
}

/// Finder's fees that people see, newest first; there may be thousands.
const FINDS_SHOWN: usize = 10;

fn page(page: &mut Page, shown: &Shown) {
    let rewards = &shown.rewards;
    let totals = &rewards.totals;
    page.fact("wallet", format!("0x{} on {}, epoch {}", rewards.address, shown.network, rewards.epoch));
    page.fact("balance", format!("{} SOMA", rewards.balance));
    page.fact("filled", format!("{} of {} submitted, {} lost", totals.filled, totals.submitted, totals.lost));
    page.fact(
        "rewards",
        format!(
            "{} SOMA from {} {}",
            totals.rewards,
            totals.claimed,
            if totals.claimed == 1 { "claim" } else { "claims" }
        ),
    );
    page.fact(
        "expected",
        format!("{} SOMA from {} pending and {} claimable", totals.expected, totals.pending, totals.claimable),
    );
    if totals.finder_fees > Shannons::ZERO {
        page.fact("finder's fees", format!("{} SOMA", totals.finder_fees));
    }
    page.fact("fees", format!("{} SOMA", totals.fees));
    page.fact("bonds", format!("{} SOMA locked, {} forfeited", totals.bonds_locked, totals.bonds_forfeited));
    if !rewards.epochs.is_empty() {
        page.line("");
        let rows = rewards.epochs.iter().map(|epoch| {
            vec![
                epoch.epoch.to_string(),
                epoch.filled.to_string(),
                epoch.lost.to_string(),
                epoch.claimed.to_string(),
                epoch.earned.to_string(),
                epoch.pending.to_string(),
                epoch.bonds_locked.to_string(),
                epoch.bonds_forfeited.to_string(),
                epoch.fees.to_string(),
            ]
        });
        let columns =
            ["EPOCH", "FILLED", "LOST", "CLAIMED", "EARNED", "PENDING", "BONDS LOCKED", "BONDS FORFEITED", "FEES"];
        page.table(&columns, rows.collect());
    }
    if !rewards.submissions.is_empty() {
        page.line("");
        let columns = ["TARGET", "STATE", "EPOCH", "CLAIMABLE", "BOND", "FEE", "PAID", "DATA"];
        page.table(&columns, rewards.submissions.iter().map(row).collect());
    }
    if !rewards.finds.is_empty() {
        page.line("");
        let rows = rewards.finds.iter().take(FINDS_SHOWN).map(|find| {
            let outcome = if find.succeeded { "paid" } else { "failed" };
            vec![format!("0x{}", find.target), outcome.to_owned(), find.paid.to_string(), find.fee.to_string()]
        });
        page.table(&["FOUND TARGET", "CLAIM", "PAID", "FEE"], rows.collect());
        if let Some(more @ 1..) = rewards.finds.len().checked_sub(FINDS_SHOWN) {
            page.line(format!("and {more} more finder's fees: --json lists all"));
        }
    }
    for gap in &rewards.gaps {
        page.line(format!("note: {gap}"));
    }
    if rewards.journal == JournalUse::Busy {
        page.line("note: a dashboard works with this wallet: its journal was not read, and nothing was kept");
    }
}

fn row(entry: &Entry) -> Vec<String> {
    let state = match entry.state {
        EntryState::Claimed if entry.claimed_by_others => "claimed (by others)".to_owned(),
        state => state.word().to_owned(),
    };
    let paid = entry.paid.map(|paid| paid.to_string());
    let data = entry.source.clone().or_else(|| entry.url.clone()).unwrap_or_default();
    vec![
        format!("0x{}", entry.target),
        state,
        entry.epoch.to_string(),
        entry.claimable_epoch.map(|epoch| epoch.to_string()).unwrap_or_default(),
        entry.bond.to_string(),
        entry.fee.to_string(),
        paid.or_else(|| entry.expected.map(|expected| format!("({expected})"))).unwrap_or_default(),
        entry.note.as_ref().map_or(data.clone(), |note| format!("{data} — {note}")),
    ]
}
