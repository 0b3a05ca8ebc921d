//! An index file, read by ranges.

use std::{
    collections::VecDeque,
    io::{self, Read},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::{Bytes, BytesMut};
use parquet::{
    errors::ParquetError,
    file::reader::{ChunkReader, Length},
};
use tokio::{runtime::Handle, sync::mpsc};

use super::{
    Item, Stack,
    archive::Object,
    feed::patiently,
    hub::{HubError, IndexFile},
};
use crate::engine::corpus::records::{Cell, Rows, TableError};

/// Rows that are shuffled at once.
pub(super) const BLOCK: u64 = 10_000;
const COLUMNS: [&str; 5] = ["blob_id", "src_encoding", "repo_name", "path", "length_bytes"];
/// What is fetched at once, and how many of those are kept: columns are read beside each other.
const PART: u64 = 1 << 20;
const PARTS: usize = 16;

/// Rows of an index file, in order.
pub(super) struct Block {
    pub first: u64,
    /// Of contents that are not too large.
    pub objects: Vec<Object>,
    /// Rows of the file behind this block.
    pub left: u64,
}

/// Reads blocks from a row on until the file ends or nobody listens. Blocks.
pub(super) fn read(
    stack: Arc<Stack>,
    file: IndexFile,
    from: u64,
    told: mpsc::Sender<Item>,
    blocks: &mpsc::Sender<Block>,
    runtime: Handle,
) -> Result<(), TableError> {
    let max = stack.spec.max_bytes;
    let remote = Remote { stack, file, told, runtime, parts: Mutex::default() };
    let mut rows = Rows::open(remote, &COLUMNS)?;
    let len = rows.len();
    rows.seek(from)?;
    loop {
        let mut block = Block { first: rows.at, objects: Vec::new(), left: 0 };
        while rows.at - block.first < BLOCK {
            let batch = rows.next()?;
            if batch.is_empty() {
                break;
            }
            block.objects.extend(batch.into_iter().filter_map(object).filter(|object| object.len <= max));
        }
        if rows.at == block.first {
            return Ok(());
        }
        block.left = len.saturating_sub(rows.at);
        if blocks.blocking_send(block).is_err() {
            return Ok(());
        }
    }
}

/// A row without id or with a size below 1 is no object.
fn object(cells: Vec<Cell>) -> Option<Object> {
    let mut cells = cells.into_iter();
    let mut text = || match cells.next()? {
        Cell::Text(text) => String::from_utf8(text.into()).ok(),
        Cell::Null | Cell::Number(_) => Some(String::new()),
    };
    let (id, encoding, repository, path) = (text()?, text()?, text()?, text()?);
    let Some(Cell::Number(len)) = cells.next() else { return None };
    let len = u64::try_from(len).ok().filter(|len| *len > 0)?;
    let encoding = if encoding.is_empty() { "UTF-8".to_owned() } else { encoding };
    (!id.is_empty()).then_some(Object { id, encoding, repository, path, len })
}

/// A file on the hub, of which only what is needed is fetched.
struct Remote {
    stack: Arc<Stack>,
    file: IndexFile,
    told: mpsc::Sender<Item>,
    runtime: Handle,
    /// The newest parts, by number.
    parts: Mutex<VecDeque<(u64, Bytes)>>,
}

impl Remote {
    fn fetch(&self, start: u64, end: u64) -> Result<Bytes, ParquetError> {
        let get = || self.stack.hub.range(&self.file.path, start, end);
        let fetched = self.runtime.block_on(patiently(&self.told, &self.stack.pace, HubError::hope, get));
        fetched.unwrap_or(Err(HubError::GivenUp)).map_err(|e| ParquetError::External(Box::new(e)))
    }

    fn part(&self, number: u64) -> Result<Bytes, ParquetError> {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = parts.iter().position(|(known, _)| *known == number) {
            let part = parts.remove(at);
            parts.extend(part);
        } else {
            let start = number * PART;
            let bytes = self.fetch(start, (start + PART).min(self.file.size))?;
            if parts.len() == PARTS {
                parts.pop_front();
            }
            parts.push_back((number, bytes));
        }
        Ok(parts.back().map(|(_, bytes)| bytes.clone()).unwrap_or_default())
    }
}

impl Length for Remote {
    fn len(&self) -> u64 {
        self.file.size
    }
}

impl ChunkReader for Remote {
    type T = RemoteRead;

    fn get_read(&self, start: u64) -> Result<RemoteRead, ParquetError> {
        // Read for the header of a page, which is short.
        let number = start / PART;
        let mut bytes = self.part(number)?.slice((start % PART) as usize..);
        if bytes.len() < 4096 && (number + 1) * PART < self.file.size {
            let mut both = BytesMut::from(&bytes[..]);
            both.extend_from_slice(&self.part(number + 1)?);
            bytes = both.freeze();
        }
        Ok(RemoteRead(bytes))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let end = start.checked_add(length as u64).filter(|end| *end <= self.file.size);
        let end = end.ok_or_else(|| ParquetError::EOF("the file is shorter than it says".into()))?;
        if length as u64 > 8 * PART {
            return self.fetch(start, end);
        }
        let mut bytes = BytesMut::with_capacity(length);
        let mut at = start;
        while at < end {
            let (part, from) = (self.part(at / PART)?, (at % PART) as usize);
            let to = part.len().min(from + (end - at) as usize);
            bytes.extend_from_slice(&part[from..to]);
            at += (to - from) as u64;
        }
        Ok(bytes.freeze())
    }
}

/// The bytes of one part, or two.
struct RemoteRead(Bytes);

impl Read for RemoteRead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = buffer.len().min(self.0.len());
        buffer[..len].copy_from_slice(&self.0.split_to(len));
        Ok(len)
    }
}
