//! What an engine sees of others: who fills, what every epoch was, and what lands where.

use std::sync::Arc;

use bytes::Bytes;
use somascope::{
    api::{
        Command, Content, Event, Inspect, InspectStage, Inspection, MapPart, Mode, ServerName, Snapshot,
        SubmissionState as State,
    },
    engine::board,
    primitives::ObjectId,
};

use crate::{
    network::{Network, Orders, until},
    process::Running,
};

const TARGETS: u64 = 3;

fn snapshot(engine: &Running) -> Arc<Snapshot> {
    engine.0.snapshot.borrow().clone()
}

/// From here on it sees what opens and closes when it happens.
async fn subscribed(engine: &Running) {
    until("the subscription stands", async || {
        let upstreams = snapshot(engine).network.upstreams.clone();
        upstreams.iter().any(|server| server.name == ServerName::Checkpoints && server.last_heard_ms.is_some())
    })
    .await;
}

/// A network on which a rival (seed 1) has filled every target of an epoch under the eyes of an engine (seed 2) that only looks.
async fn watched() -> (Network, Orders, Orders, Running) {
    let network = Network::start(TARGETS).await;
    let (rival, orders) = (network.engine(1).await, network.engine(2).await.with_mode(Mode::Manual));
    let watcher = Running::start(orders.config()).await;
    subscribed(&watcher).await;
    network.next_epoch().await;
    until("the epoch's targets are on the board", async || snapshot(&watcher).board.pace.opened == TARGETS).await;
    let hits = || snapshot(&watcher).board.reach.kinds.iter().map(|row| row.hits).sum::<u64>();
    until("the watcher's own data hits them all", async || hits() == TARGETS).await;
    let filler = Running::start(rival.config()).await;
    until("every fill was seen", async || snapshot(&watcher).board.pace.filled == TARGETS).await;
    filler.shut_down().await;
    (network, rival, orders, watcher)
}

/// The answer to this question, when it is whole.
async fn inspected(engine: &Running, of: Inspect) -> Arc<Inspection> {
    engine.command(Command::Inspect(of.clone())).await;
    let answer = || snapshot(engine).inspection.clone().filter(|answer| answer.of == of);
    until("the inspection ends", async || {
        answer().is_some_and(|answer| matches!(answer.stage, InspectStage::Done | InspectStage::Failed(_)))
    })
    .await;
    answer().expect("it was there")
}

#[tokio::test(flavor = "multi_thread")]
async fn fills_and_the_review_of_an_epoch_survive_a_restart() {
    let (network, rival, orders, mut watcher) = watched().await;
    let epoch = snapshot(&watcher).network.epoch;
    let seen = snapshot(&watcher);
    let [filler] = seen.board.fillers.as_slice() else { panic!("one submitter: {:?}", seen.board.fillers) };
    assert_eq!((filler.address, filler.is_us, filler.fills), (rival.address(), false, TARGETS));
    // Their opening was seen, so their time is known; nothing here is ours.
    assert!(filler.median_ms.is_some() && seen.board.pace.whole);
    assert_eq!((seen.board.pace.ours, seen.board.pace.our_median_ms), (0, None));
    // A restart in the epoch's middle forgets no fill, but was away.
    watcher.shut_down().await;
    watcher = Running::start(orders.config()).await;
    until("the board is back", async || snapshot(&watcher).board.pace.filled == TARGETS).await;
    assert!(!snapshot(&watcher).board.pace.whole);
    network.next_epoch().await;
    let review = || snapshot(&watcher).board.reviews.iter().find(|review| review.epoch == epoch).cloned();
    until("the epoch is reviewed", async || review().is_some()).await;
    let review = review().expect("it was there");
    assert_eq!((review.opened, review.filled, review.expired), (TARGETS, TARGETS, 0));
    assert_eq!((review.ours, review.whole, review.compared_with), (0, false, epoch + 1));
    // Every sample hits every target of this network.
    assert_eq!((review.hits, review.near_misses), (TARGETS, 0));
    let line = format!("epoch {epoch} in review: 0 of {TARGETS} fills are ours");
    until("the log tells it", async || snapshot(&watcher).log.iter().any(|log| log.text.contains(&line))).await;
    let last = watcher.shut_down().await;
    assert_eq!(board::reviews(&orders.dir).expect("readable"), last.board.reviews);
    // What is on disk is what a new run shows.
    let again = Running::start(orders.config()).await;
    until("the reviews are back", async || snapshot(&again).board.reviews == last.board.reviews).await;
    assert_eq!(snapshot(&again).board.pace.all, TARGETS);
    again.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_fills_share_and_money_are_in_the_review_of_their_epoch() {
    let network = Network::start(2).await;
    let orders = network.engine(1).await;
    let mut engine = Running::start(orders.config()).await;
    subscribed(&engine).await;
    let epoch = network.next_epoch().await;
    for _ in 0..2 {
        engine.row(State::Filled).await;
    }
    until("the checkpoints showed both", async || snapshot(&engine).board.pace.ours == 2).await;
    let shown = snapshot(&engine);
    assert!(shown.board.pace.our_median_ms.is_some());
    // The models' table knows the crowd of three, and that all open targets were ours.
    assert_eq!(shown.board.models.len(), 3);
    assert_eq!(shown.board.models.iter().map(|model| model.share_ppm).sum::<u64>(), 1_000_000);
    network.next_epoch().await;
    let of_epoch =
        |engine: &Running| snapshot(engine).board.reviews.iter().find(|review| review.epoch == epoch).cloned();
    until("the epoch is reviewed", async || of_epoch(&engine).is_some()).await;
    let review = of_epoch(&engine).expect("it was there");
    assert_eq!((review.ours, review.filled, review.whole), (2, 2, true));
    assert_eq!(review.share_permille(), Some(1000));
    assert!(review.bonds.0 > 0 && review.fees.0 > 0 && review.pending.0 > 0 && review.earned.0 == 0);
    // Two epochs later the claims have paid, and the review of the fills' epoch says so.
    network.next_epoch().await;
    for _ in 0..2 {
        engine.row(State::Claimed).await;
    }
    until("the review is settled", async || of_epoch(&engine).is_some_and(|review| review.pending.0 == 0)).await;
    let settled = of_epoch(&engine).expect("it was there");
    let last = engine.shut_down().await;
    let booked = last.rewards.epochs.iter().find(|sums| sums.epoch == epoch).expect("booked").earned;
    assert_eq!(settled.earned, booked);
    let kept = board::reviews(&orders.dir).expect("readable");
    assert_eq!(kept.iter().find(|review| review.epoch == epoch).map(|review| review.earned), Some(booked));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lands_under_a_model_is_fetched_checked_and_what_is_not_right_is_told() {
    let (network, rival, orders, watcher) = watched().await;
    // Nothing was fetched that nobody asked for.
    assert_eq!(snapshot(&watcher).inspection, None);
    let mut found = None;
    for model in snapshot(&watcher).board.models.iter().map(|model| model.id) {
        let answer = inspected(&watcher, Inspect::Model(model)).await;
        assert_eq!(answer.stage, InspectStage::Done);
        assert!(answer.items.iter().all(|item| item.model == model && item.submitter == rival.address()));
        assert!(answer.items.is_sorted_by(|a, b| a.away <= b.away));
        found = found.or_else(|| answer.items.first().cloned().map(|item| (model, item)));
    }
    let (model, item) = found.expect("some model has won");
    let Content::Here { preview, kind } = &item.content else { panic!("{:?}", item.content) };
    assert!(preview.starts_with(b"sample "), "{}", String::from_utf8_lossy(preview));
    assert_eq!(kind, "text");
    // By the target that it filled, which is not open any more: the chain says where that is.
    let same = inspected(&watcher, Inspect::Target(item.target)).await;
    assert!(same.items.iter().any(|other| other.target == item.target && other.content == item.content));
    let nowhere = inspected(&watcher, Inspect::Target(ObjectId([7; 32]))).await;
    assert!(matches!(&nowhere.stage, InspectStage::Failed(why) if why.contains("not on the chain")), "{nowhere:?}");
    watcher.command(Command::Inspect(Inspect::Close)).await;
    until("it is closed", async || snapshot(&watcher).inspection.is_none()).await;
    watcher.shut_down().await;

    // A new run has seen nothing yet: other bytes of the same length, then none at all.
    let key = item.url.split_once(&format!("/{}/", item.epoch)).map(|(_, name)| format!("{}/{name}", item.epoch));
    let key = key.expect("the rival's store names objects by epoch and checksum");
    let other = vec![b'x'; usize::try_from(item.size_bytes).expect("small")];
    rival.store().put(&key, Bytes::from(other)).await.expect("overwritten");
    for (word, then_delete) in [("checksum", true), ("404", false)] {
        let again = Running::start(orders.config()).await;
        until("the registry is known", async || !snapshot(&again).board.models.is_empty()).await;
        let answer = inspected(&again, Inspect::Model(model)).await;
        let same = answer.items.iter().find(|other| other.target == item.target).expect("still filled");
        assert!(matches!(&same.content, Content::Absent(why) if why.contains(word)), "{:?}", same.content);
        again.shut_down().await;
        if then_delete {
            rival.store().delete(&key).await.expect("deleted");
        }
    }
    drop(network);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lands_in_a_place_of_the_map_is_found_by_where_its_embedding_lies() {
    let (_network, rival, _orders, mut watcher) = watched().await;
    until("the map is laid out", async || snapshot(&watcher).map.basis > 0).await;
    let (basis, coverage) = (snapshot(&watcher).map.basis, snapshot(&watcher).map.coverage.clone());
    let grid = [coverage.min, coverage.max];
    // Shares of the map's width and height, far beyond its edges too.
    let part = |from: (f32, f32), to: (f32, f32)| {
        let at = |share: (f32, f32)| {
            let axis = |share: f32, low: f32, high: f32| low + share * (high - low);
            (axis(share.0, grid[0].0, grid[1].0), axis(share.1, grid[0].1, grid[1].1))
        };
        Inspect::Near(MapPart::new(basis, grid, [at(from), at(to)]).expect("a map"))
    };
    let all = inspected(&watcher, part((-50.0, -50.0), (50.0, 50.0))).await;
    assert_eq!((&all.stage, all.compared, all.more), (&InspectStage::Done, TARGETS, false));
    assert_eq!(all.items.len() as u64, TARGETS);
    for item in &all.items {
        assert_eq!((item.away, item.submitter), (0.0, rival.address()), "all of it lies in there");
        assert!(matches!(&item.content, Content::Here { preview, .. } if preview.starts_with(b"sample ")));
    }
    // From three corners, how far each of them is tells one place.
    let mut seen = Vec::new();
    for corner in [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)] {
        let answer = inspected(&watcher, part(corner, corner)).await;
        assert!(answer.items.is_sorted_by(|a, b| a.away <= b.away), "the nearest first");
        seen.push(answer);
    }
    for item in &all.items {
        let from = |corner: usize| {
            let found = seen[corner].items.iter().find(|other| other.target == item.target).expect("all are shown");
            f64::from(found.away).powi(2)
        };
        let (x, y) = ((from(0) - from(1) + 1.0) / 2.0, (from(0) - from(2) + 1.0) / 2.0);
        assert!((x * x + y * y - from(0)).abs() < 1e-4 * (1.0 + from(0)), "{x} {y} {}", from(0));
    }
    // And one of our own samples in full, with its loss under each model.
    let point = snapshot(&watcher).map.samples[0];
    watcher.command(Command::LookAtSample(point.sample)).await;
    let detail = loop {
        if let Event::Sample(detail) = watcher.0.events.recv().await.expect("the engine runs") {
            break detail;
        }
    };
    let winner = snapshot(&watcher).models[usize::from(point.model)].id;
    assert_eq!((detail.sample, detail.losses.len(), detail.losses[0]), (point.sample, 3, (winner, point.loss)));
    assert!(detail.losses.is_sorted_by(|a, b| a.1 <= b.1) && detail.size_bytes > 0);
    let Inspect::Near(old) = part((0.0, 0.0), (1.0, 1.0)) else { unreachable!("it is one") };
    let old = inspected(&watcher, Inspect::Near(MapPart { basis: basis + 7, ..old })).await;
    assert!(matches!(&old.stage, InspectStage::Failed(why) if why.contains("laid out anew")), "{:?}", old.stage);
    watcher.shut_down().await;
}
