//! Servers that behave, and servers that misbehave in every way that a download has to survive.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use super::*;
use crate::{
    primitives::hash,
    storage::scripted::{RANGE, Seen, Server, Step, hasty, head, honest, whole},
};

/// No two ranges alike.
fn data(length: usize) -> Bytes {
    (0..length).map(|i| (i ^ (i >> 8) ^ (i >> 16)) as u8).collect::<Vec<u8>>().into()
}

struct Place {
    dir: tempfile::TempDir,
    path: PathBuf,
}

fn place() -> Place {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("weights.enc");
    Place { dir, path }
}

impl Place {
    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.dir.path()).unwrap().flatten();
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

fn blob(server: &Server, data: &Bytes) -> Blob {
    Blob { url: server.url.clone(), checksum: hash(data), size: data.len() as u64 }
}

/// A server that answers so, and what a download of this data from it comes to.
async fn refused(data: &Bytes, answer: impl Fn(&Seen) -> Vec<Step> + Send + Sync + 'static) -> (String, Place, Server) {
    refused_by(&hasty(), data, answer).await
}

async fn refused_by(
    fetcher: &Fetcher,
    data: &Bytes,
    answer: impl Fn(&Seen) -> Vec<Step> + Send + Sync + 'static,
) -> (String, Place, Server) {
    let (server, place) = (Server::start(answer).await, place());
    let error = fetcher.download(&blob(&server, data), &place.path, &()).await.expect_err("the server misbehaves");
    assert!(error.to_string().contains(&server.url), "{error} does not name {}", server.url);
    assert!(!place.path.exists());
    (error.to_string(), place, server)
}

#[tokio::test]
async fn a_large_blob_comes_by_ranges_in_order_and_leaves_nothing_but_itself() {
    struct Progress(AtomicU64);
    impl Steering for Progress {
        fn progress(&self, bytes: u64) {
            let before = self.0.swap(bytes, Ordering::Relaxed);
            assert!(before <= bytes);
        }
    }
    let data = data(10 * RANGE as usize + 77);
    let served = data.clone();
    // Later ranges answer sooner.
    let server = Server::start(move |seen| {
        let start = seen.range.clone().map_or(0, |range| range.start);
        let mut steps = vec![Step::Wait(Duration::from_millis(40 - 3 * (start / RANGE).min(13)))];
        steps.extend(honest(seen, &served, "\"v1\""));
        steps
    })
    .await;
    let (place, progress) = (place(), Progress(AtomicU64::new(0)));
    hasty().download(&blob(&server, &data), &place.path, &progress).await.unwrap();
    assert_eq!(std::fs::read(&place.path).unwrap(), data);
    assert_eq!(place.names(), ["weights.enc"]);
    assert_eq!(server.starts(), (0..=10).map(|i| i * RANGE).collect::<Vec<_>>());
    assert_eq!(progress.0.load(Ordering::Relaxed), data.len() as u64);
}

#[tokio::test]
async fn a_file_that_is_there_is_not_asked_for_again() {
    let data = data(3 * RANGE as usize);
    let (server, place) = (Server::of_files([("/weights.enc", data.clone())]).await, place());
    for _ in 0..2 {
        hasty().download(&blob(&server, &data), &place.path, &()).await.unwrap();
    }
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn a_small_blob_is_one_plain_request() {
    for size in [0, 1, RANGE as usize] {
        let data = data(size);
        let (server, place) = (Server::of_files([("/weights.enc", data.clone())]).await, place());
        hasty().download(&blob(&server, &data), &place.path, &()).await.unwrap();
        assert_eq!(std::fs::read(&place.path).unwrap(), data);
        assert_eq!(server.seen().iter().map(|seen| seen.range.clone()).collect::<Vec<_>>(), [None]);
    }
}

/// Serves so many bytes of the file and then hangs.
async fn until(data: &Bytes, served: u64) -> Server {
    let data = data.clone();
    Server::start(move |seen| match seen.range.clone() {
        Some(range) if range.start >= served => vec![Step::Hang],
        _ => honest(seen, &data, "\"v1\""),
    })
    .await
}

/// Downloads until so many bytes are on disk, and is dropped there.
async fn cut(place: &Place, blob: &Blob, at: u64) {
    struct Reached(u64, tokio::sync::Notify);
    impl Steering for Reached {
        fn progress(&self, bytes: u64) {
            if bytes >= self.0 {
                self.1.notify_one();
            }
        }
    }
    let reached = Reached(at, tokio::sync::Notify::new());
    let fetcher = hasty();
    tokio::select! {
        ended = fetcher.download(blob, &place.path, &reached) => panic!("it ended before it was cut: {ended:?}"),
        () = reached.1.notified() => {}
    }
}

#[tokio::test]
async fn a_download_that_was_dropped_asks_only_for_the_rest() {
    let (data, place) = (data(12 * RANGE as usize), place());
    let first = until(&data, 5 * RANGE).await;
    let blob = blob(&first, &data);
    cut(&place, &blob, 5 * RANGE).await;
    assert!(!place.path.exists());
    // The same address goes on to serve.
    let served = data.clone();
    let second = Server::start(move |seen| honest(seen, &served, "\"v1\"")).await;
    let moved = Blob { url: second.url.clone(), ..blob.clone() };
    rename_source(&place, &blob.url, &moved.url);
    hasty().download(&moved, &place.path, &()).await.unwrap();
    assert_eq!(std::fs::read(&place.path).unwrap(), data);
    assert_eq!(second.starts(), (5..12).map(|i| i * RANGE).collect::<Vec<_>>());
    assert!(second.seen().iter().all(|seen| seen.if_range.as_deref() == Some("\"v1\"")));
}

/// Gives what was left of one URL to another, as if one server had been at the same address all the time.
fn rename_source(place: &Place, from: &str, to: &str) {
    let name = |url: &str, end: &str| {
        place.dir.path().join(format!("weights.{}.{end}", hex::encode(&hash(url.as_bytes()).0[..4])))
    };
    let record = std::fs::read_to_string(name(from, "json")).unwrap().replace(from, to);
    std::fs::remove_file(name(from, "json")).unwrap();
    std::fs::write(name(to, "json"), record).unwrap();
    std::fs::rename(name(from, "part"), name(to, "part")).unwrap();
}

#[tokio::test]
async fn a_file_that_changed_since_the_cut_is_begun_again() {
    let (old, new, place) = (data(8 * RANGE as usize), Bytes::from(vec![7; 8 * RANGE as usize]), place());
    let first = until(&old, 3 * RANGE).await;
    let before = Blob { checksum: hash(&new), ..blob(&first, &old) };
    cut(&place, &before, 3 * RANGE).await;
    let served = new.clone();
    let second = Server::start(move |seen| honest(seen, &served, "\"v2\"")).await;
    let after = Blob { url: second.url.clone(), ..before.clone() };
    rename_source(&place, &before.url, &after.url);
    hasty().download(&after, &place.path, &()).await.unwrap();
    assert_eq!(std::fs::read(&place.path).unwrap(), new);
}

#[tokio::test]
async fn a_part_that_was_torn_or_tampered_with_is_begun_again() {
    let (data, place) = (data(6 * RANGE as usize), place());
    let first = until(&data, 4 * RANGE).await;
    let blob = blob(&first, &data);
    cut(&place, &blob, 4 * RANGE).await;
    let served = data.clone();
    let second = Server::start(move |seen| honest(seen, &served, "\"v1\"")).await;
    let moved = Blob { url: second.url.clone(), ..blob.clone() };
    rename_source(&place, &blob.url, &moved.url);
    let part = place.names().into_iter().find(|name| name.ends_with(".part")).unwrap();
    let part = place.dir.path().join(part);
    let mut torn = std::fs::read(&part).unwrap();
    torn[RANGE as usize + 5] ^= 1;
    std::fs::write(&part, torn).unwrap();
    hasty().download(&moved, &place.path, &()).await.unwrap();
    assert_eq!(std::fs::read(&place.path).unwrap(), data);
    assert_eq!(second.starts().first(), Some(&0));
}

#[tokio::test]
async fn connections_that_break_are_picked_up_where_they_broke() {
    let data = data(4 * RANGE as usize);
    let served = data.clone();
    // Each connection brings 40,000 bytes at most.
    let server = Server::start(move |seen| {
        let mut steps = honest(seen, &served, "\"v1\"");
        if let Some(Step::Send(body)) = steps.last_mut() {
            body.truncate(40_000);
        }
        steps
    })
    .await;
    let place = place();
    hasty().download(&blob(&server, &data), &place.path, &()).await.unwrap();
    assert_eq!(std::fs::read(&place.path).unwrap(), data);
    assert!(server.starts().contains(&40_000));
}

#[tokio::test]
async fn a_server_that_is_busy_is_asked_again_and_one_that_refuses_is_not() {
    let data = data(2 * RANGE as usize);
    let served = data.clone();
    let server = Server::start(move |seen| match seen.number {
        0 => head(503, &[("retry-after", "0")], 0),
        1 => head(429, &[], 0),
        _ => honest(seen, &served, "\"v1\""),
    })
    .await;
    let place = place();
    hasty().download(&blob(&server, &data), &place.path, &()).await.unwrap();
    assert_eq!(server.seen().len(), 4);

    for status in [401, 403, 404, 410, 501] {
        let (error, _, server) = refused(&data, move |_| head(status, &[], 0)).await;
        assert!(error.contains(&format!("HTTP {status}")), "{error}");
        assert_eq!(server.seen().len(), 1);
    }
    let (error, _, server) = refused(&data, |_| head(503, &[], 0)).await;
    assert!(error.contains("HTTP 503 (3 attempts)"), "{error}");
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn a_server_without_ranges_is_read_in_one_stream() {
    let data = data(5 * RANGE as usize + 3);
    let served = data.clone();
    let server = Server::start(move |_| whole(&served)).await;
    let place = place();
    hasty().download(&blob(&server, &data), &place.path, &()).await.unwrap();
    assert_eq!(std::fs::read(&place.path).unwrap(), data);
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_stream_that_is_cut_is_begun_again() {
    let data = data(5 * RANGE as usize);
    let served = data.clone();
    let server = Server::start(move |seen| {
        let mut steps = whole(&served);
        if let (0, Some(Step::Send(body))) = (seen.number, steps.last_mut()) {
            body.truncate(100_000);
        }
        steps
    })
    .await;
    let place = place();
    hasty().download(&blob(&server, &data), &place.path, &()).await.unwrap();
    assert_eq!(std::fs::read(&place.path).unwrap(), data);
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn a_length_that_is_not_the_manifests_is_refused_before_a_byte_is_written() {
    let data = data(3 * RANGE as usize);
    let longer = Bytes::from([&data[..], b"more"].concat());
    let served = longer.clone();
    let (error, place, _) = refused(&data, move |seen| honest(seen, &served, "\"v1\"")).await;
    assert!(error.contains(&format!("{} bytes instead of {}", longer.len(), data.len())), "{error}");
    assert!(written(&place) == 0);
    let served = longer.clone();
    let (error, place, _) = refused(&data, move |_| whole(&served)).await;
    assert!(error.contains(&format!("{} bytes instead of {}", longer.len(), data.len())), "{error}");
    assert!(written(&place) == 0);
}

/// Bytes in parts.
fn written(place: &Place) -> u64 {
    let entries = std::fs::read_dir(place.dir.path()).unwrap().flatten();
    let parts = entries.filter(|entry| entry.path().extension().is_some_and(|end| end == "part"));
    parts.map(|part| part.metadata().unwrap().len()).sum()
}

#[tokio::test]
async fn an_endless_stream_is_stopped_at_the_manifests_size() {
    let data = data(3 * RANGE as usize);
    // Without a length, so that only counting helps.
    let (error, place, _) = refused(&data, |_| {
        let mut steps = vec![Step::Send("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".into())];
        steps.extend((0..100).map(|_| Step::Send(vec![1; RANGE as usize].into())));
        steps
    })
    .await;
    assert!(error.contains("bytes instead of 196608"), "{error}");
    assert!(written(&place) <= 3 * RANGE);
}

#[tokio::test]
async fn a_stream_that_ends_early_says_after_how_much() {
    let data = data(3 * RANGE as usize);
    let (error, ..) = refused(&data, |_| {
        vec![Step::Send("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".into()), Step::Send(vec![1; 1000].into())]
    })
    .await;
    assert!(error.contains("ended after 1000 of 196608 bytes (3 attempts)"), "{error}");
}

#[tokio::test]
async fn ranges_that_are_not_what_was_asked_for_are_refused() {
    let data = data(3 * RANGE as usize);
    let lie = |range: &'static str, length: u64| {
        move |_: &Seen| {
            let mut steps = head(206, &[("content-range", range)], length);
            steps.push(Step::Send(vec![0; length as usize].into()));
            steps
        }
    };
    let (error, ..) = refused(&data, lie("bytes 1-65536/196608", RANGE)).await;
    assert!(error.contains("bytes 1-65536 where 0-65535 were asked for"), "{error}");
    let (error, ..) = refused(&data, lie("bytes 0-70000/196608", 70_001)).await;
    assert!(error.contains("bytes 0-70000 where 0-65535 were asked for"), "{error}");
    let (error, ..) = refused(&data, lie("bytes 0-65535/196608", RANGE + 5)).await;
    assert!(error.contains("65541 bytes in a range of 65536"), "{error}");
    let (error, ..) = refused(&data, lie("bytes 0-65535/9", RANGE)).await;
    assert!(error.contains("9 bytes instead of 196608"), "{error}");
    let (error, ..) = refused(&data, lie("pages 0-65535/196608", RANGE)).await;
    assert!(error.contains("206 without a range"), "{error}");
    let (error, ..) = refused(&data, |_| head(416, &[("content-range", "bytes */12")], 0)).await;
    assert!(error.contains("12 bytes instead of 196608"), "{error}");
    // More than it says, without a length.
    let (error, ..) = refused(&data, |_| {
        let text = "HTTP/1.1 206 Partial\r\nconnection: close\r\ncontent-range: bytes 0-65535/196608\r\n\r\n";
        vec![Step::Send(text.into()), Step::Send(vec![0; RANGE as usize + 1].into())]
    })
    .await;
    assert!(error.contains("more than 65536 bytes in a range"), "{error}");
}

#[tokio::test]
async fn a_server_that_gives_less_than_a_range_is_asked_for_the_rest() {
    let data = data(2 * RANGE as usize);
    let served = data.clone();
    let server = Server::start(move |seen| {
        let mut seen = seen.clone();
        seen.range = seen.range.map(|range| range.start..range.end.min(range.start + 50_000));
        honest(&seen, &served, "\"v1\"")
    })
    .await;
    let place = place();
    hasty().download(&blob(&server, &data), &place.path, &()).await.unwrap();
    assert_eq!(std::fs::read(&place.path).unwrap(), data);
}

#[tokio::test]
async fn a_server_that_stalls_or_drips_is_given_up() {
    let data = data(3 * RANGE as usize);
    let within = |stall| Fetcher { manners: Manners { stall, ..hasty().manners }, ..hasty() };
    let (error, ..) = refused_by(&within(Duration::from_millis(300)), &data, |_| vec![Step::Hang]).await;
    assert!(error.contains("no answer in 300.0ms (3 attempts)"), "{error}");

    let short = |seen: &Seen, served: &Bytes| {
        let mut steps = honest(seen, served, "\"v1\"");
        if let Some(Step::Send(body)) = steps.last_mut() {
            body.truncate(1000);
        }
        steps.push(Step::Hang);
        steps
    };
    // A byte now and then is no progress either.
    let drips = |seen: &Seen, _: &Bytes| {
        let range = seen.range.clone().unwrap();
        let content = format!("bytes {}-{}/196608", range.start, range.end - 1);
        let mut steps = head(206, &[("content-range", &content)], range.end - range.start);
        for _ in 0..5000 {
            steps.push(Step::Send(vec![0].into()));
            steps.push(Step::Wait(Duration::from_millis(20)));
        }
        steps
    };
    type Answer = fn(&Seen, &Bytes) -> Vec<Step>;
    let bad: [(Answer, &str); 2] = [(short, "it stalls: 1000 bytes in"), (drips, "it stalls")];
    for (answer, said) in bad {
        let mut error = String::new();
        // On a machine so busy that the first bytes themselves come late, with more patience.
        for stall in [300, 3_000, 30_000].map(Duration::from_millis) {
            let served = data.clone();
            error = refused_by(&within(stall), &data, move |seen| answer(seen, &served)).await.0;
            if error.contains(said) {
                break;
            }
        }
        assert!(error.contains(said), "{error}");
    }
}

#[tokio::test]
async fn a_file_that_changes_while_it_is_read_is_begun_again_and_given_up_in_the_end() {
    let data = data(6 * RANGE as usize);
    let (served, changes) = (data.clone(), Arc::new(AtomicUsize::new(0)));
    let server = Server::start(move |seen| {
        // Another version from the fourth request on.
        let version = if changes.fetch_add(1, Ordering::Relaxed) < 3 { "\"v1\"" } else { "\"v2\"" };
        honest(seen, &served, version)
    })
    .await;
    let place = place();
    hasty().download(&blob(&server, &data), &place.path, &()).await.unwrap();
    assert_eq!(std::fs::read(&place.path).unwrap(), data);

    let served = data.clone();
    let (error, ..) = refused(&data, move |seen| honest(seen, &served, &format!("\"v{}\"", seen.number))).await;
    assert!(error.contains("changes while it is read"), "{error}");
}

#[tokio::test]
async fn bytes_that_do_not_have_the_checksum_are_discarded() {
    let data = data(3 * RANGE as usize);
    let other = Bytes::from(vec![9; data.len()]);
    let (error, place, _) = refused(&data, move |seen| honest(seen, &other, "\"v1\"")).await;
    assert!(error.contains("checksum") && error.contains(&hash(&data).to_string()), "{error}");
    assert!(place.names().is_empty(), "{:?}", place.names());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_disk_is_named_and_nothing_is_left_on_it() {
    let data = data(3 * RANGE as usize);
    let (server, place) = (Server::of_files([("/weights.enc", data.clone())]).await, place());
    let blob = blob(&server, &data);
    let part = format!("weights.{}.part", hex::encode(&hash(blob.url.as_bytes()).0[..4]));
    std::os::unix::fs::symlink("/dev/full", place.dir.path().join(part)).unwrap();
    let error = hasty().download(&blob, &place.path, &()).await.unwrap_err();
    assert!(error.to_string().contains("the disk is full"), "{error}");
    assert!(place.names().is_empty(), "{:?}", place.names());
}

#[cfg(unix)]
#[tokio::test]
async fn what_does_not_fit_on_the_disk_is_not_begun() {
    let (server, place) = (Server::of_files([]).await, place());
    let blob = Blob { url: server.url.clone(), checksum: Digest([1; 32]), size: u64::MAX / 2 };
    let error = hasty().download(&blob, &place.path, &()).await.unwrap_err();
    assert!(matches!(error, StorageError::NoRoom { .. }), "{error}");
    assert!(server.seen().is_empty() && place.names().is_empty());
}

#[tokio::test]
async fn two_downloads_of_one_file_share_it() {
    let data = data(8 * RANGE as usize);
    let (server, place) = (Server::of_files([("/weights.enc", data.clone())]).await, place());
    let (blob, fetcher) = (blob(&server, &data), hasty());
    let (one, two) = tokio::join!(fetcher.download(&blob, &place.path, &()), fetcher.download(&blob, &place.path, &()));
    one.and(two).unwrap();
    assert_eq!(std::fs::read(&place.path).unwrap(), data);
    assert_eq!(server.seen().len(), 8);
}
