//! Which files are never read: an upload is public for ever, so what looks like a secret stays out.

use std::path::Path;

/// File names, in lower case, that hold keys or credentials by convention.
const NAMES: &[&str] = &[
    ".netrc",
    ".pgpass",
    ".npmrc",
    ".pypirc",
    ".htpasswd",
    ".git-credentials",
    "credentials",
    "credentials.json",
    "secrets",
    "secrets.json",
    "secrets.yaml",
    "secrets.yml",
    "secrets.toml",
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

/// Bytes that hold a key whatever the file is called.
pub(super) fn holds_a_key(bytes: &[u8]) -> bool {
    MARKS.iter().any(|mark| bytes.windows(mark.len()).any(|window| window == *mark))
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
        assert!(holds_a_key(b"notes\n-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA"));
        assert!(!holds_a_key(b"a public key is no secret"));
    }
}
