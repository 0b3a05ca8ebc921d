//! Asking the person at the terminal. Questions go to the terminal itself, never into results.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead, BufReader, IsTerminal, Write},
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
        self.yes.then_some(Ok(true)).unwrap_or_else(|| ask(question, "--yes"))
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
    Ok(rpassword::prompt_password(format!("{prompt}: ")).context("the terminal")?.into())
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
