//! The answers, in files: the configuration, and `.env` for what is secret.

use std::{
    fmt::Write as _,
    fs::DirBuilder,
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::CommandFactory;
use directories::BaseDirs;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::super::{
    Cli, Exit,
    environment::Environment,
    files,
    signer::{Source, WalletArgs, candidates},
};
use crate::{
    app::wizard::{Answers, Bucket},
    config::{Facts, documented, filled},
    wallet::{read_private, replace_private},
};

/// Writes everything, and tells each file, a line.
///
/// # Errors
/// A file cannot be written, or would have to be read by others.
pub fn answers(
    answers: &Answers,
    environment: &Environment,
    config: &Path,
    variables: &Path,
) -> anyhow::Result<Vec<String>> {
    // What can be refused comes first: nothing is then written twice.
    let text = configuration(answers, environment)?;
    let bucket = answers.bucket.as_ref().map(|bucket| bucket_variables(bucket, environment, variables)).transpose()?;
    Ok(std::iter::once(keep(config, &text)?).chain(bucket).collect())
}

fn configuration(answers: &Answers, environment: &Environment) -> anyhow::Result<String> {
    let sources: Vec<String> = answers.sources();
    let mode = if answers.can_submit { "manual" } else { "read-only" };
    let mut values = vec![
        ("network.name", vec![answers.network.clone()]),
        ("data.sources", sources),
        ("policy.mode", vec![mode.to_owned()]),
    ];
    // Named only if it is not the one that is found anyway.
    let found = WalletArgs::default().find(environment).ok().flatten().map(|found| found.address);
    if answers.address.is_some() && answers.address != found {
        let chosen = candidates(environment)?.into_iter().find(|candidate| Some(candidate.address) == answers.address);
        match chosen.map(|candidate| candidate.source) {
            Some(Source::File { name, .. }) => values.push(("wallet.name", vec![name])),
            _ => {
                return Err(Exit::BadInput.because(
                    "another key comes before the one that was chosen (SOMA_SECRET_KEY, or the active wallet): unset it, or choose that one",
                ));
            }
        }
    }
    Ok(filled(&Facts::all(&documented(Cli::command())), &values))
}

/// Writes the configuration; beside one that is there, which is never touched.
fn keep(path: &Path, text: &str) -> anyhow::Result<String> {
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(parent);
        made.with_context(|| format!("cannot create {}", parent.display()))?;
    }
    match files::create(path, text.as_bytes(), 0o600) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => {
            made.with_context(|| format!("cannot write {}", path.display()))?;
            return Ok(format!("written: {}", path.display()));
        }
    }
    let beside = PathBuf::from(format!("{}.new", path.display()));
    let beside = files::create_numbered(&beside, text.as_bytes())
        .with_context(|| format!("cannot write {}", beside.display()))?;
    Ok(format!("written: {}: compare it with {}, which stays as it is", beside.display(), path.display()))
}

/// Adds the bucket's variables that are not set yet. What is in the file stays, byte for byte.
fn bucket_variables(bucket: &Bucket, environment: &Environment, path: &Path) -> anyhow::Result<String> {
    // A link stays one: what it leads to is written.
    let place = files::behind(path)?;
    let mut text = match place.exists() {
        // Refused if others can read it.
        true => read_private(&place)?,
        false => Zeroizing::new(Vec::new()),
    };
    let mut lines = Zeroizing::new(String::new());
    let mut kept = Vec::new();
    let mut add = |name: &'static str, value: &SecretString| {
        let value = value.expose_secret().trim();
        if value.is_empty() {
        } else if environment.has(name) {
            kept.push(name);
        } else {
            let _ = writeln!(lines, "{name}='{}'", Zeroizing::new(value.replace('\'', "'\\''")).as_str());
        }
    };
    for (name, field) in bucket.texts() {
        add(name, &SecretString::from(field.text()));
    }
    add("S3_SECRET_ACCESS_KEY", &bucket.secret());
    let kept = if kept.is_empty() { String::new() } else { format!(" (set already, and kept: {})", kept.join(", ")) };
    if lines.is_empty() {
        return Ok(format!("{} has all it needs{kept}", path.display()));
    }
    if !text.is_empty() && !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    text.extend_from_slice(b"# The bucket that submitted data is uploaded to.\n");
    text.extend_from_slice(lines.as_bytes());
    replace_private(&place, &text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(format!("written: {}, for you alone{kept}", path.display()))
}

/// `~/` as the configuration understands it.
pub fn expanded(source: &str) -> String {
    match (source.strip_prefix("~/"), BaseDirs::new()) {
        (Some(rest), Some(dirs)) => dirs.home_dir().join(rest).to_string_lossy().into_owned(),
        _ => source.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;
    use crate::{
        app::{TextField, wizard::SecretLine},
        cli::bucket::BucketArgs,
    };

    fn bucket() -> Bucket {
        let mut secret = SecretLine::default();
        secret.paste("it's $ecret");
        Bucket {
            name: TextField::new("soma-data"),
            access_key_id: TextField::new("AKIAEXAMPLE"),
            secret_access_key: secret,
            public_url: TextField::new("https://data.example.com"),
            ..Bucket::default()
        }
    }

    #[test]
    fn variables_are_added_behind_what_is_there_and_read_back_as_they_were_typed() {
        let dir = tempfile::tempdir().expect("a place");
        let path = dir.path().join(".env");
        fs::write(&path, "# mine\nS3_BUCKET=kept").expect("writable");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("ours");
        let before = Environment::read(dir.path()).expect("readable");
        let told = bucket_variables(&bucket(), &before, &path).expect("written");
        assert!(told.contains("S3_BUCKET") && !told.contains("ecret"), "{told}");
        assert!(fs::read_to_string(&path).expect("there").starts_with("# mine\nS3_BUCKET=kept\n"));
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        let after = Environment::read(dir.path()).expect("readable");
        let bucket = BucketArgs {
            bucket: after.text("S3_BUCKET"),
            bucket_public_url: after.text("S3_PUBLIC_URL"),
            ..BucketArgs::default()
        };
        let store = after.store(&bucket).expect("whole").expect("a bucket");
        assert_eq!((store.bucket.as_str(), store.access_key_id.as_str()), ("kept", "AKIAEXAMPLE"));
        assert_eq!(store.secret_access_key.expose_secret(), "it's $ecret");
    }

    #[test]
    fn a_file_of_variables_that_others_can_read_is_left_alone() {
        let dir = tempfile::tempdir().expect("a place");
        let path = dir.path().join(".env");
        fs::write(&path, "X=1\n").expect("writable");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("ours");
        assert!(bucket_variables(&bucket(), &Environment::empty(), &path).is_err());
        assert_eq!(fs::read_to_string(&path).expect("there"), "X=1\n");
    }

    #[test]
    fn a_configuration_that_is_there_is_never_overwritten() {
        let dir = tempfile::tempdir().expect("a place");
        let path = dir.path().join("config.toml");
        let answers =
            Answers { network: "devnet".to_owned(), data: TextField::new("~/corpus, notes.txt"), ..Answers::default() };
        let keep_it = || keep(&path, &configuration(&answers, &Environment::empty())?);
        keep_it().expect("written");
        let text = fs::read_to_string(&path).expect("there");
        assert!(
            text.contains("\nname = \"devnet\"\n") && text.contains("\nsources = [\"~/corpus\", \"notes.txt\"]\n"),
            "{text}"
        );
        assert!(text.contains("\nmode = \"read-only\"\n"));
        fs::write(&path, "# mine\n").expect("writable");
        assert_eq!(fs::read_to_string(&path).expect("there"), "# mine\n");
        let new = dir.path().join("config.toml.new");
        fs::write(&new, "# mine, too\n").expect("writable");
        let told = keep_it().expect("written beside");
        assert!(told.contains("config.toml.new-2"), "{told}");
        assert_eq!(fs::read_to_string(&new).expect("there"), "# mine, too\n");
    }

    #[test]
    fn a_linked_file_of_variables_stays_a_link_and_one_to_nowhere_is_told() {
        let dir = tempfile::tempdir().expect("a place");
        let (real, link) = (dir.path().join("secrets.env"), dir.path().join(".env"));
        fs::write(&real, "# mine\n").expect("writable");
        fs::set_permissions(&real, fs::Permissions::from_mode(0o600)).expect("ours");
        std::os::unix::fs::symlink("secrets.env", &link).expect("a link");
        bucket_variables(&bucket(), &Environment::empty(), &link).expect("written");
        assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
        assert!(fs::read_to_string(&real).expect("there").contains("S3_BUCKET='soma-data'"));
        assert_eq!(fs::metadata(&real).expect("there").permissions().mode() & 0o777, 0o600);
        fs::remove_file(&real).expect("ours");
        let error = bucket_variables(&bucket(), &Environment::empty(), &link).expect_err("nowhere").to_string();
        assert!(error.contains("secrets.env") && !real.exists(), "{error}");
    }
}
