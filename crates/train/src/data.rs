//! Training files, and windows of them as the tokeniser cuts data (`reference/model.md §2`).

use std::{fs, path::Path};

use anyhow::{Context, ensure};
use rand::{Rng, rngs::StdRng};

use crate::model::VOCABULARY;

const PAD: u32 = 256;
const END: u32 = 257;

/// One model input.
pub struct Window {
    pub tokens: Vec<u32>,
    pub positions: Vec<u32>,
    /// The next token, where it counts.
    pub targets: Vec<Option<u32>>,
}

impl Window {
    /// `length` bytes of `file` from `start`, filled up with an end and padding where the file is shorter.
    pub fn new(file: &[u8], start: usize, length: usize) -> Self {
        let bytes = &file[start.min(file.len())..file.len().min(start + length)];
        let mut tokens: Vec<u32> = bytes.iter().map(|byte| u32::from(*byte)).collect();
        if tokens.len() < length {
            tokens.push(END);
            tokens.resize(length, PAD);
        }
        let positions = (0..length).map(|slot| (start + slot.min(bytes.len())) as u32).collect();
        let next = tokens[1..].iter().map(|token| (*token != PAD).then_some(*token));
        let targets = next.chain([None]).collect();
        Self { tokens, positions, targets }
    }
}

/// Files of one kind of bytes.
pub struct Files(pub Vec<Vec<u8>>);

impl Files {
    /// All files below the directories, in the order of their paths. Empty files are passed over.
    pub fn read(directories: &[impl AsRef<Path>]) -> anyhow::Result<Self> {
        let mut files = Vec::new();
        for directory in directories {
            let directory = directory.as_ref();
            walk(directory, &mut files).with_context(|| format!("cannot read {}", directory.display()))?;
        }
        files.retain(|file| !file.is_empty());
        ensure!(!files.is_empty(), "no data: the directories hold no file that is not empty");
        Ok(Self(files))
    }

    pub fn bytes(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }

    /// How often each token is seen, counting one of each that never is.
    pub fn frequencies(&self) -> Vec<f32> {
        let mut counts = vec![1.0f64; VOCABULARY];
        for file in &self.0 {
            file.iter().for_each(|byte| counts[usize::from(*byte)] += 1.0);
            counts[END as usize] += 1.0;
        }
        let total: f64 = counts.iter().sum();
        counts.iter().map(|count| (count / total) as f32).collect()
    }

    /// A window that starts at any byte, all equally likely. A model is scored on windows from the start of its data more than on others,
    /// so every fourth starts a file.
    pub fn window(&self, rng: &mut StdRng, length: usize) -> Window {
        let mut at = rng.random_range(0..self.bytes());
        for file in &self.0 {
            if at < file.len() {
                let start = if rng.random_ratio(1, 4) { 0 } else { at };
                return Window::new(file, start, length);
            }
            at -= file.len();
        }
        unreachable!("the offset is below the sum of all lengths")
    }
}

fn walk(directory: &Path, files: &mut Vec<Vec<u8>>) -> anyhow::Result<()> {
    let mut paths: Vec<_> = fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            walk(&path, files)?;
        } else {
            files.push(fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?);
        }
    }
    Ok(())
}
