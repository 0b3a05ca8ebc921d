//! Files for their user's eyes only.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::WalletError;

/// No file of ours, and no keystore, is anywhere near.
const MAX_BYTES: u64 = 1 << 20;

/// A file with secrets: refused if others may read it.
pub fn read_private(path: &Path) -> Result<Zeroizing<Vec<u8>>, WalletError> {
    read(path, true)
}

/// A file without secrets.
pub(super) fn read_public(path: &Path) -> Result<Zeroizing<Vec<u8>>, WalletError> {
    read(path, false)
}

fn read(path: &Path, private: bool) -> Result<Zeroizing<Vec<u8>>, WalletError> {
    let unreadable = |cause| WalletError::Unreadable { path: path.to_owned(), cause };
    let file = File::open(path).map_err(unreadable)?;
    // Of the opened file: the name may mean another one by now.
    let metadata = file.metadata().map_err(unreadable)?;
    if private && metadata.is_file() && metadata.permissions().mode() & 0o077 != 0 {
        return Err(WalletError::Exposed(path.to_owned()));
    }
    // One allocation: growing would leave copies behind.
    let expected = usize::try_from(metadata.len().min(MAX_BYTES)).unwrap_or(0);
    let mut bytes = Zeroizing::new(Vec::with_capacity(expected + 4096));
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_BYTES { Err(WalletError::TooLarge(path.to_owned())) } else { Ok(bytes) }
}

/// A new file with a secret in it, and a line feed behind it.
pub fn write_secret(path: &Path, secret: &SecretString) -> Result<(), WalletError> {
    let line = Zeroizing::new([secret.expose_secret().as_bytes(), b"\n"].concat());
    write(path, &line, Overwrite::Never).map_err(|cause| WalletError::Unwritable { path: path.to_owned(), cause })
}

/// The whole file instead of what was there, for you alone.
///
/// # Errors
/// It cannot be written; what was there is then as it was.
pub fn replace_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write(path, bytes, Overwrite::Replace)
}

/// Whether a file may be there already.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Overwrite {
    Never,
    Replace,
}

/// The whole file or none of it, on disk when this returns, 0600 from its first byte on.
pub(super) fn write(path: &Path, bytes: &[u8], overwrite: Overwrite) -> io::Result<()> {
    let dir = match path.parent().ok_or(io::ErrorKind::InvalidInput)? {
        here if here.as_os_str().is_empty() => Path::new("."),
        dir => dir,
    };
    let mut file = tempfile::Builder::new().permissions(PermissionsExt::from_mode(0o600)).tempfile_in(dir)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    match overwrite {
        Overwrite::Never => file.persist_noclobber(path).map_err(|error| error.error)?,
        Overwrite::Replace => file.persist(path).map_err(|error| error.error)?,
    };
    File::open(dir)?.sync_all()
}
