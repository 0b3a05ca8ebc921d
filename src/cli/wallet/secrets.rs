//! The ways in and out for a secret: the terminal without echo, a pipe, a private file. Never an argument.

use std::{
    fs::OpenOptions,
    io::{self, IsTerminal, Read, Write},
    path::{Path, PathBuf},
};

use anyhow::Context;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::super::{confirm, exit::Exit};
use crate::{
    chain::keys::{KeyError, Keypair},
    primitives::Address,
    wallet::{WalletError, keys_in_keystore, read_private},
};

/// Longer than any form of any key; a keystore comes as a file.
const MAX_PIPED: u64 = 64 * 1024;

/// Reads a key in whatever form it comes. `address` chooses among several.
pub fn import(file: Option<&Path>, address: Option<Address>) -> anyhow::Result<Keypair> {
    let (name, bytes) = match file {
        Some(path) => (path.to_owned(), read_private(path)?),
        None if io::stdin().is_terminal() => {
            let text = confirm::secret("secret key or mnemonic", "pipe it in, or give --file")?;
            (PathBuf::from("the terminal"), Zeroizing::new(text.expose_secret().as_bytes().to_vec()))
        }
        None => {
            let mut bytes = Zeroizing::new(Vec::with_capacity(8192));
            io::stdin().take(MAX_PIPED).read_to_end(&mut bytes).context("standard input")?;
            (PathBuf::from("standard input"), bytes)
        }
    };
    let text = std::str::from_utf8(&bytes).map_err(|_| bad(&name, KeyError::Unrecognised))?.trim();
    let keypair = match text.as_bytes().first() {
        Some(b'[') => one_of(keys_in_keystore(&name, text.as_bytes())?, address, &name)?,
        Some(b'{') => exported(&name, text)?,
        _ => Keypair::from_text(&SecretString::from(text)).map_err(|cause| bad(&name, cause))?,
    };
    match address {
        Some(wanted) if wanted != keypair.address() => {
            Err(WalletError::NotInKeystore { path: name, address: wanted }.into())
        }
        _ => Ok(keypair),
    }
}

fn bad(name: &Path, cause: KeyError) -> WalletError {
    WalletError::Key { path: name.to_owned(), cause }
}

/// One key of a whole keystore.
fn one_of(mut keys: Vec<Keypair>, address: Option<Address>, name: &Path) -> anyhow::Result<Keypair> {
    let at = match address {
        Some(wanted) => keys.iter().position(|key| key.address() == wanted),
        None if keys.len() == 1 => Some(0),
        None => {
            let addresses: Vec<String> = keys.iter().map(|key| key.address().to_hex_prefixed()).collect();
            return Err(Exit::BadInput.because(format!(
                "{} has {} keys: choose one with --address ({})",
                name.display(),
                keys.len(),
                addresses.join(", ")
            )));
        }
    };
    let missing = || WalletError::NotInKeystore { path: name.to_owned(), address: address.unwrap_or_default() };
    Ok(keys.swap_remove(at.ok_or_else(missing)?))
}

/// What `soma wallet export --json` prints.
fn exported(name: &Path, text: &str) -> anyhow::Result<Keypair> {
    #[derive(Deserialize)]
    struct Exported<'a> {
        exported_private_key: &'a str,
    }
    // The parser's own words may repeat what it read.
    let exported: Exported<'_> = serde_json::from_str(text).map_err(|_| bad(name, KeyError::Unrecognised))?;
    let secret = SecretString::from(exported.exported_private_key);
    Ok(Keypair::from_text(&secret).map_err(|cause| bad(name, cause))?)
}

/// A number, a word of up to eight letters, and what is between them.
const CELL: usize = 13;

/// Shows the words of a new wallet on the terminal, once, and takes them off it again. Nothing of them goes to a pipe or a log.
pub fn show_mnemonic(words: &SecretString) -> anyhow::Result<()> {
    let no_terminal = || Exit::BadInput.because("the words are only shown on a terminal, and there is none");
    if !confirm::is_interactive() {
        return Err(no_terminal());
    }
    let ready =
        "The next lines are the key itself: whoever sees them owns the money. Write them on paper. Show them now?";
    if !confirm::ask(ready, "a terminal")? {
        return Err(confirm::declined());
    }
    let mut terminal = OpenOptions::new().write(true).open("/dev/tty").map_err(|_| no_terminal())?;
    let mut page = Zeroizing::new(String::with_capacity(1024));
    let words: Vec<&str> = words.expose_secret().split(' ').collect();
    let width = crossterm::terminal::size().map_or(80, |(width, _)| usize::from(width).max(CELL));
    // No line of them is broken, so that their lines can be counted.
    let columns = (width / CELL).min(4);
    for (row, some) in words.chunks(columns).enumerate() {
        for (column, word) in some.iter().enumerate() {
            page.push_str(&format!("{:>2} {word:<9} ", row * columns + column + 1));
        }
        page.push('\n');
    }
    terminal.write_all(page.as_bytes()).and_then(|()| terminal.flush()).context("the terminal")?;
    let question = "Are all words on paper? They are taken off the screen.";
    let written = confirm::ask(question, "a terminal")?;
    // The words, and the question below them with its answer.
    let lines = words.len().div_ceil(columns) + (question.len() + " [y/N] yes".len()).div_ceil(width);
    write!(terminal, "\x1b[{lines}A\x1b[J").and_then(|()| terminal.flush()).context("the terminal")?;
    if written { Ok(()) } else { Err(confirm::declined()) }
}
