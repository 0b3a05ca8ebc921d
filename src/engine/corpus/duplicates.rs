//! What has been seen before, exactly or nearly, in bounded memory.
//!
//! Nearly: two pieces of one kind whose sets of 16-byte shingles overlap by at least [`THRESHOLD`] (Jaccard index, estimated from 64
//! minima of one hash, found by equal groups of four of them). A window in which a few bytes differ has about 0.97; two windows of the
//! same licence with another name have more than 0.9.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
};

use super::order::mix;
use crate::primitives::Digest;

/// Estimated overlap from which a piece counts as the same again.
const THRESHOLD: f64 = 0.85;
const SHINGLE: usize = 16;
/// Shorter pieces have too few shingles for an estimate.
const SHORTEST: usize = 256;
const MINIMA: usize = 64;
const BAND: usize = 4;
/// Entries of one generation; two are kept.
const SEEN: usize = 2 << 20;
const SKETCHES: usize = 64 << 10;

/// The newest `limit` to 2 × `limit` keys.
struct Recent<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    limit: usize,
}

impl<K: Eq + Hash, V: Clone> Recent<K, V> {
    fn new(limit: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), limit }
    }

    fn get(&self, key: &K) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= self.limit {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }
}

/// Checksums of one pass, by their first eight bytes: at most 64 MiB.
pub(super) struct Seen(HashSet<u64>, HashSet<u64>);

impl Seen {
    pub fn new() -> Self {
        Self(HashSet::new(), HashSet::new())
    }

    /// Whether it is new.
    pub fn insert(&mut self, checksum: &Digest) -> bool {
        let key = short(checksum);
        if self.1.contains(&key) {
            return false;
        }
        if self.0.len() >= SEEN {
            self.1 = std::mem::take(&mut self.0);
        }
        self.0.insert(key)
    }
}

fn short(checksum: &Digest) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|at| checksum.0[at]))
}

type Sketch = [u16; MINIMA];

/// Sketches of pieces that were let through, kept over passes so that it is always the same one of several that is: at most about
/// 100 MiB.
pub(super) struct Near {
    /// Group of minima → the piece that had it first.
    bands: Recent<u64, u32>,
    pieces: Recent<u32, (u64, Box<Sketch>)>,
    next: u32,
}

impl Near {
    pub fn new() -> Self {
        Self { bands: Recent::new(SKETCHES * MINIMA / BAND), pieces: Recent::new(SKETCHES), next: 0 }
    }

    /// Whether another piece that was let through is nearly the same. `kind` keeps apart what is never compared: whole files
    /// and windows of each length.
    pub fn is_duplicate(&mut self, checksum: &Digest, kind: u64, bytes: &[u8]) -> bool {
        if bytes.len() < SHORTEST {
            return false;
        }
        let (sketch, key) = (sketch(bytes), short(checksum));
        let groups = || {
            sketch.chunks(BAND).enumerate().map(move |(at, group)| {
                let start = mix(kind << 8 | at as u64);
                group.iter().fold(start, |hash, minimum| mix(hash ^ u64::from(*minimum)))
            })
        };
        let mut alike = false;
        for earlier in groups().filter_map(|group| self.bands.get(&group)) {
            let Some((of, other)) = self.pieces.get(earlier) else { continue };
            if *of == key {
                // This very piece, in an earlier pass.
                return false;
            }
            let equal = sketch.iter().zip(other.iter()).filter(|(a, b)| a == b).count();
            alike |= equal as f64 >= THRESHOLD * MINIMA as f64;
        }
        if alike {
            return true;
        }
        self.next = self.next.wrapping_add(1);
        for group in groups().collect::<Vec<_>>() {
            if self.bands.get(&group).is_none_or(|earlier| self.pieces.get(earlier).is_none()) {
                self.bands.insert(group, self.next);
            }
        }
        self.pieces.insert(self.next, (key, Box::new(sketch)));
        false
    }
}

/// The least hash of the shingles in each of 64 classes (one-permutation MinHash); empty classes take over their left neighbour's.
fn sketch(bytes: &[u8]) -> Sketch {
    let mut minima = [u64::MAX; MINIMA];
    for shingle in bytes.windows(SHINGLE) {
        let half = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| shingle[at + byte]));
        let hash = mix(half(0) ^ mix(half(8)));
        let class = (hash >> 58) as usize;
        minima[class] = minima[class].min(hash << 6);
    }
    let mut last = minima.iter().rev().copied().find(|minimum| *minimum != u64::MAX).unwrap_or(0);
    std::array::from_fn(|class| {
        if minima[class] != u64::MAX {
            last = minima[class];
        }
        // The low bits: the high ones of a minimum are small by choice.
        (mix(last) >> 48) as u16
    })
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng, rngs::StdRng};

    use super::*;
    use crate::model::checksum;

    fn text(seed: u64, len: usize) -> Vec<u8> {
        let mut random = StdRng::seed_from_u64(seed);
        (0..len).map(|_| random.random_range(b'a'..=b'z')).collect()
    }

    fn is_duplicate(near: &mut Near, bytes: &[u8]) -> bool {
        near.is_duplicate(&checksum(bytes), 1, bytes)
    }

    #[test]
    fn a_window_with_a_few_other_bytes_is_a_near_duplicate_and_another_text_is_not() {
        let mut near = Near::new();
        for seed in 0..200 {
            let first = text(seed, 1024);
            assert!(!is_duplicate(&mut near, &first), "{seed}");
            let mut edited = first.clone();
            edited[300..306].copy_from_slice(b"SOMEBO");
            assert!(is_duplicate(&mut near, &edited), "{seed}");
            let half = [&first[..512], &text(seed + 1000, 512)[..]].concat();
            assert!(!is_duplicate(&mut near, &half), "{seed}: half of it is new");
        }
    }

    #[test]
    fn the_same_piece_is_no_duplicate_of_itself_in_the_next_pass() {
        let mut near = Near::new();
        let (first, mut second) = (text(1, 1024), text(1, 1024));
        second[0] = b'!';
        for _ in 0..3 {
            assert!(!is_duplicate(&mut near, &first));
            assert!(is_duplicate(&mut near, &second));
        }
    }

    #[test]
    fn kinds_and_short_pieces_are_not_compared() {
        let mut near = Near::new();
        let (long, short) = (text(1, 1024), text(2, 100));
        assert!(!near.is_duplicate(&checksum(&long), 1, &long));
        let almost = [&long[..1020], b"...."].concat();
        assert!(!near.is_duplicate(&checksum(&almost), 2, &almost));
        assert!(!is_duplicate(&mut near, &short) && !is_duplicate(&mut near, &short[1..]));
    }

    #[test]
    fn memory_is_bounded() {
        let mut recent = Recent::new(10);
        (0..100).for_each(|key| recent.insert(key, ()));
        assert!(recent.young.len() + recent.old.len() <= 20);
        assert!(recent.get(&99).is_some() && recent.get(&0).is_none());
    }
}
