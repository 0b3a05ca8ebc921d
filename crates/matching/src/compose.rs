//! Which few windows, put one after the other, lie within a target that no single window reaches.
//!
//! Loss and embedding of a concatenation of full windows, up to sixteen, are the means of the windows' own (ARCHITECTURE.md, "Compositions").
//! So a composition is judged by the sums of its windows: the model with the lowest summed loss wins, and the cosine is that of
//! the winner's summed embedding. The search is a heuristic; what it gives is measured again from the rows before it is given.

mod groups;
mod kernel;
mod projection;
mod search;

use half::f16;
use rayon::prelude::*;

pub use groups::Groups;
use projection::Projections;
use search::{Found, Members, Search};

/// Windows of a composition: one batch of the network, within which rows weigh the same.
pub const LONGEST: usize = 16;

/// Windows by projection among which a composition of any origin is sought.
const SHORTLIST: usize = 256;
/// The same for one group, of which many are searched.
const GROUP_SHORTLIST: usize = 48;
const BEAM: usize = 8;
const GROUP_BEAM: usize = 4;
const EXCHANGED: usize = 2;
/// Groups of one target that are searched in earnest.
const GROUPS_SEARCHED: usize = 96;
/// If none is worth that: those that come nearest, so that it can be told how far off they are.
const GROUPS_TRIED: usize = 4;
/// What a group's estimate may lack and the group still be searched: estimates take every pair for an average one.
const SLACK: f32 = 1.1;

/// Where the windows of a composition may come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Reach {
    /// One window is no composition, but an answer.
    Single,
    /// Windows of one group, so that the data stays coherent.
    #[default]
    SameGroup,
    Any,
}

/// The windows' scores under one of the target's models.
#[derive(Clone, Copy, Debug)]
pub struct Scores<'a> {
    /// `[rows, dim]`, row-major, as the model gave them: the mean of a composition is one of vectors with their lengths.
    pub rows: &'a [f16],
    /// Window → row.
    pub row_of: &'a [u32],
    /// `[windows]`: lengths of the embeddings.
    pub norms: &'a [f32],
    /// `[windows]`
    pub losses: &'a [f32],
}

/// Full windows that every model of the target has scored.
#[derive(Clone, Debug)]
pub struct Pool<'a> {
    pub dim: usize,
    /// In the target's order, which decides between equal losses.
    pub models: Vec<Scores<'a>>,
    /// `[windows]`: equal contents have equal numbers, and meet in no composition.
    pub contents: &'a [u64],
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// `[dim]`, of length one.
    pub target: &'a [f32],
    pub threshold: f32,
    /// Cosine distance below the threshold that must be kept free.
    pub margin: f32,
    /// By so much must the winner's mean loss be the lowest: search precision may be less than an audit's.
    pub loss_margin: f32,
    pub reach: Reach,
    /// At most [`LONGEST`].
    pub longest: usize,
}

/// Windows within a target, with what the network will find when it scores them.
#[derive(Clone, Debug, PartialEq)]
pub struct Composition {
    /// Ascending. Any order has the same score.
    pub windows: Vec<u32>,
    /// Index of the winner among the target's models.
    pub winner: usize,
    pub distance: f32,
    /// Mean loss under each model, in the target's order.
    pub losses: Vec<f32>,
}

/// What rounding to half precision can do to a cosine, four times over: errors of elements are independent, at most 2⁻¹² of each.
pub fn half_band(dim: usize) -> f32 {
    4.0 * 1.5e-4 / (dim.max(1) as f32).sqrt()
}

impl<'a> Pool<'a> {
    pub fn len(&self) -> usize {
        self.contents.len()
    }

    pub fn is_empty(&self) -> bool {
        self.contents.is_empty()
    }

    fn row(&self, model: usize, window: usize) -> &'a [f16] {
        let scores = &self.models[model];
        let at = scores.row_of[window] as usize * self.dim;
        &scores.rows[at..at + self.dim]
    }

    fn check(&self) {
        let windows = self.len();
        for scores in &self.models {
            assert!(
                scores.row_of.len() == windows && scores.norms.len() == windows && scores.losses.len() == windows,
                "a row, a norm and a loss for each window"
            );
        }
    }

    /// The model with the lowest loss; `None` without a number. The first of equals.
    fn winner(&self, window: usize) -> Option<usize> {
        lowest(self.models.iter().map(|scores| f64::from(scores.losses[window])))
    }

    /// The score of these windows put together, from the rows, in f64; `None` without a winner.
    pub fn measure(&self, windows: &[u32], target: &[f32]) -> Option<Composition> {
        let count = windows.len() as f64;
        let losses = self
            .models
            .iter()
            .map(|scores| windows.iter().map(|window| f64::from(scores.losses[*window as usize])).sum::<f64>() / count);
        let losses: Vec<f64> = losses.collect();
        let winner = lowest(losses.iter().copied())?;
        let mut sum = vec![0.0f64; self.dim];
        for window in windows {
            for (s, x) in sum.iter_mut().zip(self.row(winner, *window as usize)) {
                *s += x.to_f64();
            }
        }
        let dot: f64 = sum.iter().zip(target).map(|(s, t)| s * f64::from(*t)).sum();
        let norm = |squares: f64| squares.sqrt();
        let lengths = norm(sum.iter().map(|s| s * s).sum()) * norm(target.iter().map(|t| f64::from(*t).powi(2)).sum());
        let distance = (1.0 - dot / lengths) as f32;
        let mut windows = windows.to_vec();
        windows.sort_unstable();
        let losses = losses.into_iter().map(|loss| loss as f32).collect();
        distance.is_finite().then_some(Composition { windows, winner, distance, losses })
    }
}

/// Index of the lowest number; the first of equals, none that is no number.
fn lowest(losses: impl Iterator<Item = f64>) -> Option<usize> {
    let mut best: Option<(usize, f64)> = None;
    for (index, loss) in losses.enumerate() {
        if !loss.is_finite() {
            return None;
        }
        if best.is_none_or(|(_, least)| loss < least) {
            best = Some((index, loss));
        }
    }
    best.map(|(index, _)| index)
}

impl Wanted<'_> {
    /// Whether a composition is within the target, by enough.
    pub fn is_met_by(&self, found: &Composition) -> bool {
        found.distance <= self.threshold - self.margin
    }
}

/// The shortest composition within the target, by enough; of equally short ones the one with the largest margin that was found.
///
/// `groups` must be up to date with the pool; it is looked at for [`Reach::SameGroup`] only.
pub fn compose(pool: &Pool<'_>, groups: &Groups, wanted: &Wanted<'_>) -> Option<Composition> {
    approach(pool, groups, wanted).filter(|found| wanted.is_met_by(found))
}

/// As [`compose`]; if nothing is [within](Wanted::is_met_by) the target, the nearest of several windows that the search came by, if any.
/// Of groups that an estimate rules out only the few that come nearest are searched for that.
pub fn approach(pool: &Pool<'_>, groups: &Groups, wanted: &Wanted<'_>) -> Option<Composition> {
    pool.check();
    let longest = wanted.longest.min(LONGEST);
    if pool.is_empty() || pool.models.is_empty() || longest == 0 {
        return None;
    }
    let needed = 1.0 - wanted.threshold + wanted.margin + half_band(pool.dim);
    let projections = Projections::of(pool, groups, wanted);
    let measured = |windows: &[u32]| pool.measure(windows, wanted.target);

    if let Some(single) = best_single(pool, &projections, wanted, needed)
        && let Some(single) = measured(&[single]).filter(|found| wanted.is_met_by(found))
    {
        return Some(single);
    }
    let found = match wanted.reach {
        _ if longest == 1 => None,
        Reach::Single => None,
        Reach::SameGroup => in_one_group(pool, groups, &projections, wanted, needed, longest),
        Reach::Any => anywhere(pool, &projections, wanted, needed, longest),
    };
    measured(&found?.windows)
}

fn best_single(pool: &Pool<'_>, projections: &Projections, wanted: &Wanted<'_>, needed: f32) -> Option<u32> {
    let mut best: Option<(f32, u32)> = None;
    for (window, winner) in projections.winners.iter().enumerate() {
        let Some(winner) = winner.map(usize::from) else { continue };
        let cosine = projections.of[winner][window] / pool.models[winner].norms[window];
        let loses = |rival: usize| {
            let ahead = pool.models[rival].losses[window] - pool.models[winner].losses[window];
            rival != winner && ahead < wanted.loss_margin
        };
        if cosine >= needed && best.is_none_or(|(most, _)| cosine > most) && !(0..pool.models.len()).any(loses) {
            best = Some((cosine, window as u32));
        }
    }
    best.map(|(_, window)| window)
}

/// What is near enough; of such the shorter, then the nearer.
fn better(a: Option<Found>, b: Option<Found>) -> Option<Found> {
    match (a, b) {
        (Some(a), Some(b)) => {
            let length = |found: &Found| if found.is_near_enough { found.windows.len() } else { usize::MAX };
            let a_wins = (length(&a), -a.cosine) <= (length(&b), -b.cosine);
            Some(if a_wins { a } else { b })
        }
        (a, b) => a.or(b),
    }
}

fn anywhere(
    pool: &Pool<'_>,
    projections: &Projections,
    wanted: &Wanted<'_>,
    needed: f32,
    longest: usize,
) -> Option<Found> {
    let search = |model: usize| {
        let all: Vec<u32> = projections.scanned(model).collect();
        let windows = projections.shortlist(pool, model, all, SHORTLIST);
        let members = Members::load(pool, model, windows, |w| projections.of[model][w as usize]);
        Search { members: &members, needed, loss_margin: wanted.loss_margin, beam: BEAM, exchanged: EXCHANGED }
            .shortest(longest)
    };
    (0..pool.models.len()).into_par_iter().map(search).reduce(|| None, better)
}

/// A group under one model, as far as estimates tell.
struct Promising {
    group: u32,
    model: usize,
    /// The least number of windows whose estimate is near enough, and that estimate; else the number with the best one.
    length: usize,
    cosine: f32,
    is_near_enough: bool,
}

fn in_one_group(
    pool: &Pool<'_>,
    groups: &Groups,
    projections: &Projections,
    wanted: &Wanted<'_>,
    needed: f32,
    longest: usize,
) -> Option<Found> {
    let estimate = |group: u32| {
        (0..pool.models.len()).filter_map(move |model| {
            let windows = groups.members(group).iter();
            let mut rows: Vec<(f32, f32)> = windows
                .map(|w| (projections.of[model][*w as usize], pool.models[model].norms[*w as usize]))
                .filter(|(projection, _)| *projection > 0.0)
                .collect();
            rows.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
            let (mut projection, mut squares) = (0.0, 0.0);
            let between = groups.mean_product(model, group);
            let mut best: Option<Promising> = None;
            for (index, (p, norm)) in rows.into_iter().take(longest).enumerate() {
                projection += p;
                squares += norm * norm;
                let pairs = (index * (index + 1)) as f32;
                let cosine = projection / (squares + pairs * between).max(f32::MIN_POSITIVE).sqrt();
                if index == 0 || best.as_ref().is_some_and(|best| cosine <= best.cosine) {
                    continue;
                }
                let is_near_enough = cosine * SLACK >= needed;
                best = Some(Promising { group, model, length: index + 1, cosine, is_near_enough });
                if is_near_enough {
                    break;
                }
            }
            best
        })
    };
    let mut promising: Vec<Promising> =
        (0..groups.count()).into_par_iter().flat_map_iter(|group| estimate(group as u32)).collect();
    if promising.iter().any(|promising| promising.is_near_enough) {
        promising.retain(|promising| promising.is_near_enough);
        promising.sort_unstable_by(|a, b| a.length.cmp(&b.length).then(b.cosine.total_cmp(&a.cosine)));
        promising.truncate(GROUPS_SEARCHED);
    } else {
        promising.sort_unstable_by(|a, b| b.cosine.total_cmp(&a.cosine));
        promising.truncate(GROUPS_TRIED);
    }

    let mut best: Option<Found> = None;
    // A few at a time: what the first find makes most of the others pointless.
    for some in promising.chunks(2 * rayon::current_num_threads().max(1)) {
        let limit = best.as_ref().filter(|found| found.is_near_enough).map_or(longest, |found| found.windows.len());
        if some[0].length > limit {
            break;
        }
        let search = |promising: &Promising| {
            let model = promising.model;
            let scanned = |w: &u32| !projections.of[model][*w as usize].is_nan();
            let all = groups.members(promising.group).iter().copied().filter(scanned).collect();
            let windows = projections.shortlist(pool, model, all, GROUP_SHORTLIST);
            let members = Members::load(pool, model, windows, |w| projections.of[model][w as usize]);
            Search {
                members: &members,
                needed,
                loss_margin: wanted.loss_margin,
                beam: GROUP_BEAM,
                exchanged: EXCHANGED,
            }
            .shortest(limit)
        };
        let found = some.par_iter().map(search).reduce(|| None, better);
        best = better(best, found);
    }
    best
}

#[cfg(test)]
mod tests;
