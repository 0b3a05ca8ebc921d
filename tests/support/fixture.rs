//! Snapshots to draw: a network in full swing, and one that has not answered yet.

use std::sync::Arc;

use somascope::{
    api::{
        AutoView, BoardModel, BoardView, CommissionChange, Coverage, DeviceMemory, EpochReview, EpochRewards, Filler,
        Finds, Gap, Gaps, Level, LogKind, LogLine, MapLayout, MapModel, MapPoint, MapTarget, MapView, Mode, ModelRow,
        MoneyLeft, Moved, NearMiss, NetworkView, Pace, PolicyLimits, PolicyView, Prospect, RateSeries, Rates, Reach,
        ReachRow, Refusal, Region, RewardsView, ScorerState, ScorerView, ServerName, Snapshot, Stage, Stages,
        StakeChange, SubmissionId, SubmissionRow, SubmissionState, TargetRow, TargetStage, ThroughputView, Totals,
        TransactionWord, Upstream, WalletView,
    },
    primitives::{Address, Digest, ObjectId, Shannons, hash},
};

/// 2026-11-22 13:40:28 UTC.
pub const NOW_MS: u64 = 1_795_354_828_000;

/// Node, checkpoints, objects, with the time at which each was last heard.
fn upstreams(heard: [Option<u64>; 3]) -> Vec<Upstream> {
    let node = "http://127.0.0.1:50051";
    let names = [
        (ServerName::Node, node),
        (ServerName::Checkpoints, node),
        (ServerName::Objects, "http://127.0.0.1:9000/somascope/"),
    ];
    let upstream = |((name, url), last_heard_ms): ((ServerName, &str), _)| Upstream {
        name,
        url: url.to_owned(),
        last_heard_ms,
        trouble: None,
    };
    names.into_iter().zip(heard).map(upstream).collect()
}

pub fn id(kind: &str, n: u64) -> ObjectId {
    ObjectId(hash(format!("{kind} {n}").as_bytes()).0)
}

/// Reproducible numbers from 0 to 1.
fn noise(seed: u64) -> f32 {
    let bytes = hash(&seed.to_le_bytes()).0;
    f32::from(u16::from_le_bytes([bytes[0], bytes[1]])) / 65_536.0
}

fn models() -> Vec<ModelRow> {
    let rows = [(420, 500, true, 812), (300, 1000, true, 644), (150, 250, true, 389), (90, 0, false, 0)];
    (0..)
        .zip(rows)
        .map(|(n, (stake, commission_bps, resident, wins))| ModelRow {
            id: id("model", n),
            stake: Shannons(stake * 1_000_000_000),
            commission_bps,
            resident,
            loaded_on: if resident { vec!["cpu in f32".to_owned()] } else { Vec::new() },
            fetching: None,
            trouble: (!resident).then(|| "weights: HTTP 404 from http://127.0.0.1:9184/…".to_owned()),
            wins,
            targets: 75 - n * 6,
            pinned: false,
            crowd: u64::from(n < 2),
            nearest: Some((id("model", [1, 0, 3, 2][n as usize]), [0.21, 0.21, 0.74, 0.74][n as usize])),
        })
        .collect()
}

fn targets() -> Vec<TargetRow> {
    (0..100)
        .map(|n| TargetRow {
            id: id("target", n),
            epoch: 12,
            stage: match n {
                0..=2 => TargetStage::Hit,
                3 => TargetStage::InFlight,
                4 => TargetStage::Ours,
                _ => TargetStage::Open,
            },
            reward: Shannons(12_685_185),
            threshold: 1.05,
            models: (0..3).map(|k| id("model", (n + k) % 4)).collect(),
            // Five are within the threshold, and nobody has tried the last ten.
            best_distance: (n < 90)
                .then(|| 1.025 + n as f32 * 0.002 + noise(n) * 0.002 + if n < 5 { 0.0 } else { 0.02 }),
            seen_at_ms: NOW_MS - 1000 * (5 + n * n),
            pinned: n == 1 || n == 17,
        })
        .collect()
}

fn map(targets: &[TargetRow]) -> MapView {
    let centres = [(-0.6_f32, 0.35_f32), (0.5, 0.55), (0.15, -0.6)];
    let around = |seed: u64, centre: (f32, f32), spread: f32| {
        // A sum of uniforms is normal enough for a picture.
        let bell = |s: u64| (0..4).map(|k| noise(s * 8 + k) - 0.5).sum::<f32>();
        (centre.0 + bell(seed * 2) * spread, centre.1 + bell(seed * 2 + 1) * spread)
    };
    let samples = (0..900_u64).map(|n| {
        let model = (n % 7).min(4) / 2;
        let (x, y) = around(n, centres[model as usize], 0.45);
        MapPoint {
            x,
            y,
            model: model as u16,
            source: (n % 5) as u16 / 2,
            loss: 2.3 + noise(n) * 0.4,
            margin: (n % 11 > 0).then(|| 0.01 - noise(n + 5_000) * 0.1),
            nearest: (n % 3) as u32,
            sample: 0,
        }
    });
    let models = centres.iter().zip(0..).map(|(&(x, y), model)| MapModel { x, y, model });
    let points = targets.iter().zip(10_000_u64..).zip(0..).map(|((_, n), row)| {
        let (x, y) = around(n, centres[(n % 3) as usize], 0.9);
        MapTarget { x, y, row }
    });
    let regions =
        [((9, 5), 20, 24, 2, 3.4), ((3, 6), 310, 38, 1, 1.6), ((6, 1), 570, 33, 0, 0.7), ((0, 0), 4, 0, 0, 0.0)];
    let regions = regions.map(|((column, row), samples, open, hit, need)| Region {
        column,
        row,
        samples,
        open,
        hit,
        reward: Shannons(12_685_185 * u64::from(open)),
        best_margin: (open > 0).then_some(-0.011),
        mean_margin: (open > 0).then_some(-0.011 - need * 0.01),
        need,
    });
    MapView {
        basis: 1,
        layout: MapLayout::Principal,
        fitting: false,
        explained: [0.42, 0.17],
        samples: Arc::new(samples.collect()),
        tiles: Arc::default(),
        scored: 900,
        sources: Arc::new(["code", "prose", "logs"].map(String::from).to_vec()),
        reached: Arc::new(targets.iter().take(3).map(|target| target.id).collect()),
        models: models.collect(),
        targets: Arc::new(points.collect()),
        coverage: Arc::new(Coverage {
            columns: 12,
            rows: 8,
            min: (-1.3, -1.3),
            max: (1.3, 1.3),
            regions: regions.to_vec(),
        }),
    }
}

/// The way to a state that was entered at `at_ms`, two seconds a step.
fn steps(state: SubmissionState, at_ms: u64) -> Vec<(SubmissionState, u64)> {
    use SubmissionState as S;
    let mut way = vec![S::Found, S::Confirmed, S::AwaitingApproval, S::Approved, S::Uploaded, S::Signed, S::Sent];
    match state {
        S::Filled | S::Lost | S::Failed | S::Unknown => way.push(state),
        S::Claimable => way.extend([S::Filled, state]),
        S::Claimed | S::Forfeited => way.extend([S::Filled, S::Claimable, state]),
        early => way.truncate(way.iter().position(|s| *s == early).map_or(0, |at| at + 1)),
    }
    let last = way.len() as u64;
    way.into_iter().zip(1..).map(|(state, n): (_, u64)| (state, at_ms - (last - n) * 2_000)).collect()
}

pub fn submission(n: u64, state: SubmissionState) -> SubmissionRow {
    let source = [
        "code/scheduler.rs +2048",
        "prose/moby-dick.txt +61440",
        "logs/nginx-access.log +8192",
        "data/\u{1b}[31mevil\u{1b}[0m.bin",
    ];
    let preview: &[u8] = match n % 4 {
        0 => {
            b"/// Picks the next task to run: the one that has waited longest among those that are ready.\n\
               fn next(&mut self) -> Option<TaskId> {\n    let now = self.clock.now();\n    \
               self.ready.iter().filter(|t| t.due <= now).min_by_key(|t| t.since).map(|t| t.id)\n}\n"
        }
        1 => {
            b"Call me Ishmael. Some years ago--never mind how long precisely--having little or no money in my \
               purse, and nothing particular to interest me on shore, I thought I would sail about a little and see \
               the watery part of the world."
        }
        2 => b"127.0.0.1 - - [22/Nov/2026:13:40:28 +0000] \"GET / HTTP/1.1\" 200 612 \"-\" \"curl/8.5.0\"\n",
        _ => &[0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0xff, 0xfe, 0x1b, b'[', b'2', b'J', 0x80, 0x90, 0x41, 0x42],
    };
    let paid = (state == SubmissionState::Claimed).then_some(Shannons(6_365_420));
    let sent = matches!(state, SubmissionState::Filled | SubmissionState::Claimed | SubmissionState::Claimable);
    let waits = state == SubmissionState::AwaitingApproval;
    SubmissionRow {
        id: SubmissionId(n as i64),
        state,
        target: id("target", n),
        epoch: 12,
        model: id("model", n % 3),
        source: source[(n % 4) as usize].to_owned(),
        checksum: Digest(hash(preview).0),
        size_bytes: 1024 * (1 + n % 3),
        pieces: pieces(n, source[(n % 4) as usize]),
        preview: preview.to_vec(),
        distance: 1.0312 + (n % 5) as f32 * 0.004,
        threshold: 1.05,
        losses: (0..3).map(|k| (id("model", k), 2.3145 + ((k + 3 - n % 3) % 3) as f32 * 0.41)).collect(),
        bond: Shannons(66_560 * (1 + n % 3)),
        fee: Shannons(2_200),
        expected_reward: Shannons(6_370_000 - n * 1_000),
        paid,
        digest: sent.then(|| hash(&n.to_le_bytes())),
        claim_digest: (state == SubmissionState::Claimed).then(|| hash(&(n + 1_000).to_le_bytes())),
        url: sent.then(|| format!("http://127.0.0.1:9000/somascope/12/{}.bin", hash(preview))),
        note: (state == SubmissionState::Failed).then(|| "InsufficientBond: 66,560 needed, 1,200 given".to_owned()),
        changed_at_ms: NOW_MS - 1000 * (3 + n * 17),
        steps: steps(state, NOW_MS - 1000 * (3 + n * 17)),
        prospect: waits.then(|| Prospect {
            chance_permille: 930,
            at_risk: Shannons(66 + n),
            gain: 5_921_834 - n as i64 * 1_000,
        }),
    }
}

/// Every third is a composition.
fn pieces(n: u64, source: &str) -> Vec<String> {
    let windows = 1 + n % 3;
    (0..windows).map(|at| format!("/home/me/corpus/{source} from byte {}, 1024 B", 2048 * (at + 1))).collect()
}

/// A devnet's limits, with some of them used.
fn policy() -> PolicyView {
    let limits = PolicyLimits {
        max_bond_per_submission: Shannons(10_000_000),
        max_bond_per_epoch: Shannons(1_000_000_000),
        min_margin_millionths: 0,
        min_gain: Shannons::ZERO,
    };
    PolicyView {
        limits,
        at_start: limits,
        edited_at_ms: None,
        used: Shannons(399_360),
        auto: AutoView {
            approved: 4,
            bonds: Shannons(266_240),
            refused: 2,
            refusals: [
                (61, "its bond of 0.012 SOMA is above the limit of 0.01 a submission"),
                (93, "its margin of 0.000120 is below the limit of 0.001000"),
            ]
            .into_iter()
            .zip(40..)
            .map(|((seconds, why), n)| Refusal {
                at_ms: NOW_MS - seconds * 1000,
                target: id("target", n),
                source: "prose/moby-dick.txt +61440".to_owned(),
                why: why.to_owned(),
            })
            .collect(),
        },
    }
}

const SIGMA: f32 = 0.022_097_087;

/// Four models, of which two are a crowd; three rivals; eleven epochs in review.
fn board() -> BoardView {
    let model = |n: u64, (stake, share_ppm, crowd, crowd_ppm): (u64, u64, u64, u64), hits, near| BoardModel {
        id: id("model", n),
        stake: Shannons(stake * 1_000_000_000),
        share_ppm,
        commission_bps: 500 + 125 * n,
        nearest: Some((id("model", n ^ 1), 0.21 + n as f32 * 0.24)),
        crowd,
        crowd_ppm,
        targets: 75 - n * 6,
        reward: Shannons(12_685_185 * (75 - n * 6)),
        opportunity: Shannons(12_685_185 * (75 - n * 6) * 10_000 / crowd_ppm),
        wins: [812, 644, 389, 0][n as usize],
        hits,
        near,
        best_z: (n < 3).then_some(1.4 - n as f32),
    };
    let gap = |n: u64| Gap {
        target: id("target", 3 + n * 7),
        reward: Shannons(12_685_185),
        model: id("model", n % 4),
        distance: 1.012 - n as f32 * 0.002,
        z: (n as f32 * 0.002 - 0.012) / SIGMA,
        ours_z: (n != 5).then_some(0.4 - n as f32 * 0.3),
    };
    let filler = |n: u64, fills, all, median_ms| Filler {
        address: if n == 1 { Address(hash(b"wallet").0) } else { Address(hash(&n.to_le_bytes()).0) },
        is_us: n == 1,
        fills,
        all,
        median_ms,
    };
    let reach =
        |name: &str, nearest, hits, near, best_z| ReachRow { name: name.to_owned(), nearest, hits, near, best_z };
    let miss = |n: u64| NearMiss {
        target: id("target", 5 + n),
        model: id("model", n % 3),
        source: ["moby-dick.txt@61440", "scheduler.rs@2048", "evil\u{1b}[31m.bin"][(n % 3) as usize].to_owned(),
        reward: Shannons(12_685_185),
        z: -0.05 - n as f32 * 0.11,
    };
    BoardView {
        epoch: 12,
        sigma: SIGMA,
        models: vec![
            model(3, (90, 144_100, 0, 144_100), 0, 0),
            model(2, (150, 186_000, 0, 186_000), 0, 4),
            model(0, (420, 311_300, 1, 574_400), 3, 9),
            model(1, (300, 263_100, 1, 574_400), 1, 5),
        ],
        gaps: Gaps { open: 99, count: 31, reward: Shannons(31 * 12_685_185), rows: (0..31).map(gap).collect() },
        pace: Pace {
            whole: true,
            opened: 114,
            filled: 14,
            ours: 3,
            all: 1_204,
            all_ours: 188,
            median_ms: Some(4_120),
            our_median_ms: Some(6_030),
        },
        fillers: vec![
            filler(0, 7, 640, Some(3_300)),
            filler(1, 3, 188, Some(6_030)),
            filler(2, 3, 301, Some(41_000)),
            filler(3, 1, 75, None),
        ],
        reach: Reach {
            kinds: vec![
                reach("txt", 48, 3, 11, Some(1.4)),
                reach("rs", 39, 1, 7, Some(0.4)),
                reach("composition", 2, 0, 0, Some(-3.1)),
            ],
            sources: vec![reach("prose", 51, 3, 11, Some(1.4)), reach("code", 38, 1, 7, Some(0.4))],
            misses: (0..18).map(miss).collect(),
        },
        money: MoneyLeft {
            mine: 1,
            mine_pays: Shannons(6_370_000),
            others: Some(Finds {
                count: 9,
                more: false,
                fees: Shannons(570_825),
                costs: Shannons(51_345),
                at_ms: NOW_MS - 60_000,
            }),
            dust: 2,
            dust_holds: Shannons(31_000),
        },
        reviews: (1..=11).rev().map(review).collect(),
    }
}

fn review(epoch: u64) -> EpochReview {
    let mut review = EpochReview {
        epoch,
        ended_at_ms: NOW_MS - (12 - epoch) * 20_000,
        whole: epoch != 8,
        compared_with: epoch + 1,
        models: 4,
        new_models: Vec::new(),
        gone_models: Vec::new(),
        moved: Vec::new(),
        stakes: vec![StakeChange {
            model: id("model", 0),
            from: Shannons(419_200_000_000),
            to: Shannons(420_000_000_000),
        }],
        commissions: Vec::new(),
        threshold: 1.05,
        reward: Shannons(12_685_185),
        opened: 108 + epoch,
        filled: 8 + epoch,
        expired: 100,
        hits: 4 + epoch % 3,
        near_misses: 17,
        ours: 2 + epoch % 4,
        fees: Shannons(2_200 * (2 + epoch % 4)),
        bonds: Shannons(66_560 * (2 + epoch % 4)),
        earned: Shannons(if epoch < 10 { 6_365_420 * (2 + epoch % 4) } else { 0 }),
        pending: Shannons(if epoch < 10 { 0 } else { 6_370_000 * (2 + epoch % 4) }),
        forfeited: Shannons::ZERO,
    };
    if epoch == 11 {
        review.new_models = vec![id("model", 3)];
        review.gone_models = vec![id("model", 9)];
        review.moved = vec![Moved { model: id("model", 2), distance: 0.1204 }];
        review.commissions = vec![CommissionChange { model: id("model", 1), from_bps: 900, to_bps: 1000 }];
    }
    review
}

/// A history of so many buckets; the first ones are missing, and a pause in the middle.
fn rates(bucket_s: u64, buckets: usize, missing: usize) -> RateSeries {
    let at = |n: usize| {
        let ran = n >= missing && !(buckets / 2..buckets / 2 + 5).contains(&n);
        let samples_per_s = 6.2 + noise(n as u64 / 3) * 2.6 + (n as f32 / 40.0).sin();
        ran.then_some(Rates {
            samples_per_s,
            tokens_per_s: samples_per_s * 3_072.0,
            evaluations_per_s: samples_per_s * 3.0,
            hits_per_h: if n.is_multiple_of(9) { 240.0 } else { 0.0 },
            busy: 0.9 + noise(n as u64) * 0.1,
        })
    };
    let now_s = NOW_MS / 1000;
    RateSeries { bucket_s, last_s: now_s - now_s % bucket_s, buckets: Arc::new((0..buckets).map(at).collect()) }
}

/// Three approvals wait, fills and claims of several epochs, scoring under way.
pub fn busy() -> Snapshot {
    use SubmissionState::{AwaitingApproval, Claimable, Claimed, Failed, Filled, Lost, Sent};
    let targets = targets();
    let approvals: Vec<_> = (0..3).map(|n| Arc::new(submission(n, AwaitingApproval))).collect();
    let states = [Sent, Filled, Filled, Claimable, Lost, Claimed, Claimed, Failed, Claimed, Claimed];
    let rest = states.into_iter().zip(3..).map(|(state, n)| Arc::new(submission(n, state)));
    let epochs = (0..6_u64).map(|n| EpochRewards {
        epoch: 12 - n,
        began_ms: Some(NOW_MS - 60_000 - n * 8 * 3_600_000),
        filled: [2, 3, 4, 2, 5, 1][n as usize],
        lost: u64::from(n == 1),
        earned: Shannons(if n < 2 { 0 } else { 6_365_420 * (2 + n % 3) }),
        pending: Shannons(if n < 2 { 6_370_000 * (2 + n) } else { 0 }),
        forfeited: Shannons::ZERO,
        fees: Shannons(2_200 * (2 + n)),
    });
    let line = |seconds: u64, level, text: &str| LogLine::new(NOW_MS - seconds * 1000, level, text);
    Snapshot {
        version: 42,
        at_ms: NOW_MS,
        mode: Mode::Manual,
        scoring_paused: false,
        only_pinned: false,
        network: NetworkView {
            name: "devnet".to_owned(),
            rpc_url: "http://127.0.0.1:50051".to_owned(),
            chain_id: "4c78adac9f1e".to_owned(),
            epoch: 12,
            epoch_ends_at_ms: NOW_MS + 14_000,
            threshold: 1.05,
            reward_per_target: Shannons(12_685_185),
            reward_for_submitter: Shannons(6_374_306),
            embedding_dim: 2048,
            protocol_version: 5,
            unaccepted_protocol: None,
            upstreams: upstreams([Some(NOW_MS - 1_000), Some(NOW_MS - 300), Some(NOW_MS - 41_000)]),
            trouble: None,
        },
        wallet: WalletView {
            address: Some(Address(hash(b"wallet").0)),
            balance: Shannons(10_046_812_340),
            coins: 3,
            locked_bonds: Shannons(199_680),
            pending_rewards: Shannons(31_850_000),
            claimable_rewards: Shannons(6_370_000),
            history: Arc::new(
                (0..240)
                    .map(|n| {
                        let fills = (n / 20) * 4_100_000 + u64::from(n % 20 > 6) * 1_900_000;
                        (NOW_MS - (240 - n) * 1000, Shannons(9_998_000_000 + fills))
                    })
                    .collect(),
            ),
        },
        map: Arc::new(map(&targets)),
        board: Arc::new(board()),
        inspection: None,
        targets: Arc::new(targets),
        looked_at: None,
        models: Arc::new(models()),
        throughput: ThroughputView {
            samples_scored: 1_845,
            model_evaluations: 5_535,
            tokens: 5_667_840,
            samples_per_s: 7.4,
            tokens_per_s: 22_732.0,
            evaluations_per_s: 22.2,
            hits: 12,
            hits_per_h: 173.2,
            queue: 16,
            remaining: Some(12_340),
            skipped: 2,
            minute: rates(1, RateSeries::MINUTE, 0),
            hour: rates(15, RateSeries::HOUR, 100),
            day: rates(300, RateSeries::DAY, 40),
            memory: vec![DeviceMemory { device: "cpu".to_owned(), used: 612 << 20, budget: Some(4 << 30) }],
            resident_bytes: Some(1_480 << 20),
            duplicates: 317,
            device: "cpu, 2 threads".to_owned(),
            rows_per_s: 22.2,
            bytes_per_s: 22_732.0,
            stages: Stages {
                read: Stage { waiting: 64, room: 64 },
                scoring: Stage { waiting: 29, room: 32 },
                scored: Stage { waiting: 0, room: 64 },
                saving: Stage { waiting: 17, room: 64 },
            },
            scorers: vec![ScorerView {
                name: "cpu in f32".to_owned(),
                state: ScorerState::Scoring,
                batch_rows: 8,
                rows_per_s: 22.2,
                bytes_per_s: 22_732.0,
                busy: 0.97,
                trouble: None,
            }],
        },
        policy: Arc::new(policy()),
        approvals: Arc::new(approvals.clone()),
        submissions: Arc::new(approvals.into_iter().chain(rest).collect()),
        rewards: Arc::new(RewardsView {
            epochs: epochs.collect(),
            total: Totals {
                submitted: 19,
                filled: 17,
                lost: 1,
                claimed: 12,
                rewards: Shannons(76_385_040),
                fees: Shannons(75_200),
                bonds_locked: Shannons(199_680),
                bonds_forfeited: Shannons::ZERO,
            },
            paid_last_day: Shannons(76_385_040),
            since_ms: Some(NOW_MS - 7_260_000),
        }),
        log: Arc::new(vec![
            line(93, Level::Info, "connected to http://127.0.0.1:50051, chain 4c78adac9f1e, epoch 8")
                .about(LogKind::Network),
            line(92, Level::Info, "3 of 4 models loaded").about(LogKind::Scoring),
            line(92, Level::Warning, "model 3: weights: HTTP 404 from http://127.0.0.1:9184/weights/3")
                .about(LogKind::Scoring),
            line(60, Level::Info, "epoch 10: 100 targets open, threshold 1.0500").about(LogKind::Network),
            line(41, Level::Info, "claimed 0.006365420 SOMA for epoch 10").about(LogKind::Transaction {
                what: TransactionWord::Claim,
                digest: hash(b"claim"),
                fee: Some(Shannons(1_200)),
            }),
            line(17, Level::Error, "submission 10 failed: InsufficientBond, 66,560 needed, 1,200 given").about(
                LogKind::Transaction {
                    what: TransactionWord::Submit,
                    digest: hash(b"failed"),
                    fee: Some(Shannons(1_000)),
                },
            ),
            line(9, Level::Info, "target 5cd4a1f2 filled with prose/moby-dick.txt +61440").about(
                LogKind::Transaction {
                    what: TransactionWord::Submit,
                    digest: hash(b"filled"),
                    fee: Some(Shannons(1_000)),
                },
            ),
            line(3, Level::Info, "hit: code/scheduler.rs +2048 is 1.0312 from a target with threshold 1.0500")
                .about(LogKind::Hit { target: id("target", 0) }),
        ]),
        log_first: 0,
    }
}

/// Before the node's first answer.
pub fn empty() -> Snapshot {
    Snapshot {
        version: 0,
        at_ms: NOW_MS,
        mode: Mode::Manual,
        scoring_paused: false,
        only_pinned: false,
        network: NetworkView {
            name: "devnet".to_owned(),
            rpc_url: "http://127.0.0.1:50051".to_owned(),
            chain_id: String::new(),
            epoch: 0,
            epoch_ends_at_ms: 0,
            threshold: 0.0,
            reward_per_target: Shannons::ZERO,
            reward_for_submitter: Shannons::ZERO,
            embedding_dim: 0,
            protocol_version: 0,
            unaccepted_protocol: None,
            upstreams: upstreams([None, None, None]),
            trouble: None,
        },
        wallet: WalletView {
            address: Some(Address(hash(b"wallet").0)),
            balance: Shannons::ZERO,
            coins: 0,
            locked_bonds: Shannons::ZERO,
            pending_rewards: Shannons::ZERO,
            claimable_rewards: Shannons::ZERO,
            history: Arc::default(),
        },
        targets: Arc::default(),
        looked_at: None,
        models: Arc::default(),
        map: Arc::default(),
        board: Arc::default(),
        inspection: None,
        throughput: ThroughputView::default(),
        policy: Arc::default(),
        approvals: Arc::default(),
        submissions: Arc::default(),
        rewards: Arc::default(),
        log: Arc::default(),
        log_first: 0,
    }
}
