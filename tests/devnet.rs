//! The embedded network over real sockets: the game is played with our own client, and a raw client looks at the wire.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::StreamExt;
use somascope::{
    chain::{
        client::{
            self, Client, ClientError, Executed, Execution, Preflight, ScoringClient, ScoringModel, TargetFilter,
            TargetInfo,
        },
        keys::Keypair,
        proto::soma::rpc::{
            self as pb, ledger_service_client::LedgerServiceClient, state_service_client::StateServiceClient,
        },
        rewards::claim_split,
        types::{
            Address, ExecutionFailure, ExecutionStatus, Manifest, ObjectId, ObjectRef, Shannons, SomaTensor,
            SubmitData, TransactionData, TransactionKind,
        },
    },
    devnet::{self, Devnet, DevnetConfig, DevnetError, GenesisOptions, ModelSpec, Ports, Verdict},
    model::{arrgen, cosine_distance},
    primitives::hash,
    storage::Store,
};

const DIM: u64 = 16;
const FAUCET: u64 = 2_000_000_000;
const TEXT: &[u8] = b"the network checks no score at submission; the validators do, one epoch later";
/// Longer than anything here takes, shorter than a patience.
const SOON: Duration = Duration::from_secs(60);

fn models() -> Vec<ModelSpec> {
    let weights = [
        &include_bytes!("data/model/small16_model_0.safetensors")[..],
        &include_bytes!("data/model/small16_model_1.safetensors")[..],
        &include_bytes!("data/model/small16_model_2.safetensors")[..],
    ];
    let spec = |(index, weights): (usize, &[u8])| ModelSpec {
        name: format!("small-{index}"),
        weights: weights.to_vec(),
        // One is left to be found by the network, which takes a while.
        embedding: (index > 0).then(|| arrgen::normal(index as u64, DIM as usize, 0.0, 1.0)),
        stake: 1_000_000_000 * (index as u64 + 1),
    };
    weights.into_iter().enumerate().map(spec).collect()
}

fn config(dir: &Path) -> DevnetConfig {
    DevnetConfig {
        dir: dir.to_owned(),
        seed: 7,
        listen: Ports::default(),
        epoch: None,
        genesis: GenesisOptions::v5(DIM),
        models: models(),
        faucet_amount: FAUCET,
    }
}

/// An account that plays against a network.
struct Player {
    keypair: Keypair,
    client: Client,
    store: Store,
    scoring_url: String,
    admin_url: String,
}

/// Data that was uploaded and scored for a target.
struct Scored {
    manifest: Manifest,
    model_id: ObjectId,
    embedding: Vec<f32>,
    distance: f32,
    loss: f32,
}

impl Player {
    async fn join(network: &Devnet, seed: u8) -> Self {
        let keypair = Keypair::from_seed([seed; 32]);
        let sent = client::request_faucet(&network.faucet_url, keypair.address()).await.expect("the faucet gives");
        assert_eq!(sent, [FAUCET]);
        Self::rejoin(network, seed)
    }

    fn rejoin(network: &Devnet, seed: u8) -> Self {
        Self {
            keypair: Keypair::from_seed([seed; 32]),
            client: Client::new(&network.rpc_url, SOON).expect("a URL"),
            store: Store::new(network.objects.store_config()).expect("a store"),
            scoring_url: network.scoring_url.clone(),
            admin_url: network.admin_url.clone(),
        }
    }

    fn address(&self) -> Address {
        self.keypair.address()
    }

    async fn balance(&self) -> u64 {
        self.client.balance(self.address()).await.expect("a balance")
    }

    async fn coin(&self) -> ObjectRef {
        self.client.coins(self.address()).await.expect("coins").first().expect("a coin").reference
    }

    async fn open_targets(&self) -> Vec<TargetInfo> {
        self.client.targets(TargetFilter::Open, None).await.expect("targets")
    }

    async fn advance_epoch(&self) -> u64 {
        client::advance_epoch(&self.admin_url).await.expect("a new epoch")
    }

    /// Uploads and lets the scoring service score with the target's models.
    async fn score(&self, data: &'static [u8], target: &TargetInfo) -> Scored {
        let checksum = hash(data);
        let key = format!("{}/{checksum}.bin", target.generation_epoch);
        let url = self.store.put(&key, Bytes::from_static(data)).await.expect("an upload");
        let manifest = Manifest::new(&url, checksum, data.len() as u64).expect("a URL");
        let state = self.client.epoch_state().await.expect("a state");
        let models: Vec<_> = target
            .model_ids
            .iter()
            .map(|id| state.models.iter().find(|model| model.id == *id).expect("an active model").clone())
            .collect();
        let service = ScoringClient::new(&self.scoring_url).expect("a URL");
        let asked: Vec<_> = models.iter().map(ScoringModel::from).collect();
        let score = service.score(&manifest, &asked, &target.embedding, 0, SOON).await.expect("a score");
        Scored {
            manifest,
            model_id: models[score.winner].id,
            distance: score.distance,
            loss: score.loss,
            embedding: score.embedding,
        }
    }

    /// An open target that the data hits, and the data's score for it.
    async fn find_hit(&self, data: &'static [u8]) -> (TargetInfo, Scored) {
        let targets = self.open_targets().await;
        // The score does not depend on the target (`model.md §3`): one is enough to know them all.
        let scored = self.score(data, &targets[0]).await;
        let hit = targets
            .into_iter()
            .find(|target| cosine_distance(&scored.embedding, &target.embedding) <= target.distance_threshold)
            .expect("about half of the targets are in reach");
        let scored = self.score(data, &hit).await;
        assert!(scored.distance <= hit.distance_threshold);
        (hit, scored)
    }

    /// With the one coin for gas and bond.
    async fn send(&self, kind: impl FnOnce(ObjectRef) -> TransactionKind) -> Execution {
        let coin = self.coin().await;
        self.client.execute(&self.keypair.sign(TransactionData::new(kind(coin), self.address(), vec![coin]))).await
    }

    async fn submit(&self, target: ObjectId, scored: &Scored) -> Executed {
        self.submit_claiming(target, scored, scored.distance, &scored.embedding).await
    }

    async fn submit_claiming(
        &self,
        target_id: ObjectId,
        scored: &Scored,
        distance: f32,
        embedding: &[f32],
    ) -> Executed {
        let submission = |bond_coin| {
            TransactionKind::SubmitData(SubmitData {
                target_id,
                data_manifest: scored.manifest.clone(),
                model_id: scored.model_id,
                embedding: SomaTensor::vector(embedding),
                distance_score: SomaTensor::scalar(distance),
                loss_score: SomaTensor::scalar(scored.loss),
                bond_coin,
            })
        };
        executed(self.send(submission).await)
    }

    async fn claim(&self, target_id: ObjectId) -> Executed {
        executed(self.send(|_| TransactionKind::ClaimRewards { target_id }).await)
    }

    async fn status_of(&self, id: ObjectId) -> String {
        let filled = self.client.targets(TargetFilter::Filled, Some(self.address())).await.expect("targets");
        filled.into_iter().find(|target| target.id == id).map(|target| target.status).unwrap_or_default()
    }
}

fn executed(execution: Execution) -> Executed {
    match execution {
        Execution::Executed(executed) => *executed,
        other => panic!("not executed: {other:?}"),
    }
}

fn failure(executed: &Executed) -> &ExecutionFailure {
    match &executed.effects.status {
        ExecutionStatus::Failure { error } => error,
        ExecutionStatus::Success => panic!("it succeeded"),
    }
}

/// Polls until something is there; what the network does by itself has no event that a test could wait for.
async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, looking).await.unwrap_or_else(|_| panic!("{what} did not happen"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_game_is_played_and_the_balance_adds_up() {
    let dir = tempfile::tempdir().expect("a directory");
    let network = devnet::start(config(dir.path())).await.expect("a network");
    let player = Player::join(&network, 1).await;
    assert_eq!(player.balance().await, FAUCET);
    assert_eq!(player.open_targets().await.len(), 100);
    let state = player.client.epoch_state().await.expect("a state");
    assert_eq!((state.epoch, state.models.len(), state.reward_per_target), (2, 3, 12_685_185));

    let (target, scored) = player.find_hit(TEXT).await;
    let submitted = player.submit(target.id, &scored).await;
    assert_eq!(submitted.effects.status, ExecutionStatus::Success);
    let bond = TEXT.len() as u64 * 65;
    assert_eq!(player.balance().await, FAUCET - bond - submitted.effects.fee.total_fee);
    assert_eq!(player.status_of(target.id).await, "filled");
    assert_eq!(player.open_targets().await.len(), 100, "a fill spawns a replacement");

    assert_eq!(player.advance_epoch().await, 3);
    assert_eq!(player.status_of(target.id).await, "filled");
    assert_eq!(player.advance_epoch().await, 4);
    assert_eq!(player.status_of(target.id).await, "claimable");

    let before = player.balance().await;
    let claimed = player.claim(target.id).await;
    assert_eq!(claimed.effects.status, ExecutionStatus::Success);
    let split = claim_split(&state.parameters, Shannons(target.reward_pool));
    let gained = split.submitter.0 + split.claimer.0 + bond;
    assert_eq!(player.balance().await, before + gained - claimed.effects.fee.total_fee);
    assert_eq!(player.client.target(target.id).await.expect("an answer"), None, "a claimed target is gone");

    let audit = eventually("the audit", async || network.audits().pop()).await;
    assert_eq!((audit.target, audit.verdict), (target.id, Verdict::Honest));
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_tells_at_once_and_the_rpc_port_gives_what_was_published() {
    let dir = tempfile::tempdir().expect("a directory");
    let network = devnet::start(config(dir.path())).await.expect("a network");
    let player = Player::join(&network, 1).await;
    let (target, scored) = player.find_hit(TEXT).await;
    let coin = player.coin().await;
    let submission = TransactionData::new(
        TransactionKind::SubmitData(SubmitData {
            target_id: target.id,
            data_manifest: scored.manifest.clone(),
            model_id: scored.model_id,
            embedding: SomaTensor::vector(&scored.embedding),
            distance_score: SomaTensor::scalar(scored.distance),
            loss_score: SomaTensor::scalar(scored.loss),
            bond_coin: coin,
        }),
        player.address(),
        vec![coin],
    );
    player.client.preflight(&submission).await.expect("nothing speaks against it");
    let sent = executed(player.client.execute(&player.keypair.sign(submission.clone())).await);
    assert_eq!(sent.effects.status, ExecutionStatus::Success);
    let refused = player.client.preflight(&submission).await.expect_err("the coin was used");
    assert!(matches!(refused, Preflight::Stale { id, .. } if id == coin.id), "{refused}");
    let claim = TransactionData::new(
        TransactionKind::ClaimRewards { target_id: target.id },
        player.address(),
        vec![player.coin().await],
    );
    let refused = player.client.preflight(&claim).await.expect_err("the reports' epoch is to come");
    assert!(matches!(refused, Preflight::TooEarly { claimable_from: 4, current_epoch: 2, .. }), "{refused}");

    // Data and encrypted weights, for who cannot reach where they were published.
    let get = async |path: String| {
        let answer = reqwest::get(format!("{}{path}", network.rpc_url)).await.expect("an answer");
        (answer.status().as_u16(), answer.bytes().await.expect("a body"))
    };
    assert_eq!(get(format!("/data/{}", target.id)).await, (200, Bytes::from_static(TEXT)));
    let model = player.client.epoch_state().await.expect("a state").models[0].clone();
    let (status, weights) = get(format!("/model/{}", model.id.to_hex_prefixed())).await;
    assert_eq!((status, weights.len() as u64, hash(&weights)), (200, model.size, model.checksum));
    let open = player.open_targets().await[0].id;
    assert_eq!(get(format!("/data/{open}")).await.0, 502, "nothing was published for it");
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_submissions_and_claims_cost_the_base_fee_and_no_bond() {
    let dir = tempfile::tempdir().expect("a directory");
    let network = devnet::start(config(dir.path())).await.expect("a network");
    let player = Player::join(&network, 1).await;
    let (target, scored) = player.find_hit(TEXT).await;
    let other = player.open_targets().await.into_iter().find(|t| t.id != target.id).expect("another target");

    let before = player.balance().await;
    let too_far = player.submit_claiming(target.id, &scored, 1.5, &scored.embedding).await;
    assert!(matches!(failure(&too_far), ExecutionFailure::DistanceExceedsThreshold { .. }));
    let wrong_dims = player.submit_claiming(target.id, &scored, 0.5, &[1.0; 3]).await;
    let mismatch = ExecutionFailure::EmbeddingDimensionMismatch { expected: DIM, actual: 3 };
    assert_eq!(failure(&wrong_dims), &mismatch);
    let not_filled = player.claim(other.id).await;
    assert_eq!(failure(&not_filled), &ExecutionFailure::TargetNotFilled);
    let base_fee = 1000;
    assert_eq!(player.balance().await, before - 3 * base_fee);

    player.submit(target.id, &scored).await;
    let again = player.submit(target.id, &scored).await;
    assert_eq!(failure(&again), &ExecutionFailure::TargetNotOpen);
    let early = player.claim(target.id).await;
    assert_eq!(failure(&early), &ExecutionFailure::AuditWindowOpen { fill_epoch: 2, current_epoch: 2 });
    player.advance_epoch().await;
    let expired = player.submit(other.id, &scored).await;
    assert_eq!(failure(&expired), &ExecutionFailure::TargetExpired { generation_epoch: 2, current_epoch: 3 });

    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_executed_is_refused_and_changes_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let network = devnet::start(config(dir.path())).await.expect("a network");
    let player = Player::join(&network, 1).await;
    let transfer = |coin| TransactionKind::TransferCoin { coin, amount: Some(1000), recipient: Address([9; 32]) };

    let stale = player.coin().await;
    let sent = player.keypair.sign(TransactionData::new(transfer(stale), player.address(), vec![stale]));
    let first = executed(player.client.execute(&sent).await);
    let before = player.balance().await;
    assert_eq!(executed(player.client.execute(&sent).await), first, "the same bytes are the same transaction");

    let other = TransactionKind::TransferCoin { coin: stale, amount: Some(2000), recipient: Address([9; 32]) };
    let other = player.keypair.sign(TransactionData::new(other, player.address(), vec![stale]));
    let stale = player.client.execute(&other).await;
    let Execution::Refused(ClientError::Refused { code, message }) = stale else { panic!("{stale:?}") };
    // Right after its consumption a real node calls the coin locked, later not available (protocol-corrections.md §1).
    let words = ["already locked by a different transaction", "is not available for consumption"];
    assert!(words.iter().any(|word| message.contains(word)), "{code}: {message}");

    let coin = player.coin().await;
    let mut forged = player.keypair.sign(TransactionData::new(transfer(coin), player.address(), vec![coin]));
    forged.signature.0[5] ^= 1;
    let forged = player.client.execute(&forged).await;
    let Execution::Refused(ClientError::Refused { message, .. }) = forged else { panic!("{forged:?}") };
    assert!(message.starts_with("Invalid user signature"), "{message}");

    let unknown = player.send(|_| TransactionKind::ClaimRewards { target_id: ObjectId([0x22; 32]) }).await;
    let Execution::Unknown(error) = unknown else { panic!("{unknown:?}") };
    assert!(error.to_string().contains("Could not find the referenced object 0x2222"), "{error}");
    assert_eq!(player.balance().await, before);
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_false_claim_is_reported_and_forfeits_its_bond() {
    let dir = tempfile::tempdir().expect("a directory");
    let network = devnet::start(config(dir.path())).await.expect("a network");
    let player = Player::join(&network, 1).await;
    let target = player.open_targets().await.remove(0);
    let scored = player.score(TEXT, &target).await;
    let claimed = if scored.distance < 0.5 { 0.9 } else { scored.distance - 0.4 };
    player.submit_claiming(target.id, &scored, claimed, &scored.embedding).await;

    let audit = eventually("the audit", async || network.audits().pop()).await;
    let Verdict::Fraud(reason) = &audit.verdict else { panic!("{:?}", audit.verdict) };
    assert!(reason.starts_with("distance"), "{reason}");
    assert!(!audit.reported, "the window opens in the next epoch");
    player.advance_epoch().await;
    eventually("the report", async || network.audits().pop().filter(|audit| audit.reported)).await;
    let reports = player.client.target(target.id).await.expect("an answer").expect("the target").submission_reports;
    assert_eq!(reports.len(), 1);
    let validator = *reports.first().expect("the validator's");

    player.advance_epoch().await;
    let (mine, theirs) = (player.balance().await, player.client.balance(validator).await.expect("a balance"));
    let claim = player.claim(target.id).await;
    assert_eq!(claim.effects.status, ExecutionStatus::Success);
    let finder = Shannons(target.reward_pool).bps(50).0;
    assert_eq!(player.balance().await, mine + finder - claim.effects.fee.total_fee, "neither reward nor bond");
    let bond = TEXT.len() as u64 * 65;
    assert_eq!(player.client.balance(validator).await.expect("a balance"), theirs + bond);
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_goes_on_where_it_was_stopped() {
    let dir = tempfile::tempdir().expect("a directory");
    let network = devnet::start(config(dir.path())).await.expect("a network");
    let player = Player::join(&network, 1).await;
    let (target, scored) = player.find_hit(TEXT).await;
    player.submit(target.id, &scored).await;
    let info = player.client.service_info().await.expect("an answer");
    let (balance, state) = (player.balance().await, player.client.epoch_state().await.expect("a state"));
    let objects = network.objects.clone();
    network.shutdown().await;

    let network = devnet::start(config(dir.path())).await.expect("the same network");
    let player = Player::rejoin(&network, 1);
    let again = player.client.service_info().await.expect("an answer");
    assert_eq!((again.chain_id, again.checkpoint_height), (info.chain_id, info.checkpoint_height));
    assert_eq!(player.balance().await, balance);
    assert_eq!(player.client.epoch_state().await.expect("a state"), state);
    assert_eq!(network.objects.access_key_id, objects.access_key_id);
    assert_eq!(network.objects.public_url, objects.public_url, "published URLs stay good");
    // The fill is audited again: neither the data nor the weights got lost.
    let audit = eventually("the audit", async || network.audits().pop()).await;
    assert_eq!((audit.target, audit.verdict), (target.id, Verdict::Honest));
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_never_answers_holds_no_other_audit_up() {
    let dir = tempfile::tempdir().expect("a directory");
    let network = devnet::start(config(dir.path())).await.expect("a network");
    let player = Player::join(&network, 1).await;
    let silent = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let url = format!("http://{}/data.bin", silent.local_addr().expect("an address"));

    let begun = Instant::now();
    let (target, scored) = player.find_hit(TEXT).await;
    let unavailable = Manifest::new(&url, hash(TEXT), TEXT.len() as u64).expect("a URL");
    player.submit(target.id, &Scored { manifest: unavailable, ..scored }).await;
    let (honest, scored) = player.find_hit(TEXT).await;
    player.submit(honest.id, &scored).await;

    let find = |id| network.audits().into_iter().find(|audit| audit.target == id);
    let first = eventually("an audit", async || find(honest.id)).await;
    assert_eq!(first.verdict, Verdict::Honest);
    // Of a machine that took longer than the server's patience nothing can be said.
    let is_held_up = find(target.id).is_some() && begun.elapsed() < Duration::from_secs(5);
    assert!(!is_held_up, "the other one still waits for its data");
    let stalled = eventually("the other audit", async || find(target.id)).await;
    let Verdict::Fraud(reason) = &stalled.verdict else { panic!("{:?}", stalled.verdict) };
    assert!(reason.starts_with("data unavailable:") && reason.contains("not complete after 5 s"), "{reason}");
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_networks_of_one_seed_have_the_same_models() {
    let (one, two) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let mut ids = Vec::new();
    for dir in [&one, &two] {
        let network = devnet::start(config(dir.path())).await.expect("a network");
        let state = Client::new(&network.rpc_url, SOON).expect("a URL").epoch_state().await.expect("a state");
        ids.push(state.models.into_iter().map(|m| (m.id, m.checksum, m.decryption_key)).collect::<Vec<_>>());
        network.shutdown().await;
    }
    assert_eq!(ids[0].len(), 3);
    assert_eq!(ids[0], ids[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clock_turns_the_epoch_and_resumes_after_a_stop() {
    let dir = tempfile::tempdir().expect("a directory");
    let ticking = DevnetConfig { epoch: Some(Duration::from_millis(200)), ..config(dir.path()) };
    let network = devnet::start(ticking.clone()).await.expect("a network");
    let client = Client::new(&network.rpc_url, SOON).expect("a URL");
    let reached = eventually("the fourth epoch", async || {
        let epoch = client.service_info().await.expect("an answer").epoch;
        (epoch >= 4).then_some(epoch)
    })
    .await;
    let before = client.epoch_state().await.expect("a state").emission_balance;
    network.shutdown().await;

    let network = devnet::start(ticking).await.expect("the same network");
    let client = Client::new(&network.rpc_url, SOON).expect("a URL");
    eventually("another epoch", async || {
        let state = client.epoch_state().await.expect("a state");
        // A whole epoch emits: its emission leaves the pool.
        (state.epoch > reached + 1 && state.emission_balance < before).then_some(())
    })
    .await;
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_start_says_why_and_leaves_no_trace() {
    let dir = tempfile::tempdir().expect("a directory");
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let busy = DevnetConfig { listen: Ports { scoring: port, ..Ports::default() }, ..config(dir.path()) };
    let Err(error) = devnet::start(busy).await else { panic!("the port was taken") };
    assert!(matches!(error, DevnetError::PortInUse { .. }));
    let text = error.to_string();
    assert!(text.contains(&port.to_string()) && text.contains("scoring service"), "{text}");

    let broken = ModelSpec { weights: b"not weights".to_vec(), ..models().remove(0) };
    let Err(error) = devnet::start(DevnetConfig { models: vec![broken], ..config(dir.path()) }).await else {
        panic!("these are no weights")
    };
    assert!(error.to_string().starts_with("model small-0:"), "{error}");

    let network = devnet::start(config(dir.path())).await.expect("nothing stands in the way now");
    let Err(error) = devnet::start(config(dir.path())).await else { panic!("one directory, two networks") };
    assert!(matches!(error, DevnetError::DirectoryInUse { .. }), "{error}");
    network.shutdown().await;

    let Err(error) = devnet::start(DevnetConfig { seed: 8, ..config(dir.path()) }).await else {
        panic!("another seed")
    };
    assert!(matches!(error, DevnetError::OtherSeed { found: 7, asked: 8, .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_written_directory_is_named_and_kept() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("ledger.db"), b"left behind").expect("a file");
    let Err(error) = devnet::start(config(dir.path())).await else { panic!("half a network is none") };
    assert!(matches!(error, DevnetError::HalfWritten { .. }), "{error}");
    assert!(error.to_string().contains(&dir.path().display().to_string()), "{error}");
    assert_eq!(std::fs::read(dir.path().join("ledger.db")).expect("still there"), b"left behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_faucet_pays_many_at_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let network = devnet::start(DevnetConfig { models: Vec::new(), ..config(dir.path()) }).await.expect("a network");
    let recipients: Vec<_> = (0..12).map(|n| Address([n + 1; 32])).collect();
    let requests = recipients.iter().map(|recipient| client::request_faucet(&network.faucet_url, *recipient));
    for sent in futures::future::join_all(requests).await {
        assert_eq!(sent.expect("the faucet gives"), [FAUCET]);
    }
    let client = Client::new(&network.rpc_url, SOON).expect("a URL");
    for recipient in recipients {
        assert_eq!(client.balance(recipient).await.expect("a balance"), FAUCET);
    }
    assert_eq!(client.service_info().await.expect("an answer").epoch, 0, "without models there is nothing to wait for");
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_checkpoint_reaches_every_open_stream() {
    let dir = tempfile::tempdir().expect("a directory");
    let network = devnet::start(config(dir.path())).await.expect("a network");
    let player = Player::join(&network, 1).await;
    // Both streams stand before anything happens: their headers come at once.
    let mut streams = Vec::new();
    for _ in 0..2 {
        streams.push(player.client.subscribe().await.expect("a stream"));
    }
    let (target, scored) = player.find_hit(TEXT).await;
    let submitted = player.submit(target.id, &scored).await;
    player.advance_epoch().await;
    for stream in &mut streams {
        let fill = stream.next().await.expect("a checkpoint").expect("decoded");
        assert_eq!(fill.transactions, [submitted.effects.transaction_digest]);
        assert!(
            fill.targets.iter().any(|(id, written)| *id == target.id && written.submitter == Some(player.address()))
        );
        assert_eq!(fill.targets.len(), 2, "the filled one and its replacement");
        let turn = stream.next().await.expect("a checkpoint").expect("decoded");
        assert_eq!(turn.sequence_number, fill.sequence_number + 1);
        assert_eq!(turn.targets.len(), 100);
    }
    network.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_masked_paged_and_carry_the_chain_in_their_headers() {
    let dir = tempfile::tempdir().expect("a directory");
    let network = devnet::start(config(dir.path())).await.expect("a network");
    let player = Player::join(&network, 1).await;
    let mut ledger = LedgerServiceClient::connect(network.rpc_url.clone()).await.expect("a connection");
    let mut state = StateServiceClient::connect(network.rpc_url.clone()).await.expect("a connection");
    let mask = |paths: &[&str]| Some(prost_types::FieldMask { paths: paths.iter().map(|p| (*p).to_owned()).collect() });

    let answer = ledger.get_service_info(pb::GetServiceInfoRequest {}).await.expect("an answer");
    let header = |name: &str| answer.metadata().get(name).map(|v| v.to_str().expect("text").to_owned());
    assert_eq!(header("x-soma-chain").as_deref(), Some("localnet"));
    assert_eq!(header("x-soma-epoch").as_deref(), Some("2"));
    assert_eq!(header("x-soma-chain-id").map(|id| id.len()), Some(8));
    assert_eq!(header("server").as_deref(), Some("soma-node/0.1.21"));
    assert_eq!(answer.get_ref().server.as_deref(), Some("soma-node/0.1.21"));

    // Every digest is answered with every mask, the ones that end a real node included.
    let sent = executed(
        player.send(|coin| TransactionKind::TransferCoin { coin, amount: Some(5), recipient: Address([9; 32]) }).await,
    );
    let digest = Some(sent.effects.transaction_digest.to_string());
    for paths in [&["*"][..], &["transaction"], &["transaction.digest"]] {
        let request = pb::GetTransactionRequest { digest: digest.clone(), read_mask: mask(paths) };
        let found = ledger.get_transaction(request).await.expect("an answer").into_inner().transaction.expect("it");
        assert_eq!(found.transaction.expect("selected").digest, digest);
    }
    let epoch = ledger
        .get_epoch(pb::GetEpochRequest { epoch: None, read_mask: mask(&["epoch", "protocol_config"]) })
        .await
        .expect("an answer")
        .into_inner()
        .epoch
        .expect("an epoch");
    assert_eq!((epoch.epoch, epoch.system_state), (Some(2), None));
    assert_eq!(epoch.protocol_config.expect("selected").attributes["model_architecture_version"], "1");
    let refused = ledger
        .get_epoch(pb::GetEpochRequest { epoch: Some(99), read_mask: None })
        .await
        .expect_err("there is no such epoch");
    assert_eq!((refused.code(), refused.message()), (tonic::Code::NotFound, "Committee for epoch 99 not found"));
    assert!(!refused.details().is_empty(), "every refusal carries its envelope");

    let mut request = pb::ListTargetsRequest {
        status_filter: Some("Open".to_owned()),
        page_size: Some(40),
        read_mask: mask(&["id"]),
        ..Default::default()
    };
    let (mut ids, mut pages) = (Vec::new(), Vec::new());
    loop {
        let page = state.list_targets(request.clone()).await.expect("a page").into_inner();
        pages.push(page.targets.len());
        ids.extend(page.targets.into_iter().map(|target| target.id.expect("selected")));
        match page.next_page_token {
            Some(token) => request.page_token = Some(token),
            None => break,
        }
    }
    assert_eq!(pages, [40, 40, 20]);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 100);
    request.status_filter = Some("filled".to_owned());
    let refused = state.list_targets(request).await.expect_err("a token of another filter");
    assert_eq!(refused.message(), "page_token parameters do not match request filters");
    network.shutdown().await;
}
