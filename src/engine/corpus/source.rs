//! Where the bytes of a sample are, to read them again: one piece of somebody's data, or several put together.

use std::{path::Path, sync::Arc};

use serde::{Deserialize, Serialize};

/// A content: a file, or a record of something.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(in crate::engine) struct Origin {
    /// The file. Of a record that comes from the network: what it is called there.
    pub path: Arc<Path>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<Record>,
}

/// One record among several.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::engine) enum Record {
    /// A line of a JSONL file: its number from 1, where it begins in the unpacked text, and the field with the content.
    Line { number: u64, at: u64, field: Arc<str> },
    /// A row of a Parquet file from 0, and the column with the content.
    Row { row: u64, column: Arc<str> },
    /// An object of the Software Heritage archive with the encoding of its text.
    Blob { id: Arc<str>, encoding: Arc<str> },
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

impl From<Arc<Path>> for Origin {
    fn from(path: Arc<Path>) -> Self {
        Self { path, record: None }
    }
}

impl Source {
    pub fn file(path: Arc<Path>, offset: u64, len: u32, is_window: bool) -> Self {
        Piece { origin: path.into(), offset, len, is_window }.into()
    }

    /// `None`: nothing of nothing.
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

    /// Each piece in full, for a person: path, place and size.
    pub fn places(&self) -> Vec<String> {
        self.pieces.iter().map(Piece::place).collect()
    }

    /// Name of the first piece, and how many more there are.
    pub fn label(&self) -> String {
        let first = self.pieces.first().map(Piece::label).unwrap_or_default();
        match self.pieces.len() {
            0 | 1 => first,
            many => format!("{first} +{}", many - 1),
        }
    }
}

impl Origin {
    /// File name, with the record's place in it.
    pub fn label(&self) -> String {
        let name = self.path.file_name().unwrap_or(self.path.as_os_str()).to_string_lossy();
        match &self.record {
            Some(Record::Line { number, .. }) => format!("{name}:{number}"),
            Some(Record::Row { row, .. }) => format!("{name}#{row}"),
            Some(Record::Blob { .. }) | None => name.into_owned(),
        }
    }
}

impl Piece {
    /// The origin's label, with the window's offset if it is one.
    fn label(&self) -> String {
        let name = self.origin.label();
        if self.is_window { format!("{name}@{}", self.offset) } else { name }
    }

    fn place(&self) -> String {
        let path = self.origin.path.display();
        let record = match &self.origin.record {
            Some(Record::Line { number, field, .. }) => format!(" line {number} ({field})"),
            Some(Record::Row { row, column }) => format!(" row {row} ({column})"),
            Some(Record::Blob { .. }) | None => String::new(),
        };
        let from = if self.is_window { format!(" from byte {}", self.offset) } else { String::new() };
        format!("{path}{record}{from}, {} B", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_labelled_by_its_first_piece_and_survives_the_journal() {
        let path: Arc<Path> = Path::new("/d/file").into();
        let piece = |offset, len| Source::file(path.clone(), offset, len, true);
        let both = Source::composition([piece(6, 3), piece(1, 2)]).unwrap();
        assert_eq!((both.len(), both.label()), (5, "file@6 +1".to_owned()));
        assert_eq!(both.places(), ["/d/file from byte 6, 3 B", "/d/file from byte 1, 2 B"]);
        assert_eq!(Source::composition([]), None);
        let records = [
            (Record::Line { number: 3, at: 99, field: "text".into() }, "file:3@6"),
            (Record::Row { row: 7, column: "content".into() }, "file#7@6"),
            (Record::Blob { id: "00ff".into(), encoding: "UTF-8".into() }, "file@6"),
        ];
        for (record, label) in records {
            let origin = Origin { path: path.clone(), record: Some(record) };
            let source = Source::from(Piece { origin, offset: 6, len: 3, is_window: true });
            assert_eq!(source.label(), label);
            assert_eq!(serde_json::from_str::<Source>(&serde_json::to_string(&source).unwrap()).unwrap(), source);
        }
        assert_eq!(serde_json::from_str::<Source>(&serde_json::to_string(&both).unwrap()).unwrap(), both);
    }

    #[test]
    fn a_file_is_written_as_it_was_before_there_were_records() {
        let source = Source::file(Path::new("/a").into(), 1024, 10, true);
        let text = r#"[{"path":"/a","offset":1024,"len":10,"is_window":true}]"#;
        assert_eq!(serde_json::to_string(&source).unwrap(), text);
        assert_eq!(serde_json::from_str::<Source>(text).unwrap(), source);
    }
}
