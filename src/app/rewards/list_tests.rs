use proptest::prelude::*;

use super::*;
use crate::{
    api::{Command, EpochRewards, Event, RewardsView},
    app::{AppEvent, Effect, Key, Period, State, update},
    primitives::{Digest, ObjectId, Shannons},
};

/// `version` tells rows of the same submission apart.
fn row(id: i64, version: u64) -> Arc<SubmissionRow> {
    let state = SubmissionState::ALL[(id.unsigned_abs() + version) as usize % SubmissionState::ALL.len()];
    Arc::new(SubmissionRow {
        id: SubmissionId(id),
        state,
        target: ObjectId([id.unsigned_abs() as u8; 32]),
        epoch: id.unsigned_abs() / 4,
        model: ObjectId([0; 32]),
        source: ["moby-dick.txt", "scheduler.rs", "Weather.CSV"][id.unsigned_abs() as usize % 3].to_owned(),
        checksum: Digest([0; 32]),
        size_bytes: 1,
        pieces: Vec::new(),
        preview: Vec::new(),
        distance: 1.0,
        threshold: 1.05,
        losses: Vec::new(),
        bond: Shannons(1),
        fee: Shannons(1),
        expected_reward: Shannons(id.unsigned_abs() % 7),
        paid: (state == SubmissionState::Claimed).then_some(Shannons(version % 5)),
        digest: Some(Digest([id.unsigned_abs() as u8; 32])),
        claim_digest: None,
        url: None,
        note: None,
        changed_at_ms: version % 11,
        steps: Vec::new(),
        prospect: None,
    })
}

fn snapshot(rows: impl IntoIterator<Item = Arc<SubmissionRow>>, rewards: Arc<RewardsView>) -> Snapshot {
    Snapshot { submissions: Arc::new(rows.into_iter().collect()), rewards, ..Snapshot::default() }
}

/// Ten epochs, newest first, three of them a day.
fn rewards() -> Arc<RewardsView> {
    let day = 86_400_000;
    let epochs = (0..10_u64).rev().map(|epoch| EpochRewards {
        epoch,
        began_ms: Some(1_795_305_600_000 + epoch * day / 3),
        filled: 1,
        earned: Shannons(epoch),
        pending: Shannons(1),
        fees: Shannons(2),
        ..EpochRewards::default()
    });
    Arc::new(RewardsView { epochs: epochs.collect(), ..RewardsView::default() })
}

#[derive(Clone, Debug)]
enum Deed {
    Snapshot(Vec<(i64, u64)>),
    Told(i64, u64),
    Page(Vec<i64>, bool),
    Sort,
    Filter(&'static str),
    Older,
    Newer,
    Turn,
    Step(isize),
}

fn deed() -> impl Strategy<Value = Deed> {
    let versioned = || (0_i64..60, any::<u64>().prop_map(|v| v % 1_000));
    prop_oneof![
        3 => proptest::collection::vec(versioned(), 0..20).prop_map(Deed::Snapshot),
        4 => versioned().prop_map(|(id, version)| Deed::Told(id, version)),
        2 => (proptest::collection::vec(-40_i64..20, 0..30), any::<bool>()).prop_map(|(ids, more)| Deed::Page(ids, more)),
        1 => Just(Deed::Sort),
        2 => proptest::sample::select(vec!["", "c", "cl", "claimed", "moby", "a w", "CSV", "zebra"]).prop_map(Deed::Filter),
        1 => Just(Deed::Older),
        1 => Just(Deed::Newer),
        1 => Just(Deed::Turn),
        2 => (-5_isize..5).prop_map(Deed::Step),
    ]
}

fn ids(list: &Submissions) -> Vec<(i64, usize)> {
    list.rows.iter().map(|row| (row.id.0, Arc::as_ptr(row) as usize)).collect()
}

proptest! {
    /// Whatever is told in whatever order: the list is what arranging all of it anew makes, and the selected row is where it is said to be.
    #[test]
    fn what_is_put_in_its_place_stands_where_a_new_arrangement_has_it(deeds in proptest::collection::vec(deed(), 0..40)) {
        let mut list = Submissions::default();
        for deed in deeds {
            match deed {
                Deed::Snapshot(rows) => {
                    let rows: BTreeMap<i64, u64> = rows.into_iter().collect();
                    list.follow(&snapshot(rows.into_iter().rev().map(|(id, version)| row(id, version)), rewards()));
                }
                Deed::Told(id, version) => list.told(&row(id, version)),
                Deed::Page(ids, more) => {
                    let rows = ids.into_iter().map(|id| row(id, 0)).collect();
                    list.page(&HistoryPage { before: None, rows, more });
                }
                Deed::Sort => list.sort_next(),
                Deed::Filter(words) => list.set_filter(words),
                Deed::Older => { list.periods.older(); list.narrow() }
                Deed::Newer => { list.periods.newer(); list.narrow() }
                Deed::Turn => { list.periods.turn(); list.narrow() }
                Deed::Step(by) => list.step(by),
            }
            let mut anew = list.clone();
            anew.arrange();
            prop_assert_eq!(ids(&list), ids(&anew));
            prop_assert_eq!((list.selected, list.at), (anew.selected, anew.at));
            prop_assert_eq!(list.chosen().map(|row| row.id), list.selected);
            let shown = |row: &Arc<SubmissionRow>| list.periods.chosen().is_none_or(|p| p.epochs.contains(&row.epoch));
            prop_assert!(list.rows.iter().all(shown));
        }
    }
}

#[test]
fn no_more_than_twenty_thousand_are_held_and_the_oldest_go() {
    let mut list = Submissions::default();
    list.follow(&snapshot([row(1, 0)], rewards()));
    let mut before = 0;
    loop {
        let rows = (before - 512..before).rev().map(|id| row(id, 0)).collect();
        match list.page(&HistoryPage { before: None, rows, more: true }) {
            Some(oldest) => before = oldest.0,
            None => break,
        }
    }
    assert_eq!((list.known(), list.rows.len(), list.is_whole), (MOST, MOST, true));
    list.follow(&snapshot([row(2, 0), row(1, 0)], rewards()));
    assert_eq!((list.known(), list.rows.len(), list.rows[0].id), (MOST, MOST, SubmissionId(2)));
    assert_eq!(list.rows.last().map(|row| row.id), list.oldest());
}

/// Pages are read beside the journal's own thread: one may have been read before what is told meanwhile.
#[test]
fn a_page_does_not_bring_back_what_a_submission_was() {
    let mut list = Submissions { asked: true, ..Submissions::default() };
    list.follow(&snapshot([row(9, 0)], rewards()));
    let claimed = row(3, 1);
    list.told(&claimed);
    list.page(&HistoryPage { before: None, rows: vec![row(4, 0), row(3, 0)], more: false });
    let known = list.rows.iter().find(|row| row.id == SubmissionId(3)).unwrap();
    assert!(Arc::ptr_eq(known, &claimed));
    // With the journal read to its end, what is not known is too old to be held.
    list.told(&row(2, 1));
    assert!(list.rows.iter().all(|row| row.id != SubmissionId(2)));
}

#[test]
fn a_journal_that_could_not_be_read_is_asked_again_where_it_failed_by_whoever_comes_back() {
    let look = crate::app::Look { ascii: false, colour: true };
    let size = crate::app::layout::Size { width: 80, height: 24 };
    let mut state = State::new(look, size, 1, Arc::new(snapshot([row(9, 0)], rewards())));
    let asked = |effects: Vec<Effect>| -> Vec<Option<SubmissionId>> {
        let before = |effect| if let Effect::Send(Command::History { before }) = effect { Some(before) } else { None };
        effects.into_iter().filter_map(before).collect()
    };
    let page = |page| AppEvent::Engine(Event::History(Arc::new(page)));
    let (here, away) = (|| AppEvent::Key(Key::Char('5')), || AppEvent::Key(Key::Char('7')));
    assert_eq!(asked(update(&mut state, here())), [Some(SubmissionId(9))]);
    let first = HistoryPage { before: Some(SubmissionId(9)), rows: vec![row(8, 0), row(7, 0)], more: true };
    assert_eq!(asked(update(&mut state, page(first))), [Some(SubmissionId(7))]);
    state.rewards.told(&row(2, 1));
    assert_eq!(asked(update(&mut state, page(HistoryPage::unread(Some(SubmissionId(7)))))), []);
    assert!(!state.rewards.is_whole, "there is more");
    assert_eq!(asked(update(&mut state, away())), []);
    assert_eq!(asked(update(&mut state, here())), [Some(SubmissionId(7))], "where it failed");
    assert_eq!([away(), here()].map(|event| asked(update(&mut state, event)).len()), [0, 0], "once");
}

#[test]
fn days_are_the_sums_of_their_epochs() {
    let mut list = Submissions::default();
    list.follow(&snapshot((0..40).map(|id| row(id, 0)), rewards()));
    let (all, count) = (list.periods.rows.iter().map(|p| p.sums.earned).sum::<Shannons>(), list.periods.rows.len());
    assert_eq!(
        (count, all, list.periods.pending, list.periods.highest),
        (10, Shannons(45), Shannons(10), Shannons(10))
    );
    list.periods.older();
    list.narrow();
    assert_eq!(list.rows.iter().map(|row| row.id.0).collect::<Vec<_>>(), [39, 38, 37, 36]);
    // The day of the chosen epoch is chosen.
    list.periods.older();
    list.periods.turn();
    list.narrow();
    let days: Vec<_> =
        list.periods.rows.iter().map(|p| (p.label.as_str(), p.epochs.clone(), p.sums.earned.0)).collect();
    assert_eq!(days, [("11-25", 9..=9, 9), ("11-24", 6..=8, 21), ("11-23", 3..=5, 12), ("11-22", 0..=2, 3)]);
    assert_eq!((list.rows.len(), list.rows[0].epoch, list.rows[11].epoch), (12, 8, 6));
    assert_eq!(list.periods.chosen().map(Period::costs), Some(Shannons(6)));
    // Beyond the newest are all, beyond the oldest is nothing.
    list.periods.newer();
    list.periods.newer();
    list.narrow();
    assert_eq!((list.periods.chosen(), list.rows.len()), (None, 40));
    (0..9).for_each(|_| list.periods.older());
    assert_eq!(list.periods.chosen().map(|p| p.label.as_str()), Some("11-22"));
}
