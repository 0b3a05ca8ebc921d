//! The first run on a terminal: the wizard's tasks are done beside it, one at a time.

use futures::{Stream, StreamExt, future::LocalBoxFuture, stream};
use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
};

use super::{Occurrence, Options, Screen, TerminalError, drive::app_size, input, on_terminal};
use crate::{
    app::{
        AppEvent,
        wizard::{Ask, Outcome, Task, Told, Wizard},
    },
    views::{self, Palette},
};

/// Shows the wizard until it ends; `work` does what it asks for. Blocks; owns the calling thread and the terminal.
///
/// # Errors
/// There is no terminal, it is lost, or a thread panics.
pub fn show(
    wizard: Wizard,
    options: &Options,
    work: impl Fn(Task) -> LocalBoxFuture<'static, Told>,
) -> Result<Outcome, TerminalError> {
    on_terminal(options.mouse, options.sync, stream::pending(), async |screen, inputs| {
        ask(screen, inputs, wizard, options.palette, work).await
    })
}

/// [`show`], on any screen.
///
/// # Errors
/// As [`show`].
pub async fn ask(
    screen: &mut impl Screen,
    inputs: impl Stream<Item = Occurrence> + Unpin,
    mut wizard: Wizard,
    palette: Palette,
    work: impl Fn(Task) -> LocalBoxFuture<'static, Told>,
) -> Result<Outcome, TerminalError> {
    let lost = |what| move |source| TerminalError::Lost { what, source };
    let mut inputs = inputs.fuse();
    let mut doing: Option<LocalBoxFuture<'static, Told>> = None;
    let (mut wanted, mut suspended) = (true, false);
    loop {
        if wanted && !suspended {
            wanted = false;
            let size = screen.size().map_err(lost("measuring"))?;
            wizard.on(&AppEvent::Resize(app_size(size)));
            let mut picture = Buffer::empty(Rect::from((Position::ORIGIN, size)));
            views::draw_wizard(&wizard, palette, &mut picture);
            screen.present(&picture).map_err(lost("drawing on"))?;
        }
        let asks = tokio::select! {
            biased;
            occurrence = inputs.next() => match occurrence {
                Some(Occurrence::Terminal(event)) => {
                    let event = input::convert(event);
                    if matches!(event, Some(AppEvent::Resize(_))) {
                        screen.forget();
                    }
                    event.map(|event| wizard.on(&event)).unwrap_or_default()
                }
                Some(Occurrence::Interrupt) => wizard.on(&AppEvent::Interrupt),
                Some(Occurrence::Stop) => {
                    suspended = true;
                    screen.suspend().map_err(TerminalError::at("give back"))?;
                    Vec::new()
                }
                Some(Occurrence::Continue) => {
                    suspended = false;
                    screen.resume().map_err(TerminalError::at("take back"))?;
                    vec![Ask::Redraw]
                }
                Some(Occurrence::End { .. }) => return Ok(Outcome::Leave),
                Some(Occurrence::Panicked { thread, message }) => return Err(TerminalError::Panicked { thread, message }),
                Some(Occurrence::Lost(source)) => return Err(TerminalError::Lost { what: "reading", source }),
                None => return Ok(Outcome::Leave),
            },
            told = async { match doing.as_mut() { Some(task) => task.await, None => std::future::pending().await } } => {
                doing = None;
                wizard.told(told)
            }
        };
        for ask in asks {
            match ask {
                Ask::Redraw => wanted = true,
                Ask::Do(task) => doing = Some(work(task)),
                Ask::End(outcome) => return Ok(outcome),
            }
        }
    }
}
