//! Lists: page by page to the end, whatever a server does with its tokens.

use std::{cmp::Reverse, collections::BTreeMap, future::Future};

use prost::Message;
use tonic::Status;

use super::{Client, ClientError, Coin, OBJECT_MASK, TargetFilter, TargetInfo, mask, transport::within};
use crate::chain::{
    convert,
    proto::soma::rpc,
    types::{Address, Object, ObjectId, ObjectType, Owner},
};

/// The most a server gives; 512 KiB of messages end a page earlier (`protocol.md §2.5`).
const PAGE_SIZE: u32 = 1000;
/// Pages can be empty and still not the last, so their number is bounded as well.
const MAX_PAGES: usize = 10_000;
/// 200 times the targets that are ever open at once.
const MAX_ITEMS: usize = 20_000;
/// Twice what so many targets take at 2048 dimensions.
const MAX_LIST_BYTES: usize = 512 << 20;

const TARGET_MASK: &[&str] = &[
    "id",
    "status",
    "generation_epoch",
    "reward_pool",
    "embedding",
    "model_ids",
    "distance_threshold",
    "submitter",
    "bond_amount",
];

impl Client {
    /// All coins, richest first; one entry an id, the newest version: an index may still show an older one beside it
    /// (`protocol.md §2.4`).
    pub async fn coins(&self, owner: Address) -> Result<Vec<Coin>, ClientError> {
        let mut newest: BTreeMap<ObjectId, Coin> = BTreeMap::new();
        let page = async |page_token| {
            let request = rpc::ListOwnedObjectsRequest {
                owner: Some(owner.to_string()),
                page_size: Some(PAGE_SIZE),
                page_token,
                read_mask: mask(OBJECT_MASK),
                object_type: Some(ObjectType::Coin.name().to_owned()),
            };
            let answer = within(self.timeout, self.state().list_owned_objects(request)).await?;
            Ok((answer.objects, answer.next_page_token))
        };
        for object in all_pages(page).await? {
            let object = convert::object_from_proto(&object)?;
            let coin = spendable_coin(&object, owner)?;
            newest
                .entry(coin.reference.id)
                .and_modify(|known| {
                    if known.reference.version < coin.reference.version {
                        *known = coin;
                    }
                })
                .or_insert(coin);
        }
        let mut coins: Vec<Coin> = newest.into_values().collect();
        coins.sort_by_key(|coin| (Reverse(coin.balance), coin.reference.id));
        Ok(coins)
    }

    /// Paged to the end, one entry an id. A target that does not decode is left out with a warning: one bad entry must not
    /// hide the others.
    pub async fn targets(
        &self,
        filter: TargetFilter,
        submitter: Option<Address>,
    ) -> Result<Vec<TargetInfo>, ClientError> {
        let status = match filter {
            TargetFilter::Open => "open",
            TargetFilter::Filled => "filled",
            TargetFilter::Claimable => "claimable",
        };
        let page = async |page_token| {
            let request = rpc::ListTargetsRequest {
                status_filter: Some(status.to_owned()),
                epoch_filter: None,
                page_size: Some(PAGE_SIZE),
                page_token,
                read_mask: mask(TARGET_MASK),
                submitter_filter: submitter.map(|address| address.to_string()),
            };
            let answer = within(self.timeout, self.state().list_targets(request)).await?;
            Ok((answer.targets, answer.next_page_token))
        };
        let mut targets: BTreeMap<ObjectId, TargetInfo> = BTreeMap::new();
        for target in all_pages(page).await? {
            match convert::target_info_from_proto(&target) {
                Ok(target) => {
                    targets.insert(target.id, target);
                }
                Err(cause) => tracing::warn!(%cause, "left out a target"),
            }
        }
        Ok(targets.into_values().collect())
    }
}

/// A coin that `owner` can really spend: a server's word alone is not enough to build a transaction on.
fn spendable_coin(object: &Object, owner: Address) -> Result<Coin, ClientError> {
    if object.owner != Owner::Address(owner) {
        return Err(ClientError::Malformed(format!("object {} is not owned by {owner}", object.id())));
    }
    let balance = object.coin_balance().map_err(|cause| ClientError::Malformed(cause.to_string()))?;
    Ok(Coin { reference: object.reference(), balance })
}

/// The items of every page. A repeated token or an endless list is the server's fault and an error.
async fn all_pages<T, F>(page: impl Fn(Option<Vec<u8>>) -> F) -> Result<Vec<T>, ClientError>
where
    T: Message,
    F: Future<Output = Result<(Vec<T>, Option<Vec<u8>>), Status>>,
{
    let mut items = Vec::new();
    let mut bytes = 0;
    let mut token = None;
    for _ in 0..MAX_PAGES {
        let (more, next) = page(token.clone()).await?;
        bytes += more.iter().map(Message::encoded_len).sum::<usize>();
        items.extend(more);
        if items.len() > MAX_ITEMS || bytes > MAX_LIST_BYTES {
            return Err(ClientError::Malformed(format!(
                "a list of {} items with {bytes} bytes and no end",
                items.len()
            )));
        }
        match next.filter(|next| !next.is_empty()) {
            None => return Ok(items),
            next if next == token => return Err(ClientError::Malformed("a page leads to itself".to_owned())),
            next => token = next,
        }
    }
    Err(ClientError::Malformed(format!("a list of more than {MAX_PAGES} pages")))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn number(token: Option<Vec<u8>>) -> u8 {
        token.and_then(|token| token.first().copied()).unwrap_or(0)
    }

    #[tokio::test]
    async fn an_empty_page_with_a_token_is_not_the_end() {
        let pages = async |token| {
            Ok(match number(token) {
                0 => (vec![1u32], Some(vec![1])),
                1 => (vec![], Some(vec![2])),
                _ => (vec![2], None),
            })
        };
        assert_eq!(all_pages(pages).await.expect("an honest list"), [1, 2]);
    }

    #[tokio::test]
    async fn a_list_without_end_is_an_error_and_not_a_loop() {
        let to_itself = async |_| Ok((vec![1u32], Some(vec![7])));
        assert!(matches!(all_pages(to_itself).await, Err(ClientError::Malformed(_))));

        for page in [vec![], vec![0u32; 1000]] {
            let calls = Cell::new(0u64);
            let for_ever = |_| {
                calls.set(calls.get() + 1);
                let (page, next) = (page.clone(), calls.get().to_le_bytes().to_vec());
                async move { Ok((page, Some(next))) }
            };
            assert!(matches!(all_pages(for_ever).await, Err(ClientError::Malformed(_))));
        }
    }
}
