//! Where the bytes of a sample are, to read them again: one piece of somebody's data, or several put together.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
    sync::Arc,
};

use serde::{Deserialize, Serialize};

/// A file.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(in crate::engine) struct Origin {
    pub path: Arc<Path>,
}

/// Consecutive bytes of one origin.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(in crate::engine) struct Piece {
    #[serde(flatten)]
    pub origin: Origin,
    /// In the origin's content.
    pub offset: u64,
    pub len: u32,
    /// A part of something larger.
    pub is_window: bool,
}

/// One piece, or a composition: pieces whose bytes follow each other.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(in crate::engine) struct Source {
    pieces: Arc<[Piece]>,
}

impl From<Piece> for Source {
    fn from(piece: Piece) -> Self {
        Self { pieces: [piece].into() }
    }
}

impl Source {
    pub fn file(path: Arc<Path>, offset: u64, len: u32, is_window: bool) -> Self {
        Piece { origin: Origin { path }, offset, len, is_window }.into()
    }

    /// `None`: nothing of nothing.
    #[cfg_attr(not(test), expect(dead_code, reason = "the composer"))]
    pub fn composition(parts: impl IntoIterator<Item = Source>) -> Option<Self> {
        let pieces: Arc<[Piece]> = parts.into_iter().flat_map(|part| part.pieces.to_vec()).collect();
        (!pieces.is_empty()).then_some(Self { pieces })
    }

    /// At least one.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Bytes of all pieces.
    pub fn len(&self) -> u32 {
        self.pieces.iter().fold(0, |sum, piece| sum.saturating_add(piece.len))
    }

    /// Name of the first piece, and how many more there are.
    pub fn label(&self) -> String {
        let first = self.pieces.first().map(Piece::label).unwrap_or_default();
        match self.pieces.len() {
            0 | 1 => first,
            many => format!("{first} +{}", many - 1),
        }
    }

    pub fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(self.len() as usize);
        for piece in &*self.pieces {
            piece.read_to(&mut bytes)?;
        }
        Ok(bytes)
    }
}

impl Piece {
    /// File name, with the window's offset if it is one.
    fn label(&self) -> String {
        let path = &self.origin.path;
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        if self.is_window { format!("{name}@{}", self.offset) } else { name.into_owned() }
    }

    fn read_to(&self, bytes: &mut Vec<u8>) -> io::Result<()> {
        let from = bytes.len();
        bytes.resize(from + self.len as usize, 0);
        let mut file = File::open(&self.origin.path)?;
        file.seek(SeekFrom::Start(self.offset))?;
        file.read_exact(&mut bytes[from..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_composition_reads_its_pieces_in_order_and_names_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let path: Arc<Path> = dir.path().join("file").into();
        std::fs::write(&path, b"0123456789").unwrap();
        let piece = |offset, len| Source::file(path.clone(), offset, len, true);
        let both = Source::composition([piece(6, 3), piece(1, 2)]).unwrap();
        assert_eq!(both.read().unwrap(), b"67812");
        assert_eq!((both.len(), both.label()), (5, "file@6 +1".to_owned()));
        assert_eq!(Source::composition([]), None);
        assert_eq!(serde_json::from_str::<Source>(&serde_json::to_string(&both).unwrap()).unwrap(), both);
    }
}
