//! Parquet: columns by name, row groups one after the other, a page of each column in memory.

use std::{fs::File, io, path::Path, sync::Arc};

use bytes::Bytes;
use parquet::{
    basic::Type,
    column::reader::ColumnReader,
    data_type::ByteArray,
    errors::ParquetError,
    file::{
        reader::{ChunkReader, FileReader},
        serialized_reader::SerializedFileReader,
    },
};

use crate::primitives::clean;

/// Rows that are decoded at once.
const BATCH: usize = 64;

#[derive(Debug, thiserror::Error)]
pub(in crate::engine::corpus) enum TableError {
    #[error("it has no column {wanted}; it has {found}")]
    NoColumn { wanted: String, found: String },
    #[error("its column `{0}` holds no text")]
    NotText(String),
    #[error("it is no sound Parquet file: {0}")]
    Damaged(String),
    #[error("row {0} is not there")]
    NoRow(u64),
    /// Of what the bytes come from.
    #[error(transparent)]
    Read(Box<dyn std::error::Error + Send + Sync>),
}

impl From<ParquetError> for TableError {
    fn from(error: ParquetError) -> Self {
        match error {
            ParquetError::External(cause) => Self::Read(cause),
            other => Self::Damaged(clean(&other.to_string())),
        }
    }
}

/// One value of a row.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::engine::corpus) enum Cell {
    Null,
    Text(Bytes),
    Number(i64),
}

/// Rows of some columns of a file, in order.
pub(in crate::engine::corpus) struct Rows<R: ChunkReader + 'static> {
    file: SerializedFileReader<R>,
    /// Index and highest definition level.
    columns: Vec<(usize, i16)>,
    /// The row that comes next.
    pub at: u64,
    /// The row group at work: its columns' readers and how many of its rows are left.
    open: Option<(Vec<ColumnReader>, u64)>,
    group: usize,
}

impl<R: ChunkReader + 'static> Rows<R> {
    pub fn open(bytes: R, columns: &[&str]) -> Result<Self, TableError> {
        let file = guarded(|| SerializedFileReader::new(bytes))?;
        let mut rows = Self { file, columns: Vec::new(), at: 0, open: None, group: 0 };
        rows.columns = columns.iter().map(|name| rows.column(&[name])).collect::<Result<_, _>>()?;
        Ok(rows)
    }

    /// The first of these columns that is there.
    pub fn open_any(bytes: R, columns: &[Arc<str>]) -> Result<(Self, Arc<str>), TableError> {
        let mut rows = Self::open(bytes, &[])?;
        let names: Vec<&str> = columns.iter().map(|name| &**name).collect();
        let column = rows.column(&names)?;
        rows.columns = vec![column];
        let name = rows.schema().column(column.0).path().string().into();
        Ok((rows, name))
    }

    fn schema(&self) -> &parquet::schema::types::SchemaDescriptor {
        self.file.metadata().file_metadata().schema_descr()
    }

    fn column(&self, names: &[&str]) -> Result<(usize, i16), TableError> {
        let columns = self.schema().columns();
        let found = names.iter().find_map(|name| columns.iter().position(|column| column.path().string() == *name));
        let Some(index) = found else {
            let found: Vec<String> = columns.iter().take(40).map(|column| column.path().string()).collect();
            let wanted = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" nor ");
            return Err(TableError::NoColumn { wanted: clean(&wanted), found: clean(&found.join(", ")) });
        };
        let column = &columns[index];
        let is_simple = column.max_rep_level() == 0;
        match column.physical_type() {
            Type::BYTE_ARRAY | Type::INT32 | Type::INT64 if is_simple => Ok((index, column.max_def_level())),
            _ => Err(TableError::NotText(clean(&column.path().string()))),
        }
    }

    pub fn len(&self) -> u64 {
        let groups = self.file.metadata().row_groups();
        groups.iter().map(|group| u64::try_from(group.num_rows()).unwrap_or(0)).sum()
    }

    /// Goes to a row; beyond the last one there is nothing to read.
    pub fn seek(&mut self, row: u64) -> Result<(), TableError> {
        (self.open, self.group, self.at) = (None, 0, row);
        let mut before = row;
        while let Some(rows) = self.group_len(self.group) {
            if before < rows {
                let (mut readers, left) = self.open_group(self.group)?;
                for reader in &mut readers {
                    guarded(|| skip(reader, before as usize))?;
                }
                self.open = Some((readers, left - before));
                self.group += 1;
                return Ok(());
            }
            before -= rows;
            self.group += 1;
        }
        Ok(())
    }

    fn group_len(&self, group: usize) -> Option<u64> {
        let groups = self.file.metadata().row_groups();
        Some(u64::try_from(groups.get(group)?.num_rows()).unwrap_or(0))
    }

    fn open_group(&self, group: usize) -> Result<(Vec<ColumnReader>, u64), TableError> {
        let readers = guarded(|| {
            let reader = self.file.get_row_group(group)?;
            self.columns.iter().map(|(column, _)| reader.get_column_reader(*column)).collect::<Result<Vec<_>, _>>()
        })?;
        Ok((readers, self.group_len(group).unwrap_or(0)))
    }

    /// The next rows, column by column in the order asked for; none at the end.
    pub fn next(&mut self) -> Result<Vec<Vec<Cell>>, TableError> {
        loop {
            if let Some((readers, left)) = &mut self.open
                && *left > 0
            {
                let wanted = (*left).min(BATCH as u64) as usize;
                let columns: Vec<Vec<Cell>> = readers
                    .iter_mut()
                    .zip(&self.columns)
                    .map(|(reader, (_, max))| guarded(|| cells(reader, *max, wanted)))
                    .collect::<Result<_, _>>()?;
                if columns.iter().any(|column| column.len() != wanted) {
                    return Err(TableError::Damaged("a column ends before its row group".into()));
                }
                *left -= wanted as u64;
                self.at += wanted as u64;
                let mut columns: Vec<_> = columns.into_iter().map(Vec::into_iter).collect();
                let row = |_| columns.iter_mut().map(|column| column.next().unwrap_or(Cell::Null)).collect();
                return Ok((0..wanted).map(row).collect());
            }
            if self.group >= self.file.num_row_groups() {
                return Ok(Vec::new());
            }
            self.open = Some(self.open_group(self.group)?);
            self.group += 1;
        }
    }
}

fn skip(reader: &mut ColumnReader, rows: usize) -> Result<(), ParquetError> {
    let skipped = match reader {
        ColumnReader::ByteArrayColumnReader(reader) => reader.skip_records(rows)?,
        ColumnReader::Int32ColumnReader(reader) => reader.skip_records(rows)?,
        ColumnReader::Int64ColumnReader(reader) => reader.skip_records(rows)?,
        _ => 0,
    };
    if skipped == rows { Ok(()) } else { Err(ParquetError::EOF("a column ends before its row group".into())) }
}

/// Exactly so many rows of a column, or fewer at its end. `max`: the definition level of a value that is there.
fn cells(reader: &mut ColumnReader, max: i16, rows: usize) -> Result<Vec<Cell>, ParquetError> {
    /// Values without their nulls, and a level for each row where the column may be null.
    fn spread<T>(levels: &[i16], max: i16, values: Vec<T>, cell: fn(T) -> Cell) -> Vec<Cell> {
        if max == 0 {
            return values.into_iter().map(cell).collect();
        }
        let mut values = values.into_iter();
        let value = |level: &i16| if *level == max { values.next().map_or(Cell::Null, cell) } else { Cell::Null };
        levels.iter().map(value).collect()
    }
    macro_rules! read {
        ($reader:expr, $type:ty, $cell:expr) => {{
            let (mut levels, mut values) = (Vec::<i16>::new(), Vec::<$type>::new());
            $reader.read_records(rows, Some(&mut levels), None, &mut values)?;
            spread(&levels, max, values, $cell)
        }};
    }
    Ok(match reader {
        ColumnReader::ByteArrayColumnReader(reader) => {
            read!(reader, ByteArray, |value: ByteArray| Cell::Text(Bytes::copy_from_slice(value.data())))
        }
        ColumnReader::Int32ColumnReader(reader) => read!(reader, i32, |value: i32| Cell::Number(value.into())),
        ColumnReader::Int64ColumnReader(reader) => read!(reader, i64, Cell::Number),
        _ => Vec::new(),
    })
}

/// A damaged file must not end the thread: decoders of strangers' bytes may panic.
fn guarded<T>(work: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, TableError> {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)) {
        Ok(result) => Ok(result?),
        Err(_) => Err(TableError::Damaged("its decoder gave up".into())),
    }
}

/// A record's content again.
pub(super) fn read(path: &Path, row: u64, column: &str) -> io::Result<Vec<u8>> {
    let read = || {
        let file = File::open(path).map_err(|e| TableError::Read(e.into()))?;
        let mut rows = Rows::open(file, &[column])?;
        rows.seek(row)?;
        match rows.next()?.into_iter().next().and_then(|cells| cells.into_iter().next()) {
            Some(Cell::Text(text)) => Ok(text.to_vec()),
            _ => Err(TableError::NoRow(row)),
        }
    };
    read().map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
}
