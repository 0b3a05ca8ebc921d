//! The chain's own time.

use super::{Client, ClientError, present, rpc, transport::within};
use crate::chain::convert;

impl Client {
    /// Unix time of the newest checkpoint. On an idle chain it may be old; it is never ahead of the validators' clocks.
    pub async fn checkpoint_time_ms(&self) -> Result<u64, ClientError> {
        let info = within(self.timeout, self.ledger().get_service_info(rpc::GetServiceInfoRequest {})).await?;
        Ok(convert::timestamp_ms("timestamp", &present("timestamp", info.timestamp)?)?)
    }
}
