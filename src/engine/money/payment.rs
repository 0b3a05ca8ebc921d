//! What a claim paid, whoever sent it.

use std::collections::BTreeSet;

use crate::{
    chain::{
        client::{Client, ClientError, Executed},
        types::{Address, IdOperation, ObjectId},
    },
    primitives::{Digest, Shannons},
};

use super::change_for;

/// Coins whose last transaction is looked at.
const COINS_SEARCHED: usize = 256;

/// What came in for a target that we filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Payment {
    /// The bond came back with this much on top.
    Paid(Shannons),
    /// The bond is lost to the validators who reported the data; only a finder's fee (perhaps none) came in.
    Forfeited(Shannons),
}

impl Payment {
    /// `received`: our coins' gain, with the claim's own fee added back if we paid it.
    ///
    /// A forfeiting claim pays its sender 0.5 % of the reward, an honest one pays half of the reward and the bond: a
    /// quarter tells them apart whatever small changes the shares see.
    pub fn from_received(received: i64, bond: Shannons, reward_pool: Shannons) -> Self {
        let received = Shannons(u64::try_from(received).unwrap_or(0));
        match received.checked_sub(bond) {
            Some(paid) if paid >= Shannons(reward_pool.0 / 4) => Self::Paid(paid),
            _ => Self::Forfeited(received),
        }
    }
}

/// What a search for a payment came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Found {
    /// Our coins' gain from the claim.
    Received(i64),
    /// Nobody has claimed it.
    StillThere,
    Nothing,
}

/// The executed claim of `target` by somebody else, and our gain from it. `recent`: transactions of the checkpoint in
/// which the target went; beyond them, those that our coins come from. A node that lags or serves another chain than
/// `chain_id` finds nothing, which says nothing.
pub(in crate::engine) async fn find_payment(
    client: &Client,
    owner: Address,
    target: ObjectId,
    recent: &[Digest],
    chain_id: &str,
    height: u64,
) -> Result<Found, ClientError> {
    for digest in recent {
        if let Some(change) = gain_from(client, owner, target, *digest).await? {
            return Ok(Found::Received(change));
        }
    }
    if client.target(target).await?.is_some() {
        return Ok(Found::StillThere);
    }
    let mut seen: BTreeSet<Digest> = recent.iter().copied().collect();
    for coin in client.coins(owner).await?.iter().take(COINS_SEARCHED) {
        let Some(object) = client.object(coin.reference.id).await? else { continue };
        if seen.insert(object.previous_transaction)
            && let Some(change) = gain_from(client, owner, target, object.previous_transaction).await?
        {
            return Ok(Found::Received(change));
        }
    }
    let service = client.service_info().await?;
    match service.chain_id == chain_id && service.checkpoint_height >= height {
        true => Ok(Found::Nothing),
        false => Err(ClientError::Unreachable("the node is behind, or serves another chain".to_owned())),
    }
}

async fn gain_from(
    client: &Client,
    owner: Address,
    target: ObjectId,
    digest: Digest,
) -> Result<Option<i64>, ClientError> {
    let deletes = |executed: &Executed| {
        let changed = &executed.effects.changed_objects;
        changed.iter().any(|(id, change)| *id == target && change.id_operation == IdOperation::Deleted)
    };
    Ok(client.transaction(digest).await?.filter(deletes).map(|executed| change_for(&executed, owner)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_golden_amounts_of_a_claim_are_told_from_a_forfeit() {
        let (bond, reward) = (Shannons(66_560), Shannons(12_685_185));
        // protocol.md §7.7: the submitter who claims gets both shares and the bond.
        let both = 6_310_881 + 63_425;
        assert_eq!(Payment::from_received(both + 66_560, bond, reward), Payment::Paid(Shannons(both as u64)));
        // Somebody else claimed.
        assert_eq!(Payment::from_received(6_310_881 + 66_560, bond, reward), Payment::Paid(Shannons(6_310_881)));
        assert_eq!(Payment::from_received(63_425, bond, reward), Payment::Forfeited(Shannons(63_425)));
        assert_eq!(Payment::from_received(0, bond, reward), Payment::Forfeited(Shannons::ZERO));
    }

    #[test]
    fn a_tiny_bond_does_not_make_a_forfeit_look_paid() {
        let (bond, reward) = (Shannons(65), Shannons(12_685_185));
        assert_eq!(Payment::from_received(63_425, bond, reward), Payment::Forfeited(Shannons(63_425)));
    }
}
