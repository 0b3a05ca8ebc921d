//! Which files a path stands for: a directory, a file or a glob.

use std::{
    fs::{File, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use globset::{GlobBuilder, GlobMatcher};
use ignore::WalkBuilder;

use super::{
    Format, Sampling, Shelf,
    cut::Rule,
    files::ListedFile,
    flow::{self, Report, Why},
    records::{self, RecordFile},
    secrets,
};

/// What there is to read, sorted by path.
#[derive(Default)]
pub(super) struct Listing {
    pub files: Vec<ListedFile>,
    pub records: Vec<RecordFile>,
}

/// A directory or file, and which of the files below it are meant.
struct Root {
    path: PathBuf,
    glob: Option<GlobMatcher>,
}

fn is_glob(path: &Path) -> bool {
    path.to_str().is_some_and(|text| text.contains(['*', '?', '[', '{']))
}

/// What exists by its name is meant by it; else it may be a glob.
fn root(path: &Path) -> io::Result<Root> {
    let error = match path.canonicalize() {
        Ok(path) => return Ok(Root { path, glob: None }),
        Err(error) if !is_glob(path) => return Err(error),
        Err(error) => error,
    };
    let literal = |part: &Component<'_>| !is_glob(Path::new(part.as_os_str()));
    let base: PathBuf = path.components().take_while(literal).collect();
    let pattern: PathBuf = path.components().skip_while(literal).collect();
    let base = if base.as_os_str().is_empty() { Path::new(".") } else { &base };
    let (base, pattern) = (base.canonicalize()?, pattern.to_str().ok_or(error)?.to_owned());
    let glob = GlobBuilder::new(&pattern).literal_separator(true).build();
    let glob = glob.map_err(|e| io::Error::new(io::ErrorKind::InvalidInput, e))?;
    Ok(Root { path: base, glob: Some(glob.compile_matcher()) })
}

/// Whether there is something to read at all, so that a wrong path is told before anything starts.
pub(super) fn check(path: &Path) -> io::Result<()> {
    let root = root(path)?;
    if root.path.metadata()?.is_dir() {
        std::fs::read_dir(&root.path).map(drop)
    } else {
        File::open(&root.path).map(drop)
    }
}

impl Listing {
    /// Walks a path. What cannot be read below it is counted and named, and the rest goes on. `own` (the engine's state) is left out.
    pub fn of(
        path: &Path,
        format: Format,
        sampling: &Sampling,
        rule: &Rule,
        own: &Path,
        shelf: &Shelf,
        report: &mut Report,
    ) -> Self {
        let mut listing = Self::default();
        let root = match root(path) {
            Ok(root) => root,
            Err(error) => {
                report.leave_out(Why::Unreadable, || format!("{}: {error}", path.display()));
                return listing;
            }
        };
        // What is named leads into such a folder, or is one.
        if root.path.ancestors().any(secrets::is_secret_folder) && !shelf.allows(&root.path) {
            let name = root.path.display().to_string();
            report.leave_out(Why::Refused, || flow::refusal(&name, "a folder of secrets, or is in one,"));
            return listing;
        }
        let own = own.canonicalize().ok();
        let hides = sampling.respect_ignores;
        let mut walk = WalkBuilder::new(&root.path);
        walk.standard_filters(false)
            .ignore(hides)
            .git_ignore(hides)
            .git_exclude(hides)
            .parents(hides)
            .require_git(false)
            // A link may lead round in a circle, or out of what was meant.
            .follow_links(false)
            .sort_by_file_name(Ord::cmp);
        let (shelf_of_walk, own_of_walk) = (shelf.clone(), own.clone());
        // Folders that are refused are not entered, and told below.
        let refused: Arc<std::sync::Mutex<Vec<PathBuf>>> = Arc::default();
        let told = refused.clone();
        walk.filter_entry(move |entry| {
            if entry.depth() == 0 || !entry.file_type().is_some_and(|kind| kind.is_dir()) {
                return true;
            }
            if own_of_walk.as_deref() == Some(entry.path()) {
                return false;
            }
            if secrets::is_secret_folder(entry.path()) && !shelf_of_walk.allows(entry.path()) {
                told.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(entry.path().to_owned());
                return false;
            }
            !(hides && is_hidden(entry.path()))
        });
        for entry in walk.build() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    report.leave_out(Why::Unreadable, || error.to_string());
                    continue;
                }
            };
            let (path, is_root) = (entry.path(), entry.depth() == 0);
            if let Some(glob) = &root.glob
                && !glob.is_match(path.strip_prefix(&root.path).unwrap_or(path))
            {
                continue;
            }
            let about = match entry.metadata() {
                Ok(about) => about,
                Err(error) => {
                    report.leave_out(Why::Unreadable, || error.to_string());
                    continue;
                }
            };
            if about.is_dir() {
                continue;
            }
            let name = || path.display().to_string();
            if !about.is_file() {
                report.leave_out(Why::Special, || format!("{}: is a link or a device and is not read", name()));
            } else if path.to_str().is_none() {
                report.leave_out(Why::Special, || format!("{}: its name is no UTF-8 text; rename it", name()));
            } else if flow::is_refused_by_name(path, shelf) {
                report.leave_out(Why::Refused, || flow::refusal(&name(), "a secret by its name"));
            } else if is_root || !(hides && is_hidden(path)) {
                let format = match format {
                    Format::ByName if is_root => records::format_of(path).unwrap_or(Format::Bytes),
                    Format::ByName => records::format_of_found(path, &sampling.columns).unwrap_or(Format::Bytes),
                    given => given,
                };
                listing.add(path, &about, format, rule, report);
            }
        }
        for folder in refused.lock().unwrap_or_else(std::sync::PoisonError::into_inner).iter() {
            let name = folder.display().to_string();
            report.leave_out(Why::Refused, || flow::refusal(&name, "a folder of secrets"));
        }
        listing
    }

    fn add(&mut self, path: &Path, about: &Metadata, format: Format, rule: &Rule, report: &mut Report) {
        let (len, modified) = (about.len(), (about.mtime(), about.mtime_nsec()));
        if len == 0 {
            report.leave_out(Why::Empty, || format!("{}: is empty", path.display()));
            return;
        }
        if format != Format::Bytes {
            self.records.push(RecordFile::new(path.into(), format, len, modified));
        } else if rule.count(len) == 0 {
            report.leave_out(Why::Large, || format!("{}: its {len} bytes are more than the limit", path.display()));
        } else {
            self.files.push(ListedFile { path: path.into(), len, modified });
        }
    }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt};

    use super::*;

    fn write(dir: &Path, name: &str, bytes: &[u8]) {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn list(path: &Path, sampling: &Sampling) -> (Vec<String>, Report) {
        let mut report = Report::default();
        let (rule, shelf) = (Rule::of(sampling), Shelf::open(Path::new("/nowhere"), &[], sampling));
        let own = Path::new("/nowhere");
        let listing = Listing::of(path, Format::ByName, sampling, &rule, own, &shelf, &mut report);
        let paths = listing.files.iter().map(|file| &file.path).chain(listing.records.iter().map(|file| &file.path));
        (paths.map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect(), report)
    }

    #[test]
    fn ignored_and_hidden_files_are_left_out_unless_they_are_wanted() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a.txt", "target/b.txt", "c.log", ".hidden", "sub/d.txt", ".cache/e.txt", "sub/f.tmp"] {
            write(dir.path(), name, b"data");
        }
        write(dir.path(), ".gitignore", b"target/\n*.log\n");
        write(dir.path(), "sub/.ignore", b"*.tmp\n");
        assert_eq!(list(dir.path(), &Sampling::default()).0, ["a.txt", "d.txt"]);
        let all = list(dir.path(), &Sampling { respect_ignores: false, ..Sampling::default() }).0;
        assert_eq!(all.len(), 9, "{all:?}");
    }

    #[test]
    fn a_glob_matches_below_its_literal_part_and_names_what_exists_first() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a.rs", "b.txt", "x/c.rs", "x/y/d.rs", "odd[1].rs"] {
            write(dir.path(), name, b"data");
        }
        let found = |pattern: &str| list(&dir.path().join(pattern), &Sampling::default()).0;
        assert_eq!(found("*.rs"), ["a.rs", "odd[1].rs"]);
        assert_eq!(found("**/*.rs"), ["a.rs", "odd[1].rs", "c.rs", "d.rs"]);
        assert_eq!(found("x/{c,y/d}.rs"), ["c.rs", "d.rs"]);
        assert_eq!(found("odd[1].rs"), ["odd[1].rs"]);
        assert!(check(&dir.path().join("nothing/*.rs")).is_err() && check(&dir.path().join("*.none")).is_ok());
    }

    #[test]
    fn what_cannot_be_data_is_named_and_the_rest_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "empty", b"");
        write(dir.path(), ".env", b"KEY=1");
        write(dir.path(), "good", b"data");
        write(dir.path(), "large", &[1; 5000]);
        write(dir.path(), ".ssh/config", b"Host *");
        fs::write(dir.path().join(OsStr::from_bytes(b"bad\xff")), b"data").unwrap();
        std::os::unix::fs::symlink(dir.path(), dir.path().join("loop")).unwrap();
        let (found, report) = list(dir.path(), &Sampling { max_bytes: Some(4000), ..Sampling::default() });
        assert_eq!(found, ["good"]);
        let skipped = report.skipped;
        assert_eq!((skipped.empty, skipped.refused, skipped.special, skipped.large), (1, 2, 2, 1));
        let told = report.notices.join("\n");
        for part in [
            "empty: is empty",
            ".env: looks like a secret by its name",
            ".ssh: looks like a folder of secrets",
            "no UTF-8",
            "loop: is a link",
            "5000 bytes",
        ] {
            assert!(told.contains(part), "{part} is not in\n{told}");
        }
        let allowed =
            Sampling { allowed_secrets: vec![dir.path().join(".env")], respect_ignores: false, ..Sampling::default() };
        assert!(list(dir.path(), &allowed).0.contains(&".env".to_owned()));
    }

    #[test]
    fn a_folder_of_secrets_is_refused_when_it_is_named_itself() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), ".kube/config", b"clusters: []");
        write(dir.path(), ".docker/certs/notes.txt", b"data");
        std::os::unix::fs::symlink(dir.path().join(".kube"), dir.path().join("innocent")).unwrap();
        for name in [".kube", ".kube/config", ".kube/*", ".docker/certs", "innocent"] {
            let path = dir.path().join(name);
            let (found, report) = list(&path, &Sampling::default());
            assert_eq!((found.len(), report.skipped.refused), (0, 1), "{name}");
            assert!(report.notices[0].contains("a folder of secrets"), "{:?}", report.notices);
            let allowed_secrets = vec![dir.path().join(name.trim_end_matches("/*"))];
            assert_eq!(list(&path, &Sampling { allowed_secrets, ..Sampling::default() }).0.len(), 1, "{name}");
        }
    }

    #[test]
    fn the_engines_own_state_is_no_data() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "state/journal.sqlite", &[9; 10]);
        write(dir.path(), "good", b"data");
        let (sampling, mut report) = (Sampling::default(), Report::default());
        let own = dir.path().join("state");
        let rule = Rule::of(&sampling);
        let listing = Listing::of(dir.path(), Format::ByName, &sampling, &rule, &own, &Shelf::default(), &mut report);
        assert_eq!(listing.files.len(), 1);
    }

    #[test]
    fn records_are_told_by_their_names_or_by_what_is_said() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a.jsonl", "b.ndjson.gz", "c.parquet", "d.txt", "e.gz"] {
            write(dir.path(), name, b"data");
        }
        let (sampling, own, shelf) = (Sampling::default(), Path::new("/nowhere"), Shelf::default());
        let rule = Rule::of(&sampling);
        let count = |format| {
            let listing = Listing::of(dir.path(), format, &sampling, &rule, own, &shelf, &mut Report::default());
            (listing.files.len(), listing.records.len())
        };
        assert_eq!(count(Format::ByName), (2, 3));
        // Nobody has said that this is a corpus, and it has no content: its bytes are data.
        write(dir.path(), "a.jsonl", b"{\"id\": 1}\n");
        assert_eq!(count(Format::ByName), (3, 2));
        write(dir.path(), "a.jsonl", b"{\"id\": 1, \"text\": \"x\"}\n");
        assert_eq!(count(Format::ByName), (2, 3));
        assert_eq!(count(Format::Bytes), (5, 0));
        assert_eq!(count(Format::Jsonl), (0, 5));
    }
}
