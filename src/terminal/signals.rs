//! Signals as events of the one stream, and stopping ourselves for the shell.

use std::io;

use futures::{Stream, StreamExt, stream};
use rustix::process::{Signal, kill_current_process_group};
use tokio::signal::unix::{SignalKind, signal};

use super::Occurrence;

/// Every signal that must not leave the terminal in ruins.
pub fn stream() -> io::Result<impl Stream<Item = Occurrence> + Unpin> {
    let watched = [Signal::TERM, Signal::HUP, Signal::INT, Signal::TSTP, Signal::CONT];
    let mut streams = Vec::with_capacity(watched.len());
    for kind in watched {
        let source = signal(SignalKind::from_raw(kind.as_raw()))?;
        streams.push(
            stream::unfold(source, move |mut source| async move {
                source.recv().await?;
                let occurrence = match kind {
                    Signal::INT => Occurrence::Interrupt,
                    Signal::TSTP => Occurrence::Stop,
                    Signal::CONT => Occurrence::Continue,
                    end => Occurrence::End { signal: end.as_raw() },
                };
                Some((occurrence, source))
            })
            .boxed_local(),
        );
    }
    Ok(stream::select_all(streams))
}

/// Stops the whole job, as the terminal's own Ctrl-Z would, so that a `cargo run` around us stops too. SIGSTOP, because
/// our own handler of SIGTSTP is what brought us here.
pub fn stop_the_job() -> io::Result<()> {
    kill_current_process_group(Signal::STOP).map_err(io::Error::from)
}
