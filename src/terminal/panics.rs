//! Panics in any thread: the terminal is given back by its owner, then the previous hook tells what happened.
//!
//! A worker's panic runs the hook on the worker, under a living screen. Restoring there would race with the next
//! picture, so the worker tells the owner, waits until it has let go, and only then prints.

use std::{
    panic::{self, PanicHookInfo},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::Duration,
};

use futures::{Stream, stream};
use tokio::sync::mpsc;

use super::{Occurrence, screen::Restorer};

/// How long a panicking worker waits for the owner before it restores the terminal itself: the owner may be stuck.
const OWNER_ANSWERS_WITHIN: Duration = Duration::from_secs(2);

type Hook = dyn Fn(&PanicHookInfo<'_>) + Send + Sync;

/// While it lives, panics go through the owner; when it is dropped, whoever waits goes on and the old hook is back.
pub struct PanicWatch {
    released: Arc<(Mutex<bool>, Condvar)>,
    previous: Arc<Hook>,
}

/// Installs the hook on behalf of the calling thread, the owner of the terminal.
pub fn watch(restorer: Restorer) -> (impl Stream<Item = Occurrence> + Unpin, PanicWatch) {
    let (tell, told) = mpsc::unbounded_channel();
    let released = Arc::new((Mutex::new(false), Condvar::new()));
    let previous: Arc<Hook> = Arc::from(panic::take_hook());
    let owner = thread::current().id();
    let (chained, waits) = (Arc::clone(&previous), Arc::clone(&released));
    panic::set_hook(Box::new(move |info| {
        if thread::current().id() != owner {
            let thread = thread::current().name().unwrap_or("unnamed").to_owned();
            let message = info.payload_as_str().unwrap_or("no message").to_owned();
            if tell.send(Occurrence::Panicked { thread, message }).is_ok() {
                let (released, bell) = &*waits;
                let guard = released.lock().unwrap_or_else(PoisonError::into_inner);
                drop(bell.wait_timeout_while(guard, OWNER_ANSWERS_WITHIN, |released| !*released));
            }
        }
        restorer.restore();
        chained(info);
    }));
    let told = stream::unfold(told, |mut told| async move { Some((told.recv().await?, told)) });
    (Box::pin(told), PanicWatch { released, previous })
}

impl Drop for PanicWatch {
    fn drop(&mut self) {
        let (released, bell) = &*self.released;
        *released.lock().unwrap_or_else(PoisonError::into_inner) = true;
        bell.notify_all();
        // A panicking thread may not change the hook; ours is harmless, the terminal is restored only once.
        if !thread::panicking() {
            let previous = Arc::clone(&self.previous);
            panic::set_hook(Box::new(move |info| previous(info)));
        }
    }
}
