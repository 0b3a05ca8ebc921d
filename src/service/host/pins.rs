//! Who may have models loaded: all that are in use at the same time fit the memory, so evaluations by many large models wait for each
//! other instead of ending the process. First come, first served. Each evaluation pins its own model only and lets go of it when it ends,
//! so nobody who holds memory ever waits for more.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use tokio::sync::Notify;

use crate::primitives::Digest;

/// Weights under a key.
type Id = (Digest, Option<Digest>);
/// The same, and bytes that they take in memory.
pub(super) type Pin = (Id, u64);
/// What they take, and how many use them.
type Use = (u64, usize);

pub(super) struct Pins {
    most_bytes: u64,
    /// Held by whoever waits first, so that nobody overtakes.
    turn: tokio::sync::Mutex<()>,
    held: Mutex<HashMap<Id, Use>>,
    freed: Notify,
}

/// Lets go when it is dropped.
pub(super) struct Pinned<'a> {
    pins: &'a Pins,
    id: Id,
}

impl Pins {
    pub fn new(most_bytes: u64) -> Self {
        Self { most_bytes, turn: tokio::sync::Mutex::default(), held: Mutex::default(), freed: Notify::new() }
    }

    /// Waits until it fits beside what is in use, or nothing is.
    pub async fn pin(&self, wanted: Pin) -> Pinned<'_> {
        let _turn = self.turn.lock().await;
        loop {
            let freed = self.freed.notified();
            if self.try_pin(wanted) {
                return Pinned { pins: self, id: wanted.0 };
            }
            freed.await;
        }
    }

    fn try_pin(&self, (id, bytes): Pin) -> bool {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let in_use: u64 = held.values().map(|(bytes, _)| bytes).sum();
        let fits = held.is_empty() || held.contains_key(&id) || in_use.saturating_add(bytes) <= self.most_bytes;
        if fits {
            held.entry(id).or_insert((bytes, 0)).1 += 1;
        }
        fits
    }
}

impl Drop for Pinned<'_> {
    fn drop(&mut self) {
        let mut held = self.pins.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, users)) = held.get_mut(&self.id) {
            *users -= 1;
            if *users == 0 {
                held.remove(&self.id);
            }
        }
        drop(held);
        self.pins.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    fn pin(n: u8, bytes: u64) -> Pin {
        ((Digest([n; 32]), None), bytes)
    }

    #[tokio::test]
    async fn models_that_do_not_fit_together_wait_for_each_other_in_order() {
        let pins = Pins::new(10);
        let first = pins.pin(pin(1, 6)).await;
        let shared = pins.pin(pin(1, 6)).await;
        let mut second = Box::pin(pins.pin(pin(2, 6)));
        assert!((&mut second).now_or_never().is_none());
        // It would fit, and does not overtake.
        let mut third = Box::pin(pins.pin(pin(1, 6)));
        assert!((&mut third).now_or_never().is_none());
        drop((first, shared));
        let second = second.await;
        assert!((&mut third).now_or_never().is_none());
        drop(second);
        drop(third.await);
        assert!(pins.held.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_model_that_never_fits_is_used_alone() {
        let pins = Pins::new(10);
        let small = pins.pin(pin(1, 1)).await;
        let mut huge = Box::pin(pins.pin(pin(2, 99)));
        assert!((&mut huge).now_or_never().is_none());
        drop(small);
        drop(huge.await);
    }
}
