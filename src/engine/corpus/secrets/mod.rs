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
/// No pattern needs more bytes than that to be told: 8 KiB, in UTF-16.
const LONGEST: usize = 16 << 10;
/// How packed files begin: gzip, zip (also an empty one), xz, zstd, 7z; of bzip2 see [`is_packed`].
const PACKED: [&[u8]; 6] =
    [b"\x1f\x8b", b"PK\x03\x04", b"PK\x05\x06", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf\x27\x1c"];

/// The kind of a secret in these bytes.
pub(super) fn find(bytes: &[u8]) -> Option<&'static str> {
    find_once(bytes, true)
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

/// Key stores and packed files are told by how a file begins.
fn find_once(bytes: &[u8], is_first: bool) -> Option<&'static str> {
    if is_first && is_packed(bytes) {
        return Some("a packed file, into which nobody looks,");
    }
    let find = |bytes: &[u8]| {
        let found = patterns::find(bytes).or_else(|| phrases::find(bytes));
        if is_first { found.or_else(|| patterns::find_store(bytes)) } else { found }
    };
    find(bytes).or_else(|| {
        // UTF-16 is ASCII with zeros between, behind a mark that is in nobody's way but a key store's.
        let text = bytes.strip_prefix(b"\xff\xfe").or_else(|| bytes.strip_prefix(b"\xfe\xff")).unwrap_or(bytes);
        let narrow = || text.iter().copied().filter(|byte| *byte != 0).collect::<Vec<u8>>();
        text.contains(&0).then(narrow).and_then(|text| find(&text))
    })
}

fn is_packed(bytes: &[u8]) -> bool {
    let is_bzip2 = bytes.starts_with(b"BZh") && bytes.get(4..10) == Some(b"1AY&SY");
    is_bzip2 || PACKED.iter().any(|mark| bytes.starts_with(mark))
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
    fn what_is_packed_is_refused_because_nobody_looks_inside() {
        for mark in PACKED.into_iter().chain([&b"BZh91AY&SY"[..]]) {
            let file = [mark, &b" and the rest"[..]].concat();
            assert!(find_in(&file[..]).unwrap().is_some_and(|kind| kind.contains("packed")), "{mark:?}");
            assert!(find_in(&[b"text ", &file[..]].concat()[..]).unwrap().is_none(), "not at the beginning");
        }
        assert!(find_in(&b"BZh9 is how it begins; PK is not enough"[..]).unwrap().is_none());
    }

    #[test]
    fn a_key_is_seen_in_text_of_two_bytes_a_sign() {
        let text = format!("{}-----BEGIN PRIVATE KEY-----", "x".repeat(CHUNK));
        for encode in [u16::to_le_bytes, u16::to_be_bytes] {
            let wide: Vec<u8> = std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(encode).collect();
            assert_eq!(find_in(&wide[..]).unwrap(), Some("a private key"));
            assert_eq!(find(&wide), Some("a private key"));
        }
        let wide: Vec<u8> = "nothing of the kind".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(find_in(&wide[..]).unwrap(), None);
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
