//! SubscriptionService: every checkpoint to every open stream.

use futures::{StreamExt, stream::BoxStream};
use tokio_stream::wrappers::{BroadcastStream, errors::BroadcastStreamRecvError};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::{executed, mask::Mask};
use crate::{
    chain::proto::soma::rpc::{self as pb, subscription_service_server::SubscriptionService},
    devnet::node::Node,
};

pub(in crate::devnet) struct SubscriptionApi {
    pub node: Node,
    /// Open streams end with the network.
    pub stop: CancellationToken,
}

#[tonic::async_trait]
impl SubscriptionService for SubscriptionApi {
    type SubscribeCheckpointsStream = BoxStream<'static, Result<pb::SubscribeCheckpointsResponse, Status>>;

    async fn subscribe_checkpoints(
        &self,
        request: Request<pb::SubscribeCheckpointsRequest>,
    ) -> Result<Response<Self::SubscribeCheckpointsStream>, Status> {
        // No default and no validation: an absent mask gives cursors only.
        let mask = Mask::of(request.into_inner().read_mask, &[]);
        let checkpoints = BroadcastStream::new(self.node.checkpoints()).map(move |checkpoint| match checkpoint {
            Ok(checkpoint) => Ok(pb::SubscribeCheckpointsResponse {
                cursor: Some(checkpoint.summary.sequence_number),
                checkpoint: Some(mask.apply("Checkpoint", executed::checkpoint(&checkpoint))),
            }),
            Err(BroadcastStreamRecvError::Lagged(missed)) => {
                Err(Status::resource_exhausted(format!("the subscriber is too slow: {missed} checkpoints missed")))
            }
        });
        // A stream with a gap would be taken for a whole one: it ends at the error. The response's headers go out now, before
        // any checkpoint: clients wait for them before they execute.
        let whole = checkpoints.scan(false, |failed, item| {
            let item = (!*failed).then_some(item);
            *failed |= matches!(item, Some(Err(_)));
            futures::future::ready(item)
        });
        Ok(Response::new(whole.take_until(self.stop.clone().cancelled_owned()).boxed()))
    }
}
