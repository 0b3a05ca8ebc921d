//! The variables of `.env.example`: from the process, else from `.env` in the working directory.

use std::{
    collections::HashMap,
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret, SecretString};

use crate::{
    chain::keys::{KeyError, Keypair},
    storage::StoreConfig,
    wallet::forbid_core_files,
};

/// What a variable or its file got wrong. Values never appear: they may be secrets.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    #[error("{0} cannot be read: {1}")]
    Unreadable(PathBuf, String),
    #[error("{0} holds secrets and others may read it: run `chmod 600 {0}`")]
    Exposed(PathBuf),
    #[error("{0} is not set, although {1} is: set it, or neither of them")]
    Missing(&'static str, &'static str),
    #[error("SOMA_SECRET_KEY: {0}")]
    Key(KeyError),
}

/// The variables that must not be read by others.
const SECRETS: [&str; 4] = ["SOMA_SECRET_KEY", "SOMASCOPE_PASSPHRASE", "S3_SECRET_ACCESS_KEY", "HF_TOKEN"];

/// A source of variables; values stay secret until they are used.
pub struct Environment {
    file: HashMap<String, SecretString>,
    process: fn(&str) -> Option<String>,
}

impl Environment {
    /// The process's variables, and those of `.env` in `dir` if there is one.
    ///
    /// Secrets come in here first, so core files are forbidden here.
    pub fn read(dir: &Path) -> Result<Self, EnvironmentError> {
        forbid_core_files();
        let process = |name: &str| env::var(name).ok();
        let path = dir.join(".env");
        let unreadable = |cause: String| EnvironmentError::Unreadable(path.clone(), cause);
        let metadata = match fs::metadata(&path) {
            Ok(metadata) => metadata,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Self { file: HashMap::new(), process }),
            Err(e) => return Err(unreadable(e.to_string())),
        };
        let mut file = HashMap::new();
        for line in dotenvy::from_path_iter(&path).map_err(|e| unreadable(e.to_string()))? {
            // The parser's own message repeats the line, which may hold a secret.
            let (name, value) = line.map_err(|_| unreadable("a line is not NAME=value".to_owned()))?;
            file.insert(name, SecretString::from(value));
        }
        let secret = |name: &&str| file.get(*name).is_some_and(|value| !value.expose_secret().is_empty());
        if metadata.permissions().mode() & 0o077 != 0 && SECRETS.iter().any(secret) {
            return Err(EnvironmentError::Exposed(path));
        }
        Ok(Self { file, process })
    }

    /// Knows no variable at all.
    #[cfg(test)]
    pub fn empty() -> Self {
        Self { file: HashMap::new(), process: |_| None }
    }

    /// A variable that is set and not empty; the process wins.
    fn get(&self, name: &str) -> Option<SecretString> {
        (self.process)(name)
            .map(SecretString::from)
            .or_else(|| self.file.get(name).cloned())
            .filter(|value| !value.expose_secret().trim().is_empty())
    }

    /// A variable that is no secret.
    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(|value| value.expose_secret().trim().to_owned())
    }

    /// The passphrase of wallet files, as it is: white space is part of it.
    pub fn passphrase(&self) -> Option<SecretString> {
        self.get("SOMASCOPE_PASSPHRASE")
    }

    /// Where a variable comes from, for people.
    pub fn origin(&self, name: &str) -> &'static str {
        let process = (self.process)(name).is_some_and(|value| !value.trim().is_empty());
        if process { "the environment" } else { ".env" }
    }

    /// `None`: not set.
    pub fn keypair(&self) -> Result<Option<Keypair>, EnvironmentError> {
        self.get("SOMA_SECRET_KEY").map(|text| Keypair::from_text(&text).map_err(EnvironmentError::Key)).transpose()
    }

    /// `None`: no bucket, so nothing can be submitted.
    pub fn store(&self) -> Result<Option<StoreConfig>, EnvironmentError> {
        let Some(bucket) = self.get("S3_BUCKET") else { return Ok(None) };
        let text = |value: SecretString| value.expose_secret().trim().to_owned();
        let needed = |name| self.get(name).ok_or(EnvironmentError::Missing(name, "S3_BUCKET"));
        Ok(Some(StoreConfig {
            bucket: text(bucket),
            region: self.get("AWS_REGION").map_or_else(|| "us-east-1".to_owned(), text),
            endpoint_url: self.get("S3_ENDPOINT_URL").map(text),
            access_key_id: text(needed("S3_ACCESS_KEY_ID")?),
            secret_access_key: needed("S3_SECRET_ACCESS_KEY")?,
            public_url: text(needed("S3_PUBLIC_URL")?),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(text: &str, mode: u32) -> Result<Environment, EnvironmentError> {
        let dir = tempfile::tempdir().expect("a place");
        let path = dir.path().join(".env");
        fs::write(&path, text).expect("writable");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("ours");
        // Tests must not depend on what the machine has set.
        Environment::read(dir.path()).map(|e| Environment { process: |_| None, ..e })
    }

    #[test]
    fn a_file_with_secrets_that_others_may_read_is_refused() {
        assert!(matches!(environment("SOMA_SECRET_KEY=x\n", 0o644), Err(EnvironmentError::Exposed(_))));
        assert!(environment("SOMA_SECRET_KEY=\nS3_BUCKET=b\n", 0o644).is_ok());
    }

    #[test]
    fn errors_do_not_repeat_a_secret() {
        let environment = environment("SOMA_SECRET_KEY=verysecretbutwrong\n", 0o600).expect("readable");
        let error = environment.keypair().err().expect("no key").to_string();
        assert!(error.contains("SOMA_SECRET_KEY") && !error.contains("verysecret"), "{error}");
    }

    #[test]
    fn half_a_bucket_names_what_is_missing() {
        let environment = environment("S3_BUCKET=b\nS3_ACCESS_KEY_ID=id\n", 0o600).expect("readable");
        let error = environment.store().expect_err("half").to_string();
        assert!(error.contains("S3_SECRET_ACCESS_KEY"), "{error}");
    }

    proptest::proptest! {
        /// Not even one that is no text: it is read, or it is an error without its content.
        #[test]
        fn no_file_panics_and_no_error_repeats_it(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            let dir = tempfile::tempdir().expect("a place");
            fs::write(dir.path().join(".env"), [b"hunter2 ", &bytes[..]].concat()).expect("writable");
            if let Err(error) = Environment::read(dir.path()) {
                proptest::prop_assert!(!error.to_string().contains("hunter2"));
            }
        }
    }

    #[test]
    fn the_example_is_an_environment_without_key_and_bucket() {
        let text = include_str!("../../.env.example");
        let environment = environment(text, 0o600).expect("it parses");
        assert!(environment.keypair().is_ok_and(|key| key.is_none()));
        assert!(environment.store().is_ok_and(|store| store.is_none()));
    }
}
