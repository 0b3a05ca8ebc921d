//! Submissions, what they earned, and the files that tell of it.

use super::{
    Action, ActionInfo,
    places::{EXPORT, REWARDS},
    plain, quiet,
};
use crate::app::Key::{self, Char, Enter, Esc};

pub(super) const ACTIONS: &[ActionInfo] = &[
    plain(Action::Submission, "submission", "details", &[Enter], "all that is known of a submission", REWARDS),
    plain(
        Action::SortSubmissions,
        "sort-submissions",
        "sort",
        &[Char('s')],
        "sort submissions by age, last change, state, amount",
        REWARDS,
    ),
    plain(
        Action::FilterSubmissions,
        "filter-submissions",
        "filter",
        &[Char('/')],
        "show only submissions with these words in state, target, file, digest, note",
        REWARDS,
    ),
    plain(
        Action::OlderPeriod,
        "older-period",
        "epoch",
        &[Char('[')],
        "list only the newest epoch or day, then the one before it",
        REWARDS,
    ),
    quiet(
        Action::NewerPeriod,
        "newer-period",
        "newer",
        &[Char(']')],
        "list the epoch or day after it, then all",
        REWARDS,
    ),
    plain(Action::ByDay, "by-day", "days", &[Char('d')], "sums by day instead of by epoch, or back", REWARDS),
    plain(Action::Export, "export", "export", &[Char('e')], "write rewards and submissions to a file", REWARDS),
    plain(
        Action::ExportSubmissions,
        "export-submissions",
        "submissions (CSV)",
        &[Char('c')],
        "every submission with its steps, as a table",
        EXPORT,
    ),
    plain(Action::ExportEpochs, "export-epochs", "epochs (CSV)", &[Char('e')], "sums by epoch, as a table", EXPORT),
    plain(Action::ExportJson, "export-json", "JSON", &[Char('j')], "both, for programs", EXPORT),
    plain(Action::ExportPng, "export-png", "PNG", &[Char('p')], "a chart by epoch, as pixels", EXPORT),
    plain(Action::ExportSvg, "export-svg", "SVG", &[Char('s')], "a chart by epoch, as vectors", EXPORT),
    plain(Action::Back, "no-export", "leave", &[Esc, Key::Backspace, Char('q')], "write nothing", EXPORT),
];
