//! Upload, and the two transactions that a submitter signs.

use std::sync::Arc;

use crate::{
    chain::{
        client::{Client, ClientError, Preflight},
        fees,
        keys::Keypair,
        types::{
            Manifest, ObjectRef, SignedTransaction, SomaTensor, SubmitData, SystemParameters, TargetStatus, TargetV1,
            TransactionData, TransactionKind,
        },
    },
    engine::scoring::ConfirmedHit,
    primitives::{ObjectId, Shannons},
    storage::{StorageError, Store},
};

/// Submissions that a coin is split off for: larger parts cost more value fee, smaller ones more splits.
const SPLIT_FOR: u64 = 16;

/// Who signs, and against which node.
#[derive(Clone)]
pub(in crate::engine) struct Wallet {
    pub client: Client,
    pub keypair: Arc<Keypair>,
}

/// Why there is nothing to send. Nothing was signed.
#[derive(Debug, thiserror::Error)]
pub(in crate::engine) enum NotBuilt {
    /// For good.
    #[error("{0}")]
    Gone(String),
    /// The target is gone from the chain.
    #[error("the target is gone from the chain")]
    Deleted,
    #[error(transparent)]
    Client(#[from] ClientError),
    /// Signed now, it would be refused: these coins have been used meanwhile.
    #[error("{why}")]
    Used { coins: Vec<ObjectRef>, why: String },
    /// Signed now, it would come to nothing: later it may.
    #[error("{0}")]
    NotYet(String),
    #[error("the public URL {0} is not usable in a manifest: {1}")]
    Url(String, url::ParseError),
}

/// Puts the bytes where the public can read them, and reads them back as the public does.
///
/// The key is `{generation epoch}/{checksum}.bin`, so doing it again changes nothing.
pub(in crate::engine) async fn upload(store: &Store, hit: &ConfirmedHit) -> Result<String, StorageError> {
    let url = store.put(&format!("{}/{}.bin", hit.epoch(), hit.checksum()), hit.data().clone()).await?;
    store.read_back(&url, hit.checksum(), hit.size()).await?;
    Ok(url)
}

/// Whether the target is still what was confirmed.
fn still_fits(target: &TargetV1, hit: &ConfirmedHit, epoch: u64) -> Result<(), String> {
    if target.status != TargetStatus::Open {
        return Err("somebody else filled the target".into());
    }
    if target.generation_epoch < epoch {
        return Err("the target expired with its epoch".into());
    }
    if !target.model_ids.iter().eq(hit.models().iter().map(|(id, _)| id)) {
        return Err("the target's models changed".into());
    }
    match target.distance_threshold.scalar_value() {
        Ok(threshold) if hit.distance() <= threshold => Ok(()),
        _ => Err("the target's threshold changed".into()),
    }
}

/// What the gas coin of a submission must hold: bond and fees.
pub(in crate::engine) fn submit_needs(parameters: &SystemParameters, size_bytes: u64) -> Shannons {
    let bond = Shannons(size_bytes.saturating_mul(parameters.submission_bond_per_byte));
    bond.saturating_add(fees::submit_data(parameters, true, true))
}

/// Asks the node about everything that the transaction uses. A node takes 90 s to say that it does not know an object, and
/// leaves open whether the transaction may still execute.
async fn look_ahead(wallet: &Wallet, data: &TransactionData) -> Result<(), NotBuilt> {
    let Err(objection) = wallet.client.preflight(data).await else { return Ok(()) };
    let why = objection.to_string();
    Err(match objection {
        Preflight::Stale { id, .. } | Preflight::WrongDigest { id } | Preflight::NotOwned { id, .. } => {
            let coins = data.gas_payment().iter().filter(|coin| coin.id == id).copied().collect();
            NotBuilt::Used { coins, why }
        }
        Preflight::Node(error) => NotBuilt::Client(error),
        Preflight::NoTarget { .. } => NotBuilt::Deleted,
        other if other.may_pass_later() => NotBuilt::NotYet(why),
        _ => NotBuilt::Gone(why),
    })
}

/// Looks at the target once more, and signs. `epoch` is the current one; the first coin pays everything. `careful`: an
/// earlier attempt was refused, so what we know of coins may be stale.
pub(in crate::engine) async fn prepare_submit(
    wallet: &Wallet,
    hit: &ConfirmedHit,
    url: &str,
    gas: Vec<ObjectRef>,
    epoch: u64,
    careful: bool,
) -> Result<SignedTransaction, NotBuilt> {
    let target = wallet.client.target(hit.target()).await?.ok_or(NotBuilt::Deleted)?;
    still_fits(&target, hit, epoch).map_err(NotBuilt::Gone)?;
    let manifest = Manifest::new(url, hit.checksum(), hit.size()).map_err(|e| NotBuilt::Url(url.into(), e))?;
    let kind = TransactionKind::SubmitData(SubmitData {
        target_id: hit.target(),
        data_manifest: manifest,
        model_id: hit.model(),
        embedding: SomaTensor::vector(hit.embedding()),
        distance_score: SomaTensor::scalar(hit.distance()),
        loss_score: SomaTensor::scalar(hit.loss()),
        bond_coin: *gas.first().ok_or_else(|| NotBuilt::Gone("no coin pays for it".into()))?,
    });
    let data = TransactionData::new(kind, wallet.keypair.address(), gas);
    if careful {
        look_ahead(wallet, &data).await?;
    }
    Ok(wallet.keypair.sign(data))
}

/// Signs the claim of a target that we filled, if it is still there.
pub(in crate::engine) async fn prepare_claim(
    wallet: &Wallet,
    target: ObjectId,
    gas: Vec<ObjectRef>,
    careful: bool,
) -> Result<SignedTransaction, NotBuilt> {
    let state = wallet.client.target(target).await?.ok_or(NotBuilt::Deleted)?;
    let sender = wallet.keypair.address();
    if state.submitter != Some(sender) {
        return Err(NotBuilt::Gone("the chain names another submitter".into()));
    }
    let kind = TransactionKind::ClaimRewards { target_id: target };
    let data = TransactionData::new(kind, sender, gas);
    if careful {
        look_ahead(wallet, &data).await?;
    }
    Ok(wallet.keypair.sign(data))
}

/// A split of one coin into several: what it costs, and what each new coin holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct SplitPlan {
    pub parts: usize,
    pub each: Shannons,
}

impl SplitPlan {
    /// What a coin must hold to be split at all.
    pub fn least(parameters: &SystemParameters, unit: Shannons) -> Shannons {
        unit.saturating_add(unit).saturating_add(fees::pay_coins(parameters, 1, unit))
    }

    /// At most `parts` new coins that can each pay `unit` at least once, and as much left behind; `None`: it is too small.
    pub fn of(parameters: &SystemParameters, balance: Shannons, parts: usize, unit: Shannons) -> Option<Self> {
        let most = Shannons(unit.0.saturating_mul(SPLIT_FOR));
        (1..=parts).rev().find_map(|parts| {
            let count = parts as u64;
            let share = most.min(Shannons(balance.0 / (count + 1)));
            let fee = fees::pay_coins(parameters, parts, Shannons(share.0.saturating_mul(count)));
            let each = most.min(Shannons(balance.checked_sub(fee)?.0 / (count + 1)));
            (each >= unit && unit > Shannons::ZERO).then_some(Self { parts, each })
        })
    }
}

/// Signs the split of a coin of ours among ourselves.
pub(in crate::engine) fn sign_split(keypair: &Keypair, coin: ObjectRef, plan: SplitPlan) -> SignedTransaction {
    let owner = keypair.address();
    let kind = TransactionKind::PayCoins {
        coins: vec![coin],
        amounts: Some(vec![plan.each.0; plan.parts]),
        recipients: vec![owner; plan.parts],
    };
    keypair.sign(TransactionData::new(kind, owner, vec![coin]))
}

/// Signs the merge of small coins, smallest first: the first goes to ourselves as it is, the others pay and become one.
pub(in crate::engine) fn sign_merge(keypair: &Keypair, coins: &[ObjectRef]) -> Option<SignedTransaction> {
    let (smallest, rest) = coins.split_first().filter(|(_, rest)| !rest.is_empty())?;
    let owner = keypair.address();
    let kind = TransactionKind::TransferCoin { coin: *smallest, amount: None, recipient: owner };
    Some(keypair.sign(TransactionData::new(kind, owner, rest.to_vec())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::devnet::GenesisOptions;

    fn plan(balance: u64, parts: usize, unit: u64) -> Option<(usize, u64)> {
        let parameters = GenesisOptions::v5(16).parameters;
        let plan = SplitPlan::of(&parameters, Shannons(balance), parts, Shannons(unit))?;
        // What stays behind can pay too.
        let fee = fees::pay_coins(&parameters, plan.parts, Shannons(plan.each.0 * plan.parts as u64));
        assert!(balance >= plan.each.0 * plan.parts as u64 + fee.0 + unit);
        Some((plan.parts, plan.each.0))
    }

    #[test]
    fn a_rich_coin_gives_what_several_submissions_need_and_a_poor_one_shares_evenly() {
        assert_eq!(plan(2_000_000_000, 3, 68_760), Some((3, 16 * 68_760)));
        let (parts, each) = plan(400_000, 3, 68_760).unwrap();
        assert!(parts == 3 && (98_000..100_000).contains(&each));
        // Not enough for four: as many as it can be.
        assert_eq!(plan(220_000, 3, 68_760).map(|(parts, _)| parts), Some(2));
        assert_eq!(plan(139_000, 3, 68_760), None);
        assert_eq!(plan(0, 3, 68_760), None);
    }
}
