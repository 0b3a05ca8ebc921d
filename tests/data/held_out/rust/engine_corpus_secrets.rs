    "authorized_keys",
    "shadow",
];
const EXTENSIONS: &[&str] =
    &["pem", "key", "p8", "p12", "pfx", "jks", "keystore", "kdbx", "asc", "gpg", "ppk", "mnemonic", "seed"];
/// Anywhere in the name.
const PARTS: &[&str] = &["id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "keystore", "wallet", "private_key", "mnemonic"];
const FOLDERS: &[&str] = &[".ssh", ".gnupg", ".aws", ".kube", ".docker", ".git", ".password-store"];

/// Texts that open or name a private key.
const MARKS: &[&[u8]] = &[b"PRIVATE KEY-----", b"somaprivkey1", b"suiprivkey1", b"AWS_SECRET_ACCESS_KEY"];

/// A file that is refused by its name.
pub(super) fn is_secret_file(path: &Path) -> bool {
    let Some(name) = path.file_name().map(|name| name.to_string_lossy().to_lowercase()) else { return false };
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    name == ".env"
        || name.starts_with(".env.")
        || extension == "env"
        || NAMES.contains(&name.as_str())
        || EXTENSIONS.contains(&extension)
        || PARTS.iter().any(|part| name.contains(part))
}

/// A folder that is not entered.
pub(super) fn is_secret_folder(path: &Path) -> bool {
    path.file_name().is_some_and(|name| FOLDERS.contains(&name.to_string_lossy().to_lowercase().as_str()))
}

/// Bytes that are looked through at a time.
const CHUNK: usize = 64 << 10;

/// Whether a file holds a key, whatever it is called. The whole file counts: a key's body lies behind its mark.
pub(super) fn file_holds_a_key(path: &Path) -> io::Result<bool> {
    holds_a_key(File::open(path)?)
}

fn holds_a_key(mut bytes: impl Read) -> io::Result<bool> {
    let longest = MARKS.iter().map(|mark| mark.len()).max().unwrap_or(0);
    let mut chunk = vec![0; CHUNK];
    let mut held = 0;
    loop {
        let read = match bytes.read(&mut chunk[held..]) {
            Ok(0) => return Ok(false),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        held += read;
        if has_mark(&chunk[..held]) {
            return Ok(true);
        }
        // A mark may begin here and end in what comes next.
        let kept = held.min(longest - 1);
        chunk.copy_within(held - kept..held, 0);
        held = kept;
    }
}

/// In one pass: corpora are large.
fn has_mark(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .enumerate()
        .any(|(at, first)| MARKS.iter().any(|mark| mark[0] == *first && bytes[at..].starts_with(mark)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_wallets_and_environments_are_refused_by_name() {
        for name in
            [".env", ".env.local", "prod.env", "server.pem", "id_rsa", "ID_ED25519.bak", "soma.keystore", "Wallet.dat"]
        {
            assert!(is_secret_file(Path::new("/data").join(name).as_path()), "{name}");
        }
        for name in ["environment.txt", "monkey.jpg", "keyboard.md", "README", "a.rs"] {
            assert!(!is_secret_file(Path::new("/data").join(name).as_path()), "{name}");
        }
        assert!(is_secret_folder(Path::new("/home/me/.ssh")) && !is_secret_folder(Path::new("/home/me/ssh")));
    }

    #[test]
    fn a_private_key_is_seen_in_any_file() {
        assert!(holds_a_key(&b"notes\n-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA"[..]).unwrap());
        assert!(!holds_a_key(&b"a public key is no secret"[..]).unwrap());
    }

    #[test]
    fn a_mark_is_seen_wherever_the_reads_happen_to_end() {
        let mark = MARKS[0];
