//! What a publication costs with ten thousand targets, and what is written and told beside it.

use std::sync::Arc;

use super::{
    load_tests::{built, id, listed, on_chain, refresh, state},
    *,
};
use crate::{
    api::{EpochRewards, Export, ExportFormat, SubmissionState as State},
    chain::{client::CheckpointInfo, types::TargetStatus},
    engine::{
        corpus::Source,
        journal::{Confirmation, NewSubmission},
        now_ms,
        watch::News,
    },
};

const OPEN: u64 = 10_000;

#[tokio::test]
async fn ten_thousand_targets_are_listed_anew_only_when_they_may_be_others() {
    const FILLS: u64 = 1_000;
    let dir = tempfile::tempdir().unwrap();
    let (mut dispatcher, handle) = built(dir.path(), None).await;
    dispatcher.refreshed(refresh(state(), (0..OPEN).map(listed).collect())).await.unwrap();
    let published = |dispatcher: &mut Dispatcher| {
        dispatcher.publish();
        handle.snapshot.borrow().clone()
    };
    let first = published(&mut dispatcher);
    assert_eq!((first.targets.len() as u64, first.models[0].targets), (OPEN, OPEN));
    // Rates, lines of the log, what was heard of whom: nothing of that is about targets.
    dispatcher.dirty = true;
    dispatcher.log(crate::api::Level::Info, "something else".into()).await.unwrap();
    let second = published(&mut dispatcher);
    assert!(second.version > first.version && second.log.len() > first.log.len());
    assert!(Arc::ptr_eq(&second.targets, &first.targets) && Arc::ptr_eq(&second.map, &first.map));
    assert!(Arc::ptr_eq(&second.submissions, &first.submissions) && Arc::ptr_eq(&second.models, &first.models));

    // One checkpoint fills a thousand, and opens as many.
    let targets = (0..FILLS)
        .flat_map(|n| [on_chain(n, TargetStatus::Filled { fill_epoch: 3 }), on_chain(OPEN + n, TargetStatus::Open)]);
    let checkpoint = CheckpointInfo {
        sequence_number: 1,
        epoch: 3,
        timestamp_ms: now_ms(),
        transactions: vec![Digest([5; 32])],
        targets: targets.collect(),
        deleted: (0..FILLS).map(|n| id(u64::MAX - n)).collect(),
    };
    dispatcher.news(News::Checkpoint(Box::new(checkpoint))).await.unwrap();
    dispatcher.act().await.unwrap();
    let third = published(&mut dispatcher);
    assert_eq!((third.targets.len() as u64, third.models[0].targets), (OPEN, OPEN));
    let is_listed = |n: u64| third.targets.iter().any(|row| row.id == id(n));
    assert!(!is_listed(0) && !is_listed(FILLS - 1) && is_listed(FILLS) && is_listed(OPEN + FILLS - 1));
}

/// So many rows that failed; each has a preview.
async fn failed_rows(dispatcher: &Dispatcher, rows: u64) {
    for n in 0..rows {
        let source = Source::file(std::path::Path::new("sample").into(), 0, 10, false);
        let confirmation = Confirmation { model: id(1), distance: 0.5, losses: vec![], preview: vec![7; 100] };
        let new = NewSubmission {
            target: id(n),
            epoch: 3,
            source,
            checksum: Digest([1; 32]),
            confirmation,
            threshold: 1.0,
            bond: Shannons(1),
            fee_estimate: Shannons(1),
            expected_reward: Shannons(1),
            reward_pool: Shannons(1),
        };
        let row = dispatcher.journal.insert(new).await.unwrap().row.id;
        let step = crate::engine::journal::Step::new(State::Found, State::Failed);
        dispatcher.journal.advance(row, step).await.unwrap();
    }
}

#[tokio::test]
async fn files_and_older_pages_are_made_beside_the_loop_one_file_at_a_time() {
    // More than one page.
    const ROWS: u64 = 600;
    let dir = tempfile::tempdir().unwrap();
    let (mut dispatcher, mut handle) = built(dir.path(), None).await;
    failed_rows(&dispatcher, ROWS).await;
    // Nothing of it waits for the journal's thread, and the loop waits for none of it.
    let (what, format) = (Export::Submissions, ExportFormat::Csv);
    dispatcher.export(what, format).await.unwrap();
    dispatcher.export(what, format).await.unwrap();
    let event = handle.events.recv().await;
    let busy = async |handle: &mut crate::api::EngineHandle, mut event: Option<Event>| loop {
        match event {
            Some(Event::Exported(result)) => return result,
            Some(_) => event = handle.events.recv().await,
            None => panic!("no answer"),
        }
    };
    let refused = busy(&mut handle, event).await;
    assert!(refused.as_ref().is_err_and(|why| why.contains("being written")), "{refused:?}");
    let done = dispatcher.results.recv().await.unwrap();
    dispatcher.done(done).await.unwrap();
    let event = handle.events.recv().await;
    let path = busy(&mut handle, event).await.unwrap();
    let table = std::fs::read_to_string(path).unwrap();
    assert_eq!(table.lines().count() as u64, ROWS + 1, "a line a row, below the names of the columns");

    dispatcher.tell_history(None);
    let done = dispatcher.results.recv().await.unwrap();
    dispatcher.done(done).await.unwrap();
    let page = loop {
        if let Event::History(page) = handle.events.recv().await.unwrap() {
            break page;
        }
    };
    assert_eq!((page.rows.len(), page.more, page.before), (512, true, None));
    assert!(page.rows.is_sorted_by(|a, b| a.id > b.id) && page.rows.iter().all(|row| row.preview.is_empty()));
}

#[tokio::test]
async fn rewards_are_summed_up_beside_the_loop_and_the_last_change_is_in_the_last_sum() {
    let dir = tempfile::tempdir().unwrap();
    let (mut dispatcher, _handle) = built(dir.path(), None).await;
    dispatcher.rewards_due = true;
    dispatcher.on_tick();
    assert!(dispatcher.is_summing && !dispatcher.rewards_due);
    // A change while it is summed up is summed up in its turn.
    failed_rows(&dispatcher, 3).await;
    dispatcher.rewards_due = true;
    dispatcher.on_tick();
    assert!(dispatcher.rewards_due, "one at a time");
    let done = dispatcher.results.recv().await.unwrap();
    dispatcher.done(done).await.unwrap();
    assert!(!dispatcher.is_summing && dispatcher.sum_again.is_some());
    dispatcher.sum_again = None;
    dispatcher.on_tick();
    let done = dispatcher.results.recv().await.unwrap();
    dispatcher.done(done).await.unwrap();
    let lost: Vec<(u64, u64)> = dispatcher.rewards.epochs.iter().map(|e: &EpochRewards| (e.epoch, e.lost)).collect();
    assert_eq!((lost, dispatcher.rewards.total.lost), (vec![(3, 3)], 3));
}
