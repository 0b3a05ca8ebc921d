//! The real terminal: raw mode, the alternate screen, and the way back.

use std::{
    fs::File,
    io::{self, Write},
    os::fd::AsFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crossterm::{
    clipboard::CopyToClipboard,
    cursor, event, execute, style,
    terminal::{self, EndSynchronizedUpdate},
};
use ratatui::{buffer::Buffer, layout::Size};

use super::{Painter, Screen, TerminalError};

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
            let _ = execute!(out, style::ResetColor, terminal::LeaveAlternateScreen, cursor::Show);
            let _ = terminal::disable_raw_mode();
        }
    }
}

/// The process's terminal, taken over. Dropping it gives the terminal back.
pub struct TtyScreen {
    /// Standard output without the standard library's buffer by lines: a picture is one write.
    out: File,
    painter: Painter,
    restorer: Restorer,
    mouse: bool,
}

impl TtyScreen {
    /// # Errors
    /// The terminal cannot be put into raw mode or written to; it is then left as it was.
    pub fn enter(mouse: bool, sync: bool) -> Result<Self, TerminalError> {
        let out = File::from(io::stdout().as_fd().try_clone_to_owned().map_err(TerminalError::at("use"))?);
        let mut screen = Self { out, painter: Painter::new(sync), restorer: Restorer::default(), mouse };
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
        self.painter.forget();
        terminal::enable_raw_mode()?;
        execute!(self.out, terminal::EnterAlternateScreen, event::EnableBracketedPaste, cursor::Hide)?;
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
        terminal::size().map(Size::from)
    }

    fn present(&mut self, picture: &Buffer) -> io::Result<()> {
        let bytes = self.painter.paint(picture);
        if bytes.is_empty() { Ok(()) } else { self.out.write_all(&bytes) }
    }

    fn forget(&mut self) {
        self.painter.forget();
    }

    fn capture_mouse(&mut self, on: bool) -> io::Result<()> {
        // Asked for nothing, nothing is said.
        if self.mouse || on {
            self.mouse = on;
            if on {
                execute!(self.out, event::EnableMouseCapture)?;
            } else {
                execute!(self.out, event::DisableMouseCapture)?;
            }
        }
        Ok(())
    }

    fn to_clipboard(&mut self, text: &str) -> io::Result<()> {
        execute!(self.out, CopyToClipboard::to_clipboard_from(text))
    }

    fn notify(&mut self, text: Option<&str>, bell: bool) -> io::Result<()> {
        let in_tmux = std::env::var_os("TMUX").is_some_and(|tmux| !tmux.is_empty());
        self.out.write_all(&super::notify::sequence(text, bell, in_tmux))?;
        self.out.flush()
    }

    fn suspend(&mut self) -> io::Result<()> {
        self.leave();
        super::signals::stop_the_job()
    }

    fn resume(&mut self) -> io::Result<()> {
        self.take()
    }

    fn farewell(&mut self, words: &str) {
        self.leave();
        if !words.is_empty() {
            // Nobody may be there to read it.
            let _ = writeln!(io::stderr(), "{words}");
        }
    }
}
