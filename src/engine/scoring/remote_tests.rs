//! Scoring services as scorers: real ones that die, and false ones that lie.

use std::{collections::HashMap, net::IpAddr, path::Path};

use tokio::{net::TcpListener, runtime::Runtime};
use tokio_util::sync::CancellationToken;
use tonic::transport::server::TcpIncoming;
use wiremock::{Mock, MockServer, ResponseTemplate, matchers};

use super::*;
use crate::{
    engine::{
        Budget,
        corpus::Source,
        scoring::{ScoreJob, Scored, Scorers},
    },
    model::{Device, Model},
    primitives::hash,
    service::{self, Evaluate, Failure, Host, HostConfig, Limits, ScoringApi, ScoringRequest, Won},
    storage::{Reach, StorageError},
};

const LIMITS: Limits = Limits { data_bytes: 1 << 20, weights_bytes: 1 << 20, reach: Reach::Anywhere };

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime")
}

/// A service on a runtime of its own: it dies with it.
fn serve(evaluator: impl Evaluate) -> (Runtime, String) {
    let runtime = runtime();
    let socket = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
    let url = format!("http://{}", socket.local_addr().expect("an address"));
    let incoming = {
        let _inside = runtime.enter();
        TcpIncoming::from(socket)
    };
    runtime.spawn(service::serve(incoming, ScoringApi::new(evaluator, LIMITS), CancellationToken::new()));
    (runtime, url)
}

fn host(dir: &Path) -> Host {
    Host::new(HostConfig {
        dir: dir.to_owned(),
        heads: None,
        devices: vec![Device::Cpu],
        memory: Budget::of(1 << 30),
        remembered_bytes: 1 << 20,
        most_requests: 64,
        reach: Reach::Anywhere,
    })
    .expect("threads")
}

fn weights(n: usize) -> Vec<u8> {
    let path = format!("{}/tests/data/model/small16_model_{n}.safetensors", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(path).expect("test data")
}

async fn publish(models: usize) -> (MockServer, Vec<Arc<WeightsSpec>>) {
    let files = MockServer::start().await;
    let mut specs = Vec::new();
    for n in 0..models {
        let bytes = weights(n);
        let url = format!("{}/{n}", files.uri());
        let (checksum, size) = (hash(&bytes), bytes.len() as u64);
        specs.push(Arc::new(WeightsSpec { checksum, url, size, key: None }));
        let answer = ResponseTemplate::new(200).set_body_bytes(bytes);
        Mock::given(matchers::path(format!("/{n}"))).respond_with(answer).mount(&files).await;
    }
    (files, specs)
}

fn sample(n: u32) -> Sample {
    let bytes: Vec<u8> = (0..90 + n % 7).map(|at| (at * 7 + n) as u8).chain(n.to_le_bytes()).collect();
    let source = Source::file(Path::new("sample").into(), 0, bytes.len() as u32, false);
    Sample { checksum: hash(&bytes), source, bytes: bytes.into() }
}

fn known_dim() -> EmbeddingDim {
    let dim = EmbeddingDim::default();
    dim.set(16);
    dim
}

#[test]
fn when_a_service_dies_every_sample_is_still_scored_once_and_as_here() {
    let runtime = runtime();
    let (_files, specs) = runtime.block_on(publish(2));
    let homes = [(); 2].map(|()| tempfile::tempdir().expect("a place"));
    let (_lasting, lasting_url) = serve(host(homes[0].path()));
    let (dying, dying_url) = serve(host(homes[1].path()));
    let share = runtime.block_on(Share::start(None)).expect("a port");
    let scorers = [&lasting_url, &dying_url].map(|url| {
        let remote = RemoteScorer::new(url, share.clone(), known_dim(), runtime.handle().clone()).expect("a URL");
        Box::new(remote) as Box<dyn Scorer>
    });
    let mut scorers = Scorers::spawn(scorers.into()).expect("threads");

    let samples: Vec<Sample> = (0..160).map(sample).collect();
    let (mut left, mut dying) = (samples.iter(), Some(dying));
    let mut told: HashMap<Digest, HashMap<Digest, Arc<Score>>> = HashMap::new();
    let mut troubles = Vec::new();
    while told.len() < samples.len() {
        while scorers.has_room() {
            let Some(sample) = left.next() else { break };
            scorers.score(ScoreJob { sample: sample.clone(), models: specs.clone() });
        }
        match scorers.results.blocking_recv().expect("scorers are at work") {
            Scored::Sample { checksum, results, .. } => {
                let scores = results.into_iter().map(|(weights, result)| (weights, result.expect("a score")));
                assert!(told.insert(checksum, scores.collect()).is_none(), "a sample is told once");
            }
            Scored::Scorer { name, trouble } => troubles.push((name, trouble)),
            Scored::Broken { why, .. } => panic!("{why}"),
            Scored::Confirmation { .. } => panic!("nothing was to be confirmed"),
            Scored::Limit { .. } => panic!("a service has its own memory"),
        }
        // In the middle of its work.
        let has_worked = scorers.gauges().iter().any(|gauge| gauge.name == dying_url && gauge.rows > 4);
        if has_worked && let Some(dying) = dying.take() {
            dying.shutdown_background();
        }
    }
    assert!(dying.is_none(), "it worked, and died");
    assert!(troubles.iter().any(|(name, trouble)| *name == dying_url && trouble.is_some()), "{troubles:?}");
    let models = [0, 1].map(|n| Model::from_safetensors(&weights(n), None).expect("a model"));
    for sample in &samples {
        for (spec, model) in specs.iter().zip(&models) {
            let here = model.score(&sample.bytes, SEED).expect("a score");
            assert_eq!(*told[&sample.checksum][&spec.checksum], here);
        }
    }
    let open = runtime.block_on(async { reqwest::get(format!("{}/{}", share.prefix(), samples[0].checksum)).await });
    assert_eq!(open.expect("an answer").status(), 404, "what is scored is not shared any more");
}

/// Answers by a rule.
struct Fake<F>(F);

impl<F: Fn(&ScoringRequest) -> Result<Score, Failure> + Send + Sync + 'static> Evaluate for Fake<F> {
    async fn evaluate(&self, _guest: Option<IpAddr>, request: &ScoringRequest) -> Result<Won, Failure> {
        (self.0)(request).map(|score| Won { winner: 0, score: Arc::new(score) })
    }
}

fn fine() -> Score {
    Score { loss: 1.0, embedding: vec![0.5; 16] }
}

fn spec(n: u8) -> WeightsSpec {
    WeightsSpec { checksum: Digest([n; 32]), url: "http://127.0.0.1:9/w".to_owned(), size: 1, key: None }
}

/// A scorer that asks a service with this rule.
fn asking(
    rule: impl Fn(&ScoringRequest) -> Result<Score, Failure> + Send + Sync + 'static,
) -> (RemoteScorer, [Runtime; 2]) {
    let (service, url) = serve(Fake(rule));
    let runtime = runtime();
    let share = runtime.block_on(Share::start(None)).expect("a port");
    let scorer = RemoteScorer::new(&url, share, known_dim(), runtime.handle().clone()).expect("a URL");
    (scorer, [service, runtime])
}

fn two() -> [Sample; 2] {
    [sample(1), sample(2)]
}

#[test]
fn numbers_that_are_none_cost_the_weights_first_and_then_the_trust() {
    let (mut scorer, _running) = asking(|_| Ok(Score { loss: f32::NAN, ..fine() }));
    assert!(matches!(scorer.evaluate(&spec(1), &two()), Err(Setback::Weights(_))), "perhaps the model is broken");
    assert!(matches!(scorer.evaluate(&spec(1), &two()), Err(Setback::Weights(_))));
    let gone = scorer.evaluate(&spec(2), &two());
    assert!(matches!(&gone, Err(Setback::Gone(why)) if why.contains("not trusted")), "{gone:?}");
}

#[test]
fn a_service_that_does_not_want_us_is_left_alone() {
    let (mut scorer, _running) = asking(|_| Err(Failure::Refused("members only".to_owned())));
    let gone = scorer.evaluate(&spec(1), &two());
    assert!(matches!(&gone, Err(Setback::Gone(why)) if why.contains("members only")), "{gone:?}");
}

#[test]
fn a_busy_service_gets_less_and_is_asked_later() {
    let (mut scorer, _running) = asking(|_| Err(Failure::Busy("9 requests wait".to_owned())));
    scorer.window = 8;
    assert!(matches!(scorer.evaluate(&spec(1), &two()), Err(Setback::Later { .. })));
    assert_eq!(scorer.batch_rows(), 4);
}

#[test]
fn what_came_before_a_failure_is_kept_and_the_failure_is_told_next() {
    let first = sample(1).checksum;
    let (mut scorer, _running) = asking(move |request| match request.data_checksum == first {
        true => Ok(fine()),
        false => Err(Failure::Busy("9 requests wait".to_owned())),
    });
    assert_eq!(scorer.evaluate(&spec(1), &two()), Ok(vec![Ok(fine())]));
    assert!(matches!(scorer.evaluate(&spec(1), &two()), Err(Setback::Later { .. })));
}

#[test]
fn a_service_that_cannot_reach_the_samples_says_how_to_let_it() {
    let (mut scorer, _running) = asking(|request| {
        let cause = "connection refused".to_owned();
        Err(StorageError::Download { url: request.data_url.clone(), cause }.into())
    });
    let later = scorer.evaluate(&spec(1), &two());
    assert!(matches!(&later, Err(Setback::Later { why, .. }) if why.contains("--share-data")), "{later:?}");
}

#[test]
fn weights_that_a_service_cannot_use_are_its_own_affair() {
    let (mut scorer, _running) = asking(|request| {
        let url = request.models[0].url.clone();
        Err(StorageError::Download { url, cause: "HTTP 404".to_owned() }.into())
    });
    assert!(matches!(scorer.evaluate(&spec(1), &two()), Err(Setback::Weights(_))));
}

#[test]
fn a_service_that_is_away_is_asked_ever_more_seldom_and_nothing_is_asked_without_a_dimension() {
    let runtime = runtime();
    let share = runtime.block_on(Share::start(None)).expect("a port");
    let dim = EmbeddingDim::default();
    let mut scorer =
        RemoteScorer::new("http://127.0.0.1:9", share, dim.clone(), runtime.handle().clone()).expect("a URL");
    let early = scorer.evaluate(&spec(1), &two());
    assert!(matches!(&early, Err(Setback::Later { why, .. }) if why.contains("dimension")), "{early:?}");
    dim.set(16);
    let mut pause = || match scorer.evaluate(&spec(1), &two()) {
        Err(Setback::Later { why, pause }) if why.contains("does not answer") => pause,
        other => panic!("{other:?}"),
    };
    let first = pause();
    let later = [(); 4].map(|()| pause())[3];
    assert!(later > first * 2, "{first:?}, then {later:?}");
}
