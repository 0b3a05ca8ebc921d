//! What pins do: which candidates come first, and with "only pinned" which may be offered and approved at all.
//!
//! Every way to an approval asks [`Dispatcher::admits`]: a person's, all at once, and the policy's. What a
//! person approved before stays so; what the policy did is taken back while nobody has signed it.

use std::collections::HashSet;

use super::{Dispatcher, Halt, rows::Live};
use crate::{
    api::Level,
    engine::{
        matching::Ask,
        pins::{KEPT_AS, Pins},
    },
    primitives::{ObjectId, counted},
};

impl Dispatcher {
    /// What an earlier run kept.
    pub(super) async fn take_up_pins(&mut self) -> Result<(), Halt> {
        let Some(text) = self.journal.meta(KEPT_AS).await? else { return Ok(()) };
        match Pins::read(&text) {
            Ok(pins) => self.pins = pins,
            Err((pins, error)) => {
                self.pins = pins;
                let text = format!(
                    "what was pinned cannot be read ({error}): only pinned targets are offered, and none is; turn \"only pinned\" off to \
                     go on with all"
                );
                self.log(Level::Warning, text).await?;
            }
        }
        self.matcher.ask(Ask::Prefer(self.pins.clone()));
        Ok(())
    }

    async fn keep_pins(&mut self) -> Result<(), Halt> {
        self.journal.set_meta(KEPT_AS, self.pins.text()).await?;
        self.matcher.ask(Ask::Prefer(self.pins.clone()));
        // What the policy approved for others, and nobody has signed, is taken back.
        self.review_due |= self.pins.only();
        self.candidates_due = true;
        self.targets_due = true;
        self.dirty = true;
        Ok(())
    }

    pub(super) async fn pin(&mut self, targets: Vec<ObjectId>, on: bool) -> Result<(), Halt> {
        let asked = targets.len();
        let mut held_by_model = 0;
        let open: Vec<(ObjectId, u64)> =
            targets.iter().filter_map(|id| Some((*id, self.chain.open.get(id)?.epoch))).collect();
        if on {
            open.iter().for_each(|(id, epoch)| self.pins.pin(*id, *epoch));
        } else {
            targets.iter().for_each(|id| self.pins.unpin(id));
            held_by_model = targets.iter().filter(|id| self.is_pinned(id)).count();
        }
        self.keep_pins().await?;
        let number = |n: usize| counted(n as u64, "target");
        if on && open.len() < asked {
            let text = format!("{} of {} not open any more, and not pinned", asked - open.len(), number(asked));
            self.log(Level::Warning, text).await?;
        }
        if held_by_model > 0 {
            let (stay, whose) = if held_by_model == 1 { ("stays", "its") } else { ("stay", "their") };
            let text = format!("{} {stay} pinned: one of {whose} models is pinned (see Models)", number(held_by_model));
            self.log(Level::Warning, text).await?;
        }
        Ok(())
    }

    pub(super) async fn pin_model(&mut self, model: ObjectId, on: bool) -> Result<(), Halt> {
        if on && self.chain.model(&model).is_none() {
            return self.log(Level::Warning, format!("model {} is not active, and not pinned", model.short())).await;
        }
        self.pins.pin_model(model, on);
        self.keep_pins().await
    }

    pub(super) async fn only_pinned(&mut self, only: bool) -> Result<(), Halt> {
        self.pins.set_only(only);
        self.keep_pins().await?;
        let text = match only {
            true if self.pins.is_empty() => "only pinned targets are offered and approved, and none is pinned yet",
            true => "only pinned targets are offered and approved from now on; what you approved before goes its way",
            false => "all targets are offered and approved again",
        };
        self.log(Level::Info, text.into()).await
    }

    /// A new epoch: its targets are others.
    pub(super) async fn turn_pins(&mut self, epoch: u64) -> Result<(), Halt> {
        let Some(state) = &self.chain.state else { return Ok(()) };
        let registered: HashSet<ObjectId> = state.models.iter().map(|model| model.id).collect();
        let (has_changed, models) = self.pins.turn(epoch, |model| registered.contains(model));
        if has_changed {
            self.keep_pins().await?;
        }
        for model in models {
            self.log(Level::Info, format!("model {} is no longer active, and no longer pinned", model.short())).await?;
        }
        if has_changed && self.pins.only() && self.pins.is_empty() {
            let text = "nothing is pinned in the new epoch, and only pinned targets are offered: pin some, or turn \"only pinned\" off";
            self.log(Level::Warning, text.into()).await?;
        }
        Ok(())
    }

    /// By itself, or by one of its models.
    pub(super) fn is_pinned(&self, target: &ObjectId) -> bool {
        if self.pins.is_empty() {
            return false;
        }
        match self.chain.open.get(target) {
            Some(open) => self.pins.has(target, &open.models),
            // What we have filled.
            None => {
                let losses = self.rows.live_of(target).map(|live| &live.submission.row.losses);
                self.pins.has(target, losses.into_iter().flatten().map(|(model, _)| model))
            }
        }
    }

    /// Whether anything may be offered or approved for a target.
    pub(super) fn admits(&self, target: &ObjectId) -> bool {
        !self.pins.only() || self.is_pinned(target)
    }

    pub(super) fn admits_row(&self, live: &Live) -> bool {
        self.admits(&live.submission.row.target)
    }
}
