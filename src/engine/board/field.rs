//! Models and open targets as they lie: crowds, gaps, territories, and how near our data comes. Pure arithmetic.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use somascope_matching::{cosine, norm, products};

use crate::{
    api::{BoardModel, CROWD_DISTANCE, GAP_Z, Gap, Gaps, NEAR_Z, NearMiss, Reach, ReachRow},
    engine::matching::Nearest,
    primitives::{ObjectId, Shannons},
};

/// Rows of lists that the screen shows.
const GAPS: usize = 200;
const MISSES: usize = 100;
const KINDS: usize = 50;
const MILLION: u64 = 1_000_000;

/// An active model.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::engine) struct ModelFacts {
    pub id: ObjectId,
    pub stake: Shannons,
    pub commission_bps: u64,
    pub embedding: Arc<[f32]>,
}

/// An open target.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::engine) struct TargetFacts {
    pub id: ObjectId,
    pub epoch: u64,
    pub embedding: Arc<[f32]>,
    pub models: Vec<ObjectId>,
    pub threshold: f32,
    pub reward: Shannons,
}

/// How near our nearest sample comes to a target, in classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    #[default]
    Far,
    Near,
    Hit,
}

/// A model and its neighbourhood.
struct Place {
    facts: ModelFacts,
    nearest: Option<(ObjectId, f32)>,
    crowd: u64,
    share_ppm: u64,
    crowd_ppm: u64,
}

/// An open target and its neighbourhood.
struct Spot {
    facts: TargetFacts,
    /// The nearest model.
    model: Option<(ObjectId, f32)>,
    ours: Option<Nearest>,
}

#[derive(Default)]
pub(super) struct Field {
    /// Of targets; models of another dimension have no place.
    dim: usize,
    models: Vec<Place>,
    open: BTreeMap<ObjectId, Spot>,
    wins: HashMap<ObjectId, u64>,
}

/// Distances `[a, b]` between two lists of embeddings of one dimension. NaN where a length is zero.
fn distances(a: &[&[f32]], b: &[&[f32]], dim: usize) -> Vec<f32> {
    let mut out = vec![0.0; a.len() * b.len()];
    if out.is_empty() || dim == 0 {
        return out;
    }
    products(&a.concat(), &b.concat(), dim, &mut out);
    let norms: Vec<f32> = b.iter().map(|b| norm(b)).collect();
    for (row, a) in out.chunks_exact_mut(b.len()).zip(a) {
        let length = norm(a);
        row.iter_mut().zip(&norms).for_each(|(out, other)| *out = 1.0 - cosine(*out, length, *other));
    }
    out
}

/// The nearest of `ids`, if any distance is a number.
fn nearest(ids: &[ObjectId], distances: &[f32]) -> Option<(ObjectId, f32)> {
    let finite = ids.iter().zip(distances).filter(|(_, distance)| distance.is_finite());
    finite.min_by(|a, b| a.1.total_cmp(b.1)).map(|(id, distance)| (*id, *distance))
}

/// Part of a whole in millionths. Shares are no money: they may be rounded.
fn ppm(part: f64, whole: f64) -> u64 {
    if whole > 0.0 { (part / whole * MILLION as f64).round() as u64 } else { 0 }
}

impl Field {
    pub fn sigma(&self) -> f32 {
        if self.dim == 0 { 0.0 } else { 1.0 / (self.dim as f32).sqrt() }
    }

    /// A new registry: every neighbourhood anew.
    pub fn set_models(&mut self, dim: usize, models: &[ModelFacts]) {
        self.dim = dim;
        let total: f64 = models.iter().map(|model| (model.stake.0 as f64).sqrt()).sum();
        let share = |model: &ModelFacts| (model.stake.0 as f64).sqrt();
        let placed: Vec<&ModelFacts> = models.iter().filter(|model| model.embedding.len() == dim).collect();
        let embeddings: Vec<&[f32]> = placed.iter().map(|model| &*model.embedding).collect();
        let all = distances(&embeddings, &embeddings, dim);
        self.models = models
            .iter()
            .map(|model| {
                let mut place = Place {
                    facts: model.clone(),
                    nearest: None,
                    crowd: 0,
                    share_ppm: ppm(share(model), total),
                    crowd_ppm: ppm(share(model), total),
                };
                let Some(at) = placed.iter().position(|other| other.id == model.id) else { return place };
                let row = &all[at * placed.len()..][..placed.len()];
                let others = || placed.iter().zip(row).enumerate().filter(|(n, _)| *n != at).map(|(_, other)| other);
                let (ids, away): (Vec<ObjectId>, Vec<f32>) = others().map(|(other, d)| (other.id, *d)).unzip();
                place.nearest = nearest(&ids, &away);
                let crowd: Vec<&ModelFacts> =
                    others().filter(|(_, away)| **away <= CROWD_DISTANCE).map(|(other, _)| *other).collect();
                place.crowd = crowd.len() as u64;
                place.crowd_ppm = ppm(share(model) + crowd.iter().map(|other| share(other)).sum::<f64>(), total);
                place
            })
            .collect();
        let open: Vec<TargetFacts> = self.open.values().map(|spot| spot.facts.clone()).collect();
        self.open(open);
    }

    /// Takes in open targets, or what is different about them. What we hold near them stays.
    pub fn open(&mut self, targets: Vec<TargetFacts>) {
        let placed: Vec<&Place> = self.models.iter().filter(|model| model.facts.embedding.len() == self.dim).collect();
        let ids: Vec<ObjectId> = placed.iter().map(|model| model.facts.id).collect();
        let models: Vec<&[f32]> = placed.iter().map(|model| &*model.facts.embedding).collect();
        let fitting: Vec<&[f32]> =
            targets.iter().map(|t| &*t.embedding).filter(|embedding| embedding.len() == self.dim).collect();
        let all = distances(&fitting, &models, self.dim);
        let mut rows = all.chunks_exact(models.len().max(1));
        for facts in targets {
            let row = if facts.embedding.len() == self.dim { rows.next().unwrap_or_default() } else { &[] };
            let ours = self.open.remove(&facts.id).and_then(|spot| spot.ours);
            self.open.insert(facts.id, Spot { model: nearest(&ids, row), facts, ours });
        }
    }

    /// Gives those that were there.
    pub fn close(&mut self, targets: &[ObjectId]) -> Vec<TargetFacts> {
        targets.iter().filter_map(|id| self.open.remove(id)).map(|spot| spot.facts).collect()
    }

    /// Our nearest sample to a target changed. Gives the target's epoch, and the class.
    pub fn stands(&mut self, id: &ObjectId, ours: Option<Nearest>) -> Option<(u64, Class)> {
        let sigma = self.sigma();
        let spot = self.open.get_mut(id)?;
        spot.ours = ours;
        Some((spot.facts.epoch, spot.class(sigma)))
    }

    pub fn set_wins(&mut self, wins: HashMap<ObjectId, u64>) {
        self.wins = wins;
    }

    /// Highest opportunity first.
    pub fn models(&self) -> Vec<BoardModel> {
        let sigma = self.sigma();
        let mut rows: Vec<BoardModel> = self.models.iter().map(|place| place.row(&self.wins)).collect();
        let at: HashMap<ObjectId, usize> = rows.iter().enumerate().map(|(at, row)| (row.id, at)).collect();
        for spot in self.open.values() {
            for model in spot.facts.models.iter().filter_map(|id| at.get(id)) {
                rows[*model].targets += 1;
                rows[*model].reward = rows[*model].reward.saturating_add(spot.facts.reward);
            }
            let Some(row) = spot.ours.as_ref().and_then(|ours| at.get(&ours.model)).map(|at| &mut rows[*at]) else {
                continue;
            };
            let class = spot.class(sigma);
            row.hits += u64::from(class == Class::Hit);
            row.near += u64::from(class == Class::Near);
            row.best_z = best(row.best_z, spot.z(sigma));
        }
        for row in &mut rows {
            row.opportunity = per_hundredth(row.reward, row.crowd_ppm);
        }
        rows.sort_by_key(|row| (Reverse(row.opportunity), row.id));
        rows
    }

    pub fn gaps(&self) -> Gaps {
        let sigma = self.sigma();
        let mut gaps = Gaps { open: self.open.len() as u64, ..Gaps::default() };
        for spot in self.open.values() {
            let Some((model, distance)) = spot.model else { continue };
            let z = (1.0 - distance) / sigma;
            if z >= GAP_Z {
                continue;
            }
            gaps.count += 1;
            gaps.reward = gaps.reward.saturating_add(spot.facts.reward);
            let (target, reward) = (spot.facts.id, spot.facts.reward);
            gaps.rows.push(Gap { target, reward, model, distance, z, ours_z: spot.z(sigma) });
        }
        gaps.rows.sort_by(|a, b| {
            b.reward.cmp(&a.reward).then(b.distance.total_cmp(&a.distance)).then(a.target.cmp(&b.target))
        });
        gaps.rows.truncate(GAPS);
        gaps
    }

    pub fn reach(&self) -> Reach {
        let sigma = self.sigma();
        let (mut kinds, mut sources) = (BTreeMap::new(), BTreeMap::new());
        let mut misses = Vec::new();
        for spot in self.open.values() {
            let (Some(ours), Some(z)) = (&spot.ours, spot.z(sigma)) else { continue };
            let class = spot.class(sigma);
            for (rows, name) in [(&mut kinds, ours.kind()), (&mut sources, ours.place())] {
                let row: &mut ReachRow =
                    rows.entry(name).or_insert_with_key(|name| ReachRow { name: name.clone(), ..ReachRow::default() });
                row.nearest += 1;
                row.hits += u64::from(class == Class::Hit);
                row.near += u64::from(class == Class::Near);
                row.best_z = best(row.best_z, Some(z));
            }
            if class == Class::Near {
                misses.push((z, spot, ours));
            }
        }
        misses.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.facts.id.cmp(&b.1.facts.id)));
        misses.truncate(MISSES);
        let miss = |(z, spot, ours): (f32, &Spot, &Nearest)| NearMiss {
            target: spot.facts.id,
            model: ours.model,
            source: ours.source.label(),
            reward: spot.facts.reward,
            z,
        };
        Reach { kinds: most_first(kinds), sources: most_first(sources), misses: misses.into_iter().map(miss).collect() }
    }
}

fn most_first(rows: BTreeMap<String, ReachRow>) -> Vec<ReachRow> {
    let mut rows: Vec<ReachRow> = rows.into_values().collect();
    rows.sort_by(|a, b| (b.hits, b.near, b.nearest).cmp(&(a.hits, a.near, a.nearest)).then(a.name.cmp(&b.name)));
    rows.truncate(KINDS);
    rows
}

/// The greater z, if there is one.
fn best(a: Option<f32>, b: Option<f32>) -> Option<f32> {
    a.into_iter().chain(b).max_by(f32::total_cmp)
}

/// An amount for each hundredth of the whole, of which `ppm` millionths are held.
fn per_hundredth(amount: Shannons, ppm: u64) -> Shannons {
    let each = (u128::from(amount.0) * u128::from(MILLION / 100)).checked_div(ppm.into());
    Shannons(each.and_then(|each| u64::try_from(each).ok()).unwrap_or(0))
}

impl Place {
    fn row(&self, wins: &HashMap<ObjectId, u64>) -> BoardModel {
        BoardModel {
            id: self.facts.id,
            stake: self.facts.stake,
            share_ppm: self.share_ppm,
            commission_bps: self.facts.commission_bps,
            nearest: self.nearest,
            crowd: self.crowd,
            crowd_ppm: self.crowd_ppm,
            targets: 0,
            reward: Shannons::ZERO,
            opportunity: Shannons::ZERO,
            wins: wins.get(&self.facts.id).copied().unwrap_or(0),
            hits: 0,
            near: 0,
            best_z: None,
        }
    }
}

impl Spot {
    /// (threshold − our least distance) ÷ σ.
    fn z(&self, sigma: f32) -> Option<f32> {
        let ours = self.ours.as_ref()?;
        (sigma > 0.0).then(|| (self.facts.threshold - ours.distance) / sigma)
    }

    fn class(&self, sigma: f32) -> Class {
        // As the chain compares: the division could round a margin of nothing.
        let is_hit = self.ours.as_ref().is_some_and(|ours| ours.distance <= self.facts.threshold);
        match self.z(sigma) {
            Some(_) if is_hit => Class::Hit,
            Some(z) if z >= -NEAR_Z => Class::Near,
            _ => Class::Far,
        }
    }
}
