//! Pins and niches: what comes first, and what "only pinned" keeps back, whoever asks.

use std::{collections::HashSet, sync::Arc};

use somascope::{
    api::{Command, Mode, Snapshot, SubmissionState as State, TargetDetail, TargetStage},
    primitives::ObjectId,
};

use crate::{
    network::{Network, until},
    process::Running,
};

impl Running {
    fn shown(&self) -> Arc<Snapshot> {
        self.0.snapshot.borrow().clone()
    }

    async fn shows(&self, what: &str, holds: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
        until(what, async || holds(&self.shown())).await;
        self.shown()
    }
}

fn targets(ids: &[ObjectId]) -> Vec<ObjectId> {
    ids.to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn with_only_pinned_the_policy_approves_nothing_else_until_it_is_told_to() {
    const OPEN: usize = 6;
    let network = Network::start(OPEN as u64).await;
    let orders = network.engine(1).await;
    network.next_epoch().await;
    let engine = Running::start(orders.clone().with_mode(Mode::Manual).config()).await;
    engine.command(Command::OnlyPinned(true)).await;
    let all_hit = |shown: &Snapshot| {
        let hits = shown.targets.iter().filter(|target| target.stage == TargetStage::Hit).count();
        shown.only_pinned && hits == OPEN && shown.throughput.remaining == Some(0)
    };
    let shown = engine.shows("every target is hit", all_hit).await;
    assert!(shown.approvals.is_empty());
    let pinned: Vec<ObjectId> = shown.targets[2..4].iter().map(|target| target.id).collect();
    engine.command(Command::Pin { targets: targets(&pinned), on: true }).await;
    engine.command(Command::SetMode(Mode::Auto)).await;
    until("the pinned ones are filled", async || network.filled(orders.address()).len() == pinned.len()).await;
    // A person's word does not get past it either.
    let all = engine.0.snapshot.borrow().submissions.iter().map(|row| row.id).collect();
    engine.command(Command::ApproveMany(all)).await;
    engine.command(Command::Look(Some(shown.targets[0].id))).await;
    let shown =
        engine.shows("the others still wait", |shown| shown.looked_at.is_some() && shown.targets.len() >= 4).await;
    let beyond = |row: &State| !matches!(row, State::Found | State::Confirmed | State::AwaitingApproval);
    let approved: HashSet<ObjectId> =
        shown.submissions.iter().filter(|row| beyond(&row.state)).map(|row| row.target).collect();
    assert_eq!(approved, pinned.iter().copied().collect());
    engine.command(Command::OnlyPinned(false)).await;
    until("all are filled", async || network.filled(orders.address()).len() == OPEN).await;
    let first: HashSet<ObjectId> = network.filled(orders.address())[..pinned.len()].iter().copied().collect();
    assert_eq!(first, pinned.into_iter().collect());
    engine.shut_down().await;
    network.assert_no_target_twice(orders.address());
}

#[tokio::test(flavor = "multi_thread")]
async fn pins_survive_a_restart_come_first_and_keep_back_what_a_person_would_approve() {
    const OPEN: usize = 4;
    let network = Network::start(OPEN as u64).await;
    let orders = network.engine(1).await.with_mode(Mode::Manual);
    network.next_epoch().await;
    let engine = Running::start(orders.config()).await;
    let shown = engine.shows("all wait", |shown| shown.approvals.len() == OPEN).await;
    let (last, other) = (shown.approvals[OPEN - 1].clone(), shown.approvals[0].clone());

    engine.command(Command::Pin { targets: vec![last.target], on: true }).await;
    let shown = engine.shows("the pinned one comes first", |shown| shown.approvals[0].target == last.target).await;
    assert_eq!(shown.approvals.len(), OPEN);
    assert!(shown.targets.iter().all(|target| target.pinned == (target.id == last.target)));

    engine.command(Command::OnlyPinned(true)).await;
    engine.shows("the others are kept back", |shown| shown.approvals.len() == 1).await;
    engine.command(Command::Approve(other.id)).await;
    let refused =
        |shown: &Snapshot| shown.log.iter().any(|line| line.text.contains("only what is for pinned targets is"));
    engine.shows("the refusal is told", refused).await;
    engine.shut_down().await;

    let engine = Running::start(orders.config()).await;
    let shown = engine.shows("it waits again", |shown| shown.approvals.len() == 1).await;
    assert!(shown.only_pinned);
    assert_eq!(shown.approvals[0].target, last.target);
    let niche = last.losses[0].0;
    engine.command(Command::PinModel { model: niche, on: true }).await;
    engine.command(Command::Approve(last.id)).await;
    until("it is filled", async || network.filled(orders.address()) == [last.target]).await;
    let is_ours = |shown: &Snapshot| shown.targets.iter().any(|target| target.stage == TargetStage::Ours);
    let shown = engine.shows("it is ours", is_ours).await;
    let is_right = |target: &somascope::api::TargetRow| {
        target.pinned == (target.id == last.target || target.models.contains(&niche))
    };
    assert!(shown.targets.iter().all(is_right), "what was filled stays pinned");
    engine.command(Command::Pin { targets: vec![last.target], on: false }).await;
    let told = |shown: &Snapshot| shown.log.iter().any(|line| line.text.contains("one of its models is pinned"));
    engine.shows("its model still pins it", told).await;
    engine.command(Command::PinModel { model: niche, on: false }).await;
    engine.shows("nothing is pinned", |shown| shown.targets.iter().all(|target| !target.pinned)).await;
    engine.command(Command::OnlyPinned(false)).await;
    engine.shows("the others are offered again", |shown| shown.approvals.len() == OPEN - 1).await;
    engine.shut_down().await;
    assert_eq!(network.filled(orders.address()), [last.target]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_targets_pin_ends_with_its_epoch_and_a_niche_goes_on() {
    let network = Network::start(3).await;
    let orders = network.engine(1).await.with_mode(Mode::Manual);
    let epoch = network.next_epoch().await;
    let engine = Running::start(orders.config()).await;
    let full = |epoch: u64| move |shown: &Snapshot| shown.network.epoch == epoch && shown.targets.len() == 3;
    let shown = engine.shows("targets are open", full(epoch)).await;
    let model = shown.targets[0].models[0];
    engine.command(Command::Pin { targets: vec![shown.targets[1].id, ObjectId([9; 32])], on: true }).await;
    engine.command(Command::PinModel { model, on: true }).await;
    let serves = |target: &somascope::api::TargetRow| target.models.contains(&model);
    let pinned = |shown: &Snapshot| shown.models.iter().any(|row| row.id == model && row.pinned);
    let shown = engine.shows("the niche is pinned", pinned).await;
    let is_right =
        |target: &somascope::api::TargetRow| target.pinned == (serves(target) || target.id == shown.targets[1].id);
    assert!(shown.targets.iter().all(is_right));
    assert!(shown.log.iter().any(|line| line.text.contains("not open any more, and not pinned")));

    let epoch = network.next_epoch().await;
    let shown = engine.shows("the next targets are open", full(epoch)).await;
    assert!(shown.targets.iter().all(|target| target.pinned == serves(target)));
    engine.command(Command::PinModel { model, on: false }).await;
    engine.shows("nothing is pinned", |shown| shown.targets.iter().all(|target| !target.pinned)).await;
    engine.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_in_full_tells_its_models_our_nearest_samples_and_why_nothing_fits() {
    let network = Network::start(2).await;
    let orders = network.engine(1).await.with_mode(Mode::Manual);
    network.next_epoch().await;
    let mut config = orders.config();
    // Farther inside than anything can be.
    config.policy.min_margin = 3.0;
    let engine = Running::start(config).await;
    let shown = engine.shows("targets are open", |shown| shown.targets.len() == 2).await;
    assert_eq!(shown.looked_at, None);
    let target = shown.targets[0].clone();
    engine.command(Command::Look(Some(target.id))).await;
    let is_whole = |detail: &TargetDetail| {
        detail.scored == Some(24) && detail.reasons.iter().any(|why| why.contains("all of the corpus"))
    };
    let shown = engine.shows("all is scored", |shown| shown.looked_at.as_deref().is_some_and(is_whole)).await;
    let detail = shown.looked_at.clone().expect("looked at");
    let row = shown.targets.iter().find(|row| row.id == target.id).expect("open");
    assert_eq!(&detail.target, row);
    assert_eq!(detail.models.iter().map(|model| model.id).collect::<Vec<_>>(), target.models);
    assert_eq!(detail.models.iter().map(|model| model.wins).sum::<u64>(), 24);
    let best = detail.models.iter().filter_map(|model| model.best_distance).min_by(f32::total_cmp);
    assert_eq!((best, detail.nearest.first().map(|near| near.distance)), (row.best_distance, row.best_distance));
    assert!(detail.nearest.windows(2).all(|pair| pair[0].distance <= pair[1].distance));
    assert_eq!(detail.history.last().map(|step| Some(step.distance)), Some(row.best_distance));
    assert_eq!(detail.history.last().map(|step| &step.source), detail.nearest.first().map(|near| &near.source));
    assert!(detail.reasons[0].contains("least margin of 3.0"), "{:?}", detail.reasons);
    assert!(detail.reasons.iter().any(|why| why.contains("compositions")), "{:?}", detail.reasons);
    engine.command(Command::Look(None)).await;
    engine.shows("nobody looks", |shown| shown.looked_at.is_none()).await;
    engine.shut_down().await;
}
