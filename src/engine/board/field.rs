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
/// Targets whose embeddings are copied side by side to meet the models.
const MET_AT_ONCE: usize = 512;

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
        let mut rest = targets.into_iter().peekable();
        while rest.peek().is_some() {
            let some: Vec<TargetFacts> = rest.by_ref().take(MET_AT_ONCE).collect();
            let fitting: Vec<&[f32]> =
                some.iter().map(|t| &*t.embedding).filter(|embedding| embedding.len() == self.dim).collect();
            let all = distances(&fitting, &models, self.dim);
            let mut rows = all.chunks_exact(models.len().max(1));
            for facts in some {
                let row = if facts.embedding.len() == self.dim { rows.next().unwrap_or_default() } else { &[] };
                let ours = self.open.remove(&facts.id).and_then(|spot| spot.ours);
                self.open.insert(facts.id, Spot { model: nearest(&ids, row), facts, ours });
            }
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::engine::corpus::Source;

    /// σ = 0.5.
    const DIM: usize = 4;

    fn id(n: u8) -> ObjectId {
        ObjectId([n; 32])
    }

    fn model(n: u8, stake: u64, embedding: &[f32]) -> ModelFacts {
        ModelFacts { id: id(n), stake: Shannons(stake), commission_bps: 100, embedding: embedding.into() }
    }

    fn target(n: u8, models: &[u8], reward: u64, embedding: &[f32]) -> TargetFacts {
        TargetFacts {
            id: id(n),
            epoch: 1,
            embedding: embedding.into(),
            models: models.iter().map(|n| id(*n)).collect(),
            threshold: 0.9,
            reward: Shannons(reward),
        }
    }

    fn ours(distance: f32, model: u8, path: &str) -> Option<Nearest> {
        Some(Nearest { distance, model: id(model), source: Source::file(Path::new(path).into(), 0, 9, false) })
    }

    /// Two models in a crowd and one apart; a target beside the crowd and one at the third model.
    fn field() -> Field {
        let mut field = Field::default();
        let models = [
            model(1, 4, &[1.0, 0.0, 0.0, 0.0]),
            model(2, 4, &[0.98, 0.2, 0.0, 0.0]),
            model(3, 16, &[0.0, 0.0, 2.0, 0.0]),
            model(4, 0, &[1.0]),
        ];
        field.set_models(DIM, &models);
        field.open(vec![
            target(11, &[1, 2], 8_000_000, &[0.0, 3.0, 0.0, 0.0]),
            target(12, &[3], 4_000_000, &[0.0, 0.0, 1.0, 0.1]),
        ]);
        field
    }

    #[test]
    fn crowds_territories_and_opportunity_are_as_counted_by_hand() {
        let mut field = field();
        field.set_wins([(id(3), 5)].into());
        field.stands(&id(11), ours(0.95, 1, "/d/a.txt"));
        field.stands(&id(12), ours(0.5, 3, "/d/b.rs"));
        let rows: HashMap<u8, BoardModel> = field.models().into_iter().map(|row| (row.id.0[0], row)).collect();
        let [one, two, three, four] = [1, 2, 3, 4].map(|n| &rows[&n]);
        // √stake: 2, 2, 4, 0.
        assert_eq!([one, two, three, four].map(|m| m.share_ppm), [250_000, 250_000, 500_000, 0]);
        assert_eq!([one, two, three, four].map(|m| m.crowd), [1, 1, 0, 0]);
        assert_eq!([one, two, three].map(|m| m.crowd_ppm), [500_000, 500_000, 500_000]);
        assert_eq!(one.nearest.map(|(id, _)| id), Some(id(2)));
        let expected = 1.0 - 0.98 / (0.98f32 * 0.98 + 0.04).sqrt();
        assert!((one.nearest.expect("there is one").1 - expected).abs() < 1e-5);
        // Another dimension has no place among them.
        assert_eq!((four.nearest, four.opportunity), (None, Shannons::ZERO));
        // 8,000,000 for half of √stake, which is fifty hundredths; 4,000,000 for the other half.
        assert_eq!([one, two, three].map(|m| m.opportunity.0), [160_000, 160_000, 80_000]);
        assert_eq!([one, two, three].map(|m| m.targets), [1, 1, 1]);
        assert_eq!([one, three].map(|m| (m.hits, m.near, m.wins)), [(0, 1, 0), (1, 0, 5)]);
        assert!((one.best_z.expect("known") + 0.1).abs() < 1e-5 && (three.best_z.expect("known") - 0.8).abs() < 1e-5);
        // Highest opportunity first.
        assert_eq!(field.models()[0].id, id(1));
    }

    #[test]
    fn a_gap_is_a_target_whose_nearest_model_is_like_a_random_direction() {
        let mut field = field();
        let gaps = field.gaps();
        assert_eq!((gaps.open, gaps.count, gaps.reward), (2, 1, Shannons(8_000_000)));
        let [gap] = gaps.rows.as_slice() else { panic!("{gaps:?}") };
        assert_eq!((gap.target, gap.model, gap.ours_z), (id(11), id(2), None));
        let distance = 1.0 - 0.2 / (0.98f32 * 0.98 + 0.04).sqrt();
        assert!((gap.distance - distance).abs() < 1e-5 && (gap.z - (1.0 - distance) / 0.5).abs() < 1e-4);
        // A model that comes to it closes the gap; what we hold stays known.
        field.stands(&id(11), ours(0.7, 1, "/d/a.txt"));
        field.set_models(DIM, &[model(5, 1, &[0.0, 1.0, 0.0, 0.0])]);
        let gaps = field.gaps();
        assert_eq!((gaps.count, gaps.rows[0].target), (1, id(12)));
        assert_eq!(field.close(&[id(12), id(99)]).len(), 1);
        assert_eq!((field.gaps().open, field.gaps().count), (1, 0));
        assert_eq!(field.reach().kinds[0].hits, 1);
    }

    #[test]
    fn near_misses_lie_within_two_sigma_and_the_nearest_come_first() {
        let mut field = field();
        field.open((20..24).map(|n| target(n, &[3], 1, &[0.0, 0.0, 1.0, 0.0])).collect());
        // z: hit, exactly on the threshold, −1, −2.2.
        for (n, distance) in [(20, 0.3), (21, 0.9), (22, 1.4), (23, 2.0)] {
            field.stands(&id(n), ours(distance, 3, &format!("/data/code/{n}.RS")));
        }
        field.stands(&id(11), ours(0.95, 1, "/data/prose/moby"));
        let classes = [20, 21, 22, 23].map(|n| field.stands(&id(n), field.open[&id(n)].ours.clone()));
        assert_eq!(classes.map(|c| c.map(|c| c.1)), [Class::Hit, Class::Hit, Class::Near, Class::Far].map(Some));
        let reach = field.reach();
        assert_eq!(reach.misses.iter().map(|miss| miss.target.0[0]).collect::<Vec<_>>(), [11, 22]);
        assert!((reach.misses[1].z + 1.0).abs() < 1e-5);
        let rows: Vec<_> = reach.kinds.iter().map(|row| (row.name.as_str(), row.nearest, row.hits, row.near)).collect();
        assert_eq!(rows, [("rs", 4, 2, 1), ("no ending", 1, 0, 1)]);
        let places: Vec<_> = reach.sources.iter().map(|row| (row.name.as_str(), row.nearest)).collect();
        assert_eq!(places, [("code", 4), ("prose", 1)]);
        assert_eq!(field.stands(&id(99), None), None);
    }

    #[test]
    fn without_a_dimension_there_are_no_numbers_and_no_panic() {
        let mut field = Field::default();
        field.set_models(0, &[model(1, 1, &[])]);
        field.open(vec![target(2, &[1], 1, &[])]);
        field.stands(&id(2), ours(0.1, 1, "x"));
        assert_eq!((field.sigma(), field.gaps().count, field.reach().kinds.len()), (0.0, 0, 0));
        assert_eq!(field.models()[0].targets, 1);
    }
}
