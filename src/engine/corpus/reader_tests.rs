use std::{fs, path::Path};

use super::*;
use crate::engine::corpus::{Format, Pieces, SourceKind};

/// Text in which no two windows are alike.
fn noise(seed: u32, len: u32) -> Vec<u8> {
    (0..len).map(|i| (super::super::order::mix(u64::from(seed) << 32 | u64::from(i)) >> 24) as u8).collect()
}

fn spawn(root: &Path) -> Reader {
    spawn_with(vec![root.into()], Sampling::default(), Path::new("/nowhere"))
}

fn spawn_with(sources: Vec<SourceSpec>, sampling: Sampling, own: &Path) -> Reader {
    Reader::spawn(sources, sampling, own.into(), Shelf::default()).unwrap()
}

struct Whole {
    samples: Vec<Sample>,
    skipped: Skipped,
    listed: u64,
    notices: Vec<String>,
}

impl Whole {
    fn checksums(&self) -> Vec<crate::primitives::Digest> {
        self.samples.iter().map(|sample| sample.checksum).collect()
    }
}

/// To the end of what there is.
async fn rest(reader: &mut Reader, wanted: u64) -> Whole {
    let (mut samples, mut listed, mut notices) = (Vec::new(), 0, Vec::new());
    loop {
        match reader.readings.recv().await.unwrap() {
            Reading::Listed { samples, pass, .. } if pass == wanted => listed = samples,
            Reading::Sample { pass, position, sample } if pass == wanted => {
                assert!(position <= listed, "{position} of {listed}");
                samples.push(sample);
            }
            Reading::Finished { pass, skipped } if pass == wanted => {
                return Whole { samples, skipped, listed, notices };
            }
            Reading::Notice(text) => notices.push(text),
            _ => {}
        }
    }
}

async fn whole_pass(reader: &mut Reader) -> Whole {
    let wanted = reader.start_pass();
    rest(reader, wanted).await
}

#[tokio::test]
async fn every_distinct_piece_is_read_once_and_in_the_same_order_each_pass() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("large"), noise(1, 50_000)).unwrap();
    fs::write(dir.path().join("a"), b"the same").unwrap();
    fs::write(dir.path().join("b"), b"the same").unwrap();
    let mut reader = spawn(dir.path());
    let first = whole_pass(&mut reader).await;
    let windows = 50_000u64.div_ceil(1024);
    assert_eq!((first.samples.len() as u64, first.listed), (windows + 1, windows + 2));
    assert_eq!((first.skipped.total(), first.skipped.duplicates), (0, 1));
    for sample in &first.samples {
        assert_eq!(model::checksum(&Shelf::default().read(&sample.source).unwrap()), sample.checksum);
    }
    assert_eq!(whole_pass(&mut reader).await.checksums(), first.checksums());
}

#[tokio::test]
async fn near_duplicates_are_left_out_and_counted_unless_they_are_wanted() {
    let dir = tempfile::tempdir().unwrap();
    let text = noise(2, 900);
    for n in 0..5u8 {
        fs::write(dir.path().join(n.to_string()), [&text[..], &[n; 20]].concat()).unwrap();
    }
    let pass = whole_pass(&mut spawn(dir.path())).await;
    assert_eq!((pass.samples.len(), pass.skipped.near_duplicates), (1, 4));
    let keep = Sampling { keep_near_duplicates: true, ..Sampling::default() };
    let pass = whole_pass(&mut spawn_with(vec![dir.path().into()], keep, Path::new("/nowhere"))).await;
    assert_eq!((pass.samples.len(), pass.skipped.near_duplicates), (5, 0));
}

#[tokio::test]
async fn data_of_no_bytes_or_of_too_many_is_counted_and_data_up_to_the_limit_is_read() {
    const MOST: u32 = 1 << 20;
    let dir = tempfile::tempdir().unwrap();
    for len in [0, 1, 4999, 5000, 5001, MOST, MOST + 1] {
        fs::write(dir.path().join(len.to_string()), noise(len, len)).unwrap();
    }
    for (max_bytes, lens, large) in
        [(None, &[1, 4999, 5000, 5001, MOST][..], 1), (Some(5000), &[1, 4999, 5000], 3), (Some(1), &[1], 5)]
    {
        let keep = true;
        let whole = Sampling { pieces: Pieces::Whole, max_bytes, keep_near_duplicates: keep, ..Sampling::default() };
        let pass = whole_pass(&mut spawn_with(vec![dir.path().into()], whole, Path::new("/nowhere"))).await;
        let mut found: Vec<u32> = pass.samples.iter().map(|sample| sample.bytes.len() as u32).collect();
        found.sort_unstable();
        assert_eq!(found, lens, "at most {max_bytes:?}");
        assert_eq!((pass.skipped.empty, pass.skipped.large, pass.skipped.total()), (1, large, 1 + large));
    }
}

#[tokio::test]
async fn a_new_pass_gives_up_the_one_that_runs() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("large"), noise(3, 500_000)).unwrap();
    let mut reader = spawn(dir.path());
    reader.start_pass();
    reader.readings.recv().await.unwrap();
    assert_eq!(whole_pass(&mut reader).await.samples.len(), 500_000usize.div_ceil(1024));
}

#[tokio::test]
async fn a_restart_goes_on_where_the_last_run_stopped_and_comes_round() {
    let (data, own) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(data.path().join("large"), noise(4, 2_000_000)).unwrap();
    let sources = || vec![data.path().into()];
    let mut first = spawn_with(sources(), Sampling::default(), own.path());
    let all = whole_pass(&mut first).await.checksums();
    drop(first);
    let mut second = spawn_with(sources(), Sampling::default(), own.path());
    let pass = second.start_pass();
    let mut read = 0;
    while read < 1_000 {
        if let Reading::Sample { sample, .. } = second.readings.recv().await.unwrap() {
            assert_eq!(sample.checksum, all[read], "a round that was done begins at its beginning");
            read += 1;
        }
    }
    let _ = pass;
    drop(second);
    // The thread writes its cursors when it notices that nobody listens.
    let file = own.path().join("corpus-cursors.json");
    let written = || fs::read_to_string(&file).is_ok_and(|text| text.contains("files"));
    while !written() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let third = whole_pass(&mut spawn_with(sources(), Sampling::default(), own.path())).await.checksums();
    let start = all.iter().position(|checksum| *checksum == third[0]).unwrap();
    assert!((300..1_000).contains(&start), "{start}: behind what was sent by what may not be scored");
    assert!(third.iter().eq(all[start..].iter().chain(&all[..start])));
    // A source that has changed starts over.
    fs::write(data.path().join("new"), b"more").unwrap();
    let fourth = whole_pass(&mut spawn_with(sources(), Sampling::default(), own.path())).await;
    assert_eq!(fourth.samples.len(), all.len() + 1);
}

#[tokio::test]
async fn what_is_added_is_read_without_a_new_pass() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a"), b"the first").unwrap();
    let sampling = Sampling { rescan: Duration::from_millis(20), ..Sampling::default() };
    let mut reader = spawn_with(vec![dir.path().into()], sampling, Path::new("/nowhere"));
    let pass = reader.start_pass();
    assert_eq!(rest(&mut reader, pass).await.samples.len(), 1);
    fs::write(dir.path().join("b"), b"the second").unwrap();
    let more = rest(&mut reader, pass).await;
    assert_eq!((&*more.samples[0].bytes, more.listed), (&b"the second"[..], 2));
    fs::write(dir.path().join("a"), b"the first, and more").unwrap();
    assert_eq!(&*rest(&mut reader, pass).await.samples[0].bytes, b"the first, and more");
}

#[tokio::test]
async fn sources_take_turns_by_their_weights() {
    let dir = tempfile::tempdir().unwrap();
    let sources: Vec<SourceSpec> = [("often", 3.0), ("seldom", 1.0)]
        .into_iter()
        .map(|(name, weight)| {
            let path = dir.path().join(name);
            fs::create_dir(&path).unwrap();
            for n in 0..200u32 {
                fs::write(path.join(n.to_string()), format!("{name} {n}")).unwrap();
            }
            SourceSpec { weight, ..SourceSpec::from(path) }
        })
        .collect();
    let pass = whole_pass(&mut spawn_with(sources, Sampling::default(), Path::new("/nowhere"))).await;
    assert_eq!(pass.samples.len(), 400);
    let often = pass.samples[..100].iter().filter(|sample| sample.bytes.starts_with(b"often")).count();
    assert!((73..=77).contains(&often), "{often} of 100");
}

#[tokio::test]
async fn records_and_files_of_one_directory_come_together() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.txt"), b"a file").unwrap();
    fs::write(dir.path().join("b.jsonl"), b"{\"text\": \"a record\"}\n{\"text\": \n{\"text\": \"another\"}\n").unwrap();
    let pass = whole_pass(&mut spawn(dir.path())).await;
    let mut texts: Vec<&[u8]> = pass.samples.iter().map(|sample| &*sample.bytes).collect();
    texts.sort_unstable();
    assert_eq!(texts, [&b"a file"[..], b"a record", b"another"]);
    assert_eq!(pass.skipped.broken, 1);
    assert!(pass.notices.iter().any(|text| text.contains("b.jsonl:2")), "{:?}", pass.notices);
    let bytes = SourceKind::Path { path: dir.path().into(), format: Format::Bytes };
    let pass = whole_pass(&mut spawn_with(vec![bytes.into()], Sampling::default(), Path::new("/nowhere"))).await;
    assert_eq!(pass.samples.len(), 2);
}

#[tokio::test]
async fn a_key_inside_an_innocent_file_is_refused_and_told() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("notes.txt"), b"-----BEGIN PRIVATE KEY-----\nMIIB").unwrap();
    let pass = whole_pass(&mut spawn(dir.path())).await;
    assert!(pass.samples.is_empty());
    assert_eq!(pass.skipped.refused, 1);
    assert!(pass.notices[0].contains("notes.txt: looks like a private key"), "{:?}", pass.notices);
}

#[tokio::test]
async fn no_part_of_a_large_file_with_a_key_is_read_wherever_its_mark_lies() {
    let mark = b"-----BEGIN PRIVATE KEY-----\n";
    // At the end of a span, across its border, and far behind the first.
    for at in [16 * 1024 - mark.len(), 16 * 1024 - 10, 70_000] {
        let dir = tempfile::tempdir().unwrap();
        let mut text = noise(5, 90_000);
        text[at..at + mark.len()].copy_from_slice(mark);
        fs::write(dir.path().join("notes.txt"), &text).unwrap();
        let pass = whole_pass(&mut spawn(dir.path())).await;
        assert_eq!((pass.samples.len(), pass.skipped.refused), (0, 1), "mark at {at}");
    }
}
