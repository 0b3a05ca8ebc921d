//! Tables by RFC 4180: comma, quotes where needed, lines end in CR LF.
//!
//! Amounts are there twice, exact both times: whole shannons, and SOMA. Text from outside cannot be a formula: a spreadsheet
//! takes what begins with `=`, `+`, `-` or `@` for one, so an apostrophe is put before it; and what could command a terminal is
//! taken out of it.

use std::fmt::Display;

use super::records::{EpochRecord, SubmissionRecord};
use crate::primitives::{SHANNONS_PER_SOMA, Shannons, clean, utc};

const SUBMISSIONS: &[&str] = &[
    "target",
    "state",
    "epoch",
    "claimable_epoch",
    "source",
    "size_bytes",
    "checksum",
    "url",
    "model",
    "distance",
    "threshold",
    "bond_shannons",
    "bond_soma",
    "fee_shannons",
    "fee_soma",
    "expected_shannons",
    "expected_soma",
    "paid_shannons",
    "paid_soma",
    "submit_digest",
    "claim_digest",
    "submitted_at",
    "steps",
    "note",
];

const EPOCHS: &[&str] = &[
    "epoch",
    "filled",
    "lost",
    "earned_shannons",
    "earned_soma",
    "pending_shannons",
    "pending_soma",
    "forfeited_shannons",
    "forfeited_soma",
    "fees_shannons",
    "fees_soma",
    "net_shannons",
    "net_soma",
];

/// A line for each submission, in the order given.
pub fn submissions<'a>(records: impl IntoIterator<Item = &'a SubmissionRecord>) -> String {
    let mut table = Table::new(SUBMISSIONS);
    for record in records {
        let steps: Vec<_> = record.steps.iter().map(|step| format!("{} {}", step.state, utc(step.at_ms))).collect();
        table
            .fact(Some(record.target.to_hex_prefixed()))
            .fact(Some(record.state))
            .fact(Some(record.epoch))
            .fact(record.claimable_epoch)
            .text(record.source.as_deref())
            .fact(record.size_bytes)
            .fact(record.checksum)
            .text(record.url.as_deref())
            .fact(record.model.map(|id| id.to_hex_prefixed()))
            .fact(record.distance)
            .fact(record.threshold)
            .amount(Some(record.bond))
            .amount(Some(record.fee))
            .amount(record.expected)
            .amount(record.paid)
            .fact(record.submit_digest)
            .fact(record.claim_digest)
            .fact(record.submitted_at_ms.map(utc))
            .text(Some(&steps.join("; ")))
            .text(record.note.as_deref())
            .end();
    }
    table.text
}

/// A line for each epoch, in the order given.
pub fn epochs<'a>(records: impl IntoIterator<Item = &'a EpochRecord>) -> String {
    let mut table = Table::new(EPOCHS);
    for record in records {
        table
            .fact(Some(record.epoch))
            .fact(Some(record.filled))
            .fact(Some(record.lost))
            .amount(Some(record.earned))
            .amount(Some(record.pending))
            .amount(Some(record.forfeited))
            .amount(Some(record.fees))
            .fact(Some(record.net()))
            .fact(Some(signed_soma(record.net())))
            .end();
    }
    table.text
}

/// All nine decimals, so that a column of them is aligned and adds up.
fn soma(amount: Shannons) -> String {
    format!("{}.{:09}", amount.0 / SHANNONS_PER_SOMA, amount.0 % SHANNONS_PER_SOMA)
}

fn signed_soma(shannons: i128) -> String {
    let magnitude = Shannons(u64::try_from(shannons.unsigned_abs()).unwrap_or(u64::MAX));
    format!("{}{}", if shannons < 0 { "-" } else { "" }, soma(magnitude))
}

struct Table {
    text: String,
    is_first: bool,
}

impl Table {
    fn new(columns: &[&str]) -> Self {
        let mut table = Self { text: String::new(), is_first: true };
        for column in columns {
            table.put(column);
        }
        table.end();
        table
    }

    /// Something of ours: numbers, ids, words.
    fn fact(&mut self, fact: Option<impl Display>) -> &mut Self {
        self.put(&fact.map(|fact| fact.to_string()).unwrap_or_default())
    }

    /// Two cells.
    fn amount(&mut self, amount: Option<Shannons>) -> &mut Self {
        self.fact(amount.map(|amount| amount.0)).fact(amount.map(soma))
    }

    /// Something from outside.
    fn text(&mut self, text: Option<&str>) -> &mut Self {
        self.put(&guarded(text.unwrap_or_default()))
    }

    fn put(&mut self, cell: &str) -> &mut Self {
        if !std::mem::replace(&mut self.is_first, false) {
            self.text.push(',');
        }
        if cell.contains([',', '"', '\r', '\n']) || cell.starts_with(' ') || cell.ends_with(' ') {
            self.text.push('"');
            self.text.push_str(&cell.replace('"', "\"\""));
            self.text.push('"');
        } else {
            self.text.push_str(cell);
        }
        self
    }

    fn end(&mut self) {
        self.text.push_str("\r\n");
        self.is_first = true;
    }
}

fn guarded(text: &str) -> String {
    let text = clean(text);
    // A spreadsheet overlooks spaces before a formula.
    match text.trim_start().chars().next() {
        Some('=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠') => format!("'{text}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        export::records::StepRecord,
        primitives::{Digest, ObjectId},
    };

    /// Reads what RFC 4180 describes, and nothing else.
    fn parse(text: &str) -> Vec<Vec<String>> {
        let mut rows = Vec::new();
        let mut chars = text.chars().peekable();
        while chars.peek().is_some() {
            let mut row = Vec::new();
            loop {
                let mut cell = String::new();
                if chars.next_if_eq(&'"').is_some() {
                    loop {
                        match chars.next().expect("a quote is closed") {
                            '"' if chars.next_if_eq(&'"').is_some() => cell.push('"'),
                            '"' => break,
                            c => cell.push(c),
                        }
                    }
                } else {
                    while let Some(c) = chars.next_if(|c| !matches!(c, ',' | '\r' | '\n' | '"')) {
                        cell.push(c);
                    }
                }
                row.push(cell);
                match chars.next().expect("a line is ended") {
                    ',' => {}
                    '\r' => {
                        assert_eq!(chars.next(), Some('\n'));
                        break;
                    }
                    c => panic!("{c:?} after a cell"),
                }
            }
            rows.push(row);
        }
        rows
    }

    fn record(source: String, note: Option<String>, bond: u64, paid: Option<u64>) -> SubmissionRecord {
        SubmissionRecord {
            target: ObjectId([7; 32]),
            state: "claimed",
            epoch: 12,
            claimable_epoch: Some(14),
            source: Some(source),
            size_bytes: Some(1024),
            checksum: Some(Digest([1; 32])),
            url: Some("http://127.0.0.1:9000/a,b.bin".into()),
            model: Some(ObjectId([9; 32])),
            distance: Some(1.03125),
            threshold: Some(1.05),
            bond: Shannons(bond),
            fee: Shannons(2_200),
            expected: None,
            paid: paid.map(Shannons),
            submit_digest: Some(Digest([2; 32])),
            claim_digest: None,
            submitted_at_ms: Some(1_795_354_828_000),
            steps: vec![StepRecord { state: "found", at_ms: 1_795_354_820_000 }],
            note,
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back_and_no_text_is_a_formula(
            rows in proptest::collection::vec((any::<String>(), any::<Option<String>>(), any::<u64>(), any::<Option<u64>>()), 0..8)
        ) {
            let records: Vec<_> =
                rows.iter().map(|(source, note, bond, paid)| record(source.clone(), note.clone(), *bond, *paid)).collect();
            let read = parse(&submissions(&records));
            prop_assert_eq!(read.len(), records.len() + 1);
            let column = |name: &str| read[0].iter().position(|title| title == name).expect("a column of that name");
            for (row, (source, note, bond, paid)) in read[1..].iter().zip(&rows) {
                prop_assert_eq!(row.len(), read[0].len());
                for (name, text) in [("source", source.as_str()), ("note", note.as_deref().unwrap_or_default())] {
                    let cell = &row[column(name)];
                    prop_assert_eq!(cell.strip_prefix('\'').filter(|_| !text.starts_with('\'')).unwrap_or(cell), clean(text));
                    prop_assert!(!cell.trim_start().starts_with(['=', '+', '-', '@']), "{cell}");
                }
                prop_assert_eq!(row[column("bond_shannons")].parse(), Ok(*bond));
                prop_assert_eq!(row[column("bond_soma")].parse(), Ok(Shannons(*bond)));
                prop_assert_eq!(row[column("paid_shannons")].parse().ok(), *paid);
                prop_assert_eq!(row[column("paid_soma")].parse().ok(), paid.map(Shannons));
            }
        }

        #[test]
        fn epochs_are_read_back_exactly(earned in 0..=i64::MAX as u64, fees in 0..=i64::MAX as u64, forfeited in 0..=i64::MAX as u64) {
            let [earned, fees, forfeited] = [earned, fees, forfeited].map(Shannons);
            let epoch = EpochRecord { epoch: 3, earned, fees, forfeited, ..EpochRecord::default() };
            let read = parse(&epochs([&epoch]));
            prop_assert_eq!(read[1][11].parse(), Ok(epoch.net()));
            let soma = &read[1][12];
            let amount: Shannons = soma.trim_start_matches('-').parse().expect("an amount");
            let signed = if soma.starts_with('-') { -i128::from(amount.0) } else { i128::from(amount.0) };
            prop_assert!(signed == epoch.net() || epoch.net() < -i128::from(u64::MAX));
        }
    }

    #[test]
    fn formulas_and_escapes_in_the_name_of_a_file_are_text() {
        let table = submissions([&record("=HYPERLINK(\"http://x\")".into(), Some("a\u{1b}[2J\r\nb".into()), 1, None)]);
        assert!(table.contains("\"'=HYPERLINK(\"\"http://x\"\")\""), "{table}");
        assert!(table.ends_with(",a·[2J··b\r\n"), "{table}");
    }
}
