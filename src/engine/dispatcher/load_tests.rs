//! The dispatcher under the load of a busy network, without the network.

use std::time::Duration;

use super::*;
use crate::{
    chain::{
        client::{ActiveModelInfo, EpochState, ServiceInfo, TargetInfo},
        types::{SomaTensor, TargetStatus},
    },
    devnet::GenesisOptions,
    engine::EngineConfig,
};

const DIM: usize = 64;
const OPEN: u64 = 2_000;
const MODEL: ObjectId = ObjectId([200; 32]);

fn id(n: u64) -> ObjectId {
    let mut bytes = [1; 32];
    bytes[..8].copy_from_slice(&n.to_be_bytes());
    ObjectId(bytes)
}

fn embedding(n: u64) -> Vec<f32> {
    (0..DIM).map(|at| ((n as usize + at * 7) % 13) as f32 - 6.0).collect()
}

fn listed(n: u64) -> TargetInfo {
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

fn on_chain(n: u64, status: TargetStatus) -> (ObjectId, TargetV1) {
    let target = TargetV1 {
        status,
        ..TargetV1::open(SomaTensor::vector(&embedding(n)), vec![MODEL], SomaTensor::scalar(1.05), 12_685_185, 3)
    };
    (id(n), target)
}

fn state() -> EpochState {
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

/// A day of the network's pace is one fill a second; a burst is fifty.
#[tokio::test]
async fn five_thousand_fills_by_others_are_kept_up_with_and_leave_nothing_behind() {
    const FILLS: u64 = 5_000;
    let dir = tempfile::tempdir().unwrap();
    let config = EngineConfig {
        dir: dir.path().join("engine"),
        network_name: "devnet".into(),
        rpc_url: "http://127.0.0.1:9".into(),
        keypair: None,
        chain: None,
        policy: Policy::default(),
        store: None,
        corpus: vec![dir.path().into()],
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
        die_at: None,
    };
    let journal = Journal::open(&config.dir, None).unwrap();
    let (mut dispatcher, _handle) = start::build(config, journal).await.unwrap();
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
