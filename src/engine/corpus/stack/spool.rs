//! Contents on disk up to a limit: records appended to segments, the oldest segment deleted first.

use std::{
    collections::{HashMap, VecDeque},
    fs::{self, File, OpenOptions},
    io::{self, BufReader, Read},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Of a record: CRC of what follows, lengths of id, label and content (four bytes each, little-endian).
const HEADER: usize = 16;
/// A record that says more is none.
const LONGEST: u32 = 16 << 20;

pub(super) struct Spool(Mutex<Inner>);

struct Inner {
    dir: PathBuf,
    limit: u64,
    /// Oldest first; the last one is written.
    segments: VecDeque<Segment>,
    index: HashMap<String, Entry>,
}

struct Segment {
    number: u64,
    file: File,
    len: u64,
}

#[derive(Clone, Copy)]
struct Entry {
    segment: u64,
    at: u64,
    lengths: [u32; 3],
}

impl Spool {
    /// Takes up what an earlier run left; what is damaged at the end of a segment is cut off.
    pub fn open(dir: &Path, limit: u64) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let mut numbers: Vec<u64> = fs::read_dir(dir)?
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".spool")?.parse().ok())
            .collect();
        numbers.sort_unstable();
        let mut inner = Inner { dir: dir.to_owned(), limit, segments: VecDeque::new(), index: HashMap::new() };
        for number in numbers {
            inner.take_up(number)?;
        }
        inner.evict()?;
        Ok(Self(Mutex::new(inner)))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Label and content; `None`: it is not here, or damaged.
    pub fn get(&self, id: &str) -> Option<(Vec<u8>, Vec<u8>)> {
        let inner = self.lock();
        let entry = inner.index.get(id)?;
        let segment = inner.segments.iter().find(|segment| segment.number == entry.segment)?;
        let [id_len, label_len, content_len] = entry.lengths.map(|len| len as usize);
        let mut record = vec![0; HEADER + id_len + label_len + content_len];
        segment.file.read_exact_at(&mut record, entry.at).ok()?;
        let crc = u32::from_le_bytes(std::array::from_fn(|at| record[at]));
        if crc != checksum(&record[4..]) || &record[HEADER..][..id_len] != id.as_bytes() {
            return None;
        }
        let content = record.split_off(HEADER + id_len + label_len);
        Some((record.split_off(HEADER + id_len), content))
    }

    /// Keeps a content. An id has one content for ever, so what is here is not written again.
    pub fn put(&self, id: &str, label: &[u8], content: &[u8]) -> io::Result<()> {
        let mut inner = self.lock();
        if inner.index.contains_key(id) {
            return Ok(());
        }
        let lengths = [id.as_bytes(), label, content].map(|part| u32::try_from(part.len()).unwrap_or(u32::MAX));
        if lengths.iter().any(|len| *len > LONGEST) {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let mut record = vec![0; 4];
        lengths.iter().for_each(|len| record.extend(len.to_le_bytes()));
        [id.as_bytes(), label, content].iter().for_each(|part| record.extend(*part));
        let crc = checksum(&record[4..]);
        record[..4].copy_from_slice(&crc.to_le_bytes());
        let full = inner.limit / 16;
        if inner.segments.back().is_none_or(|segment| segment.len + record.len() as u64 > full.max(1)) {
            let number = inner.segments.back().map_or(1, |segment| segment.number + 1);
            inner.take_up(number)?;
        }
        let Some(segment) = inner.segments.back_mut() else { return Ok(()) };
        segment.file.write_all_at(&record, segment.len)?;
        let entry = Entry { segment: segment.number, at: segment.len, lengths };
        segment.len += record.len() as u64;
        inner.index.insert(id.to_owned(), entry);
        inner.evict()
    }

    /// Ids of all that is here, oldest first.
    pub fn ids(&self) -> Vec<String> {
        let inner = self.lock();
        let mut ids: Vec<_> = inner.index.iter().collect();
        ids.sort_unstable_by_key(|(_, entry)| (entry.segment, entry.at));
        ids.into_iter().map(|(id, _)| id.clone()).collect()
    }
}

impl Inner {
    fn path(&self, number: u64) -> PathBuf {
        self.dir.join(format!("{number:08}.spool"))
    }

    /// Opens a segment, or begins it.
    fn take_up(&mut self, number: u64) -> io::Result<()> {
        let path = self.path(number);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let size = file.metadata()?.len();
        let mut reader = BufReader::new(&file);
        let mut at = 0;
        // Contents are passed over; their checksums are looked at when they are read.
        while let Some((id, lengths)) = next_record(&mut reader) {
            let end = at + HEADER as u64 + lengths.iter().map(|len| u64::from(*len)).sum::<u64>();
            if end > size {
                break;
            }
            reader.seek_relative(i64::from(lengths[1]) + i64::from(lengths[2]))?;
            self.index.insert(id, Entry { segment: number, at, lengths });
            at = end;
        }
        file.set_len(at)?;
        self.segments.push_back(Segment { number, file, len: at });
        Ok(())
    }

    fn evict(&mut self) -> io::Result<()> {
        while self.segments.len() > 1 && self.segments.iter().map(|segment| segment.len).sum::<u64>() > self.limit {
            let Some(oldest) = self.segments.pop_front() else { break };
            self.index.retain(|_, entry| entry.segment != oldest.number);
            fs::remove_file(self.path(oldest.number))?;
        }
        Ok(())
    }
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// A record's id and lengths, read up to its label.
fn next_record(reader: &mut impl Read) -> Option<(String, [u32; 3])> {
    let mut header = [0; HEADER];
    reader.read_exact(&mut header).ok()?;
    let number = |at: usize| u32::from_le_bytes(std::array::from_fn(|byte| header[at + byte]));
    let lengths = [number(4), number(8), number(12)];
    if lengths[0] > 1024 || lengths.iter().any(|len| *len > LONGEST) {
        return None;
    }
    let mut id = vec![0; lengths[0] as usize];
    reader.read_exact(&mut id).ok()?;
    Some((String::from_utf8(id).ok()?, lengths))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u32) -> String {
        format!("{n:040x}")
    }

    #[test]
    fn contents_survive_a_restart_and_a_torn_end_is_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path(), 1 << 20).unwrap();
        for n in 0..10 {
            spool.put(&id(n), b"label", &vec![n as u8; n as usize * 100]).unwrap();
        }
        drop(spool);
        let path = dir.path().join("00000001.spool");
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        let spool = Spool::open(dir.path(), 1 << 20).unwrap();
        assert_eq!(spool.ids(), (0..9).map(id).collect::<Vec<_>>());
        assert_eq!(spool.get(&id(7)), Some((b"label".to_vec(), vec![7; 700])));
        spool.put(&id(9), b"again", b"x").unwrap();
        assert_eq!(spool.get(&id(9)), Some((b"again".to_vec(), b"x".to_vec())));
    }

    #[test]
    fn the_limit_holds_and_the_oldest_go_first() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path(), 64 << 10).unwrap();
        for n in 0..200 {
            spool.put(&id(n), b"", &[n as u8; 1000]).unwrap();
        }
        let ids = spool.ids();
        assert!((40..64).contains(&ids.len()) && ids.last() == Some(&id(199)), "{}", ids.len());
        assert_eq!((spool.get(&id(0)), spool.get(&id(199)).is_some()), (None, true));
        let size: u64 = fs::read_dir(dir.path()).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum();
        assert!(size <= 64 << 10, "{size}");
    }

    #[test]
    fn a_damaged_content_is_not_given_out() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path(), 1 << 20).unwrap();
        spool.put(&id(1), b"label", b"content").unwrap();
        let path = dir.path().join("00000001.spool");
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
        assert_eq!(spool.get(&id(1)), None);
        assert!(Spool::open(dir.path(), 1 << 20).unwrap().get(&id(1)).is_none());
    }
}
