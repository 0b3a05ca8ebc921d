//! Upload, and the two transactions that a submitter signs.

use std::sync::Arc;

use crate::{
    chain::{
        client::{Client, ClientError, Coin},
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

/// Up to so many coins a wallet is left as it is; beyond, the smallest are merged into the gas coin on the way.
pub(in crate::engine) const TIDY_COINS: usize = 8;
/// Coins in one gas payment.
const GAS_COINS: usize = 64;

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
    #[error("{needed} SOMA are needed for bond and fees, and the wallet holds {held}")]
    Poor { needed: Shannons, held: Shannons },
    #[error(transparent)]
    Client(#[from] ClientError),
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

/// The gas payment: richest first (it also carries the bond), as many more as the sum needs, and the dust of an untidy
/// wallet, merged on the way.
pub(in crate::engine) fn gas_payment(coins: &[Coin], needed: Shannons) -> Result<Vec<ObjectRef>, NotBuilt> {
    let held = || coins.iter().map(|coin| Shannons(coin.balance)).sum();
    let mut sum = Shannons::ZERO;
    let mut enough = 0;
    while sum < needed {
        let coin =
            coins.get(enough).filter(|_| enough < GAS_COINS).ok_or_else(|| NotBuilt::Poor { needed, held: held() })?;
        sum = sum.saturating_add(Shannons(coin.balance));
        enough += 1;
    }
    let rest = &coins[enough..];
    let dust = if coins.len() > TIDY_COINS { rest.len().min(GAS_COINS - enough) } else { 0 };
    Ok(coins[..enough].iter().chain(rest.iter().rev().take(dust)).map(|coin| coin.reference).collect())
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

/// Looks at the target once more, picks coins, and signs. `epoch` is the current one.
pub(in crate::engine) async fn prepare_submit(
    wallet: &Wallet,
    hit: &ConfirmedHit,
    url: &str,
    parameters: &SystemParameters,
    epoch: u64,
) -> Result<SignedTransaction, NotBuilt> {
    let target = wallet.client.target(hit.target()).await?.ok_or(NotBuilt::Deleted)?;
    still_fits(&target, hit, epoch).map_err(NotBuilt::Gone)?;
    let sender = wallet.keypair.address();
    let bond = Shannons(hit.size().saturating_mul(parameters.submission_bond_per_byte));
    let needed = bond.saturating_add(fees::submit_data(parameters, true, true));
    let gas = gas_payment(&wallet.client.coins(sender).await?, needed)?;
    let manifest = Manifest::new(url, hit.checksum(), hit.size()).map_err(|e| NotBuilt::Url(url.into(), e))?;
    let kind = TransactionKind::SubmitData(SubmitData {
        target_id: hit.target(),
        data_manifest: manifest,
        model_id: hit.model(),
        embedding: SomaTensor::vector(hit.embedding()),
        distance_score: SomaTensor::scalar(hit.distance()),
        loss_score: SomaTensor::scalar(hit.loss()),
        bond_coin: gas[0],
    });
    Ok(wallet.keypair.sign(TransactionData::new(kind, sender, gas)))
}

/// Signs the claim of a target that we filled, if it is still there.
pub(in crate::engine) async fn prepare_claim(
    wallet: &Wallet,
    target: ObjectId,
    reward_pool: Shannons,
    parameters: &SystemParameters,
) -> Result<SignedTransaction, NotBuilt> {
    let state = wallet.client.target(target).await?.ok_or(NotBuilt::Deleted)?;
    let sender = wallet.keypair.address();
    if state.submitter != Some(sender) {
        return Err(NotBuilt::Gone("the chain names another submitter".into()));
    }
    let gas = gas_payment(&wallet.client.coins(sender).await?, fees::claim(parameters, reward_pool))?;
    let kind = TransactionKind::ClaimRewards { target_id: target };
    Ok(wallet.keypair.sign(TransactionData::new(kind, sender, gas)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::primitives::Digest;

    fn coins(balances: &[u64]) -> Vec<Coin> {
        let coin = |(n, balance): (usize, &u64)| Coin {
            reference: ObjectRef { id: ObjectId([n as u8; 32]), version: 1, digest: Digest::default() },
            balance: *balance,
        };
        balances.iter().enumerate().map(coin).collect()
    }

    fn chosen(balances: &[u64], needed: u64) -> Vec<u8> {
        gas_payment(&coins(balances), Shannons(needed)).unwrap().iter().map(|coin| coin.id.0[0]).collect()
    }

    #[test]
    fn the_richest_coin_pays_alone_when_it_can() {
        assert_eq!(chosen(&[100, 50, 20], 100), [0]);
    }

    #[test]
    fn more_coins_are_merged_only_when_the_richest_is_not_enough() {
        assert_eq!(chosen(&[100, 50, 20], 101), [0, 1]);
    }

    #[test]
    fn the_dust_of_an_untidy_wallet_is_merged_smallest_first() {
        assert_eq!(chosen(&[100, 8, 7, 6, 5, 4, 3, 2, 1], 50), [0, 8, 7, 6, 5, 4, 3, 2, 1]);
    }

    #[test]
    fn a_wallet_that_cannot_pay_says_what_it_needs_and_has() {
        let error = gas_payment(&coins(&[10, 5]), Shannons(16)).unwrap_err();
        assert!(matches!(error, NotBuilt::Poor { needed: Shannons(16), held: Shannons(15) }));
        assert!(matches!(gas_payment(&[], Shannons(1)), Err(NotBuilt::Poor { .. })));
    }
}
