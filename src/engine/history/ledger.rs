//! From executed transactions to rewards. Pure: the same transactions give the same sums on every machine.

use std::{cmp::Reverse, collections::BTreeMap};

use super::{
    Entry, EntryState, EpochSum, Find, JournalUse, Past, Rewards, TargetFacts, Totals, What, state_of, walk::Walked,
};
use crate::{
    api::SubmissionRow,
    chain::{rewards::claim_split, types::SystemParameters},
    engine::{journal::Submission, money::Payment},
    export::StepRecord,
    primitives::{Address, ObjectId, Shannons},
};

/// A fill in epoch E can be claimed from epoch E + 2 on (`protocol.md §7.1`).
const AUDITED_AFTER: u64 = 2;

/// A submitter who claims gets three coins: share, finder's fee and bond. Whoever claims for others gets one, or two as the
/// model's owner.
const OWN_CLAIM_COINS: u32 = 3;

/// The submitter's share and the finder's fee.
fn expected(parameters: &SystemParameters, pool: Shannons) -> Shannons {
    let split = claim_split(parameters, pool);
    split.submitter.saturating_add(split.claimer)
}

fn blank(target: ObjectId, state: EntryState, epoch: u64) -> Entry {
    Entry {
        target,
        state,
        epoch,
        claimable_epoch: None,
        bond: Shannons::ZERO,
        fee: Shannons::ZERO,
        reward_pool: None,
        expected: None,
        paid: None,
        submit_digest: None,
        claim_digest: None,
        claimed_by_others: false,
        model: None,
        distance: None,
        threshold: None,
        size_bytes: None,
        checksum: None,
        url: None,
        submitted_at_ms: None,
        source: None,
        note: None,
        steps: Vec::new(),
    }
}

pub(in crate::engine) fn steps(row: &SubmissionRow) -> Vec<StepRecord> {
    row.steps.iter().map(|(state, at_ms)| StepRecord { state: state.word(), at_ms: *at_ms }).collect()
}

/// Fills in what the target's object tells.
fn describe(entry: &mut Entry, facts: &TargetFacts) {
    entry.reward_pool = Some(facts.reward_pool);
    entry.threshold = facts.threshold.or(entry.threshold);
    entry.distance = facts.distance.or(entry.distance);
    entry.model = facts.model.or(entry.model);
    if let Some(data) = &facts.data {
        entry.size_bytes = Some(data.size);
        entry.checksum = Some(data.checksum);
        entry.url = Some(data.url.clone());
    }
}

/// The coins' gain from a transaction, without the fee if the wallet paid it.
fn gained(past: &Past) -> i64 {
    if past.ours { past.change.saturating_add_unsigned(past.fee.0) } else { past.change }
}

fn positive(amount: i64) -> Shannons {
    Shannons(u64::try_from(amount).unwrap_or(0))
}

/// Entries and finds; the sums come last, after the journal was joined.
pub(super) fn rewards(address: Address, walked: &Walked) -> Rewards {
    let mut past: Vec<&Past> = walked.past.iter().collect();
    past.sort_by_key(|past| (past.epoch, past.checkpoint, past.digest));
    let mut filled: BTreeMap<ObjectId, Entry> = BTreeMap::new();
    let mut refused = Vec::new();
    for past in past.iter().filter(|past| past.ours) {
        let What::Submit { target, model, data, distance } = &past.what else { continue };
        let mut entry = blank(*target, EntryState::Forgotten, past.epoch);
        entry.fee = past.fee;
        entry.submit_digest = Some(past.digest);
        entry.submitted_at_ms = past.at_ms;
        if let Some(facts) = &past.target {
            describe(&mut entry, facts);
        }
        entry.model = Some(*model);
        entry.distance = *distance;
        (entry.size_bytes, entry.checksum, entry.url) = (Some(data.size), Some(data.checksum), Some(data.url.clone()));
        match &past.failure {
            None => {
                // What left the wallet beyond the fee is the bond.
                entry.bond = positive(gained(past).saturating_neg());
                filled.insert(*target, entry);
            }
            Some(failure) => {
                entry.state = if failure.is_lost_race { EntryState::Lost } else { EntryState::Failed };
                entry.note = Some(failure.text.clone());
                refused.push(entry);
            }
        }
    }
    for (id, facts) in &walked.standing {
        let entry = filled.entry(*id).or_insert_with(|| blank(*id, EntryState::Pending, facts.epoch));
        describe(entry, facts);
        entry.bond = facts.bond;
        entry.state = match facts.epoch.saturating_add(AUDITED_AFTER) <= walked.epoch {
            true => EntryState::Claimable,
            false => EntryState::Pending,
        };
    }
    let mut finds = Vec::new();
    for past in &past {
        let What::Claim { target } = past.what else { continue };
        let is_ours = match &past.target {
            Some(facts) => facts.submitter == Some(address) && facts.filled,
            None => past.ours && past.coins_created >= OWN_CLAIM_COINS,
        };
        if is_ours && !filled.contains_key(&target) && past.failure.is_none() {
            // Its submission is forgotten; its target, as the claim found it, is not.
            let epoch = past.target.as_ref().map_or(past.epoch.saturating_sub(AUDITED_AFTER), |facts| facts.epoch);
            filled.insert(target, blank(target, EntryState::Forgotten, epoch));
        }
        match filled.get_mut(&target) {
            Some(entry) => claimed(entry, past),
            None if past.ours => finds.push(Find {
                target,
                digest: past.digest,
                epoch: past.epoch,
                paid: positive(gained(past)),
                fee: past.fee,
                succeeded: past.failure.is_none(),
            }),
            // The share of a model's owner.
            None => {}
        }
    }
    let mut submissions: Vec<Entry> = filled.into_values().chain(refused).collect();
    let whole = is_whole(walked);
    for entry in &mut submissions {
        finish(entry, walked, whole);
    }
    Rewards {
        address,
        epoch: walked.epoch,
        balance: walked.balance,
        epochs: Vec::new(),
        submissions,
        finds,
        totals: Totals::default(),
        complete: false,
        gaps: Vec::new(),
        journal: JournalUse::None,
    }
}

/// What all transactions came to.
fn change(walked: &Walked) -> i64 {
    walked.past.iter().fold(0, |sum, past| sum.saturating_add(past.change))
}

/// Nothing is missing: the transactions explain the balance to the last shannon.
fn is_whole(walked: &Walked) -> bool {
    walked.forgotten == 0 && !walked.cut && u64::try_from(change(walked)) == Ok(walked.balance.0)
}

/// A claim of what we filled, whoever sent it.
fn claimed(entry: &mut Entry, past: &Past) {
    if past.ours {
        entry.fee = entry.fee.saturating_add(past.fee);
    }
    if past.failure.is_some() {
        return;
    }
    match &past.target {
        Some(facts) => {
            describe(entry, facts);
            entry.bond = facts.bond;
        }
        None if entry.submit_digest.is_none() => {
            entry.note = Some("target and submission are forgotten: its bond is counted as paid".into());
        }
        None => {}
    }
    entry.claim_digest = Some(past.digest);
    entry.claimed_by_others = !past.ours;
    // Where the target is forgotten its reward is, too: then whatever exceeds the bond was paid.
    let payment = Payment::from_received(gained(past), entry.bond, entry.reward_pool.unwrap_or_default());
    (entry.state, entry.paid) = match payment {
        Payment::Paid(paid) => (EntryState::Claimed, Some(paid)),
        Payment::Forfeited(paid) => (EntryState::Forfeited, Some(paid)),
    };
}

/// What follows from the state alone.
fn finish(entry: &mut Entry, walked: &Walked, whole: bool) {
    if entry.state.has_filled() {
        entry.claimable_epoch = Some(entry.epoch.saturating_add(AUDITED_AFTER));
    }
    match entry.state {
        EntryState::Pending | EntryState::Claimable => {
            entry.expected = entry.reward_pool.map(|pool| expected(&walked.parameters, pool));
        }
        // What others claim of reported data pays us nothing and so leaves no trace on our coins.
        EntryState::Forgotten if whole => {
            entry.state = EntryState::Forfeited;
            entry.paid = Some(Shannons::ZERO);
            entry.claimed_by_others = true;
            entry.note = Some("claimed by somebody else, and nothing was paid: the bond is lost".into());
        }
        EntryState::Forgotten => {
            entry.note = Some("claimed, and the node no longer knows the claim".into());
        }
        EntryState::Forfeited => entry.note = Some("validators reported the data and took the bond".into()),
        _ => {}
    }
}

/// Adds what only this machine knows: the file of a submission, and what is in flight or older than the node's memory.
pub(super) fn join(rewards: &mut Rewards, rows: &[Submission]) {
    for submission in rows {
        let row = &submission.row;
        let Some(state) = state_of(row.state) else { continue };
        let found = rewards.submissions.iter_mut().find(|entry| match (entry.submit_digest, row.digest) {
            (Some(entry), Some(row)) => entry == row,
            _ => entry.target == row.target && entry.state.has_filled() && state.has_filled(),
        });
        if let Some(entry) = found {
            entry.source = Some(row.source.clone());
            entry.steps = steps(row);
            // The chain's word is newer, unless it has forgotten.
            if entry.state == EntryState::Forgotten && matches!(state, EntryState::Claimed | EntryState::Forfeited) {
                (entry.state, entry.paid, entry.note) = (state, row.paid, row.note.clone());
            }
            continue;
        }
        if row.digest.is_none() {
            continue;
        }
        let mut entry = blank(row.target, state, row.epoch);
        if state.has_filled() {
            entry.claimable_epoch = Some(row.epoch.saturating_add(AUDITED_AFTER));
        }
        entry.bond = row.bond;
        entry.fee = row.fee;
        entry.reward_pool = Some(submission.reward_pool);
        entry.paid = row.paid;
        entry.submit_digest = row.digest;
        entry.model = Some(row.model);
        (entry.distance, entry.threshold) = (Some(row.distance), Some(row.threshold));
        (entry.size_bytes, entry.checksum, entry.url) = (Some(row.size_bytes), Some(row.checksum), row.url.clone());
        entry.steps = steps(row);
        entry.source = Some(row.source.clone());
        entry.note = row.note.clone();
        rewards.submissions.push(entry);
    }
}

/// Sums, order, and what is missing.
pub(super) fn sum(rewards: &mut Rewards, walked: &Walked) {
    rewards.submissions.sort_by_key(|entry| (Reverse(entry.epoch), Reverse(entry.submitted_at_ms), entry.target));
    rewards.finds.reverse();
    let mut totals = Totals::default();
    let mut epochs: BTreeMap<u64, EpochSum> = BTreeMap::new();
    for entry in &rewards.submissions {
        let epoch = epochs.entry(entry.epoch).or_insert(EpochSum { epoch: entry.epoch, ..EpochSum::default() });
        totals.submitted += 1;
        epoch.fees = epoch.fees.saturating_add(entry.fee);
        if entry.state.has_filled() {
            totals.filled += 1;
            epoch.filled += 1;
        }
        let (expected, paid) = (entry.expected.unwrap_or_default(), entry.paid.unwrap_or_default());
        match entry.state {
            EntryState::Pending | EntryState::Claimable => {
                *(if entry.state == EntryState::Pending { &mut totals.pending } else { &mut totals.claimable }) += 1;
                add(&mut totals.expected, &mut epoch.pending, expected);
                add(&mut totals.bonds_locked, &mut epoch.bonds_locked, entry.bond);
            }
            EntryState::Claimed => {
                totals.claimed += 1;
                epoch.claimed += 1;
                add(&mut totals.rewards, &mut epoch.earned, paid);
            }
            EntryState::Forfeited => {
                totals.forfeited += 1;
                add(&mut totals.rewards, &mut epoch.earned, paid);
                add(&mut totals.bonds_forfeited, &mut epoch.bonds_forfeited, entry.bond);
            }
            EntryState::Lost | EntryState::Failed => {
                totals.lost += 1;
                epoch.lost += 1;
            }
            EntryState::Unknown | EntryState::Forgotten => {}
        }
    }
    rewards.epochs = epochs.into_values().rev().collect();
    totals.finder_fees = rewards.finds.iter().map(|find| find.paid).sum();
    for past in &walked.past {
        if past.ours {
            totals.fees = totals.fees.saturating_add(past.fee);
        }
        let of_rewards = match past.what {
            What::Submit { .. } => past.ours,
            What::Claim { target } => {
                past.ours || rewards.submissions.iter().any(|entry| entry.target == target && entry.state.has_filled())
            }
            What::Other => false,
        };
        if !of_rewards {
            let gained = gained(past);
            totals.received = totals.received.saturating_add(positive(gained));
            totals.sent = totals.sent.saturating_add(positive(gained.saturating_neg()));
        }
    }
    rewards.totals = totals;
    rewards.complete = is_whole(walked);
    rewards.gaps = gaps(walked);
}

fn add(total: &mut Shannons, epoch: &mut Shannons, amount: Shannons) {
    *total = total.saturating_add(amount);
    *epoch = epoch.saturating_add(amount);
}

fn gaps(walked: &Walked) -> Vec<String> {
    let oldest = walked.past.iter().min_by_key(|past| (past.epoch, past.checkpoint));
    let since = oldest.map_or_else(
        || "nothing older is known".to_owned(),
        |past| match past.checkpoint {
            Some(checkpoint) => format!("the oldest that is known is of epoch {}, checkpoint {checkpoint}", past.epoch),
            None => format!("the oldest that is known is of epoch {}", past.epoch),
        },
    );
    let mut gaps = Vec::new();
    if walked.forgotten > 0 {
        gaps.push(format!(
            "this node has forgotten {} older transactions of the wallet; {since}; an archive node may know more",
            walked.forgotten
        ));
    }
    if walked.cut {
        gaps.push(format!("the walk ended at its limit; {since}; run it again to go on from there"));
    }
    if gaps.is_empty() && !is_whole(walked) {
        gaps.push(format!(
            "the transactions that were found come to {} shannons and the wallet holds {}: coins that were used up \
             whole leave no trace to follow, and a transaction of this moment is perhaps not yet indexed",
            change(walked),
            walked.balance.0
        ));
    }
    gaps
}
