//! The search among a few windows under one model: a beam that grows by one window at a time, and exchanges.

use super::{LONGEST, Pool, kernel};

/// Exchanges of one composition; each makes it nearer.
const EXCHANGES: usize = 64;
/// Less is rounding.
const LEAST_GAIN: f32 = 1e-6;
/// Share of what is needed from which a composition is worth exchanges: they add little to one that is far off.
const HOPEFUL: f32 = 0.75;

/// Windows with everything that a search needs to know of them, under the model that shall win.
pub(super) struct Members {
    windows: Vec<u32>,
    projections: Vec<f32>,
    /// `[windows, windows]`: inner products of the embeddings.
    products: Vec<f32>,
    /// `[windows, rivals]`: by how much the rival's loss is higher.
    advantages: Vec<f32>,
    /// Rivals that come before the model in the target's order, which win when losses are equal.
    first: Vec<bool>,
}

impl Members {
    pub fn load(pool: &Pool<'_>, model: usize, windows: Vec<u32>, projection: impl Fn(u32) -> f32) -> Self {
        let mut rows = Vec::with_capacity(windows.len() * pool.dim);
        for window in &windows {
            let window = *window as usize;
            kernel::append(pool.row(model, window), &mut rows);
        }
        let rivals: Vec<usize> = (0..pool.models.len()).filter(|rival| *rival != model).collect();
        let advantage = |window: &u32| {
            let loss = |model: usize| pool.models[model].losses[*window as usize];
            rivals.iter().map(move |rival| loss(*rival) - loss(model)).collect::<Vec<_>>()
        };
        Self {
            projections: windows.iter().map(|window| projection(*window)).collect(),
            products: kernel::gram(&rows, pool.dim),
            advantages: windows.iter().flat_map(advantage).collect(),
            first: rivals.iter().map(|rival| *rival < model).collect(),
            windows,
        }
    }

    fn len(&self) -> usize {
        self.windows.len()
    }

    fn products(&self, member: usize) -> &[f32] {
        &self.products[member * self.len()..(member + 1) * self.len()]
    }

    fn square(&self, member: usize) -> f32 {
        self.products[member * self.len() + member]
    }

    fn advantages(&self, member: usize) -> &[f32] {
        &self.advantages[member * self.first.len()..(member + 1) * self.first.len()]
    }
}

/// A composition that its model wins.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub windows: Vec<u32>,
    pub cosine: f32,
    /// The cosine is what is needed.
    pub is_near_enough: bool,
}

pub(super) struct Search<'a> {
    pub members: &'a Members,
    /// The least cosine.
    pub needed: f32,
    pub loss_margin: f32,
    pub beam: usize,
    /// States of each length that are improved by exchanges.
    pub exchanged: usize,
}

/// Some members put together.
#[derive(Clone, Debug)]
struct State {
    /// Ascending.
    chosen: Vec<u16>,
    projection: f32,
    square: f32,
    cosine: f32,
    /// Inner product of the sum with each member.
    products: Vec<f32>,
    /// Sums, by rival.
    advantages: Vec<f32>,
    wins: bool,
}

impl Search<'_> {
    /// The shortest that is near enough, of at most `longest` windows; of those the nearest. If there is none, the nearest of several windows
    /// that was come by.
    pub fn shortest(&self, longest: usize) -> Option<Found> {
        let mut beam = vec![self.nothing()];
        let mut nearest: Option<Found> = None;
        for _ in 0..longest.min(LONGEST).min(self.members.len()) {
            beam = self.grow(&beam);
            if beam.is_empty() {
                break;
            }
            let hopeful = |state: &&mut State| state.wins && state.cosine >= HOPEFUL * self.needed;
            beam.iter_mut().filter(hopeful).take(self.exchanged).for_each(|state| self.exchange(state));
            let best = beam.iter().filter(|state| state.wins).max_by(|a, b| a.cosine.total_cmp(&b.cosine));
            if let Some(State { chosen, cosine, .. }) = best {
                let is_near_enough = *cosine >= self.needed;
                if is_near_enough
                    || (chosen.len() > 1 && nearest.as_ref().is_none_or(|nearest| *cosine > nearest.cosine))
                {
                    let windows = chosen.iter().map(|m| self.members.windows[usize::from(*m)]).collect();
                    nearest = Some(Found { windows, cosine: *cosine, is_near_enough });
                }
                if is_near_enough {
                    return nearest;
                }
            }
            // Exchanges lead several states to one.
            beam.sort_by(|a, b| b.cosine.total_cmp(&a.cosine).then_with(|| a.chosen.cmp(&b.chosen)));
            beam.dedup_by(|a, b| a.chosen == b.chosen);
        }
        nearest
    }

    fn nothing(&self) -> State {
        State {
            chosen: Vec::new(),
            projection: 0.0,
            square: 0.0,
            cosine: f32::NEG_INFINITY,
            products: vec![0.0; self.members.len()],
            advantages: vec![0.0; self.members.first.len()],
            wins: false,
        }
    }

    /// Whether sums of advantages over `count` windows make the model win.
    fn wins(&self, advantages: impl Iterator<Item = f32>, count: usize) -> bool {
        let least = self.loss_margin * count as f32;
        advantages.zip(&self.members.first).all(|(sum, first)| if *first { sum > least } else { sum >= least })
    }

    /// Each state with one more member; the best of all. Some of them may be such as another model wins: what is added later
    /// can turn that.
    fn grow(&self, beam: &[State]) -> Vec<State> {
        let members = self.members;
        let mut grown: Vec<(f32, bool, usize, u16)> = Vec::with_capacity(beam.len() * members.len());
        for (from, state) in beam.iter().enumerate() {
            for member in 0..members.len() {
                let square = state.square + 2.0 * state.products[member] + members.square(member);
                let cosine = (state.projection + members.projections[member]) / square.sqrt();
                let sums = state.advantages.iter().zip(members.advantages(member)).map(|(sum, more)| sum + more);
                if cosine.is_finite() && !state.chosen.contains(&(member as u16)) {
                    grown.push((cosine, self.wins(sums, state.chosen.len() + 1), from, member as u16));
                }
            }
        }
        let by_cosine = |a: &(f32, bool, usize, u16), b: &(f32, bool, usize, u16)| {
            b.0.total_cmp(&a.0).then((a.2, a.3).cmp(&(b.2, b.3)))
        };
        let mut next: Vec<State> = Vec::with_capacity(self.beam + self.beam / 2);
        for (wins, room) in [(true, self.beam), (false, self.beam / 2)] {
            let mut of_kind: Vec<_> = grown.iter().copied().filter(|grown| grown.1 == wins).collect();
            // As many as there can be twins, and then some.
            let most = (room * beam.len()).max(1);
            if of_kind.len() > most {
                of_kind.select_nth_unstable_by(most - 1, by_cosine);
                of_kind.truncate(most);
            }
            of_kind.sort_unstable_by(by_cosine);
            let until = next.len() + room;
            for (_, _, from, member) in of_kind {
                let mut chosen = beam[from].chosen.clone();
                let place = chosen.partition_point(|held| *held < member);
                chosen.insert(place, member);
                if next.len() < until && next.iter().all(|state| state.chosen != chosen) {
                    next.push(self.state_of(chosen));
                }
            }
        }
        next
    }

    /// Sums from the start, so that rounding does not grow with the steps that led here.
    fn state_of(&self, chosen: Vec<u16>) -> State {
        let members = self.members;
        let mut state = self.nothing();
        for member in chosen.iter().map(|member| usize::from(*member)) {
            state.projection += members.projections[member];
            for (sum, product) in state.products.iter_mut().zip(members.products(member)) {
                *sum += product;
            }
            for (sum, advantage) in state.advantages.iter_mut().zip(members.advantages(member)) {
                *sum += advantage;
            }
        }
        state.square = chosen.iter().map(|member| state.products[usize::from(*member)]).sum();
        state.cosine = state.projection / state.square.sqrt();
        state.wins = self.wins(state.advantages.iter().copied(), chosen.len());
        state.chosen = chosen;
        state
    }

    /// Replaces one member by another for as long as that brings the sum nearer.
    fn exchange(&self, state: &mut State) {
        let members = self.members;
        let squares: Vec<f32> = (0..members.len()).map(|member| members.square(member)).collect();
        let mut cosines = vec![0.0; members.len()];
        for _ in 0..EXCHANGES {
            let mut best: Option<(f32, usize, u16)> = None;
            for (place, out) in state.chosen.iter().enumerate() {
                let out = usize::from(*out);
                let left = state.square - 2.0 * state.products[out] + squares[out];
                let projection = state.projection - members.projections[out];
                let with = state.products.iter().zip(members.products(out)).zip(&squares).zip(&members.projections);
                // By itself, so that the compiler makes vector instructions of it.
                for (cosine, (((product, between), square), more)) in cosines.iter_mut().zip(with) {
                    *cosine = (projection + more) / (left + 2.0 * (product - between) + square).sqrt();
                }
                for (member, cosine) in cosines.iter().enumerate() {
                    let is_nearer = *cosine > best.map_or(state.cosine + LEAST_GAIN, |(most, ..)| most);
                    if !is_nearer || state.chosen.contains(&(member as u16)) {
                        continue;
                    }
                    let sums = state.advantages.iter().zip(members.advantages(out)).zip(members.advantages(member));
                    if self.wins(sums.map(|((sum, less), more)| sum - less + more), state.chosen.len()) {
                        best = Some((*cosine, place, member as u16));
                    }
                }
            }
            let Some((_, place, member)) = best else { return };
            let mut chosen = state.chosen.clone();
            chosen[place] = member;
            chosen.sort_unstable();
            *state = self.state_of(chosen);
        }
    }
}
