//! The lines of a recording's file, from any place in it on, without having more of it in memory than one.

use std::{
    fmt,
    fs::File,
    io::{self, BufRead, BufReader, Read},
    os::unix::fs::FileExt,
    path::Path,
    sync::Arc,
};

/// The first bytes of a zstd file.
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// The decoder's window: what the writer's level needs, and some.
const WINDOW_LOG: u32 = 27;
const LONGEST_LINE: u64 = 256 << 20;

/// A line of the file.
pub enum Line<'a> {
    Whole(&'a [u8]),
    /// The file ends within it.
    Cut,
    /// It cannot be read, and neither can what is behind it.
    Broken(String),
    End,
}

/// The text of a file, compressed or not. Places are bytes of the text.
pub struct Text {
    file: Arc<File>,
    /// Where frames of a compressed file begin, in the text and in the file; the first and those that were met.
    frames: Option<Vec<(u64, u64)>>,
    from: BufReader<Source>,
    /// Where the next line begins.
    at: u64,
    buffer: Vec<u8>,
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Text").field("at", &self.at).finish_non_exhaustive()
    }
}

impl Text {
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is no file: a recording is gone back in, so save it as one"));
        }
        let file = Arc::new(file);
        let mut start = Vec::new();
        At::new(&file, 0).take(ZSTD.len() as u64).read_to_end(&mut start)?;
        let frames = (start == ZSTD).then(|| vec![(0, 0)]);
        let from = BufReader::new(Source::open(&file, frames.is_some(), 0)?);
        Ok(Self { file, frames, from, at: 0, buffer: Vec::new() })
    }

    /// Where the next line begins.
    pub fn at(&self) -> u64 {
        self.at
    }

    pub fn line(&mut self) -> Line<'_> {
        self.buffer.clear();
        let mut read = (&mut self.from).take(LONGEST_LINE).read_until(b'\n', &mut self.buffer);
        // What was read of it counts nevertheless.
        self.at += self.buffer.len() as u64;
        if let (Some(frames), Source::Zstd { met, .. }) = (&mut self.frames, self.from.get_mut()) {
            // The frame's first bytes may be in the buffer already, but a line never ends before a frame that it begins in.
            let last = frames.last().map_or(0, |(_, in_file)| *in_file);
            frames.extend(met.drain(..).filter(|(_, in_file)| *in_file > last));
        }
        if let Ok(length) = read
            && length as u64 >= LONGEST_LINE
            && !self.buffer.ends_with(b"\n")
        {
            read = Err(io::Error::other("it is too long"));
        }
        match read {
            Ok(0) => Line::End,
            Ok(_) if self.buffer.ends_with(b"\n") => Line::Whole(&self.buffer),
            Ok(_) => Line::Cut,
            // A compressed file that was not closed.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Line::Cut,
            Err(error) => Line::Broken(error.to_string()),
        }
    }

    /// To where a line begins.
    pub fn seek(&mut self, to: u64) -> io::Result<()> {
        if to == self.at {
            return Ok(());
        }
        let known = |frames: &Vec<(u64, u64)>| frames.iter().rev().find(|(in_text, _)| *in_text <= to).copied();
        let (in_text, in_file) = match &self.frames {
            Some(frames) => known(frames).unwrap_or_default(),
            None => (to, to),
        };
        // On, rather than back to the beginning of the frame.
        if !(in_text..to).contains(&self.at) {
            let mut source = Source::open(&self.file, self.frames.is_some(), in_file)?;
            if let Source::Zstd { in_text: at, .. } = &mut source {
                *at = in_text;
            }
            (self.from, self.at) = (BufReader::new(source), in_text);
        }
        let skipped = io::copy(&mut (&mut self.from).take(to - self.at), &mut io::sink())?;
        self.at += skipped;
        if self.at == to { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }
}

/// Where the bytes of the text come from.
enum Source {
    Plain(At),
    Zstd {
        /// `None`: the file has ended, or is broken.
        decoder: Option<Box<zstd::stream::read::Decoder<'static, BufReader<At>>>>,
        /// Bytes of the text so far.
        in_text: u64,
        /// Frames that began since this was looked at.
        met: Vec<(u64, u64)>,
    },
}

impl Source {
    fn open(file: &Arc<File>, compressed: bool, at: u64) -> io::Result<Self> {
        let from = At::new(file, at);
        Ok(match compressed {
            true => Self::Zstd { decoder: Some(frame(BufReader::new(from))?), in_text: 0, met: Vec::new() },
            false => Self::Plain(from),
        })
    }
}

/// One frame only: where the next one begins is a place to come back to.
fn frame(from: BufReader<At>) -> io::Result<Box<zstd::stream::read::Decoder<'static, BufReader<At>>>> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(from)?.single_frame();
    decoder.window_log_max(WINDOW_LOG)?;
    Ok(Box::new(decoder))
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (decoder, in_text, met) = match self {
            Self::Plain(file) => return file.read(buffer),
            Self::Zstd { decoder, in_text, met } => (decoder, in_text, met),
        };
        if buffer.is_empty() {
            return Ok(0);
        }
        while let Some(now) = decoder {
            let length = now.read(buffer)?;
            if length > 0 {
                *in_text += length as u64;
                return Ok(length);
            }
            let Some(mut rest) = decoder.take().map(|ended| ended.finish()) else { break };
            if rest.fill_buf()?.is_empty() {
                break;
            }
            met.push((*in_text, rest.get_ref().at - rest.buffer().len() as u64));
            *decoder = Some(frame(rest)?);
        }
        Ok(0)
    }
}

/// A place in a file that others read elsewhere.
struct At {
    file: Arc<File>,
    at: u64,
}

impl At {
    fn new(file: &Arc<File>, at: u64) -> Self {
        Self { file: Arc::clone(file), at }
    }
}

impl Read for At {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read_at(buffer, self.at)?;
        self.at += length as u64;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn lines(text: &mut Text) -> Vec<(u64, String)> {
        let mut all = Vec::new();
        loop {
            let at = text.at();
            match text.line() {
                Line::Whole(line) => all.push((at, String::from_utf8_lossy(line).into_owned())),
                Line::End => return all,
                Line::Cut => panic!("cut"),
                Line::Broken(why) => panic!("{why}"),
            }
        }
    }

    #[test]
    fn every_line_is_found_again_from_any_other_in_one_frame_or_many() {
        let all: Vec<String> = (0..2000).map(|n| format!("line {n} {}\n", "x".repeat(n % 97))).collect();
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        let compressed = |lines: &[String]| zstd::encode_all(lines.concat().as_bytes(), 3).expect("compressed");
        let plain = all.concat().into_bytes();
        let frames: Vec<u8> = all.chunks(150).flat_map(compressed).collect();
        for bytes in [plain, compressed(&all), frames] {
            file.as_file_mut().set_len(0).expect("ours");
            fs_write(&mut file, &bytes);
            let mut text = Text::open(file.path()).expect("it is there");
            let places = lines(&mut text);
            assert!(places.iter().map(|(_, line)| line).eq(&all));
            for n in [0, 1999, 3, 149, 150, 151, 1234, 2, 1500, 1501, 40] {
                text.seek(places[n].0).expect("it is there");
                assert!(matches!(text.line(), Line::Whole(line) if line == all[n].as_bytes()), "line {n}");
            }
        }
    }

    fn fs_write(file: &mut tempfile::NamedTempFile, bytes: &[u8]) {
        use std::io::Seek;
        file.rewind().expect("ours");
        file.write_all(bytes).expect("ours");
        file.flush().expect("ours");
    }
}
