//! The network's clock: turns the epoch when its time is over, by the wall clock, so that a resumed network goes on.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{
    genesis::epoch_ms,
    node::{Node, NodeError},
};
use crate::primitives::now_ms;

/// What keeps the disk from taking an epoch's turn may pass.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Runs until `stop`. An epoch that the admin service turned early makes the next one full.
pub(super) async fn run(node: Node, epoch: Duration, stop: CancellationToken) {
    let turning = async {
        loop {
            match wait_or_turn(&node, epoch).await {
                Ok(()) => {}
                Err(error @ NodeError::Stopped) => {
                    return tracing::error!(%error, "the clock stopped: epochs do not turn any more");
                }
                Err(error) => {
                    tracing::error!(%error, "the epoch could not be turned: trying again");
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
            }
        }
    };
    stop.run_until_cancelled(turning).await;
}

/// Sleeps until the running epoch is over; turns it if it is.
async fn wait_or_turn(node: &Node, epoch: Duration) -> Result<(), NodeError> {
    let (running, start_ms) =
        node.read(|ledger| (ledger.system_state().epoch, ledger.system_state().epoch_start_timestamp_ms)).await?;
    let left_ms = start_ms.saturating_add(epoch_ms(epoch)).saturating_sub(now_ms());
    if left_ms > 0 {
        tokio::time::sleep(Duration::from_millis(left_ms)).await;
    } else {
        node.advance_epoch(Some(running)).await?;
    }
    Ok(())
}
