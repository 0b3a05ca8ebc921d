//! StateService: what an address owns, and the targets.

use serde::{Deserialize, Serialize};
use tonic::{Code, Request, Response, Status};

use super::{
    mask::Mask,
    page,
    status::{Unparsable, invalid_field, missing_field, refusal, unparsable},
};
use crate::{
    chain::{
        convert::{object_to_proto, target_status_word, target_to_proto},
        proto::soma::rpc::{self as pb, state_service_server::StateService},
        types::{Address, Object, ObjectId, ObjectType, TargetStatus, TargetV1},
    },
    devnet::{
        ledger::{Ledger, TargetPlace},
        node::Node,
    },
};

const DEFAULT_OWNED: u32 = 50;
const DEFAULT_TARGETS: u32 = 100;

pub(in crate::devnet) struct StateApi(pub Node);

/// Where a list of owned objects goes on: after this type, balance and id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct OwnedPlace {
    object_type: ObjectType,
    balance: u64,
    id: ObjectId,
}

/// A token holds for the owner and type that it was given for.
#[derive(Serialize, Deserialize)]
struct OwnedToken {
    owner: Address,
    object_type: Option<ObjectType>,
    after: OwnedPlace,
}

#[derive(Serialize, Deserialize)]
struct TargetToken {
    filters: TargetFilters,
    after: TargetPlace,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct TargetFilters {
    status: Option<StatusFilter>,
    generation_epoch: Option<u64>,
    submitter: Option<Address>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum StatusFilter {
    Open,
    Filled,
    Claimed,
    Expired,
    Claimable,
}

#[tonic::async_trait]
impl StateService for StateApi {
    async fn list_owned_objects(
        &self,
        request: Request<pb::ListOwnedObjectsRequest>,
    ) -> Result<Response<pb::ListOwnedObjectsResponse>, Status> {
        let request = request.into_inner();
        let mask = Mask::of(request.read_mask, &["object_id", "version", "object_type"]).validated("Object")?;
        let owner = request.owner.ok_or_else(|| missing_field("owner", ""))?;
        let owner: Address = owner.parse().map_err(|_| unparsable("owner", "owner", Unparsable::Address))?;
        let object_type = request
            .object_type
            .map(|name| {
                ObjectType::from_name(&name).ok_or_else(|| {
                    invalid_field("object_type", &format!("invalid object_type: Unknown ObjectType: {name}"))
                })
            })
            .transpose()?;
        let after = request.page_token.map(|token| page::read_token::<OwnedToken>(&token)).transpose()?;
        if after.as_ref().is_some_and(|token| token.owner != owner || token.object_type != object_type) {
            return Err(page::invalid_token());
        }
        let after = after.map(|token| token.after);

        let page_size = request.page_size;
        let (objects, last) = self
            .0
            .read(move |ledger| {
                let wanted =
                    ledger.owned(&owner).into_iter().filter(|o| object_type.is_none_or(|t| o.object_type == t));
                let places = wanted.map(|object| (OwnedPlace::of(object), object));
                let rest = places.filter(|(place, _)| after.as_ref().is_none_or(|after| place > after));
                let messages =
                    rest.map(|(place, object)| (place, mask.apply("Object", object_to_proto(object, false))));
                page::page(messages, page_size, DEFAULT_OWNED)
            })
            .await?;
        let next_page_token = last.map(|after| page::token(&OwnedToken { owner, object_type, after })).transpose()?;
        Ok(Response::new(pb::ListOwnedObjectsResponse { objects, next_page_token }))
    }

    async fn get_balance(
        &self,
        request: Request<pb::GetBalanceRequest>,
    ) -> Result<Response<pb::GetBalanceResponse>, Status> {
        let owner = request.into_inner().owner.ok_or_else(|| missing_field("owner", "missing owner"))?;
        let owner: Address = owner.parse().map_err(|_| unparsable("owner", "owner", Unparsable::Account))?;
        let balance = self.0.read(move |ledger| ledger.balance(&owner)).await?;
        Ok(Response::new(pb::GetBalanceResponse { balance: Some(balance) }))
    }

    async fn get_target(
        &self,
        request: Request<pb::GetTargetRequest>,
    ) -> Result<Response<pb::GetTargetResponse>, Status> {
        let request = request.into_inner();
        let default = &["id", "status", "generation_epoch", "reward_pool", "distance_threshold"];
        let mask = Mask::of(request.read_mask, default).validated("Target")?;
        let text = request.target_id.ok_or_else(|| missing_field("target_id", "missing target_id"))?;
        let id: ObjectId = text.parse().map_err(|_| unparsable("target_id", "target_id", Unparsable::Address))?;
        let object = self.0.read(move |ledger| ledger.object(&id).cloned()).await?;
        let name = id.to_hex_prefixed();
        let object = object.ok_or_else(|| refusal(Code::NotFound, format!("Object {name} not found")))?;
        if object.object_type != ObjectType::Target {
            let found = object.object_type.name();
            return Err(refusal(Code::InvalidArgument, format!("Object {name} is not a Target (type: {found})")));
        }
        let target = object.target().map_err(|e| refusal(Code::Internal, e.to_string()))?;
        let target = target_to_proto(&object, &target, target_status_word(target.status));
        Ok(Response::new(pb::GetTargetResponse { target: Some(mask.apply("Target", target)) }))
    }

    async fn list_targets(
        &self,
        request: Request<pb::ListTargetsRequest>,
    ) -> Result<Response<pb::ListTargetsResponse>, Status> {
        let request = request.into_inner();
        let default = &["id", "status", "generation_epoch", "reward_pool"];
        let mask = Mask::of(request.read_mask, default).validated("Target")?;
        let filters = TargetFilters {
            status: request.status_filter.as_deref().map(StatusFilter::parse).transpose()?,
            generation_epoch: request.epoch_filter,
            submitter: request
                .submitter_filter
                .map(|s| s.parse().map_err(|_| unparsable("submitter_filter", "submitter_filter", Unparsable::Account)))
                .transpose()?,
        };
        let token = request.page_token.map(|token| page::read_token::<TargetToken>(&token)).transpose()?;
        if token.as_ref().is_some_and(|token| token.filters != filters) {
            return Err(invalid_field("page_token", "page_token parameters do not match request filters"));
        }
        let after = token.map(|token| token.after);

        let (page_size, wanted) = (request.page_size, filters.clone());
        let (targets, last) = self
            .0
            .read(move |ledger| {
                let rest = listed(ledger, &wanted, after.as_ref());
                let messages = rest.map(|(place, object, target, status)| {
                    (place, mask.apply("Target", target_to_proto(object, target, status)))
                });
                let (page, last) = page::page(messages, page_size, DEFAULT_TARGETS);
                (page, last.cloned())
            })
            .await?;
        let next_page_token = last.map(|after| page::token(&TargetToken { filters, after })).transpose()?;
        Ok(Response::new(pb::ListTargetsResponse { targets, next_page_token }))
    }

    async fn get_challenge(
        &self,
        _request: Request<pb::GetChallengeRequest>,
    ) -> Result<Response<pb::GetChallengeResponse>, Status> {
        Err(no_challenges())
    }

    async fn list_challenges(
        &self,
        _request: Request<pb::ListChallengesRequest>,
    ) -> Result<Response<pb::ListChallengesResponse>, Status> {
        Err(no_challenges())
    }
}

fn no_challenges() -> Status {
    Status::unimplemented("Challenge system has been removed")
}

/// The targets that pass the filters and come after a place, in order, with the status that a list shows.
fn listed<'a>(
    ledger: &'a Ledger,
    filters: &'a TargetFilters,
    after: Option<&TargetPlace>,
) -> impl Iterator<Item = (&'a TargetPlace, &'a Object, &'a TargetV1, &'static str)> {
    let epoch = ledger.system_state().epoch;
    ledger.targets_after(after).filter_map(move |(place, object, target)| {
        let status = listed_status(target, epoch, filters.status)?;
        let passes = filters.generation_epoch.is_none_or(|epoch| target.generation_epoch == epoch)
            && filters.submitter.is_none_or(|submitter| target.submitter == Some(submitter));
        passes.then_some((place, object, target, status))
    })
}

/// How a target shows under a filter, if it does (`protocol.md §2.5`).
fn listed_status(target: &TargetV1, epoch: u64, filter: Option<StatusFilter>) -> Option<&'static str> {
    use StatusFilter::{Claimable, Claimed, Expired, Filled, Open};
    let (claimable, shows_under): (bool, &[StatusFilter]) = match target.status {
        TargetStatus::Open if target.generation_epoch < epoch => (true, &[Expired, Claimable]),
        TargetStatus::Open => (false, &[Open]),
        TargetStatus::Filled { fill_epoch } if epoch > fill_epoch + 1 => (true, &[Filled, Claimable]),
        TargetStatus::Filled { .. } => (false, &[Filled]),
        TargetStatus::Claimed => (false, &[Claimed]),
    };
    let status = if claimable { "claimable" } else { target_status_word(target.status) };
    filter.is_none_or(|filter| shows_under.contains(&filter)).then_some(status)
}

impl StatusFilter {
    fn parse(text: &str) -> Result<Self, Status> {
        match text.to_ascii_lowercase().as_str() {
            "open" => Ok(Self::Open),
            "filled" => Ok(Self::Filled),
            "claimed" => Ok(Self::Claimed),
            "expired" => Ok(Self::Expired),
            "claimable" => Ok(Self::Claimable),
            _ => Err(invalid_field(
                "status_filter",
                &format!(
                    "invalid status_filter: '{text}'. Must be 'open', 'filled', 'claimed', 'expired', or 'claimable'"
                ),
            )),
        }
    }
}

impl OwnedPlace {
    fn of(object: &Object) -> Self {
        Self {
            object_type: object.object_type,
            // Only coins are ordered by what they hold.
            balance: object.coin_balance().unwrap_or(0),
            id: object.id(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::types::SomaTensor;

    fn target(status: TargetStatus, generation_epoch: u64) -> TargetV1 {
        TargetV1 {
            status,
            ..TargetV1::open(SomaTensor::vector(&[1.0]), Vec::new(), SomaTensor::scalar(1.0), 1, generation_epoch)
        }
    }

    #[test]
    fn an_open_target_of_an_older_epoch_is_claimable_and_never_called_expired() {
        use StatusFilter::{Claimable, Expired, Open};
        let old = target(TargetStatus::Open, 3);
        assert_eq!(listed_status(&old, 3, Some(Open)), Some("open"));
        assert_eq!(listed_status(&old, 4, Some(Open)), None);
        assert_eq!(listed_status(&old, 4, Some(Expired)), Some("claimable"));
        assert_eq!(listed_status(&old, 4, Some(Claimable)), Some("claimable"));
        assert_eq!(listed_status(&old, 4, None), Some("claimable"));
    }

    #[test]
    fn a_fill_is_claimable_two_epochs_later_and_stays_in_the_filled_list() {
        use StatusFilter::{Claimable, Filled};
        let filled = target(TargetStatus::Filled { fill_epoch: 3 }, 3);
        for (epoch, word, claimable) in [(3, "filled", None), (4, "filled", None), (5, "claimable", Some("claimable"))]
        {
            assert_eq!(listed_status(&filled, epoch, Some(Filled)), Some(word));
            assert_eq!(listed_status(&filled, epoch, Some(Claimable)), claimable);
        }
    }

    #[test]
    fn status_filters_ignore_case_and_unknown_ones_are_named() {
        assert_eq!(StatusFilter::parse("Open").ok(), Some(StatusFilter::Open));
        let Err(status) = StatusFilter::parse("bogus") else { panic!("accepted") };
        // node-capture.json, `ListTargets/unknown status filter`
        assert_eq!(
            status.message(),
            "invalid status_filter: 'bogus'. Must be 'open', 'filled', 'claimed', 'expired', or 'claimable'"
        );
    }
}
