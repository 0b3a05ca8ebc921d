//! Against local servers that answer as the hub, the host that it redirects to, and the bucket do.

use std::{
    collections::HashMap,
    io::Write as _,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use parquet::{
    data_type::{ByteArrayType, Int64Type},
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::parser::parse_message_type,
};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::any};

use super::*;
use crate::{
    engine::corpus::{Piece, Sampling, Source},
    model::checksum,
};

const TOKEN: &str = "hf_of-the-tests";
const DATASET: &str = "bigcode/the-stack-v2-dedup";

fn pace() -> Pace {
    let short = Duration::from_millis(10);
    Pace { first: short, longest: short, refused: short }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

fn id(n: usize) -> String {
    format!("{n:040x}")
}

/// One row of the index.
struct Row {
    id: String,
    encoding: &'static str,
    path: String,
    len: i64,
}

/// A file of the dataset's layout: more columns than are read, several row groups, dictionary pages, compression.
fn index_file(rows: &[Row]) -> Vec<u8> {
    let schema = "message schema { OPTIONAL BYTE_ARRAY blob_id (UTF8); OPTIONAL BYTE_ARRAY directory_id (UTF8);
        OPTIONAL BYTE_ARRAY path (UTF8); OPTIONAL BYTE_ARRAY repo_name (UTF8); OPTIONAL BYTE_ARRAY src_encoding (UTF8);
        OPTIONAL BYTE_ARRAY language (UTF8); OPTIONAL INT64 length_bytes;
        OPTIONAL group detected_licenses (LIST) { REPEATED group list { OPTIONAL BYTE_ARRAY element (UTF8); } } }";
    let properties = WriterProperties::builder()
        .set_compression(parquet::basic::Compression::SNAPPY)
        .set_data_page_row_count_limit(50)
        .build();
    let mut writer =
        SerializedFileWriter::new(Vec::new(), Arc::new(parse_message_type(schema).unwrap()), Arc::new(properties))
            .unwrap();
    for group in rows.chunks(300) {
        let mut row_group = writer.next_row_group().unwrap();
        for column in 0..8 {
            let mut writer = row_group.next_column().unwrap().unwrap();
            let levels = vec![1; group.len()];
            let mut text = |value: &dyn Fn(&Row) -> String| {
                let values: Vec<_> = group.iter().map(|row| value(row).into_bytes().into()).collect();
                writer.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None).unwrap();
            };
            match column {
                0 => text(&|row| row.id.clone()),
                1 => text(&|row| row.id.clone() + "/directory"),
                2 => text(&|row| row.path.clone()),
                3 => text(&|_| "owner/repo".into()),
                4 => text(&|row| row.encoding.into()),
                5 => text(&|_| "Rust".into()),
                6 => {
                    let values: Vec<i64> = group.iter().map(|row| row.len).collect();
                    writer.typed::<Int64Type>().write_batch(&values, Some(&levels), None).unwrap();
                }
                _ => {
                    let nothing = vec![0; group.len()];
                    writer.typed::<ByteArrayType>().write_batch(&[], Some(&nothing), Some(&nothing)).unwrap();
                }
            }
            writer.close().unwrap();
        }
        row_group.close().unwrap();
    }
    writer.into_inner().unwrap()
}

/// What the servers have, and what they are to answer otherwise.
#[derive(Default)]
struct World {
    /// Path in the dataset → bytes.
    files: HashMap<String, Vec<u8>>,
    /// Id → the object as the bucket sends it.
    objects: Mutex<HashMap<String, Vec<u8>>>,
    cdn: String,
    accepted: std::sync::atomic::AtomicBool,
    ignores_ranges: bool,
    /// Answers to the next requests for objects.
    trouble: Mutex<Vec<ResponseTemplate>>,
    fetched: AtomicUsize,
    ranges: AtomicUsize,
    /// Objects on their way, and the most there ever were.
    leaked: AtomicUsize,
}

struct HubSide(Arc<World>);
struct CdnSide(Arc<World>);
struct Bucket(Arc<World>);

impl Respond for HubSide {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let authorized = request.headers.get("authorization").is_some_and(|v| *v == *format!("Bearer {TOKEN}"));
        if !authorized {
            return ResponseTemplate::new(401).set_body_string("{\"error\":\"Invalid credentials\"}");
        }
        let path = request.url.path();
        if let Some(folder) = path.strip_prefix(&format!("/api/datasets/{DATASET}/tree/main/")) {
            let folder = folder.replace("%23", "#");
            let is_recursive = request.url.query().is_some_and(|query| query.contains("recursive=true"));
            let mut entries: Vec<Value> = Vec::new();
            let mut names: Vec<_> = self.0.files.keys().collect();
            names.sort();
            for name in names {
                let Some(rest) = name.strip_prefix(&format!("{folder}/")) else { continue };
                match rest.split_once('/') {
                    Some((language, _)) if !is_recursive => {
                        let entry =
                            json!({"type": "directory", "oid": "0", "size": 0, "path": format!("{folder}/{language}")});
                        if !entries.contains(&entry) {
                            entries.push(entry);
                        }
                    }
                    _ => entries
                        .push(json!({"type": "file", "oid": "0", "size": self.0.files[name].len(), "path": name})),
                }
            }
            // Two entries a page, as far as pages go.
            let page: usize =
                request.url.query_pairs().find(|(key, _)| key == "cursor").map_or(0, |(_, at)| at.parse().unwrap());
            let mut answer =
                ResponseTemplate::new(200).set_body_json(entries.iter().skip(page).take(2).collect::<Vec<_>>());
            if page + 2 < entries.len() {
                let next = format!(
                    "{}?cursor={}{}",
                    request.url.path(),
                    page + 2,
                    if is_recursive { "&recursive=true" } else { "" }
                );
                answer = answer.insert_header("link", format!("<{next}>; rel=\"next\"").as_str());
            }
            return answer;
        }
        let Some(file) = path.strip_prefix(&format!("/datasets/{DATASET}/resolve/main/")) else {
            return ResponseTemplate::new(404);
        };
        if !self.0.accepted.load(Ordering::Relaxed) {
            return ResponseTemplate::new(403).insert_header("x-error-code", "GatedRepo").set_body_string("gated");
        }
        ResponseTemplate::new(302).insert_header("location", format!("{}/{file}?signature=secret", self.0.cdn).as_str())
    }
}

impl Respond for CdnSide {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        if request.headers.contains_key("authorization") {
            self.0.leaked.fetch_add(1, Ordering::Relaxed);
        }
        let file = request.url.path().trim_start_matches('/').replace("%23", "#");
        let Some(bytes) = self.0.files.get(&file) else { return ResponseTemplate::new(404) };
        self.0.ranges.fetch_add(1, Ordering::Relaxed);
        if self.0.ignores_ranges {
            return ResponseTemplate::new(200).set_body_bytes(bytes.clone());
        }
        let range = request.headers["range"].to_str().unwrap().strip_prefix("bytes=").unwrap().split_once('-').unwrap();
        let (start, end): (usize, usize) = (range.0.parse().unwrap(), range.1.parse().unwrap());
        ResponseTemplate::new(206)
            .insert_header("content-range", format!("bytes {start}-{end}/{}", bytes.len()).as_str())
            .set_body_bytes(&bytes[start..=end])
    }
}

impl Respond for Bucket {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        assert!(!request.headers.contains_key("authorization"), "the bucket is asked unsigned");
        self.0.fetched.fetch_add(1, Ordering::Relaxed);
        if let Some(answer) = self.0.trouble.lock().unwrap().pop() {
            return answer;
        }
        let id = request.url.path().strip_prefix("/content/").unwrap_or_default();
        match self.0.objects.lock().unwrap().get(id) {
            Some(bytes) => ResponseTemplate::new(200).set_body_bytes(bytes.clone()),
            // As the bucket answers those who may not list it.
            None => ResponseTemplate::new(403).set_body_string("<Error><Code>AccessDenied</Code></Error>"),
        }
    }
}

struct Game {
    world: Arc<World>,
    spec: StackSpec,
    dir: tempfile::TempDir,
    _servers: [MockServer; 3],
}

fn text(n: usize) -> String {
    let line = |k: usize| format!("let value_{k} = compute({}, {n});\n", (n * 7919 + k * 104_729) % 1_000_003);
    format!("// file {n}\n") + &(0..n % 60).map(line).collect::<String>()
}

impl Game {
    /// A dataset with so many files of Rust, two index files of it, and one of C#.
    async fn new(count: usize, change: impl FnOnce(&mut World)) -> Self {
        let [hub, cdn, bucket] = [MockServer::start().await, MockServer::start().await, MockServer::start().await];
        let mut world = World { cdn: cdn.uri(), accepted: true.into(), ..World::default() };
        let row =
            |n: usize| Row { id: id(n), encoding: "UTF-8", path: format!("/src/{n}.rs"), len: text(n).len() as i64 };
        let rows: Vec<Row> = (0..count).map(row).collect();
        let (first, second) = rows.split_at(count / 2);
        world.files.insert("data/Rust/train-00000-of-00002.parquet".into(), index_file(first));
        world.files.insert("data/Rust/train-00001-of-00002.parquet".into(), index_file(second));
        let sharp = Row { id: id(900_000), encoding: "UTF-8", path: "/a.cs".into(), len: 15 };
        world.files.insert("data/C#/train-00000-of-00001.parquet".into(), index_file(&[sharp]));
        world.files.insert("data/Jupyter_Notebook/train-00000-of-00001.parquet".into(), index_file(&[]));
        let objects = world.objects.get_mut().unwrap();
        objects.extend((0..count).map(|n| (id(n), gzip(text(n).as_bytes()))));
        objects.insert(id(900_000), gzip(b"namespace A { }"));
        change(&mut world);
        let world = Arc::new(world);
        Mock::given(any()).respond_with(HubSide(world.clone())).mount(&hub).await;
        Mock::given(any()).respond_with(CdnSide(world.clone())).mount(&cdn).await;
        Mock::given(any()).respond_with(Bucket(world.clone())).mount(&bucket).await;
        let spec = StackSpec {
            token: Some(TOKEN.into()),
            languages: vec!["rust".into()],
            hub_url: hub.uri(),
            content_url: bucket.uri() + "/",
            ..StackSpec::default()
        };
        Self { world, spec, dir: tempfile::tempdir().unwrap(), _servers: [hub, cdn, bucket] }
    }

    fn shelf(&self) -> Shelf {
        self.shelf_in(self.dir.path())
    }

    fn shelf_in(&self, dir: &Path) -> Shelf {
        let source = SourceSpec::from(SourceKind::Stack(self.spec.clone()));
        Shelf::open(dir, &[source], &Sampling::default())
    }

    fn stream(&self) -> StackStream {
        self.stream_with(self.shelf(), None)
    }

    fn stream_with(&self, shelf: Shelf, cursor: Option<&Value>) -> StackStream {
        let rule = Rule::of(&Sampling { pieces: crate::engine::corpus::Pieces::Whole, ..Sampling::default() });
        StackStream::start_at(&self.spec, cursor, rule, shelf, &Handle::current(), pace()).unwrap()
    }
}

/// Contents until there are so many, or no more.
async fn take(stream: &mut StackStream, report: &mut Report, limit: usize) -> Vec<(Piece, Vec<u8>)> {
    let (mut all, begun) = (Vec::new(), Instant::now());
    while all.len() < limit {
        match stream.next(report) {
            Next::Chunk(chunk) => all.extend(chunk.samples),
            Next::Pending => tokio::time::sleep(Duration::from_millis(2)).await,
            Next::End => break,
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", report.notices);
    }
    all
}

/// Waits until a notice says this.
async fn told(stream: &mut StackStream, report: &mut Report, part: &str) {
    let begun = Instant::now();
    while !report.notices.iter().any(|text| text.contains(part)) {
        assert!(begun.elapsed() < Duration::from_secs(60), "{part} is not in {:?}", report.notices);
        let _ = stream.next(report);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn sorted(pieces: &[(Piece, Vec<u8>)]) -> Vec<String> {
    let mut texts: Vec<String> = pieces.iter().map(|(_, bytes)| String::from_utf8(bytes.clone()).unwrap()).collect();
    texts.sort();
    texts
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contents_of_a_language_come_shuffled_and_can_be_read_again() {
    let game = Game::new(700, |_| ()).await;
    let (mut stream, mut report) = (game.stream(), Report::default());
    let found = take(&mut stream, &mut report, usize::MAX).await;
    let mut expected: Vec<String> = (0..700).map(text).collect();
    expected.sort();
    assert_eq!(sorted(&found), expected, "{:?}", report.notices);
    assert!(found.windows(2).filter(|pair| pair[0].0.origin.path < pair[1].0.origin.path).count() < 500, "shuffled");
    assert!(report.notices.is_empty() && report.skipped == Default::default());
    assert_eq!(game.world.leaked.load(Ordering::Relaxed), 0, "the token is for the hub alone");
    assert!(found.iter().all(|(piece, _)| piece.origin.path.starts_with("the-stack-v2/owner/repo/src")));
    // From disk: nothing is fetched.
    let (fetched, shelf) = (game.world.fetched.load(Ordering::Relaxed), game.shelf());
    let (piece, bytes) = found[13].clone();
    let again = tokio::task::spawn_blocking(move || shelf.read(&Source::from(piece)).unwrap()).await.unwrap();
    assert_eq!(checksum(&again), checksum(&bytes));
    assert_eq!(game.world.fetched.load(Ordering::Relaxed), fetched);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_evicted_is_fetched_again_to_be_confirmed() {
    let mut game = Game::new(120, |_| ()).await;
    game.spec.spool_bytes = 32 << 10;
    let found = take(&mut game.stream(), &mut Report::default(), usize::MAX).await;
    assert_eq!(found.len(), 120);
    let (fetched, shelf) = (game.world.fetched.load(Ordering::Relaxed), game.shelf());
    let again = tokio::task::spawn_blocking(move || {
        found.iter().all(|(piece, bytes)| {
            let (again, secret) = shelf.read_again(&Source::from(piece.clone())).unwrap();
            again == *bytes && secret.is_none()
        })
    });
    assert!(again.await.unwrap());
    let more = game.world.fetched.load(Ordering::Relaxed) - fetched;
    assert!((1..=120).contains(&more), "some of it had been evicted, and nothing is fetched twice: {more}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_fetched_again_is_kept_again_and_an_outage_is_told_from_a_loss() {
    let game = Game::new(30, |_| ()).await;
    let found = take(&mut game.stream(), &mut Report::default(), usize::MAX).await;
    // Of another run: nothing is on disk.
    let other = tempfile::tempdir().unwrap();
    let shelf = game.shelf_in(other.path());
    let read = |at: usize| {
        let (shelf, source) = (shelf.clone(), Source::from(found[at].0.clone()));
        tokio::task::spawn_blocking(move || shelf.read_again(&source).map(|(bytes, _)| bytes))
    };
    *game.world.trouble.lock().unwrap() = vec![ResponseTemplate::new(404), ResponseTemplate::new(429)];
    let busy = read(3).await.unwrap().unwrap_err();
    assert!(crate::engine::corpus::is_outage(&busy), "{busy}");
    let gone = read(3).await.unwrap().unwrap_err();
    assert!(!crate::engine::corpus::is_outage(&gone) && gone.kind() == std::io::ErrorKind::NotFound, "{gone}");
    let fetched = game.world.fetched.load(Ordering::Relaxed);
    for _ in 0..3 {
        assert_eq!(read(3).await.unwrap().unwrap(), found[3].1);
    }
    assert_eq!(game.world.fetched.load(Ordering::Relaxed), fetched + 1);
    // It is what it was: the same origin.
    let Some(crate::engine::corpus::Record::Blob { id, .. }) = &found[3].0.origin.record else { panic!() };
    assert_eq!(shelf.archive().unwrap().spooled(id).unwrap().0, found[3].0.origin);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_goes_on_where_it_stopped_after_what_is_on_disk() {
    let game = Game::new(400, |_| ()).await;
    let mut report = Report::default();
    let all = take(&mut game.stream(), &mut report, usize::MAX).await;
    let (dir, none) = (tempfile::tempdir().unwrap(), None);
    let shelf = game.shelf_in(dir.path());
    let mut first = game.stream_with(shelf.clone(), none);
    let begun = take(&mut first, &mut report, 150).await;
    assert_eq!(begun, all[..150]);
    let cursor = first.cursor();
    drop(first);
    let mut second = game.stream_with(shelf, Some(&cursor));
    let spooled = second.spooled.len();
    assert!((150..=150 + 2 * IN_FLIGHT + 2).contains(&spooled), "{spooled}: in flight is bounded");
    let rest = take(&mut second, &mut report, usize::MAX).await;
    assert_eq!(rest[spooled..], all[150..], "once around ends with the last file");
}

#[tokio::test(flavor = "multi_thread")]
async fn terms_that_are_not_accepted_are_told_until_they_are() {
    let game = Game::new(20, |world| world.accepted = false.into()).await;
    let (mut stream, mut report) = (game.stream(), Report::default());
    told(&mut stream, &mut report, "has not accepted the terms").await;
    let notice = report.notices.join("\n");
    assert!(notice.contains(&format!("/datasets/{DATASET}")) && !notice.contains(TOKEN), "{notice}");
    game.world.accepted.store(true, Ordering::Relaxed);
    assert_eq!(take(&mut stream, &mut report, usize::MAX).await.len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_and_an_unknown_language_are_clear() {
    let mut game = Game::new(4, |_| ()).await;
    let mut report = Report::default();
    game.spec.token = Some("hf_other".into());
    told(&mut game.stream(), &mut report, "does not take the token in HF_TOKEN").await;
    game.spec.token = Some(TOKEN.into());
    game.spec.languages = vec!["Klingon".into()];
    let mut stream = game.stream();
    assert!(take(&mut stream, &mut report, usize::MAX).await.is_empty());
    let notice = report.notices.join("\n");
    assert!(notice.contains("has no `Klingon`; it has C#, Jupyter_Notebook, Rust"), "{notice}");
    assert!(!notice.contains("hf_other"));
    // A name with a sign that addresses do not have, in another case; and all languages.
    for (languages, count) in [(vec!["c#".to_owned()], 1), (vec![], 5)] {
        game.spec.languages = languages;
        std::fs::remove_dir_all(game.dir.path().join("spool")).unwrap();
        assert_eq!(take(&mut game.stream(), &mut report, usize::MAX).await.len(), count);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_bucket_is_asked_again_after_the_time_that_it_names() {
    let game = Game::new(10, |world| {
        let busy = ResponseTemplate::new(429).insert_header("retry-after", "1");
        *world.trouble.get_mut().unwrap() = vec![ResponseTemplate::new(503), busy];
    })
    .await;
    // Before the stream, which asks as soon as it is there.
    let begun = Instant::now();
    let (mut stream, mut report) = (game.stream(), Report::default());
    assert_eq!(take(&mut stream, &mut report, usize::MAX).await.len(), 10);
    assert!(begun.elapsed() >= Duration::from_secs(1), "Retry-After is honoured");
    assert!(report.notices.iter().any(|text| text.contains("asks to wait (HTTP 429)")), "{:?}", report.notices);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_objects_are_left_out_by_name_and_the_rest_goes_on() {
    let latin = b"caf\xe9 au lait".to_vec();
    let game = Game::new(0, |world| {
        let key = b"-----BEGIN PRIVATE KEY-----".to_vec();
        let good = text(59);
        let packed = gzip(good.as_bytes());
        let row = |n: usize, encoding: &'static str, len: usize| Row {
            id: id(n),
            encoding,
            path: format!("/{n}.rs"),
            len: len as i64,
        };
        let mut rows = vec![
            row(1, "UTF-8", 10),
            row(2, "UTF-8", good.len()),
            row(3, "UTF-8", 3),
            row(4, "ISO-8859-1", latin.len()),
            row(5, "UTF-8", 4),
            row(6, "UTF-8", 6000),
            row(7, "UTF-8", key.len()),
            row(8, "UTF-8", 2),
            row(9, "", 5),
        ];
        rows.push(Row { id: "../../etc/passwd".into(), ..row(10, "UTF-8", 9) });
        let objects = world.objects.get_mut().unwrap();
        objects.insert(id(2), packed[..packed.len() / 2].to_vec());
        objects.insert(id(3), gzip(b"longer than the index says"));
        objects.insert(id(4), gzip(&latin));
        objects.insert(id(5), gzip(b"\xff\xfe\xfd\xfc"));
        objects.insert(id(7), gzip(&key));
        objects.insert(id(8), gzip(b" \n"));
        objects.insert(id(9), gzip(b"plain"));
        world.files.insert("data/Rust/train-00000-of-00002.parquet".into(), index_file(&rows));
        world
            .files
            .insert("data/Rust/train-00001-of-00002.parquet".into(), b"PAR1 is not all that it takes PAR1".to_vec());
    })
    .await;
    let (mut stream, mut report) = (game.stream(), Report::default());
    let found = take(&mut stream, &mut report, usize::MAX).await;
    assert_eq!(sorted(&found), ["café au lait", "plain"]);
    let skipped = report.skipped;
    assert_eq!((skipped.missing, skipped.broken, skipped.refused, skipped.empty), (1, 4, 1, 1), "{:?}", report.notices);
    let notices = report.notices.join("\n");
    for part in [
        "/1.rs (object 0000000000000000000000000000000000000001): it is not in the public bucket",
        "/2.rs (object 0000000000000000000000000000000000000002): what the bucket sends is no whole gzip file",
        "it is larger than the index says",
        "it is no text in UTF-8",
        "looks like a private key",
        "`../../etc/passwd` is no id",
        "train-00001-of-00002.parquet: it is no sound Parquet file",
    ] {
        assert!(notices.contains(part), "{part} is not in\n{notices}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ignores_ranges_is_not_downloaded() {
    let game = Game::new(10, |world| world.ignores_ranges = true).await;
    let (mut stream, mut report) = (game.stream(), Report::default());
    assert!(take(&mut stream, &mut report, usize::MAX).await.is_empty());
    let notices = report.notices.join("\n");
    assert!(notices.contains("the server ignores ranges") && !notices.contains("signature=secret"), "{notices}");
}
