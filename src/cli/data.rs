//! The data options of `run` and `demo`.

use std::{path::PathBuf, sync::Arc};

use anyhow::Context;
use clap::{Args, ValueEnum};

use super::environment::Environment;
use crate::engine::{Pieces, Sampling, SourceKind, SourceSpec};

/// What `--help` says below the options.
pub(super) const DATA_HELP: &str = "Data:\n  \
    DIR, FILE, 'src/**/*.rs'      files as bytes; .jsonl, .ndjson (also .gz, .zst) and .parquet as records\n  \
    jsonl:PATH, parquet:PATH      records, whatever the file is called; bytes:PATH the other way round\n  \
    - (or jsonl:-)                standard input, to its end or 1 GiB, kept below --dir\n  \
    stack-v2, stack-v2:Rust,C++   The Stack v2 by HF_TOKEN, as the quickstart streams it\n  \
    …=WEIGHT                      its share against the other sources [default: 1]\n\
    Hidden and ignored files (.gitignore, .ignore) are left out, and exact and near duplicates. What looks like a secret is refused, by \
    its name, its folder or what is in it, as is what is packed and not read as records, and named in the log. Samples of earlier runs with \
    the same --dir stay in the library and may hit, whatever is named now.";

#[derive(Args)]
pub(super) struct DataArgs {
    /// How data is cut into samples.
    #[arg(long, value_enum, default_value_t = PiecesArg::Both)]
    pieces: PiecesArg,
    /// KiB of a window; a model sees one at a time, and a bond grows with every byte.
    #[arg(long, value_name = "KIB", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
    window: u8,
    /// Pass over files and records above so many bytes [default: none; The Stack v2: 5000].
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1..))]
    max_bytes: Option<u64>,
    /// The field or column of records that holds the content; repeat to try several [default: content, text].
    #[arg(long, value_name = "NAME")]
    column: Vec<String>,
    /// Also score samples that are nearly the same as an earlier one.
    #[arg(long)]
    keep_near_duplicates: bool,
    /// Also read hidden files and those that .gitignore and .ignore leave out.
    #[arg(long)]
    no_ignore: bool,
    /// Read this file, or what is below this directory, although it looks like a secret. What hits becomes public.
    #[arg(long, value_name = "PATH")]
    allow_secret: Vec<PathBuf>,
    /// Disk for contents of The Stack v2, in MiB; what is evicted is downloaded again when it hits.
    #[arg(long, value_name = "MIB", default_value_t = 1024, value_parser = clap::value_parser!(u64).range(1..=1_048_576))]
    spool: u64,
    /// A mirror of the hub with The Stack v2's index. It is shown HF_TOKEN.
    #[arg(long, value_name = "URL", hide_short_help = true)]
    hub_url: Option<String>,
    /// A mirror of the bucket with The Stack v2's contents.
    #[arg(long, value_name = "URL", hide_short_help = true)]
    content_url: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum PiecesArg {
    /// Whole, up to --max-bytes (at most 1 MiB).
    Whole,
    /// Windows only.
    Windows,
    /// Windows, and what is small (4 KiB; of The Stack v2, everything) also whole.
    Both,
}

impl DataArgs {
    pub fn sampling(&self) -> anyhow::Result<Sampling> {
        for path in &self.allow_secret {
            // A slip would allow nothing, silently.
            path.canonicalize().with_context(|| format!("--allow-secret {}", path.display()))?;
        }
        let defaults = Sampling::default();
        let columns: Arc<[Arc<str>]> = self.column.iter().map(|name| name.as_str().into()).collect();
        Ok(Sampling {
            pieces: match self.pieces {
                PiecesArg::Whole => Pieces::Whole,
                PiecesArg::Windows => Pieces::Windows,
                PiecesArg::Both => Pieces::Both,
            },
            window: usize::from(self.window) << 10,
            max_bytes: self.max_bytes,
            columns: if columns.is_empty() { defaults.columns } else { columns },
            keep_near_duplicates: self.keep_near_duplicates,
            respect_ignores: !self.no_ignore,
            allowed_secrets: self.allow_secret.clone(),
            ..defaults
        })
    }

    /// The sources with what the options and the environment say of The Stack v2.
    pub fn sources(&self, named: &[SourceSpec], environment: &Environment) -> Vec<SourceSpec> {
        let mut sources = named.to_vec();
        for source in &mut sources {
            if let SourceKind::Stack(stack) = &mut source.kind {
                stack.token = environment.hub_token();
                stack.max_bytes = self.max_bytes.unwrap_or(stack.max_bytes);
                stack.spool_bytes = self.spool << 20;
                stack.hub_url = self.hub_url.clone().unwrap_or_else(|| stack.hub_url.clone());
                stack.content_url = self.content_url.clone().unwrap_or_else(|| stack.content_url.clone());
            }
        }
        sources
    }
}
