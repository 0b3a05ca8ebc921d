//! Lists of filled and expired targets without their embeddings: of these there may be many thousands.

use std::collections::BTreeMap;

use super::{Client, ClientError, mask, transport::within};
use crate::chain::{
    proto::soma::rpc,
    types::{Address, ObjectId},
};

const MASK: &[&str] = &["id", "reward_pool", "generation_epoch", "submitter", "bond_amount"];
const PAGE_SIZE: u32 = 1000;
/// A page may be empty and not the last, because the submitter is looked at last (`protocol.md §2.5`).
const MAX_PAGES: usize = 10_000;
/// More than any wallet will ever have waiting.
const MAX_FILLED: usize = 100_000;

/// What a claim needs to know of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimableTarget {
    pub id: ObjectId,
    /// Also the epoch of its fill.
    pub generation_epoch: u64,
    pub reward_pool: u64,
    /// `None`: nobody filled it.
    pub submitter: Option<Address>,
    pub bond_amount: u64,
}

impl Client {
    /// Every target that `submitter` has filled and that is not yet claimed, whether it can be or not.
    pub async fn filled_by(&self, submitter: Address) -> Result<Vec<ClaimableTarget>, ClientError> {
        self.light_list("filled", Some(submitter), MAX_FILLED).await
    }

    /// Targets that anybody can claim, at most `limit` of them: expired ones, and filled ones whose audit is over.
    pub async fn claimable(&self, limit: usize) -> Result<Vec<ClaimableTarget>, ClientError> {
        self.light_list("claimable", None, limit).await
    }

    /// One entry an id. What does not decode is left out: one bad entry must not hide the others.
    async fn light_list(
        &self,
        status: &str,
        submitter: Option<Address>,
        limit: usize,
    ) -> Result<Vec<ClaimableTarget>, ClientError> {
        let mut found = BTreeMap::new();
        let mut page_token = None;
        for _ in 0..MAX_PAGES {
            let request = rpc::ListTargetsRequest {
                status_filter: Some(status.to_owned()),
                epoch_filter: None,
                page_size: Some(PAGE_SIZE),
                page_token: page_token.clone(),
                read_mask: mask(MASK),
                submitter_filter: submitter.map(|address| address.to_string()),
            };
            let answer = within(self.timeout, self.state().list_targets(request)).await?;
            for target in &answer.targets {
                match claimable_target(target) {
                    Some(target) => {
                        found.insert(target.id, target);
                    }
                    None => tracing::warn!(id = target.id.as_deref().unwrap_or_default(), "left out a target"),
                }
                if found.len() >= limit {
                    return Ok(found.into_values().collect());
                }
            }
            match answer.next_page_token.filter(|next| !next.is_empty()) {
                None => return Ok(found.into_values().collect()),
                next if next == page_token => return Err(ClientError::Malformed("a page leads to itself".to_owned())),
                next => page_token = next,
            }
        }
        Err(ClientError::Malformed(format!("a list of more than {MAX_PAGES} pages")))
    }
}

fn claimable_target(target: &rpc::Target) -> Option<ClaimableTarget> {
    Some(ClaimableTarget {
        id: target.id.as_deref()?.parse().ok()?,
        generation_epoch: target.generation_epoch?,
        reward_pool: target.reward_pool?,
        submitter: match target.submitter.as_deref() {
            Some(text) => Some(text.parse().ok()?),
            None => None,
        },
        bond_amount: target.bond_amount.unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_with_a_stripped_id_is_read_and_one_without_a_reward_is_left_out() {
        let target = rpc::Target {
            id: Some("0x7".into()),
            generation_epoch: Some(3),
            reward_pool: Some(5),
            ..rpc::Target::default()
        };
        let read = claimable_target(&target).expect("whole");
        assert_eq!((read.id.0[31], read.submitter, read.bond_amount), (7, None, 0));
        assert_eq!(claimable_target(&rpc::Target { reward_pool: None, ..target.clone() }), None);
        assert_eq!(claimable_target(&rpc::Target { submitter: Some("no address".into()), ..target }), None);
    }
}
