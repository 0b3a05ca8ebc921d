//! What lands here: filled targets near something, and the public data that filled them.
//!
//! Targets are independent noise, so "near" is not between targets: it is between a *submission's* embedding and what was asked about. Around
//! a target or a model that is their angle, among those that won under the same models; around a part of the map it is where the map's
//! basis places them. Asks the chain and strangers' servers, only on request and bounded in number and bytes; bytes are
//! shown only if their checksum agrees. A private address is fetched from only on a network of this machine.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{FutureExt, StreamExt, stream};
use tokio::{
    task::AbortHandle,
    time::{self, Instant},
};
use url::Url;

use crate::{
    api::{Content, Inspect, InspectStage, Inspection, Landed, MapPart},
    chain::{
        client::{Client, ClientError},
        types::{TargetStatus, TargetV1},
    },
    engine::snapshot::Basis,
    model,
    primitives::{Digest, ObjectId},
    storage::{Fetcher, Reach},
};

/// Filled targets that are compared; the newest epochs come first.
const COMPARED: usize = 256;
/// Filled targets of which those are chosen where some models come first: a list is cheap, asking for each of them is not.
const LISTED: usize = 2_048;
/// Epochs that are looked through: older fills are mostly claimed, and gone.
const EPOCHS: u64 = 4;
const ASKED_AT_ONCE: usize = 16;
/// Submissions whose data is fetched.
const SHOWN: usize = 8;
const FETCHED_AT_ONCE: usize = 4;
/// What the network's own limit is, whatever its parameters say.
const MOST_BYTES: u64 = 1 << 20;
const PREVIEW: usize = 512;
/// For one submission.
const PATIENCE: Duration = Duration::from_secs(30);
/// Previews that are kept by their checksum.
const KEPT: usize = 128;
/// At most so often the screen is told.
const TELL_EVERY: Duration = Duration::from_millis(250);

/// A point of embedding space.
type Point = Arc<[f32]>;

/// What submissions are compared with.
#[derive(Clone, Debug)]
pub(in crate::engine) enum Around {
    /// The nearest of these.
    Points(Vec<Point>),
    /// Where this basis places them, and a part of its map.
    Part(Arc<Basis>, MapPart),
    /// It is not known any more, and why.
    Nothing(String),
}

impl Around {
    /// As [`Landed::away`], and what orders those that are equally far; `None`: it cannot be compared.
    fn away(&self, embedding: &[f32]) -> Option<(f32, f32)> {
        match self {
            Self::Points(points) => {
                let away = points.iter().map(|point| model::cosine_distance(embedding, point));
                let nearest = away.filter(|away| away.is_finite()).min_by(f32::total_cmp)?;
                Some((nearest, nearest))
            }
            Self::Part(basis, part) => {
                let [x, y] = basis.place_one(embedding)?;
                Some(part.away(basis.grid.corners(), (x, y))).filter(|(away, _)| away.is_finite())
            }
            Self::Nothing(_) => None,
        }
    }
}

/// What is asked about, as far as the dispatcher knows it.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Question {
    pub of: Inspect,
    pub around: Around,
    /// Submissions must have won under one of these.
    pub models: HashSet<ObjectId>,
    /// Those that won under one of these are compared first.
    pub first: HashSet<ObjectId>,
    /// A target that is not open any more: the chain is asked where it is.
    pub unknown: Option<ObjectId>,
    pub epoch: u64,
    pub dim: usize,
    pub most_bytes: u64,
}

/// Previews of data that was checked.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<VecDeque<(Digest, Content)>>>);

impl Kept {
    fn get(&self, checksum: &Digest) -> Option<Content> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(held, _)| held == checksum).map(|(_, content)| content.clone())
    }

    fn keep(&self, checksum: Digest, content: &Content) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_back((checksum, content.clone()));
        if kept.len() > KEPT {
            kept.pop_front();
        }
    }
}

/// At most one inspection at a time: a new question ends the one before.
pub(in crate::engine) struct Inspector {
    client: Client,
    /// The network is on this machine, so its data may be too.
    is_local: bool,
    kept: Kept,
    running: Option<AbortHandle>,
    number: u64,
}

impl Inspector {
    pub fn new(client: Client, rpc_is_local: bool) -> Self {
        Self { client, is_local: rpc_is_local, kept: Kept::default(), running: None, number: 0 }
    }

    /// Ends what is on its way.
    pub fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.abort();
        }
        self.number += 1;
    }

    /// Whether news of this inspection is still wanted.
    pub fn is_current(&self, number: u64) -> bool {
        self.number == number
    }

    /// `tell` hears of every step, with the inspection's number.
    pub fn start(&mut self, question: Question, tell: impl Fn(u64, Inspection) + Send + Sync + 'static) {
        self.stop();
        let (number, client, kept) = (self.number, self.client.clone(), self.kept.clone());
        let reach = if self.is_local { Reach::Anywhere } else { Reach::Public };
        let task = tokio::spawn(async move {
            let tell = |inspection: &Inspection| tell(number, inspection.clone());
            let sigma = if question.dim == 0 { 0.0 } else { 1.0 / (question.dim as f32).sqrt() };
            let stage = InspectStage::Listing;
            let of = question.of.clone();
            let mut inspection = Inspection { of, stage, compared: 0, more: false, sigma, items: Vec::new() };
            tell(&inspection);
            if let Err(why) = look(&client, reach, &kept, question, &mut inspection, &tell).await {
                inspection.stage = InspectStage::Failed(why);
            }
            tell(&inspection);
        });
        self.running = Some(task.abort_handle());
    }
}

impl Drop for Inspector {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A filled target with what is fetched of it.
struct Found {
    landed: Landed,
    to_middle: f32,
    checksum: Digest,
}

async fn look(
    client: &Client,
    reach: Reach,
    kept: &Kept,
    mut question: Question,
    inspection: &mut Inspection,
    tell: &(dyn Fn(&Inspection) + Send + Sync),
) -> Result<(), String> {
    let refused = |error: ClientError| error.to_string();
    if let Some(id) = question.unknown {
        let target = client.target(id).await.map_err(refused)?;
        let target = target.ok_or_else(|| format!("target {} is not on the chain any more", id.short()))?;
        question.around = Around::Points(vec![target.embedding.values().map_err(|e| e.to_string())?.into()]);
        question.models.extend(target.model_ids);
    }
    match &question.around {
        Around::Nothing(why) => return Err(why.clone()),
        Around::Points(points) if points.is_empty() => return Err("nothing is known of what was asked about".into()),
        _ if question.models.is_empty() => return Err("no model is known".into()),
        _ => {}
    }
    let most = if question.first.is_empty() { COMPARED } else { LISTED };
    let mut listed = Vec::new();
    for epoch in (0..EPOCHS).map_while(|back| question.epoch.checked_sub(back)) {
        let (filled, more) = client.filled_in(epoch, &question.models, most - listed.len()).await.map_err(refused)?;
        inspection.more |= more;
        listed.extend(filled);
        if listed.len() >= most {
            break;
        }
    }
    // The newest epochs stay in front.
    listed.sort_by_key(|filled| !question.first.contains(&filled.model));
    inspection.more |= listed.len() > COMPARED;
    listed.truncate(COMPARED);
    let ask = |id: ObjectId| {
        let client = client.clone();
        async move { (id, client.target(id).await) }.boxed()
    };
    let asked: Vec<_> = listed.iter().map(|filled| ask(filled.id)).collect();
    let mut answers = stream::iter(asked).buffer_unordered(ASKED_AT_ONCE);
    let mut found = Vec::new();
    while let Some((id, answer)) = answers.next().await {
        // One that went meanwhile is no trouble.
        let Some(target) = answer.map_err(refused)? else { continue };
        inspection.compared += 1;
        found.extend(of_target(id, &target, &question.around));
    }
    found.sort_by(|a: &Found, b| {
        let by_place = a.landed.away.total_cmp(&b.landed.away).then(a.to_middle.total_cmp(&b.to_middle));
        by_place.then(a.landed.target.cmp(&b.landed.target))
    });
    found.truncate(SHOWN);
    inspection.items = found.iter().map(|found| found.landed.clone()).collect();
    inspection.stage = InspectStage::Fetching;
    tell(inspection);
    let fetcher = Fetcher::reaching(reach).map_err(|e| e.to_string())?;
    let most = question.most_bytes.min(MOST_BYTES);
    let fetch = |(at, found): (usize, Found)| {
        let (fetcher, kept) = (fetcher.clone(), kept.clone());
        async move { (at, content(&fetcher, reach, &kept, &found.landed, found.checksum, most).await) }.boxed()
    };
    let wanted: Vec<_> = found.into_iter().enumerate().map(fetch).collect();
    let mut contents = stream::iter(wanted).buffer_unordered(FETCHED_AT_ONCE);
    let mut told = Instant::now();
    while let Some((at, content)) = contents.next().await {
        inspection.items[at].content = content;
        if told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            tell(inspection);
        }
    }
    inspection.stage = InspectStage::Done;
    Ok(())
}

/// `None`: it does not tell what filled it, or in numbers that are none.
fn of_target(id: ObjectId, target: &TargetV1, around: &Around) -> Option<Found> {
    let TargetStatus::Filled { fill_epoch } = target.status else { return None };
    let manifest = target.winning_data_manifest.as_ref()?;
    let embedding = target.winning_embedding.as_ref()?.values().ok()?;
    let (away, to_middle) = around.away(&embedding)?;
    let number = |tensor: &Option<crate::chain::types::SomaTensor>| tensor.as_ref()?.scalar_value().ok();
    Some(Found {
        landed: Landed {
            target: id,
            model: target.winning_model_id?,
            submitter: target.submitter?,
            epoch: fill_epoch,
            url: manifest.url().to_owned(),
            size_bytes: manifest.size(),
            away,
            distance: number(&target.winning_distance_score)?,
            threshold: target.distance_threshold.scalar_value().ok()?,
            loss: number(&target.winning_loss_score),
            content: Content::Waiting,
        },
        to_middle,
        checksum: manifest.checksum(),
    })
}

async fn content(
    fetcher: &Fetcher,
    reach: Reach,
    kept: &Kept,
    landed: &Landed,
    checksum: Digest,
    most: u64,
) -> Content {
    if let Some(content) = kept.get(&checksum) {
        return content;
    }
    if landed.size_bytes > most {
        return Content::Absent(format!("{} bytes: more than a submission may have", landed.size_bytes));
    }
    match Url::parse(&landed.url) {
        Ok(url) if !matches!(url.scheme(), "http" | "https") => {
            return Content::Absent(format!("its address is no web address but `{}:`", url.scheme()));
        }
        Ok(url) if reach.refuses(&url) => return Content::Absent("its address is private: not fetched".into()),
        Ok(_) => {}
        Err(error) => return Content::Absent(format!("its address is none: {error}")),
    }
    let fetched = time::timeout(PATIENCE, fetcher.fetch(&landed.url, checksum, landed.size_bytes)).await;
    match fetched {
        Ok(Ok(bytes)) => {
            let preview = bytes.iter().take(PREVIEW).copied().collect();
            let content = Content::Here { preview, kind: kind(&bytes).to_owned() };
            kept.keep(checksum, &content);
            content
        }
        Ok(Err(error)) => Content::Absent(error.to_string()),
        Err(_) => Content::Absent(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}

/// What data seems to be, by its first bytes.
fn kind(bytes: &[u8]) -> &'static str {
    const SIGNS: &[(&[u8], &str)] = &[
        (b"\x89PNG\r\n", "PNG image"),
        (b"\xff\xd8\xff", "JPEG image"),
        (b"GIF8", "GIF image"),
        (b"%PDF-", "PDF"),
        (b"PK\x03\x04", "ZIP archive"),
        (b"\x1f\x8b", "gzip"),
        (b"\x28\xb5\x2f\xfd", "Zstandard"),
        (b"\xfd7zXZ", "xz"),
        (b"BZh", "bzip2"),
        (b"\x7fELF", "ELF program"),
        (b"\0asm", "WebAssembly"),
        (b"SQLite format 3\0", "SQLite database"),
        (b"PAR1", "Parquet"),
    ];
    if let Some((_, name)) = SIGNS.iter().find(|(sign, _)| bytes.starts_with(sign)) {
        return name;
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        // A window may begin or end inside a character.
        let inner = bytes.get(3..bytes.len().saturating_sub(3)).unwrap_or_default();
        let readable = String::from_utf8_lossy(inner);
        let broken = readable.chars().filter(|c| *c == char::REPLACEMENT_CHARACTER || is_control(*c)).count();
        return if !inner.is_empty() && broken <= 2 { "text" } else { "binary data" };
    };
    if text.chars().any(is_control) {
        return "binary data";
    }
    let start = text.trim_start().get(..14).unwrap_or(text.trim_start()).to_lowercase();
    match start.as_str() {
        _ if start.starts_with("<!doctype html") || start.starts_with("<html") => "HTML",
        _ if start.starts_with("<?xml") => "XML",
        _ if start.starts_with("#!") => "script",
        _ if start.starts_with(['{', '[']) && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() => "JSON",
        _ => "text",
    }
}

fn is_control(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{c}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::MapLayout,
        primitives::{Address, hash},
    };
    use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};

    fn landed(url: &str, size_bytes: u64) -> Landed {
        Landed {
            target: ObjectId([1; 32]),
            model: ObjectId([2; 32]),
            submitter: Address([3; 32]),
            epoch: 1,
            url: url.into(),
            size_bytes,
            away: 0.9,
            distance: 0.9,
            threshold: 1.0,
            loss: None,
            content: Content::Waiting,
        }
    }

    async fn asked(reach: Reach, kept: &Kept, landed: &Landed, checksum: Digest) -> Content {
        content(&Fetcher::reaching(reach).expect("a client"), reach, kept, landed, checksum, MOST_BYTES).await
    }

    #[tokio::test]
    async fn data_is_shown_only_if_its_checksum_agrees_and_is_then_not_fetched_again() {
        let (server, kept) = (MockServer::start().await, Kept::default());
        Mock::given(any())
            .respond_with(ResponseTemplate::new(200).set_body_bytes(*b"{\"soma\": 1}"))
            .expect(2)
            .mount(&server)
            .await;
        let landed = landed(&server.uri(), 11);
        let wrong = asked(Reach::Anywhere, &kept, &landed, hash(b"other")).await;
        assert!(matches!(&wrong, Content::Absent(why) if why.contains("checksum")), "{wrong:?}");
        for _ in 0..2 {
            let Content::Here { preview, kind } = asked(Reach::Anywhere, &kept, &landed, hash(b"{\"soma\": 1}")).await
            else {
                panic!("it is there");
            };
            assert_eq!((preview.as_slice(), kind.as_str()), (&b"{\"soma\": 1}"[..], "JSON"));
        }
    }

    #[tokio::test]
    async fn what_is_too_large_private_no_web_address_or_gone_is_told_and_not_fetched() {
        let (server, kept) = (MockServer::start().await, Kept::default());
        Mock::given(any()).respond_with(ResponseTemplate::new(404)).expect(1).mount(&server).await;
        let why = async |reach, landed: &Landed| match asked(reach, &kept, landed, hash(b"")).await {
            Content::Absent(why) => why,
            other => panic!("{other:?}"),
        };
        assert!(why(Reach::Anywhere, &landed(&server.uri(), MOST_BYTES + 1)).await.contains("more than a submission"));
        assert!(why(Reach::Public, &landed(&server.uri(), 3)).await.contains("private"));
        assert!(why(Reach::Anywhere, &landed("file:///etc/hostname", 3)).await.contains("`file:`"));
        assert!(why(Reach::Anywhere, &landed("nothing", 3)).await.contains("its address is none"));
        assert!(why(Reach::Anywhere, &landed(&server.uri(), 3)).await.contains("404"));
    }

    #[test]
    fn a_submission_is_as_far_from_a_part_of_the_map_as_the_basis_places_it() {
        let score = |n: usize| {
            let embedding = vec![1.0, n as f32, (n * n % 17) as f32, 0.5];
            (0, Arc::new(model::Score { loss: 1.0, embedding }))
        };
        let chosen: Vec<_> = (0..40).map(score).collect();
        let basis = Basis::fit(3, MapLayout::Principal, &chosen, &[], None).expect("a picture");
        let (basis, grid) = (Arc::new(basis.clone()), basis.grid.corners());
        let place = |n: usize| basis.place_one(&chosen[n].1.embedding).map(|[x, y]| (x, y)).expect("a place");
        let around = |at: (f32, f32)| {
            let part = MapPart::new(3, grid, [(at.0 - 0.01, at.1 - 0.01), (at.0 + 0.01, at.1 + 0.01)]);
            Around::Part(basis.clone(), part.expect("a part"))
        };
        let (here, to_middle) = around(place(7)).away(&chosen[7].1.embedding).expect("comparable");
        assert!(here <= 0.0 && to_middle < 1e-3, "{here} {to_middle}");
        let share = |of: (f32, f32)| {
            ((of.0 - grid[0].0) / (grid[1].0 - grid[0].0), (of.1 - grid[0].1) / (grid[1].1 - grid[0].1))
        };
        let (a, b) = (share(place(7)), share(place(30)));
        let (_, to_middle) = around(place(7)).away(&chosen[30].1.embedding).expect("comparable");
        assert!((to_middle - (a.0 - b.0).hypot(a.1 - b.1)).abs() < 1e-3, "{to_middle} {a:?} {b:?}");
        // Of another dimension, or without a direction: nothing to compare.
        assert_eq!(around(place(7)).away(&[1.0, 2.0]), None);
        assert_eq!(around(place(7)).away(&[0.0; 4]), None);
    }

    #[test]
    fn kinds_are_told_by_the_first_bytes() {
        let text = "größe";
        let cases: [(&[u8], &str); 9] = [
            (b"\x89PNG\r\n\x1a\n", "PNG image"),
            (b"\x1f\x8b\x08", "gzip"),
            (b"[1, 2]", "JSON"),
            (b"[1, 2", "text"),
            (b"<!DOCTYPE html><p>", "HTML"),
            (b"#!/bin/sh\n", "script"),
            (b"a\0b", "binary data"),
            (b"", "text"),
            (&text.as_bytes()[..3], "binary data"),
        ];
        for (bytes, name) in cases {
            assert_eq!(kind(bytes), name, "{bytes:?}");
        }
        // A window that begins inside a character is still text.
        let window = format!("ö{}", "words and more words ".repeat(20));
        assert_eq!(kind(&window.as_bytes()[1..]), "text");
    }
}
