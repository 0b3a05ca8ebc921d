//! What the interface asks for, and who does it.

use std::time::Duration;

use tokio::time::Instant;

use super::{Dispatcher, Halt};
use crate::{api::Command, engine::matching::Ask};

/// How long the end waits for transactions in flight.
const SETTLING: Duration = Duration::from_secs(30);

impl Dispatcher {
    pub(super) async fn command(&mut self, command: Command) -> Result<(), Halt> {
        self.dirty = true;
        match command {
            Command::Approve(id) => self.approve(id).await,
            Command::Reject(id) => self.reject(id).await,
            Command::ApproveMany(ids) => self.approve_many(ids).await,
            Command::RejectMany(ids) => self.reject_many(ids).await,
            Command::SetPolicy(limits) => self.set_policy(limits).await,
            Command::SetMode(mode) => self.set_mode(mode).await,
            Command::PauseScoring(paused) => {
                self.pipeline.paused = paused;
                self.scorers.pause(paused);
                Ok(())
            }
            Command::AcceptProtocol(version) => self.accept_protocol(version).await,
            Command::Pin { targets, on } => self.pin(targets, on).await,
            Command::PinModel { model, on } => self.pin_model(model, on).await,
            Command::OnlyPinned(only) => self.only_pinned(only).await,
            Command::LookAtSample(sample) => {
                self.matcher.ask(Ask::Sample(sample));
                Ok(())
            }
            Command::Look(target) => {
                self.look_at(target);
                Ok(())
            }
            Command::Inspect(of) => {
                self.inspect(of);
                Ok(())
            }
            Command::RefitMap => {
                self.map.refit();
                self.review_map();
                Ok(())
            }
            Command::LayMapOut(layout) => {
                self.map.lay_out(layout);
                self.review_map();
                Ok(())
            }
            Command::ExportMap(colour) => self.export_map(colour).await,
            Command::History { before } => {
                self.tell_history(before);
                Ok(())
            }
            Command::Export { what, format } => self.export(what, format).await,
            Command::Shutdown => {
                self.stopping = Some(Instant::now() + SETTLING);
                self.inspector.stop();
                self.scorers.pause(true);
                // Models take long: what they have said of samples that are not done is kept.
                let known = self.scorers.clear_search();
                self.all_scored(known).await
            }
        }
    }
}
