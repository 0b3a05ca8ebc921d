//! The cache on disk: what it fetches, what it notices, what it decrypts, what it removes.

use bytes::Bytes;

use super::*;
use crate::{
    model::{ReadAt, apply_key_stream, checksum},
    storage::scripted::{RANGE, Server, Step, hasty, head, honest},
};

/// A model's weights, each with its own number inside, as plain bytes.
pub(in crate::engine::scoring) fn plain(n: u8) -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/specialists/prose.safetensors");
    let mut bytes = fs::read(path).unwrap();
    let end = bytes.len() - 4;
    bytes[end..].copy_from_slice(&(f32::from(n) / 1000.0).to_le_bytes());
    bytes
}

pub(in crate::engine::scoring) const KEY: [u8; 32] = [9; 32];

pub(in crate::engine::scoring) fn encrypted(n: u8) -> Bytes {
    let mut bytes = plain(n);
    apply_key_stream(&KEY, &mut bytes);
    bytes.into()
}

pub(in crate::engine::scoring) fn spec_of(bytes: &[u8], url: String) -> WeightsSpec {
    WeightsSpec { checksum: checksum(bytes), url, size: bytes.len() as u64, key: Some(KEY) }
}

fn cache() -> (tempfile::TempDir, WeightsCache) {
    let dir = tempfile::tempdir().unwrap();
    let cache = WeightsCache::with_fetcher(dir.path(), None, hasty());
    (dir, cache)
}

#[test]
fn reading_a_large_file_anywhere_gives_what_decrypting_it_whole_gives() {
    const SIZE: usize = 4 << 20;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("large.enc");
    let mut whole: Vec<u8> =
        (0..SIZE as u64 / 8).flat_map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()).collect();
    fs::write(&path, &whole).unwrap();
    let key: [u8; 32] = std::array::from_fn(|i| i as u8);
    apply_key_stream(&key, &mut whole);

    let file = CachedWeights::open(&path, Some(key)).unwrap();
    assert_eq!(file.size(), SIZE as u64);
    // Within a block of the cipher, across blocks, at odd places, at both ends, and all of it.
    for (offset, length) in
        [(0, 1), (0, 16), (15, 2), (1, 4097), (16 * 12_345 + 7, 1 << 20), (SIZE - 3, 3), (SIZE, 0), (0, SIZE)]
    {
        let mut buffer = vec![0; length];
        file.read_at(offset as u64, &mut buffer).unwrap();
        assert!(buffer == whole[offset..offset + length], "{length} bytes at {offset}");
    }
    let mut beyond = [0; 4];
    assert_eq!(file.read_at(SIZE as u64 - 3, &mut beyond).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    let mut raw = [0; 64];
    CachedWeights::open(&path, None).unwrap().read_at(77, &mut raw).unwrap();
    assert_eq!(raw, fs::read(&path).unwrap()[77..77 + 64]);
}

#[test]
fn a_file_of_gigabytes_is_read_at_its_far_end_without_what_lies_before() {
    use ctr::cipher::{KeyIvInit, StreamCipher};
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sparse.enc");
    // Zeros, so that what is read is the key stream itself.
    fs::File::create(&path).unwrap().set_len(5 << 30).unwrap();
    let file = CachedWeights::open(&path, Some(KEY)).unwrap();
    for offset in [64 << 20, (4 << 30) - 32, 4 << 30, (5 << 30) - 4096_u64] {
        let mut read = vec![0; 4096.min((5 << 30) - offset) as usize];
        file.read_at(offset, &mut read).unwrap();
        // The cipher begun at this block, instead of moved to it.
        let mut stream = vec![0; read.len()];
        let counter = u128::from(offset / 16).to_be_bytes();
        ctr::Ctr128BE::<aes::Aes256>::new(&KEY.into(), &counter.into()).apply_keystream(&mut stream);
        assert!(read == stream, "at {offset}");
    }
}

#[tokio::test]
async fn weights_are_fetched_once_and_never_lie_plain_on_the_disk() {
    let (dir, cache) = cache();
    let data = encrypted(1);
    let server = Server::of_files([("/weights.enc", data.clone())]).await;
    let spec = spec_of(&data, server.url.clone());
    let model = cache.load(&spec, |_| ()).await.unwrap();
    let requests = server.seen().len();
    assert!(requests as u64 >= data.len() as u64 / RANGE);
    cache.load(&spec, |_| ()).await.unwrap();
    // Another process finds them too.
    let other = WeightsCache::with_fetcher(dir.path(), None, hasty());
    let again = other.load(&spec, |_| ()).await.unwrap();
    assert_eq!(server.seen().len(), requests);
    assert_eq!(fs::read(cache.path(&spec.checksum)).unwrap(), data);
    let plain = Model::from_safetensors(&plain(1), None).unwrap().score(b"some text", 0).unwrap();
    assert_eq!(model.score(b"some text", 0).unwrap(), plain);
    assert_eq!(again.score(b"some text", 0).unwrap(), plain);
}

#[tokio::test]
async fn a_wrong_key_first_does_not_spoil_the_right_one_later() {
    let (_dir, cache) = cache();
    let data = encrypted(2);
    let server = Server::of_files([("/weights.enc", data.clone())]).await;
    let right = spec_of(&data, server.url.clone());
    for wrong in [Some([1; 32]), None] {
        let spec = WeightsSpec { key: wrong, ..right.clone() };
        let error = cache.load(&spec, |_| ()).await.err().expect("garbage does not load").to_string();
        let advice = if wrong.is_some() { "its decryption key may be wrong" } else { "no key was given" };
        assert!(error.contains(advice) && error.contains(&right.checksum.to_string()), "{error}");
        assert_ne!(spec.identity(), right.identity());
    }
    cache.load(&right, |_| ()).await.unwrap();
    let open = Bytes::from(plain(2));
    let server = Server::of_files([("/weights.enc", open.clone())]).await;
    cache.load(&WeightsSpec { key: None, ..spec_of(&open, server.url.clone()) }, |_| ()).await.unwrap();
}

#[tokio::test]
async fn a_file_that_was_damaged_between_two_runs_is_noticed_and_fetched_again() {
    let (dir, cache) = cache();
    let data = encrypted(3);
    let server = Server::of_files([("/weights.enc", data.clone())]).await;
    let spec = spec_of(&data, server.url.clone());
    cache.fetch(&spec, Urgency::Wanted).await.unwrap();
    let requests = server.seen().len();
    let path = cache.path(&spec.checksum);
    for damage in [&data[..data.len() / 2], &[0; 100], &[]] {
        fs::write(&path, damage).unwrap();
        let next = WeightsCache::with_fetcher(dir.path(), None, hasty());
        next.load(&spec, |_| ()).await.unwrap();
        assert_eq!(fs::read(&path).unwrap(), data);
    }
    assert_eq!(server.seen().len(), 4 * requests);
}

#[tokio::test]
async fn a_manifest_that_names_the_file_of_another_with_a_wrong_size_fails_for_itself_only() {
    let (_dir, cache) = cache();
    let data = encrypted(4);
    let server = Server::of_files([("/weights.enc", data.clone())]).await;
    let honest = spec_of(&data, server.url.clone());
    let liar = WeightsSpec { size: honest.size + 1, ..honest.clone() };
    for _ in 0..2 {
        let error = cache.fetch(&liar, Urgency::Wanted).await.unwrap_err();
        assert!(matches!(error, WeightsError::Fetch(StorageError::Size { .. })), "{error}");
        cache.load(&honest, |_| ()).await.unwrap();
    }
}

#[tokio::test]
async fn a_url_that_hangs_does_not_hold_up_another_with_the_same_bytes() {
    let (_dir, cache) = cache();
    let data = encrypted(5);
    let (slow, good) =
        (Server::start(|_| vec![Step::Hang]).await, Server::of_files([("/weights.enc", data.clone())]).await);
    let (hanging, answered) = (spec_of(&data, slow.url.clone()), spec_of(&data, good.url.clone()));
    let (one, two) = tokio::join!(cache.fetch(&hanging, Urgency::Wanted), cache.fetch(&answered, Urgency::Wanted));
    one.and(two).unwrap();
    assert_eq!(slow.seen().len(), 1);
}

#[tokio::test]
async fn a_failure_is_told_again_without_asking_the_server_and_says_when_it_may_be_tried() {
    let (_dir, cache) = cache();
    let data = encrypted(6);
    let server = Server::start(|_| head(404, &[], 0)).await;
    let spec = spec_of(&data, server.url.clone());
    for _ in 0..3 {
        let error = cache.fetch(&spec, Urgency::Wanted).await.unwrap_err();
        assert!(error.to_string().contains("HTTP 404"), "{error}");
    }
    let left = cache.retry_after(&spec);
    // A machine may be so busy that its time has passed already.
    if left.is_some() {
        assert_eq!(server.seen().len(), 1);
    }
    assert!(left.unwrap_or_default() <= Duration::from_secs(4));
    let states = cache.board().watch();
    let state = states.borrow().iter().find(|state| state.checksum == spec.checksum).cloned().unwrap();
    assert!(state.error.is_some_and(|error| error.contains("HTTP 404")) && state.retry_at_ms.is_some());
    assert_eq!((state.activity, state.on_disk), (Activity::Idle, false));
}

#[tokio::test]
async fn weights_larger_than_any_model_are_not_even_asked_for() {
    let (_dir, cache) = cache();
    let server = Server::of_files([]).await;
    let spec = WeightsSpec { size: LARGEST + 1, ..spec_of(b"", server.url.clone()) };
    let error = cache.fetch(&spec, Urgency::Wanted).await.unwrap_err();
    assert!(matches!(error, WeightsError::TooLarge { .. }), "{error}");
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn what_is_only_fetched_ahead_waits_while_others_are_wanted_and_hurries_once_it_is_wanted() {
    let (_dir, cache) = cache();
    let (later, wanted) = (encrypted(7), encrypted(8));
    assert!(later.len() as u64 > 2 * RANGE);
    let (served, gate) = (wanted.clone(), Arc::new(tokio::sync::Semaphore::new(0)));
    let opened = gate.clone();
    let slow = Server::start(move |seen| {
        // Nothing until the test says so.
        let mut steps = vec![Step::Gate(opened.clone())];
        steps.extend(honest(seen, &served, "\"v1\""));
        steps
    })
    .await;
    let quick = Server::of_files([("/weights.enc", later.clone())]).await;
    let (later, wanted) = (spec_of(&later, quick.url.clone()), spec_of(&wanted, slow.url.clone()));
    let mut states = cache.board().watch();

    let fetching = tokio::spawn({
        let (cache, wanted) = (cache.clone(), wanted.clone());
        async move { cache.fetch(&wanted, Urgency::Wanted).await }
    });
    let at_work = |checksum: Digest| {
        move |states: &Arc<Vec<WeightsState>>| {
            states.iter().any(|state| state.checksum == checksum && state.activity == Activity::Fetching)
        }
    };
    states.wait_for(at_work(wanted.checksum)).await.unwrap();
    let ahead = tokio::spawn({
        let (cache, later) = (cache.clone(), later.clone());
        async move { cache.fetch(&later, Urgency::Later).await }
    });
    states.wait_for(|states| states.iter().any(|state| state.checksum == later.checksum)).await.unwrap();
    tokio::task::yield_now().await;
    assert!(quick.seen().is_empty(), "it goes before what is wanted");
    // Wanted too: it goes on beside the other.
    cache.fetch(&later, Urgency::Wanted).await.unwrap();
    ahead.await.unwrap().unwrap();
    assert!(!fetching.is_finished());
    gate.add_permits(1000);
    fetching.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_nobody_names_goes_oldest_first_when_it_takes_too_much_and_parts_at_once() {
    let (_dir, cache) = cache();
    fs::create_dir_all(&cache.0.dir).unwrap();
    let digest = |n: u8| Digest([n; 32]);
    let write = |name: &str, age: u64| {
        let file = fs::File::create(cache.0.dir.join(name)).unwrap();
        file.set_len(1000).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000 - age)).unwrap();
    };
    for (n, age) in [(1, 30), (2, 10), (3, 20), (4, 40)] {
        write(&format!("{}.enc", digest(n)), age);
    }
    for name in [format!("{}.0011aabb.part", digest(5)), format!("{}.0011aabb.json", digest(5)), "notes.txt".into()] {
        write(&name, 0);
    }
    let there = || {
        let mut names: Vec<u8> = (1..=4).filter(|n| cache.path(&digest(*n)).exists()).collect();
        names.sort_unstable();
        names
    };
    assert!(!cache.remove_left_over(0).await, "nobody has said yet what is needed");
    cache.keep([digest(1)]).await;
    assert_eq!(there(), [1, 2, 3, 4], "they take little");
    assert_eq!(
        fs::read_dir(&cache.0.dir).unwrap().count(),
        5,
        "the part is gone with its record; what is not ours stays"
    );
    cache.keep_also([digest(3)]);
    assert!(cache.remove_left_over(1000).await);
    assert_eq!(there(), [1, 2, 3]);
    assert!(cache.remove_left_over(0).await);
    assert_eq!(there(), [1, 3]);
}

#[test]
fn a_long_download_is_told_in_tenths_and_a_short_one_not_at_all() {
    let told = |size: u64| {
        let mut told = Vec::new();
        let mut progress = in_tenths(size, |percent| told.push(percent));
        (0..=100).for_each(|n| progress(size / 100 * n));
        drop(progress);
        told
    };
    assert_eq!(told(5_000_000_000), (1..=10).map(|n| n * 10).collect::<Vec<_>>());
    assert_eq!(told(1_000_000), [] as [u64; 0]);
}

#[test]
fn a_specification_does_not_show_its_key() {
    let shown = format!("{:?}", WeightsSpec { key: Some([7; 32]), ..spec_of(b"", "http://h/w".into()) });
    assert!(shown.contains("http://h/w") && shown.contains("encrypted") && !shown.contains("7, 7"), "{shown}");
}
