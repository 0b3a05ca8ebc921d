//! The variables of `.env.example`: from the process, else from `.env` in the working directory.

use std::{
    collections::HashMap,
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::bucket::BucketArgs;
use crate::{
    chain::keys::{KeyError, Keypair},
    config::{SETTINGS, Variable},
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
    #[error("{0} is not set, although a bucket is named: set it, or name no bucket")]
    Missing(&'static str),
    #[error(
        "{0}: the value of {1} has a `$`, which stands for another variable there: put the value in single quotes, \
         {1}='…' (a single quote in it is written '\\'')"
    )]
    Dollar(PathBuf, &'static str),
    #[error("{0} of the environment is no UTF-8 text: set it anew, or unset it")]
    NotText(&'static str),
    #[error("SOMA_SECRET_KEY: {0}")]
    Key(KeyError),
}

/// The variables that must not be read by others.
pub const SECRETS: [&str; 4] = ["SOMA_SECRET_KEY", "SOMASCOPE_PASSPHRASE", "S3_SECRET_ACCESS_KEY", "HF_TOKEN"];

/// What else is read here and is no setting.
pub const OTHERS: [&str; 2] = [CONFIG, "S3_ACCESS_KEY_ID"];

/// The variable that names another configuration file.
pub const CONFIG: &str = "SOMASCOPE_CONFIG";

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
        // What is there and cannot be read must not count as not set: another key might be taken instead.
        let settings = SETTINGS.iter().map(|setting| setting.env);
        if let Some(name) = SECRETS.into_iter().chain(OTHERS).chain(settings).find(|name| is_no_text(name)) {
            return Err(EnvironmentError::NotText(name));
        }
        let process = |name: &str| env::var(name).ok();
        let path = dir.join(".env");
        let unreadable = |cause: String| EnvironmentError::Unreadable(path.clone(), cause);
        let metadata = match fs::metadata(&path) {
            Ok(metadata) => metadata,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Self { file: HashMap::new(), process }),
            Err(e) => return Err(unreadable(e.to_string())),
        };
        let bytes = fs::read(&path).map(Zeroizing::new).map_err(|e| unreadable(e.to_string()))?;
        let file = parse(&bytes).map_err(|wrong| match wrong {
            // The parser's own message repeats the line, which may hold a secret.
            None => unreadable("a line is not NAME=value".to_owned()),
            Some(name) => EnvironmentError::Dollar(path.clone(), name),
        })?;
        let secret = |name: &&str| file.get(*name).is_some_and(|value| !value.expose_secret().is_empty());
        if metadata.permissions().mode() & 0o077 != 0 && SECRETS.iter().any(secret) {
            return Err(EnvironmentError::Exposed(path));
        }
        Ok(Self { file, process })
    }

    /// The process's variables alone, where `.env` cannot be used.
    pub fn of_process() -> Self {
        Self { file: HashMap::new(), process: |name| env::var(name).ok() }
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

    /// A variable that is no secret, of one source; not set where it is empty.
    pub fn variable(&self, name: &str, source: Variable) -> Option<String> {
        let value = match source {
            Variable::Process => (self.process)(name),
            Variable::DotEnv => self.file.get(name).map(|value| value.expose_secret().to_owned()),
        };
        value.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// Whether a variable is set, whatever is in it.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The names that `.env` sets.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.file.keys().map(String::as_str)
    }

    /// A variable that is no secret.
    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(|value| value.expose_secret().trim().to_owned())
    }

    /// The passphrase of wallet files, as it is: white space is part of it.
    pub fn passphrase(&self) -> Option<SecretString> {
        self.get("SOMASCOPE_PASSPHRASE")
    }

    /// Token of the Hugging Face hub.
    pub fn hub_token(&self) -> Option<SecretString> {
        self.get("HF_TOKEN")
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

    /// The bucket with its key pair. `None`: no bucket, so nothing can be submitted.
    pub fn store(&self, args: &BucketArgs) -> Result<Option<StoreConfig>, EnvironmentError> {
        let Some(bucket) = args.bucket.clone() else { return Ok(None) };
        let text = |value: SecretString| value.expose_secret().trim().to_owned();
        let needed = |name| self.get(name).ok_or(EnvironmentError::Missing(name));
        Ok(Some(StoreConfig {
            bucket,
            region: args.bucket_region.clone().unwrap_or_else(|| "us-east-1".to_owned()),
            endpoint_url: args.bucket_endpoint_url.clone(),
            access_key_id: text(needed("S3_ACCESS_KEY_ID")?),
            secret_access_key: needed("S3_SECRET_ACCESS_KEY")?,
            public_url: args.bucket_public_url.clone().ok_or(EnvironmentError::Missing("S3_PUBLIC_URL"))?,
        }))
    }
}

fn is_no_text(name: &str) -> bool {
    matches!(env::var(name), Err(env::VarError::NotUnicode(_)))
}

/// What a file says. Outside of single quotes the parser puts a variable's value in the place of `$NAME`; a secret must be taken
/// as it is written. So each line is read once more, with signs in the place of `$` that mean nothing to the parser.
///
/// # Errors
/// The secret with a `$` that stands for something else; `None`: a line that is none.
fn parse(bytes: &[u8]) -> Result<HashMap<String, SecretString>, Option<&'static str>> {
    const BACKSLASH: &str = "\u{fdd0}";
    const ESCAPED: &str = "\u{fdd1}";
    const PLAIN: &str = "\u{fdd2}";
    let text = String::from_utf8_lossy(bytes).replace("\\\\", BACKSLASH).replace("\\$", ESCAPED).replace('$', PLAIN);
    let text = Zeroizing::new(text);
    let mut written = dotenvy::from_read_iter(text.as_bytes());
    let mut file = HashMap::new();
    for line in dotenvy::from_read_iter(bytes) {
        let written = written.next().and_then(Result::ok).map(|(name, value)| (name, Zeroizing::new(value)));
        let secret = |name: &str| SECRETS.into_iter().find(|secret| *secret == name);
        let Ok((name, value)) = line else {
            return Err(written.filter(|(_, value)| value.contains(PLAIN)).and_then(|(name, _)| secret(&name)));
        };
        // Escapes mean what they stand for, and in single quotes what they are.
        let is_as_written = |written: &str| {
            [("\\", "$"), ("\\\\", "\\$")].iter().any(|(backslash, dollar)| {
                let meant = written.replace(PLAIN, "$").replace(ESCAPED, dollar).replace(BACKSLASH, backslash);
                *Zeroizing::new(meant) == value
            })
        };
        if let Some(secret) = secret(&name)
            && !written.is_some_and(|(_, written)| is_as_written(&written))
        {
            return Err(Some(secret));
        }
        file.insert(name, SecretString::from(value));
    }
    Ok(file)
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
    fn a_secret_is_what_is_written_or_an_error_that_says_how_to_write_it() {
        let passphrase = |line: &str| {
            let read = environment(&format!("HOME_OF=x\n{line}\nS3_BUCKET=$HOME_OF\n"), 0o600);
            read.map(|read| read.passphrase().map(|text| text.expose_secret().to_owned()))
        };
        for (written, meant) in [
            ("'a$b'", "a$b"),
            ("\"a\\$b\"", "a$b"),
            ("a\\$b", "a$b"),
            ("'a\\$b'", "a\\$b"),
            ("'\\\\$'", "\\\\$"),
            ("a\\\\b", "a\\b"),
            ("'it'\\''s$b'", "it's$b"),
            ("ab", "ab"),
        ] {
            let read = passphrase(&format!("SOMASCOPE_PASSPHRASE={written}")).expect("readable");
            assert_eq!(read.as_deref(), Some(meant), "{written}");
        }
        for altered in
            ["hunter2$b", "\"hunter2$b\"", "hunter2${HOME_OF}", "hunter2$", "\"hunter2\\\\$b\"", "'x'hunter2$b"]
        {
            let error = passphrase(&format!("export SOMASCOPE_PASSPHRASE={altered}")).expect_err(altered);
            let text = error.to_string();
            assert!(matches!(error, EnvironmentError::Dollar(..)), "{altered}: {text}");
            assert!(text.contains("SOMASCOPE_PASSPHRASE='…'") && !text.contains("hunter2"), "{text}");
        }
        // What is no secret may be made of others.
        let environment = environment("A=b\nS3_BUCKET=$A\n", 0o600).expect("readable");
        assert_eq!(environment.text("S3_BUCKET").as_deref(), Some("b"));
    }

    #[test]
    fn half_a_bucket_names_what_is_missing() {
        let environment = environment("S3_ACCESS_KEY_ID=id\n", 0o600).expect("readable");
        let bucket = BucketArgs { bucket: Some("b".to_owned()), ..BucketArgs::default() };
        let error = environment.store(&bucket).expect_err("half").to_string();
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
        for setting in SETTINGS {
            assert_eq!(environment.variable(setting.env, Variable::DotEnv), None, "{}", setting.env);
        }
    }
}
