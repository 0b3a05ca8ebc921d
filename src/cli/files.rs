//! Files that a command was asked to write: whole or not at all, and nothing of the user's is written over unless they say so.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, IsTerminal, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::Context;

use super::{Exit, output};

/// For their user alone.
const PRIVATE: u32 = 0o600;

/// Where a result goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Standard,
    File(PathBuf),
}

impl From<PathBuf> for Target {
    /// `-` is standard output.
    fn from(path: PathBuf) -> Self {
        if path.as_os_str() == "-" { Self::Standard } else { Self::File(path) }
    }
}

impl std::str::FromStr for Target {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(PathBuf::from(text).into())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standard => f.write_str("standard output"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

impl Target {
    pub fn is_standard(&self) -> bool {
        *self == Self::Standard
    }

    /// Says at once, before long work, what would be refused at its end. `is_text`: a terminal can show it.
    ///
    /// # Errors
    /// There is a file already, no directory for it, or a terminal would get bytes.
    pub fn ensure_usable(&self, force: bool, is_text: bool) -> anyhow::Result<()> {
        match self {
            Self::Standard if !is_text && io::stdout().is_terminal() => Err(Exit::BadInput
                .because("a picture is nothing for a terminal to show: send standard output to a file or a program")),
            Self::Standard => Ok(()),
            Self::File(path) => {
                let (place, about) = look(path)?;
                let parent = parent(&place);
                if !parent.is_dir() {
                    return Err(Exit::BadInput.because(format!(
                        "cannot write {}: there is no directory {}",
                        path.display(),
                        parent.display()
                    )));
                }
                if about.is_some_and(|about| about.is_file()) && !force {
                    return Err(is_there(path));
                }
                Ok(())
            }
        }
    }

    /// Writes it; gives the absolute path of a file, for a word about it.
    ///
    /// # Errors
    /// As [`Self::ensure_usable`], or it cannot be written: then what was there is as it was.
    pub fn put(&self, bytes: &[u8], force: bool) -> anyhow::Result<Option<PathBuf>> {
        let Self::File(path) = self else { return output::print(bytes).map(|()| None) };
        let cannot = || format!("cannot write {}", path.display());
        let (place, about) = look(path)?;
        match about {
            // A device or a pipe: there is nothing to replace.
            Some(about) if !about.is_file() => {
                let written = OpenOptions::new().write(true).open(&place).and_then(|mut to| to.write_all(bytes));
                written.or_else(output::unless_gone).with_context(cannot)?;
            }
            Some(_) if !force => return Err(is_there(path)),
            Some(about) => replace(&place, bytes, about.permissions().mode() & 0o7777).with_context(cannot)?,
            None => match create(&place, bytes, PRIVATE) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(is_there(path)),
                made => made.with_context(cannot)?,
            },
        }
        Ok(Some(std::path::absolute(path).with_context(cannot)?))
    }
}

fn is_there(path: &Path) -> anyhow::Error {
    Exit::BadInput.because(format!("{} is there: --force writes over it", path.display()))
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The file behind a name, through links, and what it is; `None`: there is none yet.
fn look(path: &Path) -> anyhow::Result<(PathBuf, Option<fs::Metadata>)> {
    let place = behind(path)?;
    match fs::metadata(&place) {
        Ok(about) if about.is_dir() => {
            Err(Exit::BadInput.because(format!("{} is a directory: name a file in it", path.display())))
        }
        Ok(about) => Ok((place, Some(about))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok((place, None)),
        Err(error) => Err(error).with_context(|| format!("cannot write {}", path.display())),
    }
}

/// What a name means: of a link what it leads to, so that writing does not put a file into the link's place.
///
/// # Errors
/// The link leads nowhere.
pub fn behind(path: &Path) -> anyhow::Result<PathBuf> {
    match fs::symlink_metadata(path) {
        Ok(about) if about.is_symlink() => fs::canonicalize(path).map_err(|error| {
            let to = fs::read_link(path).unwrap_or_default();
            Exit::BadInput.because(format!(
                "{} is a link to {}, which cannot be reached ({error}): make that file, or remove the link",
                path.display(),
                to.display()
            ))
        }),
        _ => Ok(path.to_owned()),
    }
}

/// A new file, complete when it gets its name.
///
/// # Errors
/// There is one of this name, or it cannot be written.
pub fn create(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let file = beside(path, bytes, mode)?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    File::open(parent(path))?.sync_all()
}

/// The whole file instead of what was there, which stays until the new one is complete.
///
/// # Errors
/// It cannot be written.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let file = beside(path, bytes, mode)?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(parent(path))?.sync_all()
}

/// Writes to the first of `name`, `name-2`, `name-3` … that is free, for its user alone; gives the one.
///
/// # Errors
/// It cannot be written, or there are too many.
pub fn create_numbered(path: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
    const MOST: usize = 1000;
    let mut place = path.to_owned();
    for number in 2..MOST {
        match create(&place, bytes, PRIVATE) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let mut name = path.as_os_str().to_owned();
                name.push(format!("-{number}"));
                place = name.into();
            }
            made => return made.map(|()| place),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "there are too many of this name"))
}

fn beside(path: &Path, bytes: &[u8], mode: u32) -> io::Result<tempfile::NamedTempFile> {
    let mut file =
        tempfile::Builder::new().permissions(PermissionsExt::from_mode(PRIVATE)).tempfile_in(parent(path))?;
    file.write_all(bytes)?;
    if mode != PRIVATE {
        file.as_file().set_permissions(PermissionsExt::from_mode(mode))?;
    }
    file.as_file().sync_all()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("it is there").permissions().mode() & 0o777
    }

    #[test]
    fn nothing_is_written_over_unless_it_is_said_and_then_whole_with_its_mode() {
        let dir = tempfile::tempdir().expect("a place");
        let path = dir.path().join("rewards.csv");
        let target = Target::from(path.clone());
        target.ensure_usable(false, true).expect("free");
        assert_eq!(target.put(b"first", false).expect("written"), Some(path.clone()));
        assert_eq!(mode(&path), 0o600);
        let refused = target.ensure_usable(false, true).expect_err("it is there").to_string();
        assert!(refused.contains("--force"), "{refused}");
        assert!(target.put(b"second", false).is_err());
        assert_eq!(fs::read(&path).expect("readable"), b"first");
        fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).expect("ours");
        target.put(b"second", true).expect("written over");
        assert_eq!((fs::read(&path).expect("readable"), mode(&path)), (b"second".to_vec(), 0o644));
        assert_eq!(fs::read_dir(dir.path()).expect("readable").count(), 1, "nothing else is left");
    }

    #[test]
    fn a_link_is_written_through_and_one_that_leads_nowhere_is_told() {
        let dir = tempfile::tempdir().expect("a place");
        let (real, link) = (dir.path().join("real.svg"), dir.path().join("link.svg"));
        fs::write(&real, "old").expect("writable");
        symlink(&real, &link).expect("a link");
        Target::from(link.clone()).put(b"new", true).expect("written");
        assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
        assert_eq!(fs::read(&real).expect("readable"), b"new");
        fs::remove_file(&real).expect("ours");
        let error = Target::from(link).put(b"new", true).expect_err("nowhere").to_string();
        assert!(error.contains("real.svg") && error.contains("remove the link"), "{error}");
    }

    #[test]
    fn devices_take_it_and_directories_and_missing_places_are_told() {
        Target::from(PathBuf::from("/dev/null")).put(b"x", false).expect("it takes everything");
        let dir = tempfile::tempdir().expect("a place");
        for (path, said) in
            [(dir.path().to_owned(), "is a directory"), (dir.path().join("no/file"), "there is no directory")]
        {
            let error = Target::from(path).ensure_usable(true, true).expect_err("it cannot be").to_string();
            assert!(error.contains(said), "{error}");
        }
        assert!(Target::from(PathBuf::from("-")).is_standard());
    }

    #[test]
    fn the_first_free_name_is_taken() {
        let dir = tempfile::tempdir().expect("a place");
        let path = dir.path().join("config.toml.new");
        let names: Vec<PathBuf> = (0..3).map(|n| create_numbered(&path, &[n]).expect("written")).collect();
        assert_eq!(names[0], path);
        assert!(names[2].ends_with("config.toml.new-3"));
        assert_eq!(fs::read(&path).expect("readable"), [0]);
    }
}
