//! Approvals, limits and the activity log: what is on their screens, and that nothing hostile gets there.

use std::sync::Arc;

use somascope::{
    api::{Level, LogKind, LogLine, Mode, Snapshot, SubmissionState, TransactionWord},
    app::{AppEvent, State, update},
    primitives::{Shannons, hash},
};

use crate::{
    fixture::{NOW_MS, id, submission},
    harness::{COLOUR, after, busy, picture, state, take},
};

/// More than fit: compositions, a loss, wide letters, a bond above the limit.
pub fn crowded() -> Snapshot {
    let mut snapshot = busy();
    let rows = (0..30).map(|n| {
        let mut row = submission(n, SubmissionState::AwaitingApproval);
        if n == 3 {
            row.preview = "日本語のテキスト、幅が二倍の文字。\u{1b}[2J\u{202e}\tおわり\n".repeat(40).into_bytes();
            row.size_bytes = row.preview.len() as u64;
            row.bond = Shannons(20_000_000);
        }
        if let (4, Some(prospect)) = (n, &mut row.prospect) {
            prospect.gain = -1_234_567;
            prospect.chance_permille = 12;
        }
        Arc::new(row)
    });
    snapshot.approvals = Arc::new(rows.collect());
    snapshot
}

/// A candidate whose target somebody else has filled; the others wait, or none do a minute later.
pub fn gone(others_wait: bool) -> State {
    let mut state = after(busy(), "a");
    let mut snapshot = busy();
    let mut row = submission(1, SubmissionState::Expired);
    row.note = Some(format!("filled by {}", id("stranger", 0).to_hex_prefixed()));
    snapshot.approvals = Arc::new(vec![snapshot.approvals[0].clone(), snapshot.approvals[2].clone()]);
    let rest = snapshot.submissions.iter().filter(|other| other.id != row.id).cloned();
    let mut submissions: Vec<_> = rest.collect();
    submissions.insert(0, Arc::new(row));
    snapshot.submissions = Arc::new(submissions);
    take(&mut state, snapshot.clone());
    if !others_wait {
        snapshot.approvals = Arc::default();
        update(&mut state, AppEvent::Clock { now_ms: NOW_MS + 60_000 });
        take(&mut state, snapshot);
    }
    state
}

/// Everything that is asked about has left while the question was open.
pub fn all_gone() -> State {
    let mut state = after(busy(), "a*y");
    take(&mut state, Snapshot { approvals: Arc::default(), ..busy() });
    state
}

/// A day of work.
pub fn logged() -> Snapshot {
    let mut lines: Vec<LogLine> = (0..200_u64)
        .map(|n| {
            let at_ms = NOW_MS - (200 - n) * 300_000;
            let digest = hash(&n.to_le_bytes());
            match n % 5 {
                0 => LogLine::new(
                    at_ms,
                    Level::Info,
                    format!("hit: data/{n}.txt is 1.0312 from target ab12, threshold 1.0500"),
                )
                .about(LogKind::Hit { target: id("target", n) }),
                1 => {
                    let url = format!("https://bucket.example/12/{digest}.bin");
                    LogLine::new(at_ms, Level::Info, format!("uploaded data/{n}.txt, 1024 bytes, to {url}"))
                        .about(LogKind::Upload { url, bytes: 1024 })
                }
                2 => LogLine::new(
                    at_ms,
                    Level::Info,
                    format!("filled target ab12 with data/{n}.txt, bond 0.00006656 SOMA"),
                )
                .about(LogKind::Transaction {
                    what: TransactionWord::Submit,
                    digest,
                    fee: Some(Shannons(2_200)),
                }),
                3 => LogLine::new(at_ms, Level::Warning, "node: connection refused; trying again")
                    .about(LogKind::Network),
                _ => LogLine::new(
                    at_ms,
                    Level::Error,
                    format!("failed: target ab12 with 資料/{n}.txt\u{1b}[2J: InsufficientBond"),
                )
                .about(LogKind::Transaction {
                    what: TransactionWord::Submit,
                    digest,
                    fee: Some(Shannons(1_000)),
                }),
            }
        })
        .collect();
    lines.push(LogLine::new(NOW_MS, Level::Info, "limits: bonds of an epoch 1.00 → 0.50 SOMA").about(LogKind::Policy));
    Snapshot { log: Arc::new(lines), ..busy() }
}

#[test]
fn nothing_hostile_reaches_the_terminal_from_any_of_these() {
    let mut snapshot = crowded();
    let evil = "x\u{1b}]0;owned\u{7}\u{9b}2J\u{202e}\r\ny";
    let mut row = submission(3, SubmissionState::AwaitingApproval);
    row.pieces = vec![evil.to_owned(), evil.repeat(40)];
    row.note = Some(evil.to_owned());
    row.source = evil.to_owned();
    snapshot.approvals = Arc::new(vec![Arc::new(row)]);
    let policy = Arc::make_mut(&mut snapshot.policy);
    policy.auto.refusals[0].why = evil.to_owned();
    policy.auto.refusals[0].source = evil.to_owned();
    let upload = LogKind::Upload { url: evil.to_owned(), bytes: 1 };
    snapshot.log = Arc::new(vec![LogLine::new(NOW_MS, Level::Error, evil).about(upload)]);
    snapshot.network.name = evil.to_owned();
    for mode in [Mode::Manual, Mode::Auto] {
        for word in ["a", "a*y", "aY", "P", "7", "7\n", "7/x\n"] {
            let state = state(Snapshot { mode, ..snapshot.clone() }, COLOUR, (120, 40), word);
            let bad = |symbol: &str| symbol.chars().any(|c| c.is_control() || c == '\u{202e}');
            assert!(!picture(&state).content.iter().any(|cell| bad(cell.symbol())), "{word}");
        }
    }
}
