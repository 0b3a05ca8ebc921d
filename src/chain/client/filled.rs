//! Filled targets of an epoch, as briefly as a list can show them: their submissions are public.

use std::collections::HashSet;

use super::{Client, ClientError, mask, transport::within};
use crate::chain::{proto::soma::rpc, types::ObjectId};

const MASK: &[&str] = &["id", "winning_model_id"];
const PAGE_SIZE: u32 = 1000;
/// A page may be empty and not the last (`protocol.md §2.5`).
const MAX_PAGES: usize = 100;

/// A target that somebody has filled, and the model that won.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilledTarget {
    pub id: ObjectId,
    pub model: ObjectId,
}

impl Client {
    /// Filled targets that were generated in `epoch` and won under one of the `wanted` models: at most `limit` of them, and whether there may
    /// be more. Entries that do not decode are left out.
    pub async fn filled_in(
        &self,
        epoch: u64,
        wanted: &HashSet<ObjectId>,
        limit: usize,
    ) -> Result<(Vec<FilledTarget>, bool), ClientError> {
        let mut found = Vec::new();
        let mut page_token = None;
        for _ in 0..MAX_PAGES {
            let request = rpc::ListTargetsRequest {
                status_filter: Some("filled".to_owned()),
                epoch_filter: Some(epoch),
                page_size: Some(PAGE_SIZE),
                page_token: page_token.clone(),
                read_mask: mask(MASK),
                submitter_filter: None,
            };
            let answer = within(self.timeout, self.state().list_targets(request)).await?;
            let filled =
                answer.targets.iter().filter_map(filled_target).filter(|target| wanted.contains(&target.model));
            found.extend(filled);
            if found.len() > limit {
                found.truncate(limit);
                return Ok((found, true));
            }
            match answer.next_page_token.filter(|next| !next.is_empty()) {
                None => return Ok((found, false)),
                next if next == page_token => return Err(ClientError::Malformed("a page leads to itself".to_owned())),
                next => page_token = next,
            }
        }
        Ok((found, true))
    }
}

fn filled_target(target: &rpc::Target) -> Option<FilledTarget> {
    Some(FilledTarget {
        id: target.id.as_deref()?.parse().ok()?,
        model: target.winning_model_id.as_deref()?.parse().ok()?,
    })
}
