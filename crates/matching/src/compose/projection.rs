//! How far each window reaches towards the target: the one pass over the library's rows.

use super::{Groups, Pool, Reach, Wanted};

/// Bytes of rows beyond those of the winners that one target may read. Rows are what takes time.
const FURTHER_BYTES: usize = 64 << 20;

pub(super) struct Projections {
    /// `[model][window]`: target · embedding; NaN where it was not looked at.
    pub of: Vec<Vec<f32>>,
    /// `[window]`: `None` if a loss is no number.
    pub winners: Vec<Option<u8>>,
}

impl Projections {
    pub fn of(pool: &Pool<'_>, groups: &Groups, wanted: &Wanted<'_>) -> Self {
        let winners: Vec<Option<u8>> =
            (0..pool.len()).map(|window| pool.winner(window).and_then(|model| u8::try_from(model).ok())).collect();
        let wanted_rows = rows(pool, groups, wanted.reach, &winners);
        let of = wanted_rows.into_iter().zip(&pool.models).map(|(windows, scores)| {
            let slots: Vec<u32> = windows.iter().map(|window| scores.row_of[*window as usize]).collect();
            let mut found = vec![0.0; slots.len()];
            crate::products_of_rows(scores.rows, pool.dim, &slots, wanted.target, &mut found);
            let mut projections = vec![f32::NAN; pool.len()];
            for (window, projection) in windows.iter().zip(found) {
                projections[*window as usize] = projection;
            }
            projections
        });
        Self { of: of.collect(), winners }
    }

    pub fn scanned(&self, model: usize) -> impl Iterator<Item = u32> {
        (0u32..).zip(&self.of[model]).filter(|(_, projection)| !projection.is_nan()).map(|(window, _)| window)
    }

    /// The best few of these by projection, which decides for long compositions, and by cosine, which does for short ones; no
    /// content twice.
    pub fn shortlist(&self, pool: &Pool<'_>, model: usize, windows: Vec<u32>, limit: usize) -> Vec<u32> {
        let mut rest = windows;
        let projection = |window: &u32| self.of[model][*window as usize];
        let cosine = |window: &u32| projection(window) / pool.models[model].norms[*window as usize];
        let mut chosen: Vec<u32> = Vec::with_capacity(limit);
        take_best(&mut rest, &mut chosen, limit * 2 / 3, projection);
        let room = limit - chosen.len();
        take_best(&mut rest, &mut chosen, room, cosine);
        let mut seen = std::collections::HashSet::with_capacity(limit);
        chosen.retain(|window| seen.insert(pool.contents[*window as usize]));
        chosen
    }
}

fn take_best(rest: &mut Vec<u32>, chosen: &mut Vec<u32>, count: usize, value: impl Fn(&u32) -> f32) {
    if count < rest.len() && count > 0 {
        rest.select_nth_unstable_by(count - 1, |a, b| value(b).total_cmp(&value(a)).then(a.cmp(b)));
    }
    chosen.extend(rest.drain(..count.min(rest.len())));
}

/// Whether a model can win any composition of these windows: against each rival it has a window to outweigh others with.
fn can_win(pool: &Pool<'_>, model: usize, windows: &mut dyn Iterator<Item = u32>) -> bool {
    let mut unbeaten: u64 = (0..pool.models.len()).filter(|rival| *rival != model).map(|rival| 1 << rival).sum();
    while unbeaten != 0
        && let Some(window) = windows.next()
    {
        let loss = |model: usize| pool.models[model].losses[window as usize];
        for rival in 0..pool.models.len() {
            if loss(model) < loss(rival) || (model < rival && loss(model) == loss(rival)) {
                unbeaten &= !(1 << rival);
            }
        }
    }
    unbeaten == 0
}

/// For each model the windows to look at: those it wins, and those it loses by least, as many as there is time for, where it can win
/// anything.
fn rows(pool: &Pool<'_>, groups: &Groups, reach: Reach, winners: &[Option<u8>]) -> Vec<Vec<u32>> {
    let models = pool.models.len();
    let mut rows: Vec<Vec<u32>> = vec![Vec::with_capacity(pool.len() / models); models];
    for (window, winner) in winners.iter().enumerate() {
        if let Some(winner) = winner {
            rows[usize::from(*winner)].push(window as u32);
        }
    }
    let further = FURTHER_BYTES / (2 * pool.dim.max(1));
    if reach == Reach::Single || models < 2 {
        return rows;
    }
    // (what it loses by, model, window)
    let mut losers: Vec<(f32, u8, u32)> = Vec::new();
    let mut lose = |model: usize, window: u32| {
        let Some(winner) = winners[window as usize] else { return };
        if usize::from(winner) != model {
            let loss = |model: usize| pool.models[model].losses[window as usize];
            losers.push((loss(model) - loss(winner.into()), model as u8, window));
        }
    };
    let can_win = |model: usize, members: &mut dyn Iterator<Item = u32>| can_win(pool, model, members);
    match reach {
        Reach::SameGroup => {
            for group in 0..groups.count() as u32 {
                let members = groups.members(group);
                if members.len() < 2 {
                    continue;
                }
                for model in (0..models).filter(|model| can_win(*model, &mut members.iter().copied())) {
                    members.iter().for_each(|window| lose(model, *window));
                }
            }
        }
        Reach::Any | Reach::Single => {
            let all = 0..pool.len() as u32;
            for model in (0..models).filter(|model| can_win(*model, &mut all.clone())) {
                all.clone().for_each(|window| lose(model, window));
            }
        }
    }
    if further < losers.len() {
        if further == 0 {
            losers.clear();
        } else {
            losers.select_nth_unstable_by(further - 1, |a, b| a.0.total_cmp(&b.0).then(a.2.cmp(&b.2)));
            losers.truncate(further);
        }
    }
    for (_, model, window) in losers {
        rows[usize::from(model)].push(window);
    }
    for rows in &mut rows {
        // Ascending, so that memory is read in order.
        rows.sort_unstable();
    }
    rows
}
