//! Admin: turns the epoch at once.

use std::sync::Arc;

use futures::future::BoxFuture;

use super::{BcsApi, HttpRequest, HttpResponse, unary};
use crate::{
    chain::services::{AdvanceEpochResponse, Empty, path},
    devnet::node::Node,
};

pub(in crate::devnet) struct AdminApi(pub Node);

impl BcsApi for AdminApi {
    const NAME: &'static str = "admin.Admin";

    fn call(self: Arc<Self>, path: &str, request: HttpRequest) -> Option<BoxFuture<'static, HttpResponse>> {
        (path == path::ADVANCE_EPOCH).then(|| {
            unary(request, move |_: Empty| async move {
                Ok(AdvanceEpochResponse { epoch: self.0.advance_epoch(None).await? })
            })
        })
    }
}
