//! What is asked for beside the snapshot: older pages of the journal, and files for other programs.

use std::{
    fs::{DirBuilder, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Dispatcher, Done, Halt};
use crate::{
    api::{
        EpochRewards, Event, Export, ExportFormat, HistoryPage, Level, MapColour, SubmissionId, SubmissionRow,
        SubmissionState as State,
    },
    engine::{now_ms, snapshot::figure},
    export::{EpochRecord, Format, PictureSize, StepRecord, SubmissionRecord, chart::RewardsChart, csv, render},
    primitives::compact_utc,
};

/// Rows of a page.
const PAGE: usize = 512;
/// Below the state directory.
const EXPORTS: &str = "exports";
/// A fill in epoch E can be claimed from epoch E + 2 on (`protocol.md §7.1`).
const AUDITED_AFTER: u64 = 2;

impl Dispatcher {
    pub(super) async fn tell_history(&mut self, before: Option<SubmissionId>) -> Result<(), Halt> {
        let mut rows = self.journal.older(before, PAGE + 1).await?;
        let more = rows.len() > PAGE;
        rows.truncate(PAGE);
        // Previews are for decisions, and these are made.
        let bare = |mut row: SubmissionRow| {
            row.preview = Vec::new();
            Arc::new(row)
        };
        let rows = rows.into_iter().map(|submission| bare(submission.row)).collect();
        let _ = self.events.send(Event::History(Arc::new(HistoryPage { before, rows, more })));
        Ok(())
    }

    pub(super) async fn export(&mut self, what: Export, format: ExportFormat) -> Result<(), Halt> {
        let epochs: Vec<_> = self.journal.rewards().await?.epochs.iter().map(epoch_record).collect();
        let rows = match what {
            Export::Epochs => Vec::new(),
            Export::Submissions => self.journal.older(None, usize::MAX >> 1).await?,
        };
        let owner = self.address.map_or_else(String::new, |address| format!(" of {}", address.to_hex_prefixed()));
        let title = format!("Rewards{owner} on {}", self.network_name);
        let (dir, done) = (self.dir.join(EXPORTS), self.done.clone());
        tokio::task::spawn_blocking(move || {
            let rows: Vec<_> = rows.iter().map(|submission| record(&submission.row)).collect();
            let written = file(what, format, &rows, epochs, title).and_then(|bytes| {
                let stem = match what {
                    Export::Submissions => "submissions",
                    Export::Epochs => "rewards",
                };
                let stem = format!("{stem}-{}", compact_utc(now_ms()));
                write_new(&dir, &stem, format.word(), &bytes).map_err(|error| format!("{}: {error}", dir.display()))
            });
            // The engine may have ended meanwhile.
            let _ = done.send(Done::Exported(written.map(|path| path.display().to_string())));
        });
        Ok(())
    }

    /// As the last snapshot shows it.
    pub(super) fn export_map(&self, colour: MapColour) {
        let snapshot = self.snapshot.borrow().clone();
        let title = format!("Niches of {}, epoch {}", snapshot.network.name, snapshot.network.epoch);
        let (dir, done) = (self.dir.join(EXPORTS), self.done.clone());
        tokio::task::spawn_blocking(move || {
            let models: Vec<_> = snapshot.models.iter().map(|model| model.id).collect();
            let dim = snapshot.network.embedding_dim;
            let chart = figure(&snapshot.map, &models, &snapshot.targets, colour, dim, title);
            let written = match snapshot.map.basis {
                0 => Err("there is no map yet: it needs a few scored samples".to_owned()),
                _ => render(&chart, Format::Svg, PictureSize::default()).map_err(|e| e.to_string()),
            };
            let written = written.and_then(|bytes| {
                let stem = format!("map-{}", compact_utc(now_ms()));
                write_new(&dir, &stem, "svg", &bytes).map_err(|error| format!("{}: {error}", dir.display()))
            });
            // The engine may have ended meanwhile.
            let _ = done.send(Done::Exported(written.map(|path| path.display().to_string())));
        });
    }

    pub(super) async fn exported(&mut self, result: Result<String, String>) -> Result<(), Halt> {
        match &result {
            Ok(path) => self.log(Level::Info, format!("wrote {path}")).await?,
            Err(why) => self.log(Level::Warning, format!("nothing was written: {why}")).await?,
        }
        let _ = self.events.send(Event::Exported(result));
        Ok(())
    }
}

#[derive(serde::Serialize)]
struct Everything<'a> {
    epochs: &'a [EpochRecord],
    #[serde(skip_serializing_if = "Option::is_none")]
    submissions: Option<&'a [SubmissionRecord]>,
}

fn file(
    what: Export,
    format: ExportFormat,
    rows: &[SubmissionRecord],
    epochs: Vec<EpochRecord>,
    title: String,
) -> Result<Vec<u8>, String> {
    let picture = |epochs, format| {
        render(&RewardsChart { title, epochs }, format, PictureSize::default()).map_err(|e| e.to_string())
    };
    match (format, what) {
        (ExportFormat::Csv, Export::Submissions) => Ok(csv::submissions(rows).into_bytes()),
        (ExportFormat::Csv, Export::Epochs) => Ok(csv::epochs(&epochs).into_bytes()),
        (ExportFormat::Json, _) => {
            let submissions = (what == Export::Submissions).then_some(rows);
            serde_json::to_vec_pretty(&Everything { epochs: &epochs, submissions }).map_err(|e| e.to_string())
        }
        // Submissions are not drawn one by one.
        (ExportFormat::Png, _) => picture(epochs, Format::Png),
        (ExportFormat::Svg, _) => picture(epochs, Format::Svg),
    }
}

/// Never over a file that is there. Names tell the second; a second file of that second is numbered.
fn write_new(dir: &Path, stem: &str, end: &str, bytes: &[u8]) -> io::Result<PathBuf> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let dir = std::path::absolute(dir)?;
    let mut number = 1;
    loop {
        let name = if number == 1 { format!("{stem}.{end}") } else { format!("{stem}-{number}.{end}") };
        let path = dir.join(name);
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(mut file) => {
                file.write_all(bytes)?;
                file.sync_all()?;
                return Ok(path);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < 1000 => number += 1,
            Err(error) => return Err(error),
        }
    }
}

fn epoch_record(epoch: &EpochRewards) -> EpochRecord {
    EpochRecord {
        epoch: epoch.epoch,
        filled: epoch.filled,
        lost: epoch.lost,
        earned: epoch.earned,
        pending: epoch.pending,
        forfeited: epoch.forfeited,
        fees: epoch.fees,
    }
}

fn record(row: &SubmissionRow) -> SubmissionRecord {
    let has_filled = matches!(row.state, State::Filled | State::Claimable | State::Claimed | State::Forfeited);
    let sent = row.steps.iter().find(|(state, _)| *state == State::Sent);
    SubmissionRecord {
        target: row.target,
        state: row.state.word(),
        epoch: row.epoch,
        claimable_epoch: has_filled.then(|| row.epoch.saturating_add(AUDITED_AFTER)),
        source: Some(row.source.clone()),
        size_bytes: Some(row.size_bytes),
        checksum: Some(row.checksum),
        url: row.url.clone(),
        model: Some(row.model),
        distance: Some(row.distance),
        threshold: Some(row.threshold),
        bond: row.bond,
        fee: row.fee,
        expected: (!row.state.is_final()).then_some(row.expected_reward),
        paid: row.paid,
        submit_digest: row.digest,
        claim_digest: row.claim_digest,
        submitted_at_ms: sent.map(|(_, at_ms)| *at_ms),
        steps: row.steps.iter().map(|(state, at_ms)| StepRecord { state: state.word(), at_ms: *at_ms }).collect(),
        note: row.note.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_file_of_a_second_gets_a_name_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("state/exports");
        let first = write_new(&place, "rewards-1", "csv", b"a").unwrap();
        let second = write_new(&place, "rewards-1", "csv", b"b").unwrap();
        assert!(first.is_absolute() && first != second);
        assert_eq!((std::fs::read(first).unwrap(), std::fs::read(second).unwrap()), (b"a".to_vec(), b"b".to_vec()));
    }
}
