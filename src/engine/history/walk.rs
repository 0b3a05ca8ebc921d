//! Backwards through the wallet's coins: each was made by a transaction, which used up older coins, and so on.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use futures::{StreamExt, TryStreamExt, stream};

use super::{Data, Failure, Past, TargetFacts, What};
use crate::{
    chain::{
        client::{Client, ClientError, PastTransaction},
        types::{ExecutionStatus, ObjectIn, ObjectOut, Owner, SystemParameters, TransactionKind},
    },
    engine::money,
    primitives::{Address, Digest, ObjectId, Shannons},
};

/// What a walk may cost a node.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Transactions that are asked for.
    pub transactions: usize,
    /// Calls for all of it: a transaction leads to the objects and the transactions that it was made of. No transaction is
    /// begun beyond them; what is begun is finished.
    pub calls: usize,
    /// Calls at a time.
    pub at_once: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { transactions: 20_000, calls: 200_000, at_once: 8 }
    }
}

/// Everything that the node told.
#[derive(Clone, Debug)]
pub(super) struct Walked {
    pub epoch: u64,
    pub balance: Shannons,
    pub parameters: SystemParameters,
    /// Every transaction that is known, from the node or from an earlier walk.
    pub past: Vec<Past>,
    /// Those of them that were not known before.
    pub fresh: Vec<Past>,
    /// Targets that the wallet has filled and that are still on the chain.
    pub standing: BTreeMap<ObjectId, TargetFacts>,
    /// Transactions and coins whose origin the node has forgotten.
    pub forgotten: usize,
    /// A limit ended the walk.
    pub cut: bool,
}

/// Of one transaction so many objects and dependencies are looked at; a wallet's own have a few hundred at most.
const LOOKED_AT: usize = 1024;
/// Calls are repeated so often before a walk is given up.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(250);

/// Asks again while the node cannot be reached.
async fn again<T>(call: impl AsyncFn() -> Result<T, ClientError>) -> Result<T, ClientError> {
    let mut pause = PAUSE;
    for _ in 1..TRIES {
        match call().await {
            Err(ClientError::Unreachable(_)) => tokio::time::sleep(pause).await,
            other => return other,
        }
        pause *= 2;
    }
    call().await
}

/// Breadth-first from the coins that the wallet owns and the targets that it has filled, until genesis, the limit, or what
/// the node no longer has. `known` (of earlier walks) costs no call.
pub(super) async fn walk(
    client: &Client,
    address: Address,
    mut known: BTreeMap<Digest, Past>,
    limits: Limits,
    mut progress: impl FnMut(usize),
) -> Result<Walked, ClientError> {
    let at_once = limits.at_once.max(1);
    let state = again(async || client.epoch_state().await).await?;
    let coins = again(async || client.coins(address).await).await?;
    // All that were filled, whether claimable or not: the list of claimable ones lags behind an epoch's turn.
    let filled = again(async || client.filled_by(address).await).await?;
    let mut standing = BTreeMap::new();
    let mut roots = BTreeSet::new();
    let objects = coins.iter().map(|coin| coin.reference.id).chain(filled.iter().map(|target| target.id));
    let calls = Calls::new(limits.calls);
    let mut cut = coins.len() + filled.len() > limits.calls;
    let mut objects = stream::iter(objects.take(limits.calls))
        .map(|id| {
            calls.count();
            async move { again(async || client.object(id).await).await }
        })
        .buffer_unordered(at_once);
    while let Some(object) = objects.try_next().await? {
        let Some(object) = object else { continue };
        roots.insert(object.previous_transaction);
        if let Ok(target) = object.target()
            && target.submitter == Some(address)
        {
            standing.insert(object.id(), TargetFacts::of(&target));
        }
    }
    drop(objects);

    let mut seen = roots.clone();
    let mut queue: VecDeque<Digest> = roots.into_iter().collect();
    let mut fresh = Vec::new();
    let (mut asked, mut forgotten) = (0, 0);
    while !queue.is_empty() {
        let (mut round, mut told, mut ended) = (Vec::new(), Vec::new(), false);
        while let Some(digest) = queue.pop_front() {
            match known.get(&digest) {
                Some(past) => told.push((digest, Some(past.clone()))),
                None if round.len() < at_once => round.push(digest),
                None => {
                    queue.push_front(digest);
                    break;
                }
            }
        }
        if asked + round.len() > limits.transactions || (calls.are_used_up() && !round.is_empty()) {
            cut = true;
            ended = true;
            round.clear();
        }
        asked += round.len();
        let mut answers = stream::iter(round)
            .map(|digest| {
                let calls = &calls;
                async move { Ok::<_, ClientError>((digest, look(client, address, digest, calls).await?)) }
            })
            .buffer_unordered(at_once);
        while let Some(answer) = answers.try_next().await? {
            told.push(answer);
        }
        drop(answers);
        for (digest, past) in told {
            let Some(past) = past else {
                forgotten += 1;
                continue;
            };
            forgotten += past.lost_parents as usize;
            queue.extend(past.parents.iter().copied().filter(|parent| seen.insert(*parent)));
            // A validator's report leads to the target, but moved none of our coins.
            if (past.ours || past.change != 0) && !known.contains_key(&digest) {
                fresh.push(past.clone());
                known.insert(digest, past);
            }
        }
        progress(asked);
        if ended {
            break;
        }
    }
    let balance = coins.iter().map(|coin| Shannons(coin.balance)).sum();
    let past = known.into_values().collect();
    Ok(Walked { epoch: state.epoch, balance, parameters: state.parameters, past, fresh, standing, forgotten, cut })
}

/// One transaction, where its coins came from, and the target that it changed. `None`: the node has forgotten it.
async fn look(client: &Client, address: Address, digest: Digest, calls: &Calls) -> Result<Option<Past>, ClientError> {
    calls.count();
    let Some(transaction) = again(async || client.past_transaction(digest).await).await? else { return Ok(None) };
    let effects = &transaction.executed.effects;
    let mut parents = BTreeSet::new();
    let mut lost = Vec::new();
    let mut looked_at = 0;
    for (id, change) in &effects.changed_objects {
        let ObjectIn::Exist((version, _), Owner::Address(owner)) = &change.input_state else { continue };
        if *owner != address {
            continue;
        }
        looked_at += 1;
        // What is not looked at is missing: the history says so.
        if looked_at > LOOKED_AT {
            lost.push((*id, *version));
            continue;
        }
        calls.count();
        match again(async || client.object_at(*id, *version).await).await? {
            Some(object) => {
                parents.insert(object.previous_transaction);
            }
            None => lost.push((*id, *version)),
        }
    }
    // Transactions are often kept longer than old versions of objects: they are asked what they wrote.
    for dependency in effects.dependencies.iter().take(LOOKED_AT) {
        if lost.is_empty() {
            break;
        }
        if parents.contains(dependency) {
            continue;
        }
        calls.count();
        let Some(earlier) = again(async || client.past_transaction(*dependency).await).await? else { continue };
        let before = lost.len();
        lost.retain(|(id, version)| !wrote(&earlier, id, *version));
        if lost.len() < before {
            parents.insert(*dependency);
        }
    }
    let target = match &transaction.kind {
        Some(TransactionKind::SubmitData(submit)) => Some(submit.target_id),
        Some(TransactionKind::ClaimRewards { target_id }) => Some(*target_id),
        _ => None,
    };
    let target = match target.and_then(|id| Some((id, version_before(&transaction, &id)?))) {
        Some((id, version)) => {
            calls.count();
            let object = again(async || client.object_at(id, version).await).await?;
            object.and_then(|object| object.target().ok()).map(|target| TargetFacts::of(&target))
        }
        None => None,
    };
    Ok(Some(Past {
        target,
        parents: parents.into_iter().collect(),
        lost_parents: u32::try_from(lost.len()).unwrap_or(u32::MAX),
        ..past(&transaction, address)
    }))
}

/// What a walk has cost so far.
struct Calls {
    made: AtomicUsize,
    most: usize,
}

impl Calls {
    fn new(most: usize) -> Self {
        Self { made: AtomicUsize::new(0), most }
    }

    fn count(&self) {
        self.made.fetch_add(1, Ordering::Relaxed);
    }

    fn are_used_up(&self) -> bool {
        self.made.load(Ordering::Relaxed) >= self.most
    }
}

fn wrote(transaction: &PastTransaction, id: &ObjectId, version: u64) -> bool {
    let effects = &transaction.executed.effects;
    effects.version == version
        && effects
            .changed_objects
            .iter()
            .any(|(changed, change)| changed == id && change.output_state != ObjectOut::NotExist)
}

fn version_before(transaction: &PastTransaction, id: &ObjectId) -> Option<u64> {
    let changed = &transaction.executed.effects.changed_objects;
    changed.iter().find(|(changed, _)| changed == id).and_then(|(_, change)| match change.input_state {
        ObjectIn::Exist((version, _), _) => Some(version),
        ObjectIn::NotExist => None,
    })
}

/// What the transaction itself tells.
fn past(transaction: &PastTransaction, address: Address) -> Past {
    let executed = &transaction.executed;
    let what = match &transaction.kind {
        Some(TransactionKind::SubmitData(submit)) => What::Submit {
            target: submit.target_id,
            model: submit.model_id,
            data: Data {
                url: submit.data_manifest.url().to_owned(),
                checksum: submit.data_manifest.checksum(),
                size: submit.data_manifest.size(),
            },
            distance: submit.distance_score.scalar_value().ok(),
        },
        Some(TransactionKind::ClaimRewards { target_id }) => What::Claim { target: *target_id },
        _ => What::Other,
    };
    let failure = match &executed.effects.status {
        ExecutionStatus::Success => None,
        ExecutionStatus::Failure { error } => {
            Some(Failure { text: format!("{error:?}"), is_lost_race: money::is_lost_race(error) })
        }
    };
    let created = executed.effects.created().filter(|(_, owner)| *owner == Owner::Address(address));
    Past {
        digest: transaction.digest,
        ours: transaction.sender == Some(address),
        what,
        target: None,
        failure,
        epoch: executed.effects.executed_epoch,
        checkpoint: transaction.checkpoint,
        at_ms: transaction.timestamp_ms,
        fee: Shannons(executed.effects.fee.total_fee),
        change: money::change_for(executed, address),
        coins_created: u32::try_from(created.count()).unwrap_or(u32::MAX),
        parents: Vec::new(),
        lost_parents: 0,
    }
}
