//! Which protocol the network speaks now.

use super::{Client, ClientError, mask, present, rpc, transport::within};

/// The newest protocol version whose rules this program was written for.
pub const KNOWN_PROTOCOL: u64 = 5;

impl Client {
    /// The protocol version of the current epoch: without the system state, whose models weigh kilobytes each.
    pub async fn protocol_version(&self) -> Result<u64, ClientError> {
        let request =
            rpc::GetEpochRequest { epoch: None, read_mask: mask(&["epoch", "protocol_config.protocol_version"]) };
        let answer = within(self.timeout, self.ledger().get_epoch(request)).await?;
        let config = present("protocol_config", present("epoch", answer.epoch)?.protocol_config)?;
        present("protocol_version", config.protocol_version)
    }
}
