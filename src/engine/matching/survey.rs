//! A target that opens meets the whole library: what wins under its models, and which of it comes near.

use std::{cmp::Reverse, collections::BinaryHeap};

use somascope_matching::{band, norm, products_of_rows};

use super::{
    Library, Standing, TargetSpec,
    board::{Damaged, GroupKey, distance, z},
    reach::{Met, Reach, mark},
    shelf::Shelf,
    standing::{CANDIDATES_KEPT, Candidate, Nearest, Rank, is_hit},
};
use crate::{model, primitives::ObjectId};

/// A row that wins, as it seems from half of its bits.
#[derive(Clone, Copy)]
pub(super) struct Seen {
    /// Index into the target's models.
    pub winner: usize,
    pub slot: u32,
    pub number: u32,
}

/// What the library has for targets of one group.
pub(super) fn survey(
    key: &GroupKey,
    targets: &[TargetSpec],
    library: &Library,
    min_margin: f32,
    damaged: &mut Damaged,
    reach: &mut Reach,
) -> Vec<Standing> {
    let GroupKey(weights, dim) = key;
    let shelves: Option<Vec<&Shelf>> = weights.iter().map(|weights| library.shelf(weights)).collect();
    let Some(shelves) = shelves else { return vec![Standing::default(); targets.len()] };
    let embeddings: Vec<f32> = targets.iter().flat_map(|target| target.embedding.iter().copied()).collect();
    let norms: Vec<f32> = targets.iter().map(|target| norm(&target.embedding)).collect();
    let mut rows: Vec<Seen> = Vec::new();
    // `[rows, targets]`
    let mut distances: Vec<f32> = Vec::new();
    for ((winner, shelf), won) in shelves.iter().enumerate().zip(library.winners(weights)) {
        if shelf.dim() != *dim || won.is_empty() {
            continue;
        }
        let slots: Vec<u32> = won.iter().map(|(slot, _)| *slot).collect();
        let from = distances.len();
        distances.resize(from + slots.len() * targets.len(), 0.0);
        products_of_rows(shelf.embeddings(), *dim, &slots, &embeddings, &mut distances[from..]);
        for (slot, products) in slots.iter().zip(distances[from..].chunks_exact_mut(targets.len())) {
            let row_norm = shelf.norms()[*slot as usize];
            products
                .iter_mut()
                .zip(&norms)
                .for_each(|(product, norm)| *product = distance(*product, (row_norm, *norm)));
        }
        rows.extend(won.into_iter().map(|(slot, number)| Seen { winner, slot, number }));
    }
    let met: Vec<Met> = rows
        .iter()
        .filter_map(|row| {
            let mark = mark(&library.sample(row.number)?.checksum);
            Some(Met { number: row.number, mark, winner: weights[row.winner] })
        })
        .collect();
    if met.len() == rows.len() {
        let (ids, thresholds): (Vec<ObjectId>, Vec<f32>) =
            targets.iter().map(|target| (target.id, target.threshold)).unzip();
        reach.meet(&met, &ids, &thresholds, &distances);
    }
    let mut exact = |row: Seen, target: &TargetSpec| match shelves[row.winner].exact(row.slot) {
        Some(embedding) => Some(model::cosine_distance(&embedding, &target.embedding)).filter(|d| d.is_finite()),
        None => {
            damaged.push((weights[row.winner], row.number));
            None
        }
    };
    let band = band(*dim);
    let standing = |(at, target): (usize, &TargetSpec)| {
        let seen: Vec<(f32, Seen)> =
            rows.iter().enumerate().map(|(row, seen)| (distances[row * targets.len() + at], *seen)).collect();
        let best = least(&seen, band, |row| exact(row, target));
        let nearest = best.and_then(|(distance, row)| {
            let source = library.source(row.number)?;
            Some(Nearest { distance, model: target.models[row.winner].0, source })
        });
        let mut candidates: Vec<(Rank, Seen)> = Vec::new();
        for (rank, row) in in_order(library, &seen, target.threshold - min_margin + 2.0 * band) {
            let best_case = Rank { distance: rank.distance - band, ..rank };
            let is_full = candidates.len() >= CANDIDATES_KEPT;
            if is_full && candidates.last().is_some_and(|(last, _)| !best_case.is_better_than(last)) {
                break;
            }
            let Some(distance) = exact(row, target) else { continue };
            let rank = Rank { distance, ..rank };
            if is_hit(distance, target.threshold, min_margin) {
                candidates.insert(candidates.partition_point(|(held, _)| held.is_better_than(&rank)), (rank, row));
                candidates.truncate(CANDIDATES_KEPT);
            }
        }
        let candidates = candidates.into_iter().filter_map(|(rank, row)| {
            let losses = shelves.iter().zip(&target.models).map(|(shelf, (id, _))| {
                let loss = shelf.slot(row.number).map_or(f32::NAN, |slot| shelf.losses()[slot as usize]);
                (*id, loss)
            });
            Some(Candidate {
                checksum: rank.checksum,
                source: library.source(row.number)?,
                model: target.models[row.winner].0,
                distance: rank.distance,
                z: z(target.threshold - rank.distance, *dim),
                losses: losses.collect(),
            })
        });
        Standing { best_distance: best.map(|(distance, _)| distance), nearest, candidates: candidates.collect() }
    };
    targets.iter().enumerate().map(standing).collect()
}

/// The least exact distance, and whose it is. Only rows that could have it are asked for theirs.
pub(super) fn least(
    seen: &[(f32, Seen)],
    band: f32,
    mut exact: impl FnMut(Seen) -> Option<f32>,
) -> Option<(f32, Seen)> {
    let mut floor = f32::NEG_INFINITY;
    loop {
        let above = || seen.iter().filter(|(distance, _)| *distance > floor);
        let nearest = above().map(|(distance, _)| *distance).min_by(f32::total_cmp)?;
        let reach = nearest + 2.0 * band;
        let near = above().filter(|(distance, _)| *distance <= reach);
        let exact = near.filter_map(|(_, row)| Some((exact(*row)?, *row)));
        if let Some(best) = exact.min_by(|a, b| a.0.total_cmp(&b.0)) {
            return Some(best);
        }
        // All of them were damaged.
        floor = reach;
    }
}

/// What seems to lie within a distance: the order of candidates, as far as it is asked for.
fn in_order(library: &Library, seen: &[(f32, Seen)], within: f32) -> impl Iterator<Item = (Rank, Seen)> {
    /// Distances of finite vectors order as their bits do, once the sign is taken care of.
    fn key(distance: f32) -> i32 {
        let bits = distance.to_bits().cast_signed();
        bits ^ ((bits >> 31).cast_unsigned() >> 1).cast_signed()
    }
    let inside = seen.iter().enumerate().filter(|(_, (distance, _))| *distance <= within);
    let keys = inside.filter_map(|(at, (distance, row))| {
        let len = library.sample(row.number)?.len;
        Some(Reverse((len, key(*distance), at)))
    });
    let mut heap: BinaryHeap<Reverse<(u32, i32, usize)>> = keys.collect::<Vec<_>>().into();
    std::iter::from_fn(move || {
        let Reverse((len, _, at)) = heap.pop()?;
        let (distance, row) = seen[at];
        let checksum = library.sample(row.number)?.checksum;
        Some((Rank { len, distance, checksum }, row))
    })
}
