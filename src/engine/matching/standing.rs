//! What our samples are worth for one target: the least distance, and the few that hit.

use std::path::Path;

use crate::{
    engine::corpus::{Record, Source},
    primitives::{Digest, ObjectId},
};

use super::TargetSpec;

/// Candidates that are kept for a target, so that a rejected or broken one has successors.
pub(super) const CANDIDATES_KEPT: usize = 16;

/// A sample within a target's threshold, by enough.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::engine) struct Candidate {
    pub checksum: Digest,
    pub source: Source,
    pub model: ObjectId,
    /// From all bits of the embedding, in the network's order of additions.
    pub distance: f32,
    /// Threshold less distance, in units of what distances to a random target scatter by.
    pub z: f32,
    pub losses: Vec<(ObjectId, f32)>,
}

/// The sample of ours that is nearest to a target, under the model that wins for it.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::engine) struct Nearest {
    pub distance: f32,
    pub model: ObjectId,
    pub source: Source,
}

impl Nearest {
    /// What kind of data it is, by the ending of its file's name.
    pub fn kind(&self) -> String {
        let [piece] = self.source.pieces() else { return "composition".into() };
        match piece.origin.path.extension().and_then(|ending| ending.to_str()) {
            Some(ending) if ending.len() <= LONGEST_ENDING => ending.to_lowercase(),
            _ => "no ending".into(),
        }
    }

    /// Where it is from: the file of a record, the folder of a file.
    pub fn place(&self) -> String {
        let Some(origin) = self.source.pieces().first().map(|piece| &piece.origin) else { return String::new() };
        let of_records = matches!(origin.record, Some(Record::Line { .. } | Record::Row { .. }));
        let named = if of_records { Some(&*origin.path) } else { origin.path.parent() };
        named.and_then(Path::file_name).map_or_else(|| ".".into(), |name| name.to_string_lossy().into_owned())
    }
}

/// Longer ones are parts of names.
const LONGEST_ENDING: usize = 12;

/// What the library has for a target.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::engine) struct Standing {
    /// Least distance among our samples.
    pub best_distance: Option<f32>,
    /// The sample that has it.
    pub nearest: Option<Nearest>,
    /// Best first.
    pub candidates: Vec<Candidate>,
}

/// What a candidate is ordered by: fewest bytes (the smallest bond), then the larger margin; the checksum makes the order total.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rank {
    pub len: u32,
    pub distance: f32,
    pub checksum: Digest,
}

impl Rank {
    pub fn is_better_than(&self, other: &Self) -> bool {
        (self.len.cmp(&other.len))
            .then(self.distance.total_cmp(&other.distance))
            .then(self.checksum.cmp(&other.checksum))
            .is_lt()
    }
}

impl Candidate {
    pub(super) fn rank(&self) -> Rank {
        Rank { len: self.source.len(), distance: self.distance, checksum: self.checksum }
    }
}

/// Whether a sample at this distance is a candidate: the chain compares with `≤`; the margin is the user's own wish on top.
pub(super) fn is_hit(distance: f32, threshold: f32, min_margin: f32) -> bool {
    distance <= threshold && threshold - distance >= min_margin
}

impl Standing {
    /// Whether a sample that may be nearer than it seems by `band` could change anything.
    pub(super) fn could_take(&self, seeming: Rank, band: f32, threshold: f32, min_margin: f32) -> bool {
        let best_case = Rank { distance: seeming.distance - band, ..seeming };
        if self.best_distance.is_none_or(|best| best_case.distance < best) {
            return true;
        }
        // The band is also more than what these comparisons round.
        best_case.distance - band <= threshold - min_margin && self.has_place_for(&best_case)
    }

    pub(super) fn has_place_for(&self, rank: &Rank) -> bool {
        match self.candidates.last() {
            Some(last) if self.candidates.len() >= CANDIDATES_KEPT => rank.is_better_than(&last.rank()),
            _ => true,
        }
    }

    /// Counts one sample in. Gives whether anything changed.
    pub(super) fn add(
        &mut self,
        rank: Rank,
        target: &TargetSpec,
        min_margin: f32,
        nearest: impl FnOnce() -> Nearest,
        candidate: impl FnOnce() -> Option<Candidate>,
    ) -> bool {
        if !rank.distance.is_finite() {
            return false;
        }
        let nearer = self.best_distance.is_none_or(|best| rank.distance < best);
        if nearer {
            self.best_distance = Some(rank.distance);
            self.nearest = Some(nearest());
        }
        if !is_hit(rank.distance, target.threshold, min_margin) || !self.has_place_for(&rank) {
            return nearer;
        }
        let Some(candidate) = candidate() else { return nearer };
        let place = self.candidates.partition_point(|held| held.rank().is_better_than(&rank));
        self.candidates.insert(place, candidate);
        self.candidates.truncate(CANDIDATES_KEPT);
        true
    }
}
