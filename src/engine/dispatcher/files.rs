//! What is asked for beside the snapshot: older pages of the journal, and files for other programs.

use std::{
    fs::{DirBuilder, File},
    io::{self, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Dispatcher, Done, Halt};
use crate::{
    api::{
        EpochRewards, Event, Export, ExportFormat, HistoryPage, Level, MapColour, SubmissionId, SubmissionRow,
        SubmissionState as State,
    },
    engine::{
        journal::{JournalError, Pages},
        now_ms,
        snapshot::figure,
    },
    export::{EpochRecord, Format, PictureSize, StepRecord, SubmissionRecord, chart::RewardsChart, csv, render},
    primitives::{Shannons, compact_utc},
};

/// Rows of a page.
const PAGE: usize = 512;
/// Below the state directory.
pub const EXPORTS: &str = "exports";
/// A fill in epoch E can be claimed from epoch E + 2 on (`protocol.md §7.1`).
const AUDITED_AFTER: u64 = 2;

impl Dispatcher {
    /// Answers with a page from the past; who asks waits, and nobody else.
    pub(super) fn tell_history(&self, before: Option<SubmissionId>) {
        let (journal, done) = (self.journal.path().to_owned(), self.done.clone());
        tokio::task::spawn_blocking(move || {
            let page = Pages::open(&journal).and_then(|pages| pages.older(before, PAGE + 1)).map(|mut rows| {
                let more = rows.len() > PAGE;
                rows.truncate(PAGE);
                HistoryPage { before, rows: rows.into_iter().map(Arc::new).collect(), more }
            });
            // The engine may have ended meanwhile.
            let _ = done.send(match page {
                Ok(page) => Done::History(page, None),
                Err(error) => Done::History(HistoryPage::unread(before), Some(error.to_string())),
            });
        });
    }

    pub(super) async fn history_told(&mut self, page: HistoryPage, trouble: Option<String>) -> Result<(), Halt> {
        let _ = self.events.send(Event::History(Arc::new(page)));
        match trouble {
            Some(why) => self.log(Level::Warning, format!("older submissions cannot be shown: {why}")).await,
            None => Ok(()),
        }
    }

    pub(super) async fn export(&mut self, what: Export, format: ExportFormat) -> Result<(), Halt> {
        let owner = self.address.map_or_else(String::new, |address| format!(" of {}", address.to_hex_prefixed()));
        let title = format!("Rewards{owner} on {}", self.network_name);
        let (journal, dir) = (self.journal.path().to_owned(), self.dir.join(EXPORTS));
        self.write_out(move || {
            let (rows, epochs) = gather(&journal, what).map_err(|error| error.to_string())?;
            let bytes = file(what, format, &rows, epochs, title)?;
            let stem = match what {
                Export::Submissions => "submissions",
                Export::Epochs => "rewards",
            };
            write_new(&dir, &format!("{stem}-{}", compact_utc(now_ms())), format.word(), &bytes)
                .map_err(|error| format!("{}: {error}", dir.display()))
        })
        .await
    }

    /// As the last snapshot shows it.
    pub(super) async fn export_map(&mut self, colour: MapColour) -> Result<(), Halt> {
        let snapshot = self.snapshot.borrow().clone();
        let title = format!("Niches of {}, epoch {}", snapshot.network.name, snapshot.network.epoch);
        let dir = self.dir.join(EXPORTS);
        self.write_out(move || {
            if snapshot.map.basis == 0 {
                return Err("there is no map yet: it needs a few scored samples".to_owned());
            }
            let models: Vec<_> = snapshot.models.iter().map(|model| model.id).collect();
            let dim = snapshot.network.embedding_dim;
            let chart = figure(&snapshot.map, &models, &snapshot.targets, colour, dim, title);
            let bytes = render(&chart, Format::Svg, PictureSize::default()).map_err(|error| error.to_string())?;
            write_new(&dir, &format!("map-{}", compact_utc(now_ms())), "svg", &bytes)
                .map_err(|error| format!("{}: {error}", dir.display()))
        })
        .await
    }

    /// Writes one file at a time, where it holds nobody up.
    async fn write_out(&mut self, work: impl FnOnce() -> Result<PathBuf, String> + Send + 'static) -> Result<(), Halt> {
        if std::mem::replace(&mut self.is_exporting, true) {
            let why = "another file is being written; ask again when it is done";
            return self.told_of_file(Err(why.to_owned())).await;
        }
        let done = self.done.clone();
        tokio::task::spawn_blocking(move || {
            // The engine may have ended meanwhile.
            let _ = done.send(Done::Exported(work().map(|path| path.display().to_string())));
        });
        Ok(())
    }

    pub(super) async fn exported(&mut self, result: Result<String, String>) -> Result<(), Halt> {
        self.is_exporting = false;
        self.told_of_file(result).await
    }

    async fn told_of_file(&mut self, result: Result<String, String>) -> Result<(), Halt> {
        match &result {
            Ok(path) => self.log(Level::Info, format!("wrote {path}")).await?,
            Err(why) => self.log(Level::Warning, format!("nothing was written: {why}")).await?,
        }
        let _ = self.events.send(Event::Exported(result));
        Ok(())
    }
}

/// What a file is made of: rows newest first, a page at a time.
fn gather(journal: &Path, what: Export) -> Result<(Vec<SubmissionRecord>, Vec<EpochRecord>), JournalError> {
    let mut pages = Pages::open(journal)?;
    let epochs = pages.sums()?.0.epochs.iter().map(epoch_record).collect();
    let (mut rows, mut before) = (Vec::new(), None);
    if what == Export::Submissions {
        loop {
            let page = pages.older(before, PAGE)?;
            let Some(last) = page.last() else { break };
            before = Some(last.id);
            rows.extend(page.iter().map(record));
        }
    }
    Ok((rows, epochs))
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

/// Whole or not at all, and never over a file that is there. Names tell the second; a second file of that second is numbered.
fn write_new(dir: &Path, stem: &str, end: &str, bytes: &[u8]) -> io::Result<PathBuf> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let dir = std::path::absolute(dir)?;
    // Nobody else may read it (0600) from its first byte on.
    let mut file = tempfile::Builder::new().prefix(".").suffix(".part").tempfile_in(&dir)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    let mut number = 1;
    loop {
        let name = if number == 1 { format!("{stem}.{end}") } else { format!("{stem}-{number}.{end}") };
        let path = dir.join(name);
        match file.persist_noclobber(&path) {
            Ok(_) => {
                File::open(&dir)?.sync_all()?;
                return Ok(path);
            }
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists && number < 1000 => {
                (file, number) = (error.file, number + 1);
            }
            Err(error) => return Err(error.error),
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
    // What was never signed has cost nothing.
    let cost = |amount| if row.state.is_final() && !row.was_signed() { Shannons::ZERO } else { amount };
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
        bond: cost(row.bond),
        fee: cost(row.fee),
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
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_second_file_of_a_second_gets_a_name_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("state/exports");
        let first = write_new(&place, "rewards-1", "csv", b"a").unwrap();
        let second = write_new(&place, "rewards-1", "csv", b"b").unwrap();
        assert!(first.is_absolute() && first != second);
        assert_eq!((std::fs::read(&first).unwrap(), std::fs::read(&second).unwrap()), (b"a".to_vec(), b"b".to_vec()));
        // Nothing half-written is left beside them, and nobody else may read them.
        assert_eq!(std::fs::read_dir(&place).unwrap().count(), 2);
        assert_eq!(std::fs::metadata(&first).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
