//! The board's tables: models, gaps, submitters, near misses.

use ratatui::{layout::Rect, style::Style, text::Line};

use super::{
    super::{
        numbers::spelled,
        panes::Ink,
        table::{Column, Table, first_row, left, right},
        text::{clean, count, group, letters, soma, wrap},
    },
    percent, quick, signed, split, split_left,
};
use crate::{
    api::{CROWD_DISTANCE, GAP_Z, NEAR_Z, ReachRow},
    app::{Hit, Row, Section, State},
    primitives::ObjectId,
};

// The note on gaps names it.
const _: () = assert!(GAP_Z == 1.0);

const MODELS: &[Column] = &[
    left("", 1, 0),
    left("", 2, 0),
    left("model", 8, 2),
    right("per 1%", 8, 1),
    right("reward", 8, 4),
    right("open", 4, 3),
    right("share", 6, 2),
    right("crowd", 5, 1),
    right("nearest", 7, 6),
    right("stake", 10, 8),
    right("fee", 6, 9),
    right("hit", 4, 5),
    right("near", 4, 5),
    right("best", 6, 7),
    right("wins", 6, 10),
];

const GAPS: &[Column] = &[
    left("", 1, 0),
    left("target", 8, 0),
    right("reward", 9, 0),
    left("nearest", 8, 1),
    right("distance", 8, 3),
    right("z", 5, 1),
    right("ours z", 9, 2),
];

const FILLS: &[Column] = &[
    left("", 1, 0),
    left("submitter", 12, 0),
    right("filled", 7, 0),
    right("share", 6, 2),
    right("ever", 7, 1),
    right("median", 8, 1),
];

const KINDS: &[Column] =
    &[left("", 12, 0), right("nearest", 7, 2), right("hit", 5, 0), right("near", 5, 0), right("best z", 6, 1)];

const MISSES: &[Column] = &[
    left("", 1, 0),
    left("near miss", 9, 0),
    right("z", 5, 0),
    left("model", 5, 1),
    right("reward", 9, 2),
    left("our nearest sample", 18, 1),
];

/// Draws rows around the selected one. `row`: number, whether it is selected, and the table.
fn rows(
    area: Rect,
    section: Section,
    (selected, total): (usize, usize),
    table: &Table<'_>,
    ink: &mut Ink<'_>,
    row: impl Fn(usize, bool, &Table<'_>) -> Line<'static>,
) {
    ink.line(area, 0, &table.heading(ink.theme.dim()));
    let height = usize::from(area.height.saturating_sub(1));
    let first = first_row(selected, total, height);
    for (at, line) in (first..total).take(height).zip(1..) {
        ink.line(area, line, &row(at, at == selected, table));
        ink.hit_row(area, line, Hit::Row(Row::Board(section, at)));
    }
}

/// Dim sentences at the bottom; gives what is left above. Nothing where there is little room.
fn note(area: Rect, text: &str, ink: &mut Ink<'_>) -> Rect {
    let lines = wrap(text, area.width.into());
    let height = lines.len() as u16;
    if area.height < height + 8 {
        return area;
    }
    let (above, below) = split(area, area.height - height);
    ink.empty(below, &lines);
    above
}

fn marker(is_selected: bool, focused: bool, ink: &Ink<'_>) -> (String, Style) {
    match is_selected && focused {
        true => (ink.theme.glyphs.selected.to_owned(), ink.theme.focus()),
        false => (String::new(), Style::new()),
    }
}

pub fn models(state: &State, area: Rect, focused: bool, ink: &mut Ink<'_>) {
    let board = &state.snapshot.board;
    if board.models.is_empty() {
        return ink.empty(area, &["No model is active. They are listed when one is revealed.".to_owned()]);
    }
    let text = format!(
        "per 1%: reward of the open targets that list a model, for each hundredth of √stake that it holds together with its crowd (models \
         within {CROWD_DISTANCE}). hit, near: targets that our nearest sample under it reaches, or misses by at most {NEAR_Z} σ."
    );
    let text = spelled(&text, state.look.ascii);
    let area = note(area, &text, ink);
    let table = Table::new(MODELS, area.width.into(), ink.theme.glyphs.ellipsis);
    let theme = ink.theme;
    let selected = state.board.selected(Section::Models, board);
    let index_of = |id: &ObjectId| state.snapshot.models.iter().position(|model| model.id == *id);
    rows(area, Section::Models, (selected, board.models.len()), &table, ink, |at, is_selected, table| {
        let model = &board.models[at];
        let nothing = || (theme.glyphs.dot.to_owned(), theme.dim());
        let number = |n: u64, style: Style| if n == 0 { nothing() } else { (count(n), style) };
        table.row(|column| match column {
            0 if is_selected && focused => (theme.glyphs.selected.to_owned(), theme.focus()),
            0 => (String::new(), Style::new()),
            1 => match index_of(&model.id) {
                Some(index) => (crate::app::targets::model_letter(index), theme.model(index)),
                None => ("?".to_owned(), theme.dim()),
            },
            2 => (model.id.short(), Style::new()),
            3 => (soma(model.opportunity, 8), theme.strong()),
            4 => (soma(model.reward, 8), Style::new()),
            5 => (count(model.targets), Style::new()),
            6 => (percent(model.share_ppm), Style::new()),
            7 if model.crowd == 0 => ("alone".to_owned(), theme.accent()),
            7 => (format!("+{}", model.crowd), Style::new()),
            8 => match model.nearest {
                Some((_, distance)) => (format!("{distance:.4}"), Style::new()),
                None => nothing(),
            },
            9 => (soma(model.stake, 10), Style::new()),
            10 => (format!("{}.{:02}%", model.commission_bps / 100, model.commission_bps % 100), Style::new()),
            11 => number(model.hits, theme.good()),
            12 => number(model.near, theme.attention()),
            13 => model.best_z.map_or_else(nothing, |best| (signed(best, theme.glyphs.minus), Style::new())),
            _ => number(model.wins, Style::new()),
        })
    });
}

pub fn gaps(state: &State, area: Rect, focused: bool, ink: &mut Ink<'_>) {
    let board = &state.snapshot.board;
    let gaps = &board.gaps;
    if gaps.rows.is_empty() {
        let text = match gaps.open {
            0 => "No target is open. Gaps are looked for among the open ones.".to_owned(),
            open => {
                format!("Every one of {} open targets has a model nearer than most random directions.", group(open))
            }
        };
        return ink.empty(area, &[text]);
    }
    let text = "Targets are random directions, so there are no regions of them: a gap has no model nearer than 1 − σ, as chance had it. \
                What differs is which models serve a target, and our margin (ours z).";
    let text = spelled(text, state.look.ascii);
    let area = note(area, &text, ink);
    let (head, area) = split(area, 1);
    let told = format!("{} of {} open targets, {} SOMA together", group(gaps.count), group(gaps.open), gaps.reward);
    ink.line(head, 0, &Line::raw(told));
    let table = Table::new(GAPS, area.width.into(), ink.theme.glyphs.ellipsis);
    let theme = ink.theme;
    let selected = state.board.selected(Section::Gaps, board);
    rows(area, Section::Gaps, (selected, gaps.rows.len()), &table, ink, |at, is_selected, table| {
        let gap = &gaps.rows[at];
        table.row(|column| match column {
            0 if is_selected && focused => (theme.glyphs.selected.to_owned(), theme.focus()),
            0 => (String::new(), Style::new()),
            1 => (gap.target.short(), Style::new()),
            2 => (soma(gap.reward, 9), Style::new()),
            3 => (letters(&[gap.model], &state.snapshot.models), Style::new()),
            4 => (format!("{:.4}", gap.distance), Style::new()),
            5 => (signed(gap.z, theme.glyphs.minus), Style::new()),
            _ => match gap.ours_z {
                Some(z) if z >= 0.0 => (format!("{} hit", signed(z, theme.glyphs.minus)), theme.good()),
                Some(z) => (signed(z, theme.glyphs.minus), Style::new()),
                None => (theme.glyphs.dot.to_owned(), theme.dim()),
            },
        })
    });
}

pub fn fills(state: &State, area: Rect, focused: bool, ink: &mut Ink<'_>) {
    let board = &state.snapshot.board;
    if board.fillers.is_empty() {
        let text = "Nobody has filled a target while this was watching. Fills appear with their checkpoints.";
        return ink.empty(area, &[text.to_owned()]);
    }
    let area = note(
        area,
        "median: from a target's checkpoint to that of its fill, of fills whose target was seen to open.",
        ink,
    );
    let width = usize::from(area.width);
    // Spare width goes to the address, up to all of its 64 digits.
    let table = Table::new(FILLS, width, ink.theme.glyphs.ellipsis).stretching(1, width.min(100));
    let theme = ink.theme;
    let all = board.pace.filled;
    let selected = state.board.selected(Section::Fills, board);
    rows(area, Section::Fills, (selected, board.fillers.len()), &table, ink, |at, is_selected, table| {
        let filler = &board.fillers[at];
        table.row(|column| match column {
            0 if is_selected && focused => (theme.glyphs.selected.to_owned(), theme.focus()),
            0 => (String::new(), Style::new()),
            1 if filler.is_us => (format!("{} you", theme.glyphs.ours), theme.accent().patch(theme.strong())),
            1 => (filler.address.to_string(), Style::new()),
            2 => (count(filler.fills), Style::new()),
            3 => match (filler.fills * 100).checked_div(all) {
                Some(share) => (format!("{share}%"), Style::new()),
                None => (theme.glyphs.dot.to_owned(), theme.dim()),
            },
            4 => (count(filler.all), theme.dim()),
            _ => match filler.median_ms {
                Some(median) => (quick(median), Style::new()),
                None => (theme.glyphs.dot.to_owned(), theme.dim()),
            },
        })
    });
}

fn kinds(title: &'static str, kinds: &[ReachRow], area: Rect, ink: &mut Ink<'_>) {
    let width = usize::from(area.width);
    let table = Table::new(KINDS, width, ink.theme.glyphs.ellipsis).stretching(0, width.min(60));
    let theme = ink.theme;
    ink.line(area, 0, &table.heading(theme.dim()));
    ink.line(area, 0, &Line::styled(title, theme.dim()));
    for (line, row) in (1..area.height).zip(kinds) {
        let number = |n: u64, style: Style| match n {
            0 => (theme.glyphs.dot.to_owned(), theme.dim()),
            n => (count(n), style),
        };
        let cells = table.row(|column| match column {
            0 => (clean(&row.name), Style::new()),
            1 => (count(row.nearest), theme.dim()),
            2 => number(row.hits, theme.good()),
            3 => number(row.near, theme.attention()),
            _ => match row.best_z {
                Some(best) => (signed(best, theme.glyphs.minus), Style::new()),
                None => (theme.glyphs.dot.to_owned(), theme.dim()),
            },
        });
        ink.line(area, line, &cells);
    }
}

pub fn reach(state: &State, area: Rect, focused: bool, ink: &mut Ink<'_>) {
    let board = &state.snapshot.board;
    let reach = &board.reach;
    if reach.kinds.is_empty() {
        let text = "No sample of ours has met an open target yet. What hits and what just misses is counted as samples are scored.";
        return ink.empty(area, &[text.to_owned()]);
    }
    let height = (reach.kinds.len().max(reach.sources.len()) as u16 + 1).min(area.height / 2).max(2);
    let (top, bottom) = split(area, height);
    if area.width >= 84 {
        let (one, two) = split_left(top, area.width / 2);
        kinds("by kind", &reach.kinds, Rect { width: one.width.saturating_sub(3), ..one }, ink);
        kinds("by place", &reach.sources, two, ink);
    } else {
        kinds("by kind", &reach.kinds, top, ink);
    }
    if reach.misses.is_empty() {
        let text = "No near miss: no open target is missed by less than two σ.";
        let text = spelled(text, state.look.ascii);
        return ink.empty(bottom, &[text]);
    }
    let width = usize::from(bottom.width);
    let table = Table::new(MISSES, width, ink.theme.glyphs.ellipsis).stretching(5, width);
    let selected = state.board.selected(Section::Reach, board);
    let minus = ink.theme.glyphs.minus;
    let theme = ink.theme;
    let mark = marker(true, focused, ink);
    rows(bottom, Section::Reach, (selected, reach.misses.len()), &table, ink, |at, is_selected, table| {
        let miss = &reach.misses[at];
        table.row(|column| match column {
            0 if is_selected => mark.clone(),
            0 => (String::new(), Style::new()),
            1 => (miss.target.short(), Style::new()),
            2 => (signed(miss.z, minus), theme.attention()),
            3 => (letters(&[miss.model], &state.snapshot.models), Style::new()),
            4 => (soma(miss.reward, 9), Style::new()),
            _ => (clean(&miss.source), Style::new()),
        })
    });
}
