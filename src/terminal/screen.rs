//! The real terminal: raw mode, the alternate screen, and the way back.

use std::{
    io::{self, BufWriter, Stdout, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crossterm::{
    clipboard::CopyToClipboard,
    cursor, event, execute, queue,
    terminal::{self, BeginSynchronizedUpdate, EndSynchronizedUpdate},
};
use ratatui::{
    Terminal,
    backend::CrosstermBackend,
    buffer::Buffer,
    layout::{Position, Rect, Size},
};

use super::{Screen, TerminalError};

/// Bytes of a full repaint at 200×60, so that a frame is one write.
const FRAME_BYTES: usize = 32 * 1024;

/// Gives the terminal back, once, whoever asks first.
#[derive(Clone, Debug, Default)]
pub struct Restorer {
    entered: Arc<AtomicBool>,
}

impl Restorer {
    /// Idempotent. Errors are dropped: there is nobody left to tell, and the next step must still be tried.
    pub fn restore(&self) {
        if self.entered.swap(false, Ordering::SeqCst) {
            let mut out = io::stdout();
            let _ = execute!(out, EndSynchronizedUpdate, event::DisableMouseCapture, event::DisableBracketedPaste);
            let _ = execute!(out, terminal::LeaveAlternateScreen, cursor::Show);
            let _ = terminal::disable_raw_mode();
        }
    }
}

/// The process's terminal, taken over. Dropping it gives the terminal back.
pub struct TtyScreen {
    terminal: Terminal<CrosstermBackend<BufWriter<Stdout>>>,
    restorer: Restorer,
    mouse: bool,
}

impl TtyScreen {
    /// # Errors
    /// The terminal cannot be put into raw mode or written to; it is then left as it was.
    pub fn enter(mouse: bool) -> Result<Self, TerminalError> {
        let writer = BufWriter::with_capacity(FRAME_BYTES, io::stdout());
        let terminal = Terminal::new(CrosstermBackend::new(writer)).map_err(TerminalError::at("use"))?;
        let mut screen = Self { terminal, restorer: Restorer::default(), mouse };
        screen.take().map_err(TerminalError::at("take over"))?;
        Ok(screen)
    }

    pub fn restorer(&self) -> Restorer {
        self.restorer.clone()
    }

    /// Gives the terminal back.
    pub fn leave(&mut self) {
        self.restorer.restore();
    }

    fn take(&mut self) -> io::Result<()> {
        // Marked first: whatever fails below is then undone.
        self.restorer.entered.store(true, Ordering::SeqCst);
        terminal::enable_raw_mode()?;
        execute!(
            self.terminal.backend_mut(),
            terminal::EnterAlternateScreen,
            event::EnableBracketedPaste,
            cursor::Hide
        )?;
        self.capture_mouse(self.mouse)
    }
}

impl Drop for TtyScreen {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Screen for TtyScreen {
    fn size(&self) -> io::Result<Size> {
        self.terminal.size()
    }

    fn present(&mut self, picture: &Buffer) -> io::Result<()> {
        queue!(self.terminal.backend_mut(), BeginSynchronizedUpdate)?;
        super::drive::copy(&mut self.terminal, picture)?;
        execute!(self.terminal.backend_mut(), EndSynchronizedUpdate)
    }

    fn capture_mouse(&mut self, on: bool) -> io::Result<()> {
        self.mouse = on;
        let backend = self.terminal.backend_mut();
        if on { execute!(backend, event::EnableMouseCapture) } else { execute!(backend, event::DisableMouseCapture) }
    }

    fn to_clipboard(&mut self, text: &str) -> io::Result<()> {
        execute!(self.terminal.backend_mut(), CopyToClipboard::to_clipboard_from(text))
    }

    fn notify(&mut self, text: Option<&str>, bell: bool) -> io::Result<()> {
        let in_tmux = std::env::var_os("TMUX").is_some_and(|tmux| !tmux.is_empty());
        let backend = self.terminal.backend_mut();
        backend.write_all(&super::notify::sequence(text, bell, in_tmux))?;
        backend.flush()
    }

    fn suspend(&mut self) -> io::Result<()> {
        self.leave();
        self.terminal.backend_mut().flush()?;
        super::signals::stop_the_job()
    }

    fn resume(&mut self) -> io::Result<()> {
        self.take()?;
        // `Terminal::clear` would ask the terminal for its cursor, and the answer would go to the reader of keys.
        let size = self.terminal.size()?;
        self.terminal.resize(Rect::from((Position::ORIGIN, size)))
    }
}
