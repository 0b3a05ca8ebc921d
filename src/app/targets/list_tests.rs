use super::*;
use crate::primitives::Shannons;

fn id(n: u8) -> ObjectId {
    ObjectId([n; 32])
}

fn row(n: u8) -> TargetRow {
    TargetRow {
        id: id(n),
        epoch: u64::from(n % 3),
        stage: [TargetStage::Open, TargetStage::Hit, TargetStage::InFlight, TargetStage::Ours][usize::from(n % 4)],
        reward: Shannons(u64::from(n.wrapping_mul(37))),
        threshold: 1.0 + f32::from(n % 5) / 100.0,
        models: Vec::new(),
        best_distance: (!n.is_multiple_of(7)).then(|| 1.0 + f32::from(n.wrapping_mul(91)) / 1000.0),
        seen_at_ms: u64::from(n.wrapping_mul(53)),
        pinned: n.is_multiple_of(6),
    }
}

/// A list of these targets.
fn list(ids: impl IntoIterator<Item = u8>) -> TargetList {
    let mut list = TargetList::default();
    take(&mut list, ids);
    list
}

/// Shows other targets, as a snapshot does.
fn take(list: &mut TargetList, ids: impl IntoIterator<Item = u8>) {
    list.targets = Arc::new(ids.into_iter().map(row).collect());
    list.counts = Counts::of(&list.targets);
    list.arrange(false);
}

fn shown(list: &TargetList) -> Vec<&TargetRow> {
    list.rows.iter().map(|row| &list.targets[*row]).collect()
}

#[test]
fn every_order_is_total_is_reversed_by_a_key_and_has_the_unknown_last() {
    let mut list = list(0..60);
    for key in SortKey::ALL {
        assert_eq!(list.sort, key);
        for reversed in [false, true] {
            let rows = shown(&list);
            assert_eq!(rows.len(), 60);
            let ordered = |a: &TargetRow, b: &TargetRow| match key {
                SortKey::Margin => a.margin() >= b.margin() || b.margin().is_none(),
                SortKey::Distance => a.best_distance <= b.best_distance || b.best_distance.is_none(),
                SortKey::Reward => a.reward >= b.reward,
                SortKey::Age => a.seen_at_ms >= b.seen_at_ms,
                SortKey::Id | SortKey::Models => a.id <= b.id,
                SortKey::Status => true,
                SortKey::Threshold => a.threshold >= b.threshold,
                SortKey::Epoch => a.epoch >= b.epoch,
                SortKey::Pinned => a.pinned >= b.pinned,
            };
            let unknown = matches!(key, SortKey::Margin | SortKey::Distance);
            for pair in rows.windows(2) {
                let (a, b) = if reversed { (pair[1], pair[0]) } else { (pair[0], pair[1]) };
                let known = a.best_distance.is_some() && b.best_distance.is_some();
                assert!(unknown && !known || ordered(a, b), "{key:?} {reversed}");
            }
            if unknown {
                let first = rows.iter().position(|row| row.best_distance.is_none()).unwrap();
                assert!(rows[first..].iter().all(|row| row.best_distance.is_none()), "{key:?} {reversed}");
            }
            list.reverse();
        }
        list.sort_next();
    }
    assert_eq!(list.sort, SortKey::Margin);
}

#[test]
fn a_chosen_target_is_followed_wherever_it_moves_and_one_that_has_gone_leaves_its_place_to_the_next() {
    let mut list = list(1..40);
    list.step(5);
    let chosen = list.selected.unwrap();
    for _ in SortKey::ALL {
        list.sort_next();
        assert_eq!(list.selected, Some(chosen));
        assert_eq!(list.position().map(|at| list.targets[list.rows[at]].id), Some(chosen));
    }
    take(&mut list, 1..30);
    take(&mut list, 1..60);
    assert_eq!(list.selected, Some(chosen));
    let next = shown(&list)[list.position().unwrap() + 1].id;
    take(&mut list, (1..60).filter(|n| id(*n) != chosen));
    assert_eq!(list.selected, Some(next));
    take(&mut list, []);
    assert_eq!((list.selected, list.position()), (None, None));
    take(&mut list, 1..10);
    assert_eq!(list.position(), Some(0));
}

#[test]
fn nobody_has_chosen_the_first_so_the_selection_stays_on_the_first() {
    let mut list = list([9]);
    assert_eq!(list.selected, Some(id(9)));
    take(&mut list, 1..40);
    assert_eq!(list.selected, Some(shown(&list)[0].id));
}

#[test]
fn the_last_good_filter_stays_in_force_while_the_next_one_is_typed() {
    let mut list = list(0..60);
    list.set_filter("status:hit".into());
    assert_eq!(list.rows.len(), 15);
    list.set_filter("status:hit margin:".into());
    assert!(list.error.as_ref().is_some_and(|error| error.at == 18));
    assert_eq!(list.rows.len(), 15);
    list.set_filter("status:hit margin:>-1".into());
    assert_eq!(list.error, None);
    list.set_filter(String::new());
    assert_eq!(list.rows.len(), 60);
    assert_eq!(list.counts, Counts { open: 45, hits: 15, ours: 15, pinned: 10 });
}

#[test]
fn only_a_filter_by_age_is_asked_again_as_time_passes() {
    let mut list = list(1..40);
    list.set_filter("age:<1s".into());
    let before = list.rows.len();
    list.tick(1_100);
    assert!(list.rows.len() < before);
    list.tick(1_000_000);
    assert!(list.rows.is_empty());
}

#[test]
fn what_is_looked_at_is_asked_for_once_and_let_go_when_it_is_not_shown() {
    let mut list = list(1..5);
    assert_eq!(list.look(true), None);
    list.open();
    let first = list.detail.unwrap();
    assert_eq!((list.look(true), list.look(true)), (Some(Some(first)), None));
    list.step_open(1);
    assert_ne!(list.detail, Some(first));
    assert!(list.look(true).is_some_and(|looked| looked.is_some()));
    assert_eq!((list.look(false), list.look(false)), (Some(None), None));
}
