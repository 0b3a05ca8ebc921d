//! Encrypted weights as the plain bytes that they stand for: decrypted on the way from the disk, in place, so that neither a
//! plain copy nor a second one in memory exists.

use std::{fs::File, io, path::Path};

use crate::model::{ReadAt, apply_key_stream_at};

pub(super) struct CachedWeights {
    file: File,
    size: u64,
    key: Option<[u8; 32]>,
}

impl CachedWeights {
    /// `key`: `None` reads the file as it is.
    pub fn open(path: &Path, key: Option<[u8; 32]>) -> io::Result<Self> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        Ok(Self { file, size, key })
    }
}

impl ReadAt for CachedWeights {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        read_exact_at(&self.file, buffer, offset)?;
        if let Some(key) = &self.key {
            apply_key_stream_at(key, offset, buffer);
        }
        Ok(())
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, buffer, offset)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                buffer = &mut buffer[read..];
                offset += read as u64;
            }
        }
    }
    Ok(())
}
