//! Somebody looks at last week: rewards by epoch, one submission with its steps, a table of it all, and the reviews.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{PATIENCE, PROGRAM, leave, pty::Pty};

/// Epochs with something filled in them. A week of the real network has seven.
const WEEK: usize = 7;

/// A field of a line without quotes.
fn field<'a>(line: &'a str, head: &str, name: &str) -> &'a str {
    let at = head.split(',').position(|column| column == name).unwrap_or_else(|| panic!("{name} in {head}"));
    line.split(',').nth(at).unwrap_or_else(|| panic!("{name} in {line}"))
}

fn exported(dir: &Path, what: &str) -> String {
    let mut files = fs::read_dir(dir).expect("the place of exports").flatten().map(|entry| entry.path());
    let is = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(what));
    let file = files.find(is).unwrap_or_else(|| panic!("{what} in {}", dir.display()));
    fs::read_to_string(file).expect("UTF-8")
}

#[test]
fn a_week_of_epochs_is_read_the_morning_after() {
    let dir = tempfile::tempdir().expect("a place for the week");
    let path = dir.path().to_str().expect("UTF-8");
    let args = ["demo", "--auto", "--epoch-seconds", "4", "--dir", path];
    let week = Pty::spawn(PROGRAM, &args, &[], (140, 44));
    week.wait_for("Open targets", PATIENCE);
    week.send("5");
    week.wait_until("a week of epochs with fills", 2 * PATIENCE, |screen| {
        let text = screen.contents();
        // Each has a line that begins with its number and that of its fills.
        let is_epoch = |line: &str| {
            let mut words = line.trim_start_matches('┃').split_whitespace();
            let numbers = words.by_ref().take(2).filter(|word| word.parse::<u64>().is_ok());
            numbers.count() == 2 && words.any(|word| word.contains('.'))
        };
        let epochs: Vec<&str> = text.lines().filter(|line| is_epoch(line)).collect();
        let has_paid = |line: &&str| line.trim_start_matches('┃').split_whitespace().nth(2) != Some("·");
        epochs.len() >= WEEK && epochs.iter().any(has_paid)
    });
    leave(week);

    let args = ["demo", "--epoch-seconds", "600", "--dir", path];
    let dashboard = Pty::spawn(PROGRAM, &args, &[], (140, 44));
    // It opens where it was left.
    dashboard.wait_until("the whole journal", PATIENCE, |screen| {
        let text = screen.contents();
        text.contains("by newest") && !text.contains("read so far")
    });
    // From the newest to the oldest, epoch by epoch.
    dashboard.send("G");
    dashboard.wait_for("submission 1, epoch", PATIENCE);
    // One whose reward has come, whole.
    dashboard.send("/claimed\r");
    dashboard.wait_for("with \"claimed\"", PATIENCE);
    dashboard.send("G\r");
    // It has the whole screen; what the list shows beside it has much of the same.
    dashboard.wait_until("the submission alone", PATIENCE, |screen| !screen.contents().contains("epoch fills"));
    for part in
        ["Checksum", "URL", "Sent in", "Claimed in", "Paid", "approved", "uploaded", "signed", "filled", "claimable"]
    {
        dashboard.wait_for(part, PATIENCE);
    }
    dashboard.send("\x1b");
    dashboard.wait_for("epoch fills", PATIENCE);
    dashboard.send("/\x15\r");
    dashboard.wait_until("all of them", PATIENCE, |screen| !screen.contents().contains("with \"claimed\""));

    // Tables of it.
    dashboard.send("e");
    dashboard.wait_for("submissions (CSV)", PATIENCE);
    dashboard.send("c");
    dashboard.wait_for("/submissions-", PATIENCE);
    dashboard.send("e");
    dashboard.wait_for("epochs (CSV)", PATIENCE);
    dashboard.send("e");
    dashboard.wait_for("/rewards-", PATIENCE);

    // The chart of a day has the hours before this start.
    dashboard.send("4tt");
    dashboard.wait_for("24 h", PATIENCE);
    dashboard.wait_for("█", PATIENCE);

    // What was different from epoch to epoch, back to the first.
    dashboard.send("8");
    dashboard.wait_for("Models and crowds", PATIENCE);
    dashboard.send("\x1b[Z");
    dashboard.wait_for(", against epoch ", PATIENCE);
    dashboard.wait_for(", 1 of ", PATIENCE);
    dashboard.send("[");
    dashboard.wait_for(", 2 of ", PATIENCE);
    dashboard.send("G");
    dashboard.wait_for("the first that is known", PATIENCE);
    leave(dashboard);

    let exports = dir.path().join("engine/exports");
    let table = exported(&exports, "submissions");
    let mut lines = table.lines();
    let head = lines.next().expect("a heading");
    let rows: Vec<&str> = lines.collect();
    let in_state =
        |state: &str| rows.iter().filter(|row| field(row, head, "state") == state).copied().collect::<Vec<_>>();
    let claimed = in_state("claimed");
    assert!(!claimed.is_empty(), "{table}");
    let paid: u64 = claimed.iter().map(|row| field(row, head, "paid_shannons").parse::<u64>().expect("shannons")).sum();
    assert!(
        claimed.iter().all(|row| !field(row, head, "claim_digest").is_empty() && row.contains("claimable ")),
        "{table}"
    );
    let epochs = exported(&exports, "rewards");
    let head = epochs.lines().next().expect("a heading").to_owned();
    let rows: Vec<&str> = epochs.lines().skip(1).collect();
    assert!(rows.len() >= WEEK, "{epochs}");
    let earned: u64 =
        rows.iter().map(|row| field(row, &head, "earned_shannons").parse::<u64>().expect("shannons")).sum();
    // Something may have been claimed between the two.
    assert!(paid > 0 && earned >= paid, "{epochs}\n{table}");
}
