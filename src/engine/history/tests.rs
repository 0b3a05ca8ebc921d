//! What a wallet's past adds up to: shares, forfeits, losses, and what is missing.

use std::collections::BTreeMap;

use super::{ledger, walk::Walked, *};
use crate::chain::fixtures::parameters;

const WE: Address = Address([1; 32]);
const BOND: u64 = 66_560;
const POOL: u64 = 12_685_185;
/// Claimed by ourselves: `protocol.md §7.7`.
const BOTH_SHARES: u64 = 6_374_306;
const SUBMITTERS: u64 = 6_310_881;
const FINDERS: u64 = 63_425;

fn target(n: u8) -> ObjectId {
    ObjectId([n; 32])
}

fn facts(submitter: Option<Address>, epoch: u64) -> TargetFacts {
    TargetFacts {
        submitter,
        epoch,
        filled: submitter.is_some(),
        reward_pool: Shannons(POOL),
        bond: Shannons(if submitter.is_some() { BOND } else { 0 }),
        threshold: Some(1.05),
        distance: Some(1.0),
        model: Some(target(0xee)),
        data: None,
    }
}

fn past(n: u8, ours: bool, epoch: u64, what: What, fee: u64, change: i64) -> Past {
    let digest = Digest([n; 32]);
    Past {
        digest,
        ours,
        what,
        target: None,
        failure: None,
        epoch,
        checkpoint: Some(u64::from(n)),
        at_ms: Some(u64::from(n) * 1000),
        fee: Shannons(fee),
        change,
        coins_created: 0,
        parents: Vec::new(),
        lost_parents: 0,
    }
}

fn funded() -> Past {
    past(1, false, 0, What::Other, 1600, 2_000_000_000)
}

fn submit(n: u8, id: ObjectId, epoch: u64) -> Past {
    let data = Data { url: "https://x/y".into(), checksum: Digest([n; 32]), size: 1024 };
    let what = What::Submit { target: id, model: target(0xee), data, distance: Some(1.0) };
    Past { target: Some(facts(None, epoch)), ..past(n, true, epoch, what, 2200, -2200 - BOND as i64) }
}

fn claim(n: u8, id: ObjectId, ours: bool, epoch: u64, received: i64, submitter: Option<Address>) -> Past {
    let change = if ours { received - 9142 } else { received };
    let filled_in = epoch - 2;
    Past { target: Some(facts(submitter, filled_in)), ..past(n, ours, epoch, What::Claim { target: id }, 9142, change) }
}

fn walked(epoch: u64, past: Vec<Past>) -> Walked {
    let balance = past.iter().map(|past| past.change).sum::<i64>();
    Walked {
        epoch,
        balance: Shannons(u64::try_from(balance).unwrap()),
        parameters: parameters(),
        past,
        fresh: Vec::new(),
        standing: BTreeMap::new(),
        forgotten: 0,
        cut: false,
    }
}

fn told(walked: &Walked) -> Rewards {
    let mut rewards = ledger::rewards(WE, walked);
    ledger::sum(&mut rewards, walked);
    let totals = rewards.totals;
    if rewards.complete {
        let explained = totals.received.0 + totals.rewards.0 + totals.finder_fees.0
            - totals.fees.0
            - totals.bonds_locked.0
            - totals.bonds_forfeited.0
            - totals.sent.0;
        assert_eq!(explained, rewards.balance.0, "{totals:?}");
    }
    rewards
}

#[test]
fn a_wallets_whole_game_adds_up_to_its_balance() {
    let (mine, lost, strangers, expired) = (target(1), target(2), target(3), target(4));
    let race = Failure { text: "TargetNotOpen".into(), is_lost_race: true };
    let mut too_late = submit(3, lost, 5);
    (too_late.failure, too_late.fee, too_late.change) = (Some(race), Shannons(1000), -1000);
    let rewards = told(&walked(
        9,
        vec![
            funded(),
            submit(2, mine, 5),
            too_late,
            claim(4, mine, true, 7, (BOTH_SHARES + BOND) as i64, Some(WE)),
            claim(5, strangers, true, 8, FINDERS as i64, Some(Address([9; 32]))),
            claim(6, expired, true, 8, FINDERS as i64, None),
            past(7, true, 8, What::Other, 1900, -500_001_900),
        ],
    ));
    let entry = &rewards.submissions.iter().find(|entry| entry.target == mine).unwrap();
    assert_eq!(
        (entry.state, entry.bond, entry.paid),
        (EntryState::Claimed, Shannons(BOND), Some(Shannons(BOTH_SHARES)))
    );
    assert_eq!((entry.fee, entry.claimable_epoch), (Shannons(2200 + 9142), Some(7)));
    assert!(!entry.claimed_by_others);
    let entry = &rewards.submissions.iter().find(|entry| entry.target == lost).unwrap();
    assert_eq!((entry.state, entry.fee, entry.claimable_epoch), (EntryState::Lost, Shannons(1000), None));
    assert_eq!(rewards.finds.iter().map(|find| find.paid).collect::<Vec<_>>(), [Shannons(FINDERS); 2]);
    let totals = rewards.totals;
    assert_eq!((totals.submitted, totals.filled, totals.claimed, totals.lost), (2, 1, 1, 1));
    assert_eq!((totals.received, totals.sent), (Shannons(2_000_000_000), Shannons(500_000_000)));
    assert!(rewards.complete && rewards.gaps.is_empty());
    assert_eq!(rewards.epochs.len(), 1);
}

#[test]
fn what_stands_on_the_chain_is_pending_until_two_epochs_have_passed() {
    let mine = target(1);
    for (epoch, state) in [(5, EntryState::Pending), (6, EntryState::Pending), (7, EntryState::Claimable)] {
        let mut walked = walked(epoch, vec![funded(), submit(2, mine, 5)]);
        walked.standing.insert(mine, facts(Some(WE), 5));
        let rewards = told(&walked);
        let entry = &rewards.submissions[0];
        assert_eq!((entry.state, entry.claimable_epoch), (state, Some(7)), "epoch {epoch}");
        assert_eq!((entry.expected, rewards.totals.bonds_locked), (Some(Shannons(BOTH_SHARES)), Shannons(BOND)));
        assert!(rewards.complete);
    }
}

#[test]
fn a_claim_by_somebody_else_pays_share_and_bond_and_a_forfeit_is_told_from_it() {
    let (theirs, forfeited) = (target(1), target(2));
    let rewards = told(&walked(
        9,
        vec![
            funded(),
            submit(2, theirs, 5),
            submit(3, forfeited, 5),
            claim(4, theirs, false, 7, (SUBMITTERS + BOND) as i64, Some(WE)),
            claim(5, forfeited, true, 7, FINDERS as i64, Some(WE)),
        ],
    ));
    let find = |id| rewards.submissions.iter().find(|entry| entry.target == id).unwrap();
    assert_eq!((find(theirs).state, find(theirs).paid), (EntryState::Claimed, Some(Shannons(SUBMITTERS))));
    assert!(find(theirs).claimed_by_others);
    assert_eq!(find(theirs).fee, Shannons(2200), "the claim's fee was not ours");
    assert_eq!((find(forfeited).state, find(forfeited).paid), (EntryState::Forfeited, Some(Shannons(FINDERS))));
    assert_eq!(rewards.totals.bonds_forfeited, Shannons(BOND));
    assert!(rewards.complete);
}

#[test]
fn a_fill_that_left_no_trace_is_forfeited_only_if_the_node_has_forgotten_nothing() {
    let gone = target(1);
    let mut walked = walked(9, vec![funded(), submit(2, gone, 5)]);
    let rewards = told(&walked);
    assert_eq!(rewards.submissions[0].state, EntryState::Forfeited);
    assert!(rewards.complete);
    walked.forgotten = 3;
    let rewards = told(&walked);
    assert_eq!((rewards.submissions[0].state, rewards.complete), (EntryState::Forgotten, false));
    assert!(rewards.gaps[0].contains("forgotten 3"), "{:?}", rewards.gaps);
    assert_eq!(rewards.totals.bonds_forfeited, Shannons::ZERO);
}

#[test]
fn a_claim_whose_submission_is_forgotten_still_names_what_was_filled() {
    let mine = target(1);
    let mut walked = walked(9, vec![funded(), claim(4, mine, true, 7, (BOTH_SHARES + BOND) as i64, Some(WE))]);
    walked.forgotten = 1;
    let entry = &told(&walked).submissions[0];
    assert_eq!((entry.state, entry.epoch, entry.bond), (EntryState::Claimed, 5, Shannons(BOND)));
    assert_eq!((entry.paid, entry.submit_digest), (Some(Shannons(BOTH_SHARES)), None));
}

#[test]
fn a_claim_of_which_all_else_is_forgotten_is_told_from_a_find_by_its_coins() {
    let claimed = |coins_created| {
        let claim = claim(4, target(1), true, 7, (BOTH_SHARES + BOND) as i64, None);
        let mut walked = walked(9, vec![funded(), Past { target: None, coins_created, ..claim }]);
        walked.forgotten = 2;
        told(&walked)
    };
    let ours = claimed(3);
    let entry = &ours.submissions[0];
    assert_eq!((entry.state, entry.epoch, ours.finds.len()), (EntryState::Claimed, 5, 0));
    assert!(entry.note.as_ref().is_some_and(|note| note.contains("bond is counted as paid")));
    assert_eq!(claimed(1).finds.len(), 1);
}

#[test]
fn a_model_owners_share_is_income_and_no_submission() {
    let strangers = target(3);
    let rewards = told(&walked(9, vec![funded(), claim(4, strangers, false, 7, 6_310_879, Some(Address([9; 32])))]));
    assert!(rewards.submissions.is_empty() && rewards.finds.is_empty() && rewards.complete);
    assert_eq!(rewards.totals.received, Shannons(2_000_000_000 + 6_310_879));
}

#[tokio::test]
async fn what_was_found_is_remembered_word_for_word() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path(), None).unwrap();
    let found = vec![funded(), submit(2, target(1), 5), claim(4, target(1), true, 7, 5, Some(WE))];
    journal.remember(found.clone()).await.unwrap();
    journal.remember(found[..1].to_vec()).await.unwrap();
    journal.close().await;
    let journal = Journal::open(dir.path(), None).unwrap();
    let mut remembered = journal.remembered().await.unwrap();
    remembered.sort_by_key(|past| past.digest);
    assert_eq!(remembered, found);
}
