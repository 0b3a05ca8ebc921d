use std::{fs, io::Write, path::Path, sync::Arc};

use parquet::{
    data_type::ByteArrayType,
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::parser::parse_message_type,
};
use proptest::prelude::*;

use super::*;
use crate::engine::corpus::{Piece, Sampling, Source};

/// A file with one optional text column beside a number.
fn write_parquet(path: &Path, column: &str, groups: &[Vec<Option<String>>]) {
    let schema = format!("message m {{ REQUIRED INT64 n; OPTIONAL BYTE_ARRAY {column} (UTF8); }}");
    let properties = Arc::new(WriterProperties::builder().set_data_page_row_count_limit(7).build());
    let file = fs::File::create(path).unwrap();
    let mut writer =
        SerializedFileWriter::new(file, Arc::new(parse_message_type(&schema).unwrap()), properties).unwrap();
    for group in groups {
        let mut row_group = writer.next_row_group().unwrap();
        let mut numbers = row_group.next_column().unwrap().unwrap();
        let values: Vec<i64> = (0..group.len() as i64).collect();
        numbers.typed::<parquet::data_type::Int64Type>().write_batch(&values, None, None).unwrap();
        numbers.close().unwrap();
        let mut texts = row_group.next_column().unwrap().unwrap();
        let values: Vec<_> = group.iter().flatten().map(|text| text.as_bytes().to_vec().into()).collect();
        let levels: Vec<i16> = group.iter().map(|text| i16::from(text.is_some())).collect();
        texts.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None).unwrap();
        texts.close().unwrap();
        row_group.close().unwrap();
    }
    writer.close().unwrap();
}

fn file(path: &Path) -> RecordFile {
    let format = super::super::format_of(path).unwrap();
    RecordFile::new(path.into(), format, fs::metadata(path).map_or(0, |about| about.len()), (0, 0))
}

fn stream(paths: &[&Path]) -> RecordStream {
    let sampling = Sampling::default();
    let files = paths.iter().map(|path| file(path)).collect();
    RecordStream::new(files, sampling.columns.clone(), Rule::of(&sampling), Shelf::default())
}

fn drain(stream: &mut RecordStream, report: &mut Report, limit: usize) -> Vec<(Piece, Vec<u8>)> {
    let mut all = Vec::new();
    for _ in 0..limit {
        match stream.next(report) {
            Next::Chunk(chunk) => all.extend(chunk.samples),
            Next::Pending => panic!("files do not keep anybody waiting"),
            Next::End => break,
        }
    }
    all
}

/// Every piece, read again, is what it was; gives the texts, sorted.
fn read_again(pieces: Vec<(Piece, Vec<u8>)>) -> Vec<Vec<u8>> {
    let mut texts: Vec<_> = pieces
        .into_iter()
        .map(|(piece, bytes)| {
            assert_eq!(Shelf::default().read(&Source::from(piece)).unwrap(), bytes);
            bytes
        })
        .collect();
    texts.sort();
    texts
}

fn json_lines(texts: &[String]) -> String {
    texts.iter().map(|text| serde_json::json!({ "id": 1, "content": text }).to_string() + "\n").collect()
}

#[test]
fn records_of_every_packing_are_read_and_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let texts: Vec<String> = (0..300).map(|n| format!("record {n} \"ü\" {}", "x".repeat(n * 9))).collect();
    let text = json_lines(&texts);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    for (name, bytes) in [
        ("a.jsonl", text.clone().into_bytes()),
        ("a.NDJSON.gz", gzip.finish().unwrap()),
        ("a.jsonl.zst", zstd::encode_all(text.as_bytes(), 1).unwrap()),
    ] {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        let mut report = Report::default();
        let found = drain(&mut stream(&[&path]), &mut report, usize::MAX);
        let whole: Vec<_> = found.iter().filter(|(piece, _)| !piece.is_window).collect();
        assert!(whole.len() >= 300 && report.notices.is_empty(), "{name}: {} {:?}", whole.len(), report.notices);
        assert!(whole.windows(2).any(|pair| pair[0].1 > pair[1].1), "{name} is shuffled");
        let sample = found.into_iter().step_by(if name.ends_with("jsonl") { 1 } else { 37 }).collect();
        read_again(sample);
    }
}

#[test]
fn rows_of_parquet_are_read_and_read_again_and_empty_ones_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.parquet");
    let group = |from: usize| {
        (from..from + 100).map(|n| (n % 10 != 3).then(|| format!("row {n} {}", "y".repeat(n)))).collect::<Vec<_>>()
    };
    write_parquet(&path, "text", &[group(0), group(100), group(200)]);
    let mut report = Report::default();
    let found = read_again(drain(&mut stream(&[&path]), &mut report, usize::MAX));
    assert_eq!((found.len(), report.skipped.broken), (270, 30));
}

#[test]
fn a_stream_goes_on_where_it_stopped_and_once_around() {
    let dir = tempfile::tempdir().unwrap();
    let paths: Vec<_> = (0..3).map(|n| dir.path().join(format!("{n}.jsonl"))).collect();
    for (n, path) in paths.iter().enumerate() {
        let texts: Vec<String> = (0..40).map(|record| format!("file {n} record {record}")).collect();
        fs::write(path, json_lines(&texts)).unwrap();
    }
    let paths: Vec<&Path> = paths.iter().map(|path| &**path).collect();
    let mut report = Report::default();
    let all: Vec<_> = drain(&mut stream(&paths), &mut report, usize::MAX).into_iter().map(|(_, text)| text).collect();
    assert_eq!(all.len(), 120);
    for stop in [0, 1, 39, 40, 41, 77, 120] {
        let mut first = stream(&paths);
        drain(&mut first, &mut report, stop);
        let mut second = stream(&paths);
        assert_eq!(first.fingerprint(), second.fingerprint());
        second.resume(&first.cursor());
        let rest: Vec<_> = drain(&mut second, &mut report, usize::MAX).into_iter().map(|(_, text)| text).collect();
        let expected: Vec<_> = all[stop..].iter().chain(&all[..stop]).cloned().collect();
        assert_eq!(rest, expected, "stopped after {stop}");
        assert_eq!(second.remaining(), 0);
    }
}

#[test]
fn what_is_broken_is_named_with_its_line_and_the_rest_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let lines = write("a.jsonl", b"{\"content\": \"good\"}\n{\"content\": \n\n[1]\n{\"body\": 1, \"x\": 2}\n{\"content\": 7}\n{\"content\":\"also\"}");
    let columns = dir.path().join("b.parquet");
    write_parquet(&columns, "body", &[vec![Some("x".into())]]);
    let damaged = write("c.parquet", b"PAR1 this is none PAR1");
    let gone = dir.path().join("d.jsonl");
    let full = json_lines(&(0..500).map(|n| format!("line {n} {n}{n}")).collect::<Vec<_>>());
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(full.as_bytes()).unwrap();
    let packed = gzip.finish().unwrap();
    let truncated = write("e.jsonl.gz", &packed[..packed.len() / 2]);
    let mut report = Report::default();
    let mut all = stream(&[&lines, &columns, &damaged, &gone, &truncated]);
    let found = drain(&mut all, &mut report, usize::MAX);
    assert!(found.len() > 2 && found.iter().any(|(_, text)| text == b"also"));
    let told = report.notices.join("\n");
    for part in [
        "a.jsonl:2: it is no JSON",
        "a.jsonl:4: it is no JSON object",
        "a.jsonl:5: it has no field `content` nor `text`; it has body, x",
        "a.jsonl:6: its field `content` is no text",
        "b.parquet: it has no column `content` nor `text`; it has n, body",
        "c.parquet: it is no sound Parquet file",
        "d.jsonl: ",
        "e.jsonl.gz: cannot be read from line",
    ] {
        assert!(told.contains(part), "{part} is not in\n{told}");
    }
    assert_eq!((report.skipped.broken, report.skipped.unreadable), (5, 3));
}

#[test]
fn a_record_with_a_token_is_refused_and_the_others_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.jsonl");
    let token = "ghp_".to_owned() + &"q7Zk2WvN9xRb".repeat(3);
    fs::write(&path, json_lines(&["fine".to_owned(), format!("key: {token}"), "good".to_owned()])).unwrap();
    let mut report = Report::default();
    assert_eq!(drain(&mut stream(&[&path]), &mut report, usize::MAX).len(), 2);
    assert_eq!(report.skipped.refused, 1);
    assert!(report.notices[0].contains("a.jsonl:2") && !report.notices[0].contains(&token), "{:?}", report.notices);
}

proptest! {
    /// What is read again equals what was scored, whatever the texts are and however lines end.
    #[test]
    fn any_records_are_read_again_as_they_were(
        texts in proptest::collection::vec("\\PC{0,60}|[ \\n\\r\\t]{0,4}|[a-z]{2000,3000}", 1..30), blank: bool, crlf: bool,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.jsonl");
        let end = format!("{}\n{}", if crlf { "\r" } else { "" }, if blank { "  \n" } else { "" });
        fs::write(&path, json_lines(&texts).replace('\n', &end)).unwrap();
        let rows = dir.path().join("b.parquet");
        write_parquet(&rows, "content", &[texts.iter().cloned().map(Some).collect()]);
        for path in [path, rows] {
            let mut report = Report::default();
            let found = drain(&mut stream(&[&path]), &mut report, usize::MAX);
            let rule = Rule::of(&Sampling::default());
            let counted = |text: &&String| !text.as_bytes().trim_ascii().is_empty();
            let expected: u64 = texts.iter().filter(counted).map(|text| rule.count(text.len() as u64)).sum();
            prop_assert_eq!(found.len() as u64, expected, "{:?}", report.notices);
            read_again(found);
        }
    }

    #[test]
    fn no_bytes_panic_a_reader_of_records(bytes: Vec<u8>, seed in 0usize..400) {
        let dir = tempfile::tempdir().unwrap();
        let good = dir.path().join("good.parquet");
        write_parquet(&good, "content", &[(0..20).map(|n| Some(format!("row {n}"))).collect()]);
        let mut damaged = fs::read(&good).unwrap();
        let at = seed % damaged.len();
        damaged[at] ^= 0x55;
        for (name, bytes) in [("a.jsonl", &bytes), ("a.jsonl.gz", &bytes), ("a.jsonl.zst", &bytes), ("a.parquet", &damaged)] {
            let path = dir.path().join(name);
            fs::write(&path, bytes).unwrap();
            drain(&mut stream(&[&path]), &mut Report::default(), usize::MAX);
        }
    }
}
