//! The open targets with their standings: samples that come meet all targets, targets that open meet all samples.
//!
//! Both ways the arithmetic is the same. Targets with the same models have the same winners, so they are grouped; within a group,
//! products of many embeddings with many targets say which distances matter at all, and only those are computed again from all bits,
//! in the network's own order of additions. What the search errs by is bounded by [`band`], so nothing is missed and nothing is
//! claimed because of it.

use std::collections::{HashMap, HashSet};

use somascope_matching::{band, cosine, norm, products, products_of_rows};

use super::{
    Library, Standing, TargetSpec,
    library::ScoredSample,
    reach::{Met, Reach, mark},
    shelf::Shelf,
    standing::{Candidate, Nearest, Rank, is_hit},
    survey::survey,
};
use crate::{
    model,
    primitives::{Digest, ObjectId},
};

/// Rows of the library that seem to be what they are not (`Digest` of the weights, number of the sample).
pub(super) type Damaged = Vec<(Digest, u32)>;

/// An open target.
struct Open {
    spec: TargetSpec,
    standing: Standing,
    /// Its place in the group; without one it cannot be answered.
    place: Option<usize>,
}

/// Models and dimension.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct GroupKey(pub Vec<Digest>, pub usize);

/// Targets with the same models, in the same order.
#[derive(Default)]
struct Group {
    ids: Vec<ObjectId>,
    /// `[ids, dim]`
    embeddings: Vec<f32>,
    norms: Vec<f32>,
    thresholds: Vec<f32>,
}

pub(in crate::engine) struct Board {
    min_margin: f32,
    targets: HashMap<ObjectId, Open>,
    groups: HashMap<GroupKey, Group>,
    reach: Reach,
}

/// `None`: a model is not in the registry, or there is none.
pub(super) fn group_of(spec: &TargetSpec) -> Option<GroupKey> {
    let weights: Vec<Digest> = spec.models.iter().map(|(_, weights)| *weights).collect::<Option<_>>()?;
    (!weights.is_empty() && !spec.embedding.is_empty()).then(|| GroupKey(weights, spec.embedding.len()))
}

/// From a product: NaN where a length is zero.
pub(super) fn distance(product: f32, norms: (f32, f32)) -> f32 {
    1.0 - cosine(product, norms.0, norms.1)
}

/// What distances of random directions scatter by, the other way round.
pub(super) fn z(margin: f32, dim: usize) -> f32 {
    margin * (dim as f32).sqrt()
}

impl Board {
    pub fn new(min_margin: f32) -> Self {
        Self {
            min_margin: min_margin.max(0.0),
            targets: HashMap::new(),
            groups: HashMap::new(),
            reach: Reach::default(),
        }
    }

    /// Another margin that candidates need. Gives the targets whose standing changed, and those that are to be opened again because the library
    /// may hold more for them; without one, there is only what is known.
    pub fn set_min_margin(&mut self, min_margin: f32, has_library: bool) -> (Vec<ObjectId>, Vec<TargetSpec>) {
        self.min_margin = min_margin.max(0.0);
        if has_library {
            // Only the best candidates are held: with another margin these are others.
            self.groups.clear();
            return (Vec::new(), self.targets.drain().map(|(_, open)| open.spec).collect());
        }
        let mut changed = Vec::new();
        for (id, Open { spec, standing, .. }) in &mut self.targets {
            let held = standing.candidates.len();
            standing.candidates.retain(|candidate| is_hit(candidate.distance, spec.threshold, self.min_margin));
            if standing.candidates.len() != held {
                changed.push(*id);
            }
        }
        (changed, Vec::new())
    }

    pub fn standing(&self, target: &ObjectId) -> Option<&Standing> {
        self.targets.get(target).map(|open| &open.standing)
    }

    /// An open target for which no single sample is a candidate.
    pub fn uncovered(&self, target: &ObjectId) -> Option<&TargetSpec> {
        let open = self.targets.get(target)?;
        let is_single = |candidate: &Candidate| candidate.source.pieces().len() == 1;
        (!open.standing.candidates.iter().any(is_single)).then_some(&open.spec)
    }

    /// Takes in a candidate that was put together. Gives whether anything changed.
    pub fn take(&mut self, target: &ObjectId, candidate: Candidate) -> bool {
        let Some(Open { spec, standing, .. }) = self.targets.get_mut(target) else { return false };
        if standing.candidates.iter().any(|held| held.checksum == candidate.checksum) {
            return false;
        }
        let nearest =
            || Nearest { distance: candidate.distance, model: candidate.model, source: candidate.source.clone() };
        standing.add(candidate.rank(), spec, self.min_margin, nearest, || Some(candidate.clone()))
    }

    /// What the map asks.
    pub(super) fn reach(&self) -> &Reach {
        &self.reach
    }

    pub fn close(&mut self, target: &ObjectId) {
        self.reach.close(target);
        let Some(Open { spec, place: Some(place), .. }) = self.targets.remove(target) else { return };
        let Some(key) = group_of(&spec) else { return };
        let Some(group) = self.groups.get_mut(&key) else { return };
        group.ids.swap_remove(place);
        group.norms.swap_remove(place);
        group.thresholds.swap_remove(place);
        // The last row takes its place.
        let (dim, last) = (key.1, group.ids.len());
        group.embeddings.copy_within(last * dim.., place * dim);
        group.embeddings.truncate(last * dim);
        match group.ids.get(place) {
            Some(moved) => {
                if let Some(moved) = self.targets.get_mut(moved) {
                    moved.place = Some(place);
                }
            }
            None if group.ids.is_empty() => drop(self.groups.remove(&key)),
            None => {}
        }
    }

    /// Tests new (or newly scored) samples against every target. What the library holds of them besides counts too. Gives the targets whose
    /// standing changed.
    pub fn offer(
        &mut self,
        samples: &[ScoredSample],
        library: Option<&Library>,
        damaged: &mut Damaged,
    ) -> HashSet<ObjectId> {
        let mut changed = HashSet::new();
        let offered: HashSet<Digest> = samples.iter().map(|sample| sample.checksum).collect();
        for (id, open) in &mut self.targets {
            let before = open.standing.candidates.len();
            open.standing.candidates.retain(|held| !offered.contains(&held.checksum));
            if open.standing.candidates.len() != before {
                changed.insert(*id);
            }
        }
        for (key, group) in &self.groups {
            let GroupKey(weights, dim) = key;
            let won: Vec<Entry<'_>> =
                samples.iter().filter_map(|sample| Entry::of(sample, weights, *dim, library, damaged)).collect();
            let embeddings: Vec<f32> = won.iter().flat_map(|entry| entry.embedding.iter().copied()).collect();
            let mut out = vec![0.0; won.len() * group.ids.len()];
            products(&embeddings, &group.embeddings, *dim, &mut out);
            let band = band(*dim);
            meet(&mut self.reach, &won, group, out.clone(), library);
            for (entry, products) in won.iter().zip(out.chunks_exact(group.ids.len().max(1))) {
                for ((id, product), norm) in group.ids.iter().zip(products).zip(&group.norms) {
                    let Some(open) = self.targets.get_mut(id) else { continue };
                    let seeming = entry.rank(distance(*product, (entry.norm, *norm)));
                    if !open.standing.could_take(seeming, band, open.spec.threshold, self.min_margin) {
                        continue;
                    }
                    let rank = entry.rank(model::cosine_distance(&entry.embedding, &open.spec.embedding));
                    let spec = &open.spec;
                    let candidate = || Some(entry.candidate(spec, rank.distance));
                    let nearest = || entry.nearest(spec, rank.distance);
                    if open.standing.add(rank, spec, self.min_margin, nearest, candidate) {
                        changed.insert(*id);
                    }
                }
            }
        }
        changed
    }

    /// Tests new (or changed) targets against the whole library. Gives those that were new.
    pub fn open(
        &mut self,
        targets: Vec<TargetSpec>,
        library: Option<&Library>,
        damaged: &mut Damaged,
    ) -> Vec<ObjectId> {
        let mut fresh: HashMap<Option<GroupKey>, Vec<TargetSpec>> = HashMap::new();
        let mut ids = Vec::new();
        for spec in targets {
            if self.targets.get(&spec.id).is_some_and(|held| held.spec == spec) || ids.contains(&spec.id) {
                continue;
            }
            ids.push(spec.id);
            fresh.entry(group_of(&spec)).or_default().push(spec);
        }
        for (key, specs) in fresh {
            for spec in &specs {
                self.close(&spec.id);
                self.reach.open(spec.id);
            }
            let standings = match (&key, library) {
                (Some(key), Some(library)) => survey(key, &specs, library, self.min_margin, damaged, &mut self.reach),
                _ => vec![Standing::default(); specs.len()],
            };
            for (spec, standing) in specs.into_iter().zip(standings) {
                let place = key.as_ref().map(|key| {
                    let group = self.groups.entry(key.clone()).or_default();
                    group.ids.push(spec.id);
                    group.embeddings.extend_from_slice(&spec.embedding);
                    group.norms.push(norm(&spec.embedding));
                    group.thresholds.push(spec.threshold);
                    group.ids.len() - 1
                });
                self.targets.insert(spec.id, Open { spec, standing, place });
            }
        }
        ids
    }

    /// Lets samples of the library meet every open target again, for [`reach`](Self::reach): the targets that they came closest to are
    /// closed.
    pub(super) fn meet_again(&mut self, numbers: &[u32], library: &Library) {
        for (GroupKey(weights, dim), group) in &self.groups {
            let shelves: Option<Vec<&Shelf>> = weights.iter().map(|weights| library.shelf(weights)).collect();
            let Some(shelves) = shelves else { continue };
            let mut won: Vec<(Vec<u32>, Vec<Met>)> = vec![Default::default(); shelves.len()];
            for number in numbers {
                let slots: Option<Vec<u32>> = shelves.iter().map(|shelf| shelf.slot(*number)).collect();
                let (Some(slots), Some(sample)) = (slots, library.sample(*number)) else { continue };
                let losses: Vec<f32> =
                    shelves.iter().zip(&slots).map(|(shelf, slot)| shelf.losses()[*slot as usize]).collect();
                let Some(winner) = model::winner(&losses) else { continue };
                won[winner].0.push(slots[winner]);
                won[winner].1.push(Met { number: *number, mark: mark(&sample.checksum), winner: weights[winner] });
            }
            for (shelf, (slots, met)) in shelves.iter().zip(&won) {
                if shelf.dim() != *dim || slots.is_empty() {
                    continue;
                }
                let mut distances = vec![0.0; slots.len() * group.ids.len()];
                products_of_rows(shelf.embeddings(), *dim, slots, &group.embeddings, &mut distances);
                for (slot, products) in slots.iter().zip(distances.chunks_exact_mut(group.ids.len().max(1))) {
                    let row_norm = shelf.norms()[*slot as usize];
                    for (product, norm) in products.iter_mut().zip(&group.norms) {
                        *product = distance(*product, (row_norm, *norm));
                    }
                }
                self.reach.meet(met, &group.ids, &group.thresholds, &distances);
            }
        }
    }
}

/// Lets new samples that are in the library meet a group, by their products with it `[samples, targets]`.
fn meet(reach: &mut Reach, won: &[Entry<'_>], group: &Group, mut products: Vec<f32>, library: Option<&Library>) {
    let Some(library) = library else { return };
    let mut rows = Vec::with_capacity(won.len());
    for (entry, products) in won.iter().zip(products.chunks_exact_mut(group.ids.len().max(1))) {
        let checksum = &entry.sample.checksum;
        let number = library.find(checksum);
        for (product, norm) in products.iter_mut().zip(&group.norms) {
            // One that is not kept has no place on the map.
            *product = if number.is_some() { distance(*product, (entry.norm, *norm)) } else { f32::NAN };
        }
        rows.push(Met { number: number.unwrap_or(u32::MAX), mark: mark(checksum), winner: entry.weights });
    }
    reach.meet(&rows, &group.ids, &group.thresholds, &products);
}

/// A sample as one group of targets sees it.
struct Entry<'a> {
    sample: &'a ScoredSample,
    losses: Vec<f32>,
    winner: usize,
    /// Of the winner.
    weights: Digest,
    embedding: std::borrow::Cow<'a, [f32]>,
    norm: f32,
}

impl<'a> Entry<'a> {
    /// `None`: a score is missing, none is finite, or the embedding is of another dimension.
    fn of(
        sample: &'a ScoredSample,
        weights: &[Digest],
        dim: usize,
        library: Option<&Library>,
        damaged: &mut Damaged,
    ) -> Option<Self> {
        let new = |wanted: &Digest| sample.scores.iter().find(|(held, _)| held == wanted).map(|(_, score)| score);
        let number = library.and_then(|library| library.find(&sample.checksum));
        let kept = |wanted: &Digest| -> Option<(&Shelf, u32)> {
            let shelf = library?.shelf(wanted)?;
            Some((shelf, shelf.slot(number?)?))
        };
        let loss = |wanted: &Digest| {
            let kept_loss = || kept(wanted).map(|(shelf, slot)| shelf.losses()[slot as usize]);
            new(wanted).map(|score| score.loss).or_else(kept_loss)
        };
        let losses: Vec<f32> = weights.iter().map(loss).collect::<Option<_>>()?;
        let winner = model::winner(&losses)?;
        let embedding: std::borrow::Cow<'a, [f32]> = match new(&weights[winner]) {
            Some(score) => score.embedding.as_slice().into(),
            None => {
                let (shelf, slot) = kept(&weights[winner])?;
                match shelf.exact(slot) {
                    Some(embedding) => embedding.into(),
                    None => {
                        damaged.extend(number.map(|number| (weights[winner], number)));
                        return None;
                    }
                }
            }
        };
        let norm = norm(&embedding);
        (embedding.len() == dim).then_some(Self { sample, losses, winner, weights: weights[winner], embedding, norm })
    }

    fn rank(&self, distance: f32) -> Rank {
        Rank { len: self.sample.source.len(), distance, checksum: self.sample.checksum }
    }

    fn nearest(&self, target: &TargetSpec, distance: f32) -> Nearest {
        Nearest { distance, model: target.models[self.winner].0, source: self.sample.source.clone() }
    }

    fn candidate(&self, target: &TargetSpec, distance: f32) -> Candidate {
        Candidate {
            checksum: self.sample.checksum,
            source: self.sample.source.clone(),
            model: target.models[self.winner].0,
            distance,
            z: z(target.threshold - distance, target.embedding.len()),
            losses: target.models.iter().map(|(id, _)| *id).zip(self.losses.iter().copied()).collect(),
        }
    }
}
