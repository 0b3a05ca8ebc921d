//! What must not become public: files that hold keys by convention, and texts that are keys or tokens.
//!
//! Only patterns that are hardly ever anything else: a prefix that its issuer chose for that purpose with a body of the right length
//! and alphabet, an armour, a key store's layout, a mnemonic with a right checksum. What is found is told by its kind, never by its text.

mod names;
mod patterns;
mod phrases;

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

pub(super) use names::{is_secret_file, is_secret_folder};

/// Bytes that are looked through at a time.
const CHUNK: usize = 64 << 10;
/// No pattern needs more bytes than that to be told.
const LONGEST: usize = 8 << 10;

/// The kind of a secret in these bytes.
pub(super) fn find(bytes: &[u8]) -> Option<&'static str> {
    patterns::find(bytes).or_else(|| patterns::find_store(bytes)).or_else(|| phrases::find(bytes))
}

/// The kind of a secret in a file, whatever it is called. The whole file counts: a key's body lies behind its mark.
pub(super) fn find_in_file(path: &Path) -> io::Result<Option<&'static str>> {
    find_in(File::open(path)?)
}

fn find_in(mut bytes: impl Read) -> io::Result<Option<&'static str>> {
    let mut chunk = vec![0; CHUNK];
    let (mut held, mut is_first) = (0, true);
    loop {
        let read = match bytes.read(&mut chunk[held..]) {
            Ok(0) => return Ok(find_once(&chunk[..held], is_first)),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        held += read;
        if held < CHUNK {
            continue;
        }
        if let Some(kind) = find_once(&chunk, is_first) {
            return Ok(Some(kind));
        }
        is_first = false;
        // A secret may begin here and end in what comes next.
        chunk.copy_within(CHUNK - LONGEST.., 0);
        held = LONGEST;
    }
}

/// Key stores are told by how a file begins.
fn find_once(bytes: &[u8], is_first: bool) -> Option<&'static str> {
    let found = patterns::find(bytes).or_else(|| phrases::find(bytes));
    if is_first { found.or_else(|| patterns::find_store(bytes)) } else { found }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_key_is_seen_in_any_file() {
        assert!(find_in(&b"notes\n-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA"[..]).unwrap().is_some());
        assert!(find_in(&b"a public key is no secret"[..]).unwrap().is_none());
        assert!(find_in(&b""[..]).unwrap().is_none());
    }

    #[test]
    fn a_mark_is_seen_wherever_the_reads_happen_to_end() {
        let mark = b"PRIVATE KEY-----";
        for cut in 0..=mark.len() {
            let before = [vec![b'-'; CHUNK - cut], mark[..cut].to_vec()].concat();
            let after = [&mark[cut..], b"MIIB"].concat();
            assert!(find_in(before.as_slice().chain(after.as_slice())).unwrap().is_some(), "cut at {cut}");
        }
    }
}
