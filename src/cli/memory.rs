//! `ui.json`: how the dashboard was left, for its next start.

use std::{
    fs, io,
    io::Write,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use crate::{app::Saved, primitives::clean, terminal::Memory};

const NAME: &str = "ui.json";
/// More is none of ours.
const MOST_BYTES: u64 = 1 << 16;

/// The file, and what was in it.
pub struct Kept {
    pub saved: Saved,
    /// `None`: the file is not ours to write.
    pub memory: Option<Box<dyn Memory>>,
    /// What is wrong with it, for a person.
    pub notice: Option<String>,
}

#[derive(Debug)]
struct UiFile(PathBuf);

/// Reads the file of a directory. One that is broken is left as it is, and not written to.
pub fn open(dir: &Path) -> Kept {
    let path = dir.join(NAME);
    let broken = |why: String| {
        let text = format!("{} is broken ({why}): the look is the usual one, and is not kept", path.display());
        Kept { saved: Saved::default(), memory: None, notice: Some(clean(&text)) }
    };
    let length = fs::metadata(&path).map(|about| about.len());
    let saved = match length.and_then(|length| if length > MOST_BYTES { Ok(None) } else { fs::read(&path).map(Some) }) {
        Ok(Some(bytes)) => match serde_json::from_slice::<Map<String, Value>>(&bytes)
            .and_then(|map| serde_json::from_value(map.into()))
        {
            Ok(saved) => saved,
            Err(error) => return broken(error.to_string()),
        },
        Ok(None) => return broken("it is too long".to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Saved::default(),
        Err(error) => return broken(error.to_string()),
    };
    Kept { saved, memory: Some(Box::new(UiFile(path))), notice: None }
}

impl Memory for UiFile {
    /// Whole or not at all: what is there is replaced when the new text is complete.
    fn keep(&mut self, saved: &Saved) -> io::Result<()> {
        let dir = self.0.parent().unwrap_or(Path::new("."));
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let mut file = tempfile::NamedTempFile::new_in(dir)?;
        file.write_all(&serde_json::to_vec_pretty(saved).map_err(io::Error::from)?)?;
        file.persist(&self.0)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_found_again_and_a_file_of_another_version_is_read_as_far_as_it_is_understood() {
        let dir = tempfile::tempdir().expect("a place");
        let mut kept = open(dir.path());
        assert_eq!((&kept.saved, kept.notice.is_none()), (&Saved::default(), true));
        let saved = Saved { targets_sort: Some("reward".to_owned()), mouse: true, ..Saved::default() };
        kept.memory.as_mut().expect("a file of ours").keep(&saved).expect("writable");
        assert_eq!(open(dir.path()).saved, saved);

        fs::write(dir.path().join(NAME), r#"{"targets_sort":"beauty","new":[1],"mouse":true}"#).expect("writable");
        assert!(open(dir.path()).saved.mouse);
    }

    #[test]
    fn a_broken_file_is_told_and_never_written_to() {
        let dir = tempfile::tempdir().expect("a place");
        for broken in ["{", "[]", r#"{"mouse":"yes"}"#] {
            fs::write(dir.path().join(NAME), broken).expect("writable");
            let kept = open(dir.path());
            assert!(kept.memory.is_none() && kept.saved == Saved::default());
            assert!(kept.notice.expect("told").contains("is broken"));
        }
    }
}
