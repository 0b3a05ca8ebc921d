//! Files and folders that hold secrets by convention.

use std::path::Path;

/// In lower case.
const NAMES: &[&str] = &[
    ".netrc",
    "_netrc",
    ".pgpass",
    ".npmrc",
    ".pypirc",
    ".htpasswd",
    ".git-credentials",
    ".vault-token",
    "credentials",
    "credentials.json",
    "client_secret.json",
    "secrets",
    "secrets.json",
    "secrets.yaml",
    "secrets.yml",
    "secrets.toml",
    "authorized_keys",
    "shadow",
    "wallet.dat",
    "wallet.json",
    "wallet.aes.json",
    "soma.aliases",
];
const EXTENSIONS: &[&str] = &[
    "pem", "key", "p8", "p12", "pfx", "jks", "keystore", "kdbx", "asc", "gpg", "ppk", "mnemonic", "seed", "wallet",
    "crt", "cer", "der",
];
/// Names that begin so, but for public halves.
const STEMS: &[&str] = &["id_rsa", "id_dsa", "id_ecdsa", "id_ed25519"];
/// Whole names without their extension.
const WHOLE: &[&str] = &["wallet", "keystore", "mnemonic", "private_key", "privatekey"];
/// Extensions under which [`WHOLE`] names data and not a program's text.
const DATA: &[&str] = &["", "txt", "json", "dat", "bak", "yaml", "yml", "toml", "old", "hex"];
const FOLDERS: &[&str] = &[".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".git", ".password-store"];

/// A file that is refused by its name.
pub(in crate::engine::corpus) fn is_secret_file(path: &Path) -> bool {
    let Some(name) = path.file_name().map(|name| name.to_string_lossy().to_lowercase()) else { return false };
    let (stem, extension) = name.rsplit_once('.').unwrap_or((&name, ""));
    name == ".env"
        || name.starts_with(".env.")
        || extension == "env"
        || NAMES.contains(&name.as_str())
        || EXTENSIONS.contains(&extension)
        || (extension != "pub" && STEMS.iter().any(|stem| name.starts_with(stem)))
        || (DATA.contains(&extension) && WHOLE.contains(&stem))
}

/// A folder that is not entered.
pub(in crate::engine::corpus) fn is_secret_folder(path: &Path) -> bool {
    path.file_name().is_some_and(|name| FOLDERS.contains(&name.to_string_lossy().to_lowercase().as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_wallets_and_environments_are_refused_by_name() {
        for name in [
            ".env",
            ".env.local",
            "prod.env",
            "server.pem",
            "server.crt",
            "id_rsa",
            "ID_ED25519.bak",
            "soma.keystore",
            "Wallet.dat",
            "wallet.json",
            "mnemonic.txt",
            "keystore",
        ] {
            assert!(is_secret_file(&Path::new("/data").join(name)), "{name}");
        }
        for name in [
            "environment.txt",
            "monkey.jpg",
            "keyboard.md",
            "README",
            "a.rs",
            "wallet.rs",
            "keystore.go",
            "id_rsa.pub",
            "secrets.py",
            "wallet_test.json",
        ] {
            assert!(!is_secret_file(&Path::new("/data").join(name)), "{name}");
        }
        assert!(is_secret_folder(Path::new("/home/me/.ssh")) && !is_secret_folder(Path::new("/home/me/ssh")));
    }
}
