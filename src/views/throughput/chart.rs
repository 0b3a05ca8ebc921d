//! Rates over time: bars on round times, a scale of round numbers, gaps where the program did not run.
//!
//! Bytes are what a chart costs over a thin line. So it moves in steps of several columns, and between two steps only its
//! newest column is drawn anew; and its scale changes only when a value leaves it.

use ratatui::{layout::Rect, text::Line};

use crate::{
    api::{RateSeries, Rates},
    views::{
        panes::Ink,
        text::{rate, time_of_day},
    },
};

/// Columns for the scale's numbers.
const GUTTER: u16 = 7;
/// Seconds between marks of time, and the least columns between two of them.
const MARKS: &[u64] = &[5, 10, 15, 30, 60, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 14_400, 21_600];
const MARK_COLUMNS: u64 = 11;

/// What a column shows.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Slot {
    /// Before the history, or not yet.
    Blank,
    /// The program did not run.
    Gap,
    Mean(f32),
}

/// Columns for buckets: `group` of these in each slot, a slot `width` columns wide.
#[derive(Debug)]
struct Grid {
    group: u64,
    width: u64,
    /// Index of the first slot since 1970.
    first: u64,
    slots: Vec<Slot>,
}

/// The whole series if `whole`, else its newest part with a column a bucket; moves by `step` slots.
fn grid(series: &RateSeries, value: impl Fn(&Rates) -> f32, columns: u16, step: u64, whole: bool) -> Grid {
    let buckets = series.buckets.len() as u64;
    let columns = u64::from(columns).max(1);
    let (group, width) = match buckets {
        0 => (1, 1),
        n if columns >= n => (1, columns / n),
        n if whole => (n.div_ceil(columns), 1),
        _ => (1, 1),
    };
    let last = series.last_s / series.bucket_s.max(1);
    let end = (last / group / step + 1) * step;
    let first = end.saturating_sub(columns / width);
    let oldest = (last + 1).saturating_sub(buckets);
    let slot = |slot: u64| {
        let inside = (slot * group..(slot + 1) * group).filter(|bucket| (oldest..=last).contains(bucket));
        let mut known = (0, 0.0);
        let mut is_inside = false;
        for bucket in inside {
            is_inside = true;
            if let Some(Some(rates)) = series.buckets.get((bucket - oldest) as usize) {
                known = (known.0 + 1, known.1 + value(rates));
            }
        }
        match known.0 {
            _ if !is_inside => Slot::Blank,
            0 => Slot::Gap,
            n => Slot::Mean(known.1 / n as f32),
        }
    };
    Grid { group, width, first, slots: (first..end).map(slot).collect() }
}

/// The next of 1, 2, 5, 10, 20, … that is not below `highest`.
fn ceiling(highest: f32) -> f32 {
    if !highest.is_finite() || highest <= 0.0 {
        return 1.0;
    }
    let decade = 10_f32.powf(highest.log10().floor());
    [1.0, 2.0, 5.0].into_iter().map(|n| n * decade).find(|top| *top >= highest).unwrap_or(decade * 10.0)
}

/// Bars only.
pub fn sparkline(series: &RateSeries, value: impl Fn(&Rates) -> f32, area: Rect, ink: &mut Ink<'_>) {
    let grid = grid(series, value, area.width, 10, false);
    let top = top(&grid);
    bars(&grid, top, area, ink);
}

/// Bars with a scale on the left and times below.
pub fn draw(series: &RateSeries, value: impl Fn(&Rates) -> f32, step: u64, area: Rect, ink: &mut Ink<'_>) {
    if area.width < GUTTER + 10 || area.height < 4 {
        return sparkline(series, value, area, ink);
    }
    let plane = Rect { x: area.x + GUTTER, width: area.width - GUTTER, height: area.height - 1, ..area };
    let grid = grid(series, value, plane.width, step, true);
    let top = top(&grid);
    let dim = ink.theme.dim();
    let mut label = |row: u16, value: f32| {
        let text = format!("{:>1$} ", rate(value), usize::from(GUTTER) - 1);
        ink.line(Rect { width: GUTTER, ..area }, row, &Line::styled(text, dim));
    };
    label(0, top);
    if plane.height >= 7 {
        label(plane.height / 2, top / 2.0);
    }
    bars(&grid, top, plane, ink);

    let slot_s = grid.group * series.bucket_s.max(1);
    let columns = |seconds: u64| seconds / slot_s * grid.width;
    let every = MARKS.iter().copied().find(|every| *every >= slot_s && columns(*every) >= MARK_COLUMNS);
    let every = every.unwrap_or(21_600);
    let mut row = vec![b' '; usize::from(plane.width)];
    let mut free = 0;
    for (at, slot) in (grid.first..).zip(&grid.slots).map(|(slot, _)| slot).enumerate() {
        let (start_s, column) = (slot * slot_s, at * grid.width as usize);
        let clock = time_of_day(start_s * 1000);
        let text = if every < 60 { clock.as_str() } else { &clock[..5] };
        if start_s % every == 0 && column >= free && column + text.len() <= row.len() {
            row[column..column + text.len()].copy_from_slice(text.as_bytes());
            free = column + text.len() + 1;
        }
    }
    let below = Rect { y: area.bottom() - 1, height: 1, ..plane };
    ink.line(below, 0, &Line::styled(String::from_utf8_lossy(&row).into_owned(), dim));
}

fn top(grid: &Grid) -> f32 {
    let means = grid.slots.iter().filter_map(|slot| if let Slot::Mean(mean) = slot { Some(*mean) } else { None });
    ceiling(means.fold(0.0, f32::max))
}

fn bars(grid: &Grid, top: f32, area: Rect, ink: &mut Ink<'_>) {
    let area = area.intersection(ink.buffer.area);
    if area.is_empty() {
        return;
    }
    let (glyphs, accent, dim) = (ink.theme.glyphs, ink.theme.accent(), ink.theme.dim());
    let mut x = area.x;
    for slot in &grid.slots {
        for _ in 0..grid.width {
            if x >= area.right() {
                return;
            }
            let floor = (x, area.bottom() - 1);
            match slot {
                Slot::Blank => {}
                Slot::Gap => drop(ink.buffer[floor].set_symbol(glyphs.dot).set_style(dim)),
                Slot::Mean(mean) if *mean <= 0.0 => {
                    ink.buffer[floor].set_symbol(glyphs.bars[0]).set_style(dim);
                }
                Slot::Mean(mean) => {
                    let eighths = f32::from(area.height) * 8.0;
                    // A value that is there at all is never drawn as nothing.
                    let level = ((mean / top).clamp(0.0, 1.0) * eighths).round().max(1.0) as u16;
                    for row in 0..area.height {
                        let part = level.saturating_sub(row * 8).min(8);
                        if part > 0 {
                            let glyph = glyphs.bars[usize::from(part - 1)];
                            ink.buffer[(x, area.bottom() - 1 - row)].set_symbol(glyph).set_style(accent);
                        }
                    }
                }
            }
            x += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn series(last_s: u64, values: &[Option<f32>]) -> RateSeries {
        let rates = |value: &Option<f32>| value.map(|samples_per_s| Rates { samples_per_s, ..Rates::default() });
        RateSeries { bucket_s: 1, last_s, buckets: Arc::new(values.iter().map(rates).collect()) }
    }

    #[test]
    fn between_two_steps_only_the_newest_column_changes() {
        const START: u64 = 1_000;
        let values: Vec<_> = (0..60).map(|n| Some(n as f32)).collect();
        let at = |now: usize| {
            // The second `now` has the value `now`.
            let values: Vec<_> = (0..60).map(|n| values.get((now + n).wrapping_sub(59)).copied().flatten()).collect();
            grid(&series(START + now as u64, &values), |rates| rates.samples_per_s, 30, 10, false)
        };
        for now in 40..49 {
            let (before, after) = (at(now), at(now + 1));
            assert_eq!(before.first, after.first);
            let changed: Vec<_> = (0..30).filter(|i| before.slots[*i] != after.slots[*i]).collect();
            assert_eq!(changed, [(START + now as u64 + 1 - before.first) as usize]);
        }
        assert_eq!(at(50).first, at(49).first + 10);
    }

    #[test]
    fn many_buckets_share_a_column_by_their_mean_and_gaps_do_not_count() {
        let series = series(7, &[Some(2.0), None, None, None, Some(4.0), Some(8.0), Some(0.0), Some(1.0)]);
        let grid = grid(&series, |rates| rates.samples_per_s, 4, 1, true);
        assert_eq!((grid.group, grid.width), (2, 1));
        assert_eq!(grid.slots, [Slot::Mean(2.0), Slot::Gap, Slot::Mean(6.0), Slot::Mean(0.5)]);
    }

    #[test]
    fn the_scale_is_a_round_number() {
        for (highest, scale) in [(0.0, 1.0), (0.03, 0.05), (1.0, 1.0), (7.4, 10.0), (51.0, 100.0), (f32::NAN, 1.0)] {
            assert!((ceiling(highest) / scale - 1.0).abs() < 1e-6, "{highest}");
        }
    }
}
