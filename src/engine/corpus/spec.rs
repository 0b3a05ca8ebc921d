//! What a person says of their data: where it is, and what is made of it.

use std::{
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use secrecy::SecretString;

use super::WINDOW;

/// One source of data.
#[derive(Clone, Debug)]
pub struct SourceSpec {
    pub kind: SourceKind,
    /// Its share of the samples, against the other sources' weights; above 0.
    pub weight: f64,
}

#[derive(Clone, Debug)]
pub enum SourceKind {
    /// A directory, a file or a glob.
    Path { path: PathBuf, format: Format },
    /// Standard input, kept below the engine's directory so that it can be read again.
    Stdin { format: Format },
    /// The Stack v2.
    Stack(StackSpec),
}

/// What a file holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// By its name: `.jsonl` (in a directory only if its first record has the column) and `.ndjson` (also with `.gz` or `.zst` behind) and `.parquet` hold records, all others bytes.
    #[default]
    ByName,
    Bytes,
    Jsonl,
    Parquet,
}

/// The Stack v2: an index in a gated dataset of the Hugging Face hub, contents in Software Heritage's public bucket.
#[derive(Clone, Debug)]
pub struct StackSpec {
    /// Names as the dataset's folders have them, in any case; none: all.
    pub languages: Vec<String>,
    /// `HF_TOKEN`.
    pub token: Option<SecretString>,
    pub hub_url: String,
    pub dataset: String,
    /// What comes before `/content/{blob_id}`.
    pub content_url: String,
    /// Contents above that are passed over, as UTF-8.
    pub max_bytes: u64,
    /// Of contents that are kept on disk.
    pub spool_bytes: u64,
}

impl Default for StackSpec {
    fn default() -> Self {
        Self {
            languages: Vec::new(),
            token: None,
            hub_url: "https://huggingface.co".into(),
            dataset: "bigcode/the-stack-v2-dedup".into(),
            content_url: "https://softwareheritage.s3.amazonaws.com".into(),
            max_bytes: 5_000,
            spool_bytes: 1 << 30,
        }
    }
}

#[derive(Debug, thiserror::Error, PartialEq)]
pub enum SpecError {
    #[error("no data is named")]
    Empty,
    #[error("the weight `{0}` is no number above 0")]
    Weight(String),
    #[error("`{0}:` names no path: write {0}:PATH")]
    NoPath(&'static str),
    #[error("`stack-v2:` names no language: write stack-v2:Rust,Python, or stack-v2 for all of them")]
    NoLanguage,
}

impl SourceSpec {
    /// `[bytes:|jsonl:|parquet:]PATH[=WEIGHT]`, `-` for standard input, or `stack-v2[:LANGUAGE,…][=WEIGHT]`. What exists by the
    /// whole text is a path.
    fn parse(text: &str, exists: impl Fn(&Path) -> bool) -> Result<Self, SpecError> {
        if text.is_empty() {
            return Err(SpecError::Empty);
        }
        if exists(Path::new(text)) {
            return Ok(Path::new(text).into());
        }
        let (place, weight) = match text.rsplit_once('=') {
            Some((place, weight)) if weight.starts_with(|c: char| c.is_ascii_digit() || c == '.' || c == '-') => {
                let number = weight.parse::<f64>().ok().filter(|weight| weight.is_finite() && *weight > 0.0);
                (place, number.ok_or_else(|| SpecError::Weight(weight.to_owned()))?)
            }
            _ => (text, 1.0),
        };
        if place.is_empty() {
            return Err(SpecError::Empty);
        }
        Ok(Self { kind: SourceKind::parse(place)?, weight })
    }

    /// What tells it from the other sources, also in a later run.
    pub(super) fn key(&self) -> String {
        match &self.kind {
            SourceKind::Path { path, format } => format!("{format:?} {}", path.display()),
            SourceKind::Stdin { format } => format!("{format:?} -"),
            SourceKind::Stack(stack) => format!("{} {}", stack.dataset, stack.languages.join(",")),
        }
    }
}

impl SourceKind {
    fn parse(place: &str) -> Result<Self, SpecError> {
        if place == "stack-v2" {
            return Ok(Self::Stack(StackSpec::default()));
        }
        if let Some(languages) = place.strip_prefix("stack-v2:") {
            let languages: Vec<String> =
                languages.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
            if languages.is_empty() {
                return Err(SpecError::NoLanguage);
            }
            return Ok(Self::Stack(StackSpec { languages, ..StackSpec::default() }));
        }
        let formats =
            [("bytes", Format::Bytes), ("jsonl", Format::Jsonl), ("parquet", Format::Parquet), ("", Format::ByName)];
        for (name, format) in formats {
            let rest = if name.is_empty() {
                Some(place)
            } else {
                place.strip_prefix(name).and_then(|rest| rest.strip_prefix(':'))
            };
            match rest {
                None => {}
                Some("") => return Err(SpecError::NoPath(name)),
                Some("-") => return Ok(Self::Stdin { format }),
                Some(path) => return Ok(Self::Path { path: path.into(), format }),
            }
        }
        Err(SpecError::Empty)
    }
}

impl FromStr for SourceSpec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        Self::parse(text, |path| path.exists())
    }
}

impl From<SourceKind> for SourceSpec {
    fn from(kind: SourceKind) -> Self {
        Self { kind, weight: 1.0 }
    }
}

impl From<PathBuf> for SourceSpec {
    fn from(path: PathBuf) -> Self {
        SourceKind::Path { path, format: Format::ByName }.into()
    }
}

impl From<&Path> for SourceSpec {
    fn from(path: &Path) -> Self {
        path.to_owned().into()
    }
}

/// Which samples are made of a file or a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pieces {
    /// All of it, if it is not too large.
    Whole,
    /// Consecutive windows; the last one may be short.
    Windows,
    Both,
}

/// What is made of all sources.
#[derive(Clone, Debug)]
pub struct Sampling {
    pub pieces: Pieces,
    /// Bytes of a window: a multiple of 1,024.
    pub window: usize,
    /// Files and records above that are passed over; `None`: any size.
    pub max_bytes: Option<u64>,
    /// Where records of JSONL and Parquet have their content: the first of these that is there.
    pub columns: Arc<[Arc<str>]>,
    /// Samples that are nearly the same as an earlier one are sent, too.
    pub keep_near_duplicates: bool,
    /// `.gitignore`, `.ignore` and hidden names count.
    pub respect_ignores: bool,
    /// What looks like a secret in or below these is read all the same.
    pub allowed_secrets: Vec<PathBuf>,
    /// How often sources are looked through for what is new.
    pub rescan: Duration,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            pieces: Pieces::Both,
            window: WINDOW,
            max_bytes: None,
            columns: ["content".into(), "text".into()].into(),
            keep_near_duplicates: false,
            respect_ignores: true,
            allowed_secrets: Vec::new(),
            rescan: Duration::from_secs(60),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<(String, f64), SpecError> {
        SourceSpec::parse(text, |path| path == Path::new("is=2")).map(|spec| (spec.key(), spec.weight))
    }

    #[test]
    fn a_source_is_a_path_a_format_a_stream_or_the_stack_with_a_weight() {
        for (text, key, weight) in [
            ("notes", "ByName notes", 1.0),
            ("notes=3", "ByName notes", 3.0),
            ("is=2", "ByName is=2", 1.0),
            ("a=b", "ByName a=b", 1.0),
            ("jsonl:a.txt=0.5", "Jsonl a.txt", 0.5),
            ("parquet:d/*.bin", "Parquet d/*.bin", 1.0),
            ("bytes:x.jsonl", "Bytes x.jsonl", 1.0),
            ("-", "ByName -", 1.0),
            ("jsonl:-=2", "Jsonl -", 2.0),
            ("stack-v2", "bigcode/the-stack-v2-dedup ", 1.0),
            ("stack-v2:Rust, C++=4", "bigcode/the-stack-v2-dedup Rust,C++", 4.0),
        ] {
            assert_eq!(parsed(text), Ok((key.to_owned(), weight)), "{text}");
        }
    }

    #[test]
    fn what_is_no_source_says_what_to_write() {
        assert_eq!(parsed(""), Err(SpecError::Empty));
        assert_eq!(parsed("=1"), Err(SpecError::Empty));
        assert_eq!(parsed("a=0"), Err(SpecError::Weight("0".into())));
        assert_eq!(parsed("a=-1"), Err(SpecError::Weight("-1".into())));
        assert_eq!(parsed("a=1x"), Err(SpecError::Weight("1x".into())));
        assert_eq!(parsed("jsonl:"), Err(SpecError::NoPath("jsonl")));
        assert_eq!(parsed("stack-v2:,"), Err(SpecError::NoLanguage));
    }
}
