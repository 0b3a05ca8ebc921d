//! The journal: what survives, what is refused, and what a row may become.

use std::path::Path;

use super::*;
use crate::{
    api::{SubmissionRow, SubmissionState as State},
    chain::{
        keys::Keypair,
        types::{ObjectRef, SignedTransaction, TransactionData, TransactionKind as Kind},
    },
    engine::corpus::Source,
    primitives::{Digest, ObjectId, Shannons},
};

fn new(target: u8, bond: u64) -> NewSubmission {
    NewSubmission {
        target: ObjectId([target; 32]),
        epoch: 7,
        source: Source::file(Path::new("/data/é.txt").into(), 2048, 1024, true),
        checksum: Digest([target; 32]),
        confirmation: Confirmation {
            model: ObjectId([9; 32]),
            distance: 0.98,
            losses: vec![(ObjectId([9; 32]), 1.25), (ObjectId([8; 32]), f32::MIN_POSITIVE)],
            preview: vec![7; 10],
        },
        threshold: 1.05,
        bond: Shannons(bond),
        fee_estimate: Shannons(5000),
        expected_reward: Shannons(6_374_306),
        reward_pool: Shannons(12_685_185),
    }
}

fn signed(version: u64) -> SignedTransaction {
    let keypair = Keypair::from_seed([1; 32]);
    let coin = ObjectRef { id: ObjectId([3; 32]), version, digest: Digest([4; 32]) };
    let kind = Kind::ClaimRewards { target_id: ObjectId([5; 32]) };
    keypair.sign(TransactionData::new(kind, keypair.address(), vec![coin]))
}

async fn found(journal: &Journal, target: u8) -> SubmissionId {
    journal.insert(new(target, 66_560)).await.unwrap().row.id
}

async fn walk(journal: &Journal, id: SubmissionId, states: &[State]) {
    for pair in states.windows(2) {
        journal.advance(id, Step::new(pair[0], pair[1])).await.unwrap();
    }
}

/// Brings a new row into `state` by the way that the engine takes.
async fn row_in(journal: &Journal, target: u8, state: State) -> SubmissionId {
    use State::*;
    let id = found(journal, target).await;
    let approved = [Found, Confirmed, AwaitingApproval, Approved];
    match state {
        Found | Confirmed | AwaitingApproval | Approved => {
            let end = approved.iter().position(|s| *s == state).unwrap();
            walk(journal, id, &approved[..=end]).await;
        }
        Rejected => walk(journal, id, &[Found, Confirmed, AwaitingApproval, Rejected]).await,
        Expired => walk(journal, id, &[Found, Expired]).await,
        _ => {
            walk(journal, id, &[Found, Confirmed, AwaitingApproval, Approved, Uploaded]).await;
            if state == Uploaded {
                return id;
            }
            let transaction = signed(u64::from(target));
            let digest = transaction.digest();
            journal.sign(id, TransactionKind::Submit, &transaction, 0).await.unwrap();
            if state == Signed {
                return id;
            }
            journal.sending(id, digest).await.unwrap();
            if state == Sent {
                return id;
            }
            if state == Unknown {
                walk(journal, id, &[Sent, Unknown]).await;
                return id;
            }
            let (outcome, to) = match state {
                Lost | Failed => (Outcome::Failure, state),
                _ => (Outcome::Success, Filled),
            };
            let step = Some(Step::new(Sent, to));
            journal.settle(id, digest, outcome, Shannons(2200), -68_760, step).await.unwrap();
            match state {
                Claimable => walk(journal, id, &[Filled, Claimable]).await,
                Claimed | Forfeited => walk(journal, id, &[Filled, Claimable, state]).await,
                _ => {}
            }
        }
    }
    id
}

#[tokio::test]
async fn every_state_survives_a_reopening_with_all_its_facts() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path(), None).unwrap();
    let mut rows = Vec::new();
    for (target, state) in (1u8..).zip(State::ALL) {
        let id = row_in(&journal, target, state).await;
        rows.push(journal.newest(1).await.unwrap().remove(0));
        assert_eq!((rows.last().unwrap().row.id, rows.last().unwrap().row.state), (id, state));
    }
    journal.close().await;
    let journal = Journal::open(dir.path(), None).unwrap();
    let mut again = journal.newest(100).await.unwrap();
    again.reverse();
    assert_eq!(again, rows);
    let unfinished: Vec<State> = journal.unfinished().await.unwrap().iter().map(|s| s.row.state).collect();
    assert_eq!(unfinished, State::ALL.into_iter().filter(|s| !s.is_final()).collect::<Vec<_>>());
}

#[tokio::test]
async fn signed_bytes_come_back_byte_for_byte_after_a_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path(), None).unwrap();
    for (target, state, sends) in [(1, State::Signed, 0), (2, State::Sent, 1), (3, State::Unknown, 1)] {
        let id = row_in(&journal, target, state).await;
        let record = journal.in_flight(id).await.unwrap().unwrap();
        assert_eq!(record.transaction.to_bytes(), signed(u64::from(target)).to_bytes());
        assert_eq!((record.sends, record.kind), (sends, TransactionKind::Submit));
    }
    journal.close().await;
    let journal = Journal::open(dir.path(), None).unwrap();
    for submission in journal.unfinished().await.unwrap() {
        let record = journal.in_flight(submission.row.id).await.unwrap().unwrap();
        assert_eq!(Some(record.digest), submission.row.digest);
    }
}

#[tokio::test]
async fn impossible_transitions_are_refused_and_change_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path(), None).unwrap();
    for (target, from) in (1u8..).zip(State::ALL) {
        let id = row_in(&journal, target, from).await;
        let before = journal.newest(1).await.unwrap();
        for to in State::ALL {
            // Never backwards over a signature, never out of an end, never over an approval.
            let must_fail = from.is_final()
                || to == State::Found
                || (to == State::Approved && from != State::AwaitingApproval)
                // Back before a judge leads only an approval without a signature.
                || (to == State::AwaitingApproval && !matches!(from, State::Confirmed | State::Approved | State::Uploaded))
                || (matches!(to, State::Claimed | State::Forfeited) && from != State::Claimable)
                || (matches!(from, State::Signed | State::Sent | State::Unknown | State::Filled)
                    && to == State::Expired);
            if must_fail {
                let refused = journal.advance(id, Step::new(from, to)).await;
                assert!(matches!(refused, Err(JournalError::Transition { .. })), "{from:?} → {to:?}: {refused:?}");
            }
        }
        assert_eq!(journal.newest(1).await.unwrap(), before);
    }
}

#[tokio::test]
async fn a_step_from_a_state_that_the_row_has_left_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path(), None).unwrap();
    let id = row_in(&journal, 1, State::Approved).await;
    let refused = journal.advance(id, Step::new(State::AwaitingApproval, State::Rejected)).await;
    assert!(matches!(refused, Err(JournalError::Moved { found: State::Approved, .. })), "{refused:?}");
}

#[tokio::test]
async fn a_target_has_one_live_submission_and_none_after_it_is_filled() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path(), None).unwrap();
    for (target, state) in (1u8..).zip(State::ALL) {
        row_in(&journal, target, state).await;
        let second = journal.insert(new(target, 1)).await;
        let is_free = matches!(state, State::Rejected | State::Lost | State::Failed | State::Expired);
        assert_eq!(second.is_ok(), is_free, "{state:?}: {second:?}");
    }
}

#[tokio::test]
async fn nothing_is_signed_a_second_time_unless_the_first_is_dead() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path(), None).unwrap();
    let id = row_in(&journal, 1, State::Sent).await;
    let digest = signed(1).digest();
    let again = journal.sign(id, TransactionKind::Submit, &signed(2), 0).await;
    assert!(matches!(again, Err(JournalError::AlreadySigned(..))), "{again:?}");
    let back = Step::new(State::Sent, State::Uploaded);
    journal.settle(id, digest, Outcome::Dead, Shannons::ZERO, 0, Some(back)).await.unwrap();
    journal.sign(id, TransactionKind::Submit, &signed(2), 0).await.unwrap();
    assert_eq!(journal.in_flight(id).await.unwrap().unwrap().digest, signed(2).digest());
    let twice = journal.settle(id, digest, Outcome::Success, Shannons(1), -1, None).await;
    assert!(matches!(twice, Err(JournalError::Damaged(_))), "{twice:?}");
}

#[tokio::test]
async fn what_was_never_sent_is_dropped_in_one_piece_and_what_may_have_been_sent_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path(), None).unwrap();
    let unsent = row_in(&journal, 1, State::Signed).await;
    let sent = row_in(&journal, 2, State::Sent).await;
    let claimable = row_in(&journal, 3, State::Claimable).await;
    let claim = signed(50);
    journal.sign(claimable, TransactionKind::Claim, &claim, 0).await.unwrap();
    // Taken for dead, and built again as it was: it may have been sent after all.
    let revived = row_in(&journal, 4, State::Sent).await;
    let back = Some(Step::new(State::Sent, State::Uploaded));
    journal.settle(revived, signed(4).digest(), Outcome::Dead, Shannons::ZERO, 0, back).await.unwrap();
    journal.sign(revived, TransactionKind::Submit, &signed(4), 0).await.unwrap();

    let dropped = journal.drop_unsent().await.unwrap();
    let told: Vec<_> = dropped.iter().map(|(row, kind, digest)| (row.row.id, row.row.state, *kind, *digest)).collect();
    let (submit, claims) = (TransactionKind::Submit, TransactionKind::Claim);
    let expected =
        [(unsent, State::Uploaded, submit, signed(1).digest()), (claimable, State::Claimable, claims, claim.digest())];
    assert_eq!(told, expected);
    assert_eq!(dropped[0].0.row.digest, None, "no transaction is shown that nobody can find");
    assert!(journal.drop_unsent().await.unwrap().is_empty());
    for (id, in_flight) in [(unsent, false), (sent, true), (claimable, false), (revived, true)] {
        assert_eq!(journal.in_flight(id).await.unwrap().is_some(), in_flight, "{id:?}");
    }
    // Signed anew, the same bytes have still never been sent; other bytes are as good.
    let (_, record) = journal.sign(unsent, submit, &signed(1), 0).await.unwrap();
    assert_eq!(record.sends, 0);
    journal.drop_unsent().await.unwrap();
    journal.sign(unsent, submit, &signed(60), 0).await.unwrap();
}

#[tokio::test]
async fn the_same_transaction_is_signed_again_after_its_death_and_remembers_its_sendings() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path(), None).unwrap();
    let id = row_in(&journal, 1, State::Sent).await;
    let same = signed(1);
    let back = Step::new(State::Sent, State::Uploaded);
    journal.settle(id, same.digest(), Outcome::Dead, Shannons::ZERO, 0, Some(back)).await.unwrap();

    let other = row_in(&journal, 2, State::Uploaded).await;
    let stolen = journal.sign(other, TransactionKind::Submit, &same, 0).await;
    assert!(matches!(stolen, Err(JournalError::AlreadySigned(..))), "{stolen:?}");
    let mistaken = journal.sign(id, TransactionKind::Claim, &same, 0).await;
    assert!(matches!(mistaken, Err(JournalError::AlreadySigned(..))), "{mistaken:?}");

    let (submission, record) = journal.sign(id, TransactionKind::Submit, &same, 0).await.unwrap();
    assert_eq!((submission.row.state, record.digest, record.sends), (State::Signed, same.digest(), 1));
    assert_eq!(journal.in_flight(id).await.unwrap().unwrap().sends, 1);
    let twice = journal.sign(id, TransactionKind::Submit, &same, 0).await;
    assert!(matches!(twice, Err(JournalError::AlreadySigned(..))), "{twice:?}");

    journal.sending(id, same.digest()).await.unwrap();
    let filled = Some(Step::new(State::Sent, State::Filled));
    journal.settle(id, same.digest(), Outcome::Success, Shannons(2200), -68_760, filled).await.unwrap();
    assert_eq!(journal.rewards().await.unwrap().total.fees, Shannons(2200));
}

#[tokio::test]
async fn the_books_balance_whatever_became_of_each_submission() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path(), None).unwrap();
    let mut change = 0i128;
    // Two of every end: the wallet's changes are what the chain would report.
    for (target, state) in (1u8..).zip([State::Filled, State::Lost, State::Claimable, State::Failed, State::Unknown]) {
        row_in(&journal, target, state).await;
        match state {
            State::Filled | State::Claimable => change -= 2200 + 66_560,
            State::Lost | State::Failed => change -= 2200,
            _ => {}
        }
    }
    for (target, state, received, paid) in
        [(20u8, State::Claimed, 66_560 + 6_374_306, 6_374_306), (21, State::Forfeited, 63_425, 63_425)]
    {
        let id = row_in(&journal, target, State::Claimable).await;
        let claim = signed(u64::from(target) + 100);
        journal.sign(id, TransactionKind::Claim, &claim, 0).await.unwrap();
        journal.sending(id, claim.digest()).await.unwrap();
        let mut step = Step::new(State::Claimable, state);
        step.facts.paid = Some(Shannons(paid));
        let net = received - 6605;
        journal.settle(id, claim.digest(), Outcome::Success, Shannons(6605), net, Some(step)).await.unwrap();
        change += i128::from(net) - 2200 - 66_560;
    }
    let rewards = journal.rewards().await.unwrap();
    let total = rewards.total;
    let booked = i128::from(total.rewards.0)
        - i128::from(total.fees.0)
        - i128::from(total.bonds_locked.0)
        - i128::from(total.bonds_forfeited.0);
    assert_eq!(booked, change);
    assert_eq!((total.submitted, total.filled, total.lost, total.claimed), (7, 4, 2, 1));
    assert_eq!(rewards.epochs.len(), 1);
    assert_eq!(rewards.epochs[0].fees, total.fees);
    assert_eq!(rewards.epochs[0].forfeited, Shannons(66_560));
    assert_eq!(journal.bonds_committed(7).await.unwrap().bonds, Shannons(5 * 66_560));
}

#[tokio::test]
async fn two_engines_do_not_share_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let first = Journal::open(dir.path(), None).unwrap();
    let second = Journal::open(dir.path(), None).err().unwrap();
    assert!(matches!(second, JournalError::InUse(_)), "{second}");
    first.close().await;
    Journal::open(dir.path(), None).unwrap();
}

#[test]
fn a_foreign_or_half_written_file_is_an_error_that_names_it_and_stays() {
    let page = |journal: &[u8]| {
        let mut page = journal.to_vec();
        page.truncate(700);
        page
    };
    let ours = {
        let dir = tempfile::tempdir().unwrap();
        schema::open(&dir.path().join(FILE)).unwrap().close().unwrap();
        std::fs::read(dir.path().join(FILE)).unwrap()
    };
    let mut scribbled = ours.clone();
    scribbled[4096..8192].fill(0xa5);
    let foreign = {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("other");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
        std::fs::read(path).unwrap()
    };
    for (what, bytes) in [
        ("text", b"not a database at all, sorry".repeat(40)),
        ("half", page(&ours)),
        ("scribbled", scribbled),
        ("foreign", foreign),
    ] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(FILE), &bytes).unwrap();
        let error = Journal::open(dir.path(), None).err().unwrap_or_else(|| panic!("{what} was accepted"));
        assert!(error.to_string().contains(FILE), "{what}: {error}");
        assert!(matches!(error, JournalError::Foreign { .. }), "{what}: {error}");
        assert_eq!(std::fs::read(dir.path().join(FILE)).unwrap(), bytes, "{what}");
    }
}

#[test]
fn a_journal_of_a_newer_program_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let connection = schema::open(&dir.path().join(FILE)).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    assert!(matches!(Journal::open(dir.path(), None), Err(JournalError::Newer { found: 99, .. })));
}

#[tokio::test]
async fn every_step_keeps_its_time_in_order_over_a_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path(), None).unwrap();
    for (target, state) in (1u8..).zip(State::ALL) {
        let id = row_in(&journal, target, state).await;
        let steps = journal.submission(id).await.unwrap().row.steps;
        assert_eq!(steps.first().map(|step| step.0), Some(State::Found));
        assert_eq!(steps.last().map(|step| step.0), Some(state));
        assert!(steps.is_sorted_by_key(|step| step.1) && steps.iter().all(|step| step.1 > 0));
        assert!(steps.windows(2).all(|pair| submissions::may_follow(pair[0].0, pair[1].0)), "{steps:?}");
    }
    // A transaction that died leads back, and both ways are told.
    let id = row_in(&journal, 99, State::Sent).await;
    let back = Some(Step::new(State::Sent, State::Uploaded));
    journal.settle(id, signed(99).digest(), Outcome::Dead, Shannons::ZERO, 0, back).await.unwrap();
    journal.sign(id, TransactionKind::Submit, &signed(98), 0).await.unwrap();
    let before = journal.newest(100).await.unwrap();
    let ways: Vec<State> = before[0].row.steps.iter().map(|step| step.0).collect();
    use State::*;
    assert_eq!(ways, [Found, Confirmed, AwaitingApproval, Approved, Uploaded, Signed, Sent, Uploaded, Signed]);
    journal.close().await;
    let journal = Journal::open(dir.path(), None).unwrap();
    assert_eq!(journal.newest(100).await.unwrap(), before);
}

#[tokio::test]
async fn the_journal_is_read_in_pages_to_its_start() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path(), None).unwrap();
    for target in 1..=7 {
        row_in(&journal, target, State::Expired).await;
    }
    let whole = journal.newest(7).await.unwrap();
    let (mut before, mut seen) = (None, Vec::new());
    // Beside the journal's own thread, which is held up meanwhile.
    let (held, hold) = std::sync::mpsc::channel::<()>();
    let waits = journal.call(move |_| {
        // Until the other end is dropped.
        let _ = hold.recv();
        Ok(())
    });
    let read = async {
        let pages = Pages::open(journal.path()).unwrap();
        loop {
            let page = pages.older(before, 3).unwrap();
            let Some(last) = page.last() else { break };
            before = Some(last.id);
            seen.extend(page);
        }
        drop(held);
    };
    let (free, ()) = tokio::join!(waits, read);
    free.unwrap();
    for (row, submission) in seen.iter().zip(&whole) {
        assert_eq!(*row, SubmissionRow { preview: Vec::new(), ..submission.row.clone() });
    }
    let seen: Vec<i64> = seen.iter().map(|row| row.id.0).collect();
    assert_eq!(seen, [7, 6, 5, 4, 3, 2, 1]);
}

#[tokio::test]
async fn a_claim_tells_its_digest_and_counts_for_the_day() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path(), None).unwrap();
    assert_eq!(journal.rewards().await.unwrap().since_ms, None);
    let id = row_in(&journal, 1, State::Claimable).await;
    let claim = signed(101);
    journal.sign(id, TransactionKind::Claim, &claim, 0).await.unwrap();
    assert_eq!(journal.submission(id).await.unwrap().row.claim_digest, None);
    let mut step = Step::new(State::Claimable, State::Claimed);
    step.facts.paid = Some(Shannons(6_374_306));
    journal.settle(id, claim.digest(), Outcome::Success, Shannons(6605), 1, Some(step)).await.unwrap();
    assert_eq!(journal.submission(id).await.unwrap().row.claim_digest, Some(claim.digest()));
    let rewards = journal.rewards().await.unwrap();
    assert_eq!(rewards.paid_last_day, Shannons(6_374_306));
    assert!(rewards.since_ms.is_some());
}
