//! Asking the person at the terminal. Questions go to the terminal itself, never into results.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, IsTerminal, Read, Write},
};

use anyhow::Context;
use clap::Args;
use secrecy::{ExposeSecret, SecretString};

use super::exit::Exit;
use crate::primitives::clean;

/// Where the answers come from.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct ConfirmArgs {
    /// Answer yes to what the command asks before it acts. Accepts no other chain and no newer protocol.
    #[arg(long, short)]
    pub yes: bool,
}

impl ConfirmArgs {
    /// Asks `question`, which a plan on standard error should precede. Everything but `y` or `yes` is a no.
    ///
    /// # Errors
    /// Bad input where neither a terminal nor `--yes` can answer.
    pub fn ask(&self, question: &str) -> anyhow::Result<bool> {
        if self.yes { Ok(true) } else { ask(question, "--yes") }
    }

    /// [`Self::ask`], and a no ends the command.
    pub fn insist(&self, question: &str) -> anyhow::Result<()> {
        if self.ask(question)? { Ok(()) } else { Err(declined()) }
    }
}

/// The person said no: nothing happened, and a script must not take it for done.
pub fn declined() -> anyhow::Error {
    Exit::BadInput.because("not confirmed: nothing was done")
}

/// Somebody is there to answer. With input *and* messages redirected the program is part of a script, even where a
/// terminal exists.
pub fn is_interactive() -> bool {
    (io::stdin().is_terminal() || io::stderr().is_terminal()) && terminal().is_ok()
}

/// Asks on the terminal; `option`: what answers where there is none.
pub fn ask(question: &str, option: &str) -> anyhow::Result<bool> {
    let answer = ask_line(&format!("{question} [y/N] "), option)?;
    Ok(matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// Has the person type `word`. No `--yes` answers this; `option` names what does where there is no terminal.
pub fn typed(question: &str, word: &str, option: &str) -> anyhow::Result<bool> {
    Ok(ask_line(&format!("{question} "), option)? == word)
}

fn ask_line(prompt: &str, option: &str) -> anyhow::Result<String> {
    if !is_interactive() {
        return Err(Exit::BadInput.because(format!(
            "this needs an answer and there is no terminal to ask: {} (answer with {option})",
            clean(prompt.trim())
        )));
    }
    let mut terminal = terminal().context("the terminal")?;
    // A question may quote foreign text.
    terminal.write_all(clean(prompt).as_bytes()).and_then(|()| terminal.flush()).context("the terminal")?;
    let mut answer = String::new();
    BufReader::new(terminal).read_line(&mut answer).context("the terminal")?;
    Ok(answer.trim().to_owned())
}

fn terminal() -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open("/dev/tty")
}

/// Asks for a secret without showing it.
pub fn secret(prompt: &str, option: &str) -> anyhow::Result<SecretString> {
    if !is_interactive() {
        return Err(Exit::BadInput.because(format!("there is no terminal to ask for the {prompt}: {option}")));
    }
    let mut terminal = terminal().context("the terminal")?;
    let keys = Keys(terminal.try_clone().context("the terminal")?);
    let reading = rpassword::ConfigBuilder::new().input_reader(keys).output_discard().build();
    // Before the prompt: who is quick, or pastes, must not be shown either.
    let hidden = Hidden::begin().context("the terminal")?;
    write!(terminal, "{}: ", clean(prompt)).and_then(|()| terminal.flush()).context("the terminal")?;
    let typed = rpassword::read_password_with_config(reading);
    drop(hidden);
    writeln!(terminal).context("the terminal")?;
    match typed {
        Ok(typed) => Ok(typed.into()),
        Err(_) => Err(Exit::BadInput.because("interrupted: nothing was done")),
    }
}

/// The terminal neither shows what is typed nor ends the program at Ctrl-C, which would leave it that way.
struct Hidden;

impl Hidden {
    fn begin() -> io::Result<Self> {
        crossterm::terminal::enable_raw_mode().map(|()| Self)
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        let _ = crossterm::terminal::disable_raw_mode();
    }
}

/// What is typed, until Ctrl-C.
struct Keys(File);

impl Read for Keys {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        const CTRL_C: u8 = 3;
        let count = self.0.read(bytes)?;
        if bytes[..count].contains(&CTRL_C) { Err(io::Error::other("interrupted")) } else { Ok(count) }
    }
}

/// The variable that holds the passphrase of wallet files, for scripts.
pub const PASSPHRASE: &str = "SOMASCOPE_PASSPHRASE";

/// A new passphrase: asked for twice, never empty.
pub fn new_passphrase() -> anyhow::Result<SecretString> {
    let first = secret("new passphrase", &format!("set {PASSPHRASE}"))?;
    if first.expose_secret().is_empty() {
        return Err(Exit::BadInput.because("an empty passphrase protects nothing: nothing was written"));
    }
    let again = secret("the same passphrase again", &format!("set {PASSPHRASE}"))?;
    if first.expose_secret() != again.expose_secret() {
        return Err(Exit::BadInput.because("the two passphrases differ: nothing was written"));
    }
    Ok(first)
}
