//! The demo corpus, which is part of the binary.

use std::{fs, io, path::Path};

use include_dir::{Dir, File, include_dir};

static CORPUS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/assets/corpus");

/// Writes the corpus below `root`; files that are there stay as they are.
pub fn write(root: &Path) -> io::Result<()> {
    fs::create_dir_all(root)?;
    CORPUS.extract(root)
}

/// Each kind of bytes with its files: there is one specialist for each.
pub fn kinds() -> impl Iterator<Item = (String, Vec<&'static [u8]>)> {
    CORPUS.dirs().map(|dir| {
        let name = dir.path().file_name().map_or_else(|| "all".to_owned(), |n| n.to_string_lossy().into_owned());
        (name, dir.files().map(File::contents).collect())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_corpus_has_several_kinds_of_a_few_hundred_kilobytes() {
        let kinds: Vec<_> = kinds().collect();
        assert!(kinds.len() >= 3, "the network assigns three models to a target");
        let bytes: usize = kinds.iter().flat_map(|(_, files)| files).map(|file| file.len()).sum();
        assert!((200_000..800_000).contains(&bytes), "{bytes} bytes");
    }

    #[test]
    fn the_corpus_is_written_below_its_root() -> io::Result<()> {
        let dir = tempfile::tempdir()?;
        write(dir.path())?;
        assert!(dir.path().join("prose/moby-dick-01.txt").metadata()?.len() > 1000);
        write(dir.path())
    }
}
