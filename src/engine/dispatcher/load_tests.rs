//! The dispatcher under the load of a busy network, without the network.

use std::time::Duration;

use super::*;
use crate::{
    api::{EngineHandle, SubmissionState as State},
    chain::{
        client::{ActiveModelInfo, CheckpointInfo, EpochState, ServiceInfo, TargetInfo},
        types::{SomaTensor, TargetStatus},
    },
    devnet::GenesisOptions,
    engine::{
        EngineConfig,
        corpus::{Reading, Sample, Source},
        journal::{BY_POLICY, Step},
        matching::{Candidate, Reply},
        now_ms,
        published::id_of,
        scoring::{Fault, NotConfirmed, Scored},
        watch::{News, Refresh},
    },
    model::Score,
};

const DIM: usize = 64;
const OPEN: u64 = 2_000;
const MODEL: ObjectId = ObjectId([200; 32]);

pub(super) fn id(n: u64) -> ObjectId {
    let mut bytes = [1; 32];
    bytes[..8].copy_from_slice(&n.to_be_bytes());
    ObjectId(bytes)
}

fn embedding(n: u64) -> Vec<f32> {
    (0..DIM).map(|at| ((n as usize + at * 7) % 13) as f32 - 6.0).collect()
}

pub(super) fn listed(n: u64) -> TargetInfo {
    TargetInfo {
        id: id(n),
        embedding: embedding(n),
        model_ids: vec![MODEL],
        distance_threshold: 1.05,
        reward_pool: 12_685_185,
        generation_epoch: 3,
        status: "open".into(),
        submitter: None,
        bond_amount: 0,
    }
}

pub(super) fn on_chain(n: u64, status: TargetStatus) -> (ObjectId, TargetV1) {
    let target = TargetV1 {
        status,
        ..TargetV1::open(SomaTensor::vector(&embedding(n)), vec![MODEL], SomaTensor::scalar(1.05), 12_685_185, 3)
    };
    (id(n), target)
}

pub(super) fn state() -> EpochState {
    let model = ActiveModelInfo {
        id: MODEL,
        owner: Address([1; 32]),
        stake: 1,
        commission_bps: 0,
        url: "http://127.0.0.1:9/none".into(),
        checksum: Digest([3; 32]),
        size: 1,
        decryption_key: [0; 32],
        embedding: embedding(0),
    };
    EpochState {
        epoch: 3,
        protocol_version: 5,
        epoch_start_ms: now_ms(),
        parameters: GenesisOptions::v5(DIM as u64).parameters,
        distance_threshold: 1.05,
        reward_per_target: 12_685_185,
        targets_generated_this_epoch: 0,
        emission_balance: 0,
        emission_per_epoch: 0,
        models: vec![model],
        upcoming: vec![],
    }
}

async fn dispatcher(dir: &std::path::Path) -> Dispatcher {
    dispatcher_with(dir, None).await
}

async fn dispatcher_with(dir: &std::path::Path, keypair: Option<Keypair>) -> Dispatcher {
    built(dir, keypair).await.0
}

pub(super) async fn built(dir: &std::path::Path, keypair: Option<Keypair>) -> (Dispatcher, EngineHandle) {
    let config = EngineConfig {
        dir: dir.join("engine"),
        network_name: "devnet".into(),
        rpc_url: "http://127.0.0.1:9".into(),
        keypair,
        chain: None,
        policy: Policy::default(),
        store: None,
        corpus: vec![dir.into()],
        sampling: crate::engine::Sampling::default(),
        heads: None,
        devices: Vec::new(),
        memory_budget: None,
        scorers: Vec::new(),
        share_data: None,
        compose: crate::engine::Compose::default(),
        library_bytes: 1 << 30,
        refresh: Duration::from_secs(3600),
        coins_ahead: 4,
        accepted_protocol: None,
        warnings: Vec::new(),
        die_at: None,
    };
    let journal = Journal::open(&config.dir, None).unwrap();
    start::build(config, journal).await.unwrap()
}

/// A day of the network's pace is one fill a second; a burst is fifty.
#[tokio::test]
async fn five_thousand_fills_by_others_are_kept_up_with_and_leave_nothing_behind() {
    const FILLS: u64 = 5_000;
    let dir = tempfile::tempdir().unwrap();
    let mut dispatcher = dispatcher(dir.path()).await;
    let service = ServiceInfo { chain_id: "ours".into(), ..ServiceInfo::default() };
    let open = Some((0..OPEN).map(listed).collect());
    dispatcher.refreshed(Refresh { started_ms: now_ms(), service, state: state(), open, coins: None }).await.unwrap();
    assert_eq!(dispatcher.chain.open.len() as u64, OPEN);

    for n in 0..FILLS {
        let checkpoint = CheckpointInfo {
            sequence_number: n + 1,
            epoch: 3,
            timestamp_ms: now_ms(),
            transactions: vec![Digest([5; 32])],
            targets: vec![on_chain(n, TargetStatus::Filled { fill_epoch: 3 }), on_chain(OPEN + n, TargetStatus::Open)],
            deleted: vec![id(u64::MAX - n)],
        };
        dispatcher.news(News::Checkpoint(Box::new(checkpoint))).await.unwrap();
        dispatcher.act().await.unwrap();
        // Four publications a second, at fifty checkpoints a second.
        if n % 12 == 0 {
            dispatcher.publish();
        }
    }
    let chain = &dispatcher.chain;
    assert_eq!(chain.open.len() as u64, OPEN);
    assert!((0..OPEN).all(|n| chain.open.contains_key(&id(FILLS + n))));
    assert_eq!(chain.height, FILLS);
    assert!(dispatcher.standings.len() as u64 <= OPEN);
}

pub(super) fn refresh(state: EpochState, open: Vec<TargetInfo>) -> Refresh {
    let service = ServiceInfo { chain_id: "ours".into(), ..ServiceInfo::default() };
    Refresh { started_ms: now_ms(), service, state, open: Some(open), coins: None }
}

#[tokio::test]
async fn a_model_that_names_anothers_file_with_its_own_key_is_a_model_of_its_own() {
    const COPY: ObjectId = ObjectId([201; 32]);
    let dir = tempfile::tempdir().unwrap();
    let mut dispatcher = dispatcher(dir.path()).await;
    let mut state = state();
    let copy = |key| ActiveModelInfo { id: COPY, decryption_key: [key; 32], ..state.models[0].clone() };
    let (wrong, right) = (copy(1), copy(0));
    state.models.push(wrong);
    let target = TargetInfo { model_ids: vec![MODEL, COPY], ..listed(1) };
    dispatcher.refreshed(refresh(state.clone(), vec![target.clone()])).await.unwrap();
    let in_play = dispatcher.pipeline.in_play.clone();
    assert_ne!(in_play[&MODEL], in_play[&COPY]);
    assert_eq!(dispatcher.pipeline.residents.len(), 2, "each is loaded for itself");
    for (model, key) in [(MODEL, [0; 32]), (COPY, [1; 32])] {
        dispatcher.pipeline.residents.insert(in_play[&model], pipeline::Residency::Ready);
        assert_eq!(dispatcher.pipeline.resident(&in_play[&model]).unwrap().key, Some(key));
    }
    let specs = dispatcher.chain.spec(&target.id).unwrap().models;
    assert_eq!(specs, in_play.clone().into_iter().map(|(id, weights)| (id, Some(weights))).collect::<Vec<_>>());
    // With another key only, a model has other weights: nothing that the old ones confirmed holds.
    state.models[1] = right;
    dispatcher.refreshed(refresh(state, vec![target])).await.unwrap();
    assert_eq!(dispatcher.pipeline.in_play[&COPY], in_play[&MODEL]);
    assert_ne!(dispatcher.chain.weights(&COPY), Some(in_play[&COPY]));
}

#[tokio::test]
async fn a_copy_that_names_a_bad_place_does_not_keep_the_weights_away() {
    let dir = tempfile::tempdir().unwrap();
    let mut dispatcher = dispatcher(dir.path()).await;
    let mut state = state();
    let bad =
        ActiveModelInfo { id: ObjectId([100; 32]), url: "http://127.0.0.1:9/bad".into(), ..state.models[0].clone() };
    let id = id_of(&bad);
    state.models.insert(0, bad);
    dispatcher.refreshed(refresh(state, vec![])).await.unwrap();
    let first = dispatcher.chain.source(&MODEL, None).unwrap();
    let second = dispatcher.chain.source(&MODEL, Some(&first)).unwrap();
    assert_eq!((first.url.as_str(), second.url.as_str()), ("http://127.0.0.1:9/bad", "http://127.0.0.1:9/none"));
    assert_eq!((first.id(), second.id()), (id, id));
    assert_eq!(dispatcher.chain.source(&MODEL, Some(&second)), Some(first));
}

fn sample(bytes: &[u8]) -> Sample {
    let source = Source::file(std::path::Path::new("sample").into(), 0, bytes.len() as u32, false);
    Sample { checksum: crate::model::checksum(bytes), source, bytes: bytes.into() }
}

fn candidate(sample: &Sample) -> Candidate {
    let (checksum, source) = (sample.checksum, sample.source.clone());
    Candidate { checksum, source, model: MODEL, distance: 0.1, z: 1.0, losses: vec![(MODEL, 1.0)] }
}

/// A dispatcher with one open target, whose one model is here, in its first pass.
async fn in_a_pass(dir: &std::path::Path, state: EpochState, keypair: Option<Keypair>) -> (Dispatcher, Digest) {
    let mut dispatcher = dispatcher_with(dir, keypair).await;
    dispatcher.refreshed(refresh(state, vec![listed(1)])).await.unwrap();
    let weights = dispatcher.pipeline.in_play[&MODEL];
    dispatcher.pipeline.residents.insert(weights, pipeline::Residency::Ready);
    // Nothing is read but what the test says, and nothing is scored.
    dispatcher.scorers.pause(true);
    dispatcher.scores_known(weights, vec![], vec![]);
    (dispatcher, weights)
}

async fn read(dispatcher: &mut Dispatcher, sample: &Sample) {
    dispatcher.reading(Reading::Sample { pass: 1, position: 1, sample: sample.clone() }).await.unwrap();
}

#[tokio::test]
async fn a_sample_is_scored_once_while_the_library_holds_it_and_again_when_it_comes_by_after_it_has_left() {
    let dir = tempfile::tempdir().unwrap();
    let (mut dispatcher, weights) = in_a_pass(dir.path(), state(), None).await;
    let (kept, unkept, failed) = (sample(b"kept"), sample(b"not kept"), sample(b"failed"));
    let score = || Ok(Arc::new(Score { loss: 1.0, embedding: embedding(1) }));
    let fault = || Err(Fault::Sample("too strange".into()));
    for (sample, result) in [(&kept, score()), (&unkept, score()), (&failed, fault())] {
        read(&mut dispatcher, sample).await;
        assert_eq!(dispatcher.pipeline.in_scoring, 1);
        read(&mut dispatcher, sample).await;
        assert_eq!(dispatcher.pipeline.in_scoring, 1, "it is being scored");
        let (checksum, source) = (sample.checksum, sample.source.clone());
        let results = vec![(weights, result)];
        dispatcher.scored(Scored::Sample { checksum, source, tokens: 1, results }).await.unwrap();
        read(&mut dispatcher, sample).await;
        assert_eq!(dispatcher.pipeline.in_scoring, 0, "it has been scored");
    }
    let (gone, unkept_pairs) = (vec![(weights, kept.checksum)], vec![(weights, unkept.checksum)]);
    dispatcher.matched(Reply::Left { gone, unkept: unkept_pairs }).await.unwrap();
    for (sample, again) in [(&unkept, 0), (&failed, 0), (&kept, 1)] {
        read(&mut dispatcher, sample).await;
        assert_eq!(dispatcher.pipeline.in_scoring, again);
    }
}

#[tokio::test]
async fn what_the_network_does_not_take_is_neither_scored_nor_offered() {
    let dir = tempfile::tempdir().unwrap();
    let mut state = state();
    state.parameters.max_submission_data_size = 1000;
    let (mut dispatcher, _) = in_a_pass(dir.path(), state.clone(), Some(Keypair::generate())).await;
    let (large, most) = (sample(&[1; 1001]), sample(&[2; 1000]));
    read(&mut dispatcher, &large).await;
    assert_eq!((dispatcher.pipeline.in_scoring, dispatcher.pipeline.skipped()), (0, 1));
    assert!(dispatcher.lines.iter().any(|line| line.text.contains("1000 bytes")), "it says why");
    read(&mut dispatcher, &most).await;
    assert_eq!(dispatcher.pipeline.in_scoring, 1);

    // In the library since the network took more.
    let standing =
        Standing { best_distance: Some(0.1), candidates: vec![candidate(&large), candidate(&most)], nearest: None };
    dispatcher.matched(Reply::Standings(vec![(id(1), standing)])).await.unwrap();
    dispatcher.find_hits().await.unwrap();
    let offered: Vec<_> =
        dispatcher.rows.in_states(&[State::Found]).map(|(_, live)| live.submission.row.size_bytes).collect();
    assert_eq!(offered, [1000]);

    // And now it takes less.
    state.parameters.max_submission_data_size = 999;
    dispatcher.refreshed(refresh(state, vec![listed(1)])).await.unwrap();
    dispatcher.expire_rows().await.unwrap();
    dispatcher.find_hits().await.unwrap();
    assert_eq!(dispatcher.rows.in_states(&hits::UNSIGNED).count(), 0);
    let row = dispatcher.rows.recent().next().unwrap();
    assert_eq!(row.state, State::Failed);
    assert!(row.note.as_deref().is_some_and(|note| note.contains("limit of 999")), "{:?}", row.note);
}

#[tokio::test]
async fn a_hit_whose_file_has_gone_fails_with_a_word_and_the_next_candidate_takes_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let (mut dispatcher, _) = in_a_pass(dir.path(), state(), Some(Keypair::generate())).await;
    let both = [sample(b"gone"), sample(b"still there")];
    let candidates = both.each_ref().map(candidate).to_vec();
    let standing = Standing { best_distance: Some(0.1), candidates, nearest: None };
    dispatcher.matched(Reply::Standings(vec![(id(1), standing)])).await.unwrap();
    dispatcher.find_hits().await.unwrap();
    let found = |dispatcher: &Dispatcher| {
        let rows = dispatcher.rows.in_states(&[State::Found]);
        rows.map(|(id, live)| (id, live.submission.row.checksum)).collect::<Vec<_>>()
    };
    let first = found(&dispatcher);
    assert_eq!(first.iter().map(|(_, of)| *of).collect::<Vec<_>>(), [both[0].checksum]);
    let cause = std::io::ErrorKind::NotFound.into();
    let gone = NotConfirmed::Unreadable { file: "sample".into(), cause };
    dispatcher.confirmation(first[0].0, Err(gone)).await.unwrap();
    dispatcher.find_hits().await.unwrap();
    assert_eq!(found(&dispatcher).iter().map(|(_, of)| *of).collect::<Vec<_>>(), [both[1].checksum]);
    let row = dispatcher.rows.recent().find(|row| row.id == first[0].0).unwrap();
    assert_eq!(row.state, State::Failed);
    assert!(row.note.as_deref().is_some_and(|note| note.contains("cannot be read again")), "{:?}", row.note);
}

#[tokio::test]
async fn a_thread_that_has_died_stops_the_engine_with_a_word() {
    let dir = tempfile::tempdir().unwrap();
    let mut dispatcher = dispatcher(dir.path()).await;
    assert!(dispatcher.review_threads().is_ok());
    dispatcher.matcher.replies = mpsc::unbounded_channel().1;
    let halt = dispatcher.on_second().await.unwrap_err().to_string();
    assert!(halt.contains("matches samples"), "{halt}");
    // What is in flight at the end is waited for nevertheless.
    dispatcher.stopping = Some(Instant::now());
    assert!(dispatcher.review_threads().is_ok());
}

/// Brings a new row of target 1 to where its bytes are on the way, as the policy has it.
async fn sent_by_policy(dispatcher: &mut Dispatcher) -> SubmissionId {
    let standing = Standing { best_distance: Some(0.1), candidates: vec![candidate(&sample(b"one"))], nearest: None };
    dispatcher.matched(Reply::Standings(vec![(id(1), standing)])).await.unwrap();
    dispatcher.find_hits().await.unwrap();
    let row = dispatcher.rows.ids(&[State::Found], |_| true)[0];
    let way = [State::Found, State::Confirmed, State::AwaitingApproval, State::Approved, State::Uploaded];
    for pair in way.windows(2) {
        let step = Step::new(pair[0], pair[1]);
        let step = if pair[1] == State::Approved { step.noting(BY_POLICY) } else { step };
        dispatcher.advance(row, step).await.unwrap();
    }
    let keypair = dispatcher.keypair.clone().unwrap();
    let coin = crate::chain::types::ObjectRef { id: id(9), version: 1, digest: Digest([9; 32]) };
    let kind = crate::chain::types::TransactionKind::ClaimRewards { target_id: id(1) };
    let transaction = keypair.sign(crate::chain::types::TransactionData::new(kind, keypair.address(), vec![coin]));
    let (submission, mut record) =
        dispatcher.journal.sign(row, TransactionKind::Submit, &transaction, 0).await.unwrap();
    dispatcher.note_row(submission);
    let submission = dispatcher.journal.sending(row, record.digest).await.unwrap();
    dispatcher.note_row(submission);
    record.sends = 1;
    dispatcher.rows.live.get_mut(&row).unwrap().record = Some(record);
    row
}

#[tokio::test]
async fn what_the_policy_had_sent_in_vain_is_not_signed_again_once_auto_is_off_or_the_limits_are_lower() {
    for (mode, most, stays) in
        [(Mode::Auto, u64::MAX >> 2, true), (Mode::Auto, 1, false), (Mode::Manual, u64::MAX >> 2, false)]
    {
        let dir = tempfile::tempdir().unwrap();
        let (mut dispatcher, _) = in_a_pass(dir.path(), state(), Some(Keypair::generate())).await;
        dispatcher.mode = Mode::Auto;
        let limits = PolicyLimits {
            max_bond_per_submission: Shannons(most),
            max_bond_per_epoch: Shannons(most),
            min_margin_millionths: 0,
            min_gain: Shannons::ZERO,
        };
        let row = sent_by_policy(&mut dispatcher).await;
        dispatcher.review_approved().await.unwrap();
        // On its way nothing can be taken back, and nothing is reviewed any more.
        dispatcher.mode = mode;
        dispatcher.policy.obey(&limits);
        assert!(!dispatcher.review_due);
        let dead = Verdict::Dead { why: "its coin was used".into(), again: true, coins: vec![] };
        dispatcher.settled(row, dead).await.unwrap();
        assert!(dispatcher.wallet().is_none(), "nothing is signed before the review");
        dispatcher.review_approved().await.unwrap();
        let state = dispatcher.rows.live[&row].state();
        assert_eq!(state, if stays { State::Uploaded } else { State::AwaitingApproval }, "{mode:?} {most}");
    }
}
