//! The file that a recording is written to, and how large it may become.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
};

/// Of the file, and of what is in it.
const MOST_BYTES: u64 = 256 << 20;
const MOST_TEXT: u64 = 8 << 30;
const ZSTD_LEVEL: i32 = 3;
/// Text of a frame: whoever goes back in a recording unpacks no more than this.
const FRAME: u64 = 32 << 20;

/// The file, with or without compression.
pub struct Out {
    kind: Kind,
    text: u64,
}

enum Kind {
    Plain(BufWriter<File>),
    Zstd { encoder: Box<zstd::stream::write::Encoder<'static, File>>, frame: u64 },
    Done,
}

impl Out {
    pub fn new(file: File, compressed: bool) -> io::Result<Self> {
        let kind = if compressed {
            Kind::Zstd { encoder: Box::new(zstd::stream::write::Encoder::new(file, ZSTD_LEVEL)?), frame: 0 }
        } else {
            Kind::Plain(BufWriter::new(file))
        };
        Ok(Self { kind, text: 0 })
    }

    pub fn line(&mut self, value: &serde_json::Value) -> io::Result<()> {
        let mut text = serde_json::to_vec(value)?;
        text.push(b'\n');
        self.text += text.len() as u64;
        match &mut self.kind {
            Kind::Plain(file) => file.write_all(&text),
            Kind::Zstd { encoder, frame } => {
                *frame += text.len() as u64;
                encoder.write_all(&text)?;
                if *frame < FRAME {
                    return Ok(());
                }
                let Kind::Zstd { encoder, .. } = std::mem::replace(&mut self.kind, Kind::Done) else { return Ok(()) };
                *self = Self { text: self.text, ..Self::new(encoder.finish()?, true)? };
                Ok(())
            }
            Kind::Done => Ok(()),
        }
    }

    /// Whether more may be written.
    pub fn has_room(&self) -> bool {
        let file = match &self.kind {
            Kind::Plain(_) => self.text,
            Kind::Zstd { encoder, .. } => encoder.get_ref().metadata().map_or(0, |metadata| metadata.len()),
            Kind::Done => return false,
        };
        file < MOST_BYTES && self.text < MOST_TEXT
    }

    pub fn flush(&mut self) -> io::Result<()> {
        match &mut self.kind {
            Kind::Plain(file) => file.flush(),
            Kind::Zstd { encoder, .. } => encoder.flush(),
            Kind::Done => Ok(()),
        }
    }

    pub fn finish(&mut self) -> io::Result<()> {
        match std::mem::replace(&mut self.kind, Kind::Done) {
            Kind::Plain(mut file) => file.flush(),
            Kind::Zstd { encoder, .. } => encoder.finish().map(drop),
            Kind::Done => Ok(()),
        }
    }
}
