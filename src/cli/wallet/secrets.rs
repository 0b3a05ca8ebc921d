//! The ways in and out for a secret: the terminal without echo, a pipe, a private file. Never an argument.

use std::{
    fs::OpenOptions,
    io::{self, IsTerminal, Read, Write},
    os::unix::fs::OpenOptionsExt,
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

/// Writes a secret to a new file of its user's own.
pub fn write_new(path: &Path, secret: &SecretString) -> anyhow::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    let written = file.write_all(secret.expose_secret().as_bytes()).and_then(|()| file.write_all(b"\n"));
    written.and_then(|()| file.sync_all()).with_context(|| format!("cannot write {}", path.display()))
}

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
    for (row, four) in words.chunks(4).enumerate() {
        for (column, word) in four.iter().enumerate() {
            page.push_str(&format!("{:>2} {word:<9} ", row * 4 + column + 1));
        }
        page.push('\n');
    }
    terminal.write_all(page.as_bytes()).and_then(|()| terminal.flush()).context("the terminal")?;
    let written = confirm::ask("Are all words on paper? They are taken off the screen.", "a terminal")?;
    // The words and the question below them.
    let lines = words.len().div_ceil(4) + 1;
    write!(terminal, "\x1b[{lines}A\x1b[J").and_then(|()| terminal.flush()).context("the terminal")?;
    if written { Ok(()) } else { Err(confirm::declined()) }
}
