//! The models in play: who they are, what they weigh, how our data does under each, and whether they can be used here.

use ratatui::{
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use super::{
    numbers::spelled,
    panes::Ink,
    table::{Column, Table, first_row, left, right},
    targets::PIN,
    text::{clean, count, fit, soma, wrap},
};
use crate::{
    api::{CROWD_DISTANCE, ModelRow},
    app::{Hit, List, ModelSort, Row, Sorting, State, targets::model_letter},
};

const COLUMNS: &[Column] = &[
    left("", 1, 0),
    left("", 1, 0),
    left("", 2, 0),
    left("model", 8, 0),
    left("weights", 12, 2),
    right("stake", 14, 3),
    right("share", 6, 5),
    right("commission", 10, 7),
    right("wins", 6, 1),
    right("targets", 7, 4),
    right("crowd", 5, 8),
    left("nearest", 8, 9),
    left("trouble", 12, 6),
];

fn column_of(sort: ModelSort) -> usize {
    match sort {
        ModelSort::Pinned => 1,
        ModelSort::Letter => 2,
        ModelSort::Weights => 4,
        ModelSort::Stake => 5,
        ModelSort::Commission => 7,
        ModelSort::Wins => 8,
        ModelSort::Targets => 9,
        ModelSort::Crowd => 10,
    }
}

/// How far the weights have come.
fn fetching(bytes: Option<(u64, u64)>) -> String {
    match bytes {
        Some((here, all)) if all > 0 => format!("{}% here", u128::from(here.min(all)) * 100 / u128::from(all)),
        _ => "fetching".to_owned(),
    }
}

fn percent(share: f32) -> String {
    format!("{:.1}%", share * 100.0)
}

pub fn draw(state: &State, area: Rect, ink: &mut Ink<'_>) {
    let models = &state.snapshot.models;
    let list = &state.models;
    let turned = if list.reversed { " reversed" } else { "" };
    let right = format!("{} of {} fetched, by {}{turned}", list.resident, models.len(), list.sort.word());
    let inner = ink.pane("6", "Models", right, true, area);
    if models.is_empty() {
        let text = "No active model is known yet. They are listed as soon as the network's state is read. If this lasts, `somascope \
                    doctor` tells what is wrong.";
        return ink.empty(inner, &[text.to_owned()]);
    }
    let width = usize::from(inner.width);
    let theme = ink.theme;
    let table = Table::new(COLUMNS, width, theme.glyphs.ellipsis).stretching(12, width);
    let by = column_of(list.sort);
    let heading =
        table.row(|column| (COLUMNS[column].title.to_owned(), if column == by { theme.strong() } else { theme.dim() }));
    ink.line(inner, 0, &heading);
    ink.hit(inner, Hit::List(List::Models));
    ink.heads(inner, &table, |column| {
        ModelSort::ALL.into_iter().find(|sort| column_of(*sort) == column).map(Sorting::Models)
    });
    let about = match (inner.height, list.selected_index().and_then(|index| Some((index, models.get(index)?)))) {
        (9.., Some((index, model))) => about(state, index, model, width, ink),
        _ => Vec::new(),
    };
    // The list keeps half of the room.
    let detail_rows = about.len().min(usize::from(inner.height) / 2);
    let rows = usize::from(inner.height).saturating_sub(1 + detail_rows + usize::from(detail_rows > 0));
    let first = first_row(list.position(), list.rows.len(), rows);
    for (at, &index) in list.rows.iter().enumerate().skip(first).take(rows) {
        let Some(model) = models.get(index) else { continue };
        let line = table.row(|column| match column {
            0 if at == list.position() => (theme.glyphs.selected.to_owned(), theme.focus()),
            0 => (String::new(), Style::new()),
            1 => (if model.pinned { PIN.to_owned() } else { String::new() }, theme.accent()),
            2 => (model_letter(index), theme.model(index).patch(theme.strong())),
            3 => (model.id.short(), Style::new()),
            4 => match (model.resident, &model.trouble) {
                (true, _) if model.loaded_on.is_empty() => (format!("{} on disk", theme.glyphs.good), theme.good()),
                (true, _) => (format!("{} loaded", theme.glyphs.good), theme.good()),
                (false, Some(_)) => (format!("{} missing", theme.glyphs.bad), theme.bad()),
                (false, None) => (format!("{} {}", theme.glyphs.quiet, fetching(model.fetching)), theme.attention()),
            },
            5 => (soma(model.stake, 14), Style::new()),
            6 => (percent(list.shares.get(index).copied().unwrap_or_default()), Style::new()),
            7 => (commission(model), Style::new()),
            8 => (count(model.wins), Style::new()),
            9 => (count(model.targets), Style::new()),
            10 => (count(model.crowd), Style::new()),
            11 => match model.nearest {
                Some((other, distance)) => {
                    let letter = state.targets.letters.index(&other).map_or_else(|| "?".to_owned(), model_letter);
                    (format!("{letter} {distance:.3}"), Style::new())
                }
                None => (theme.glyphs.dot.to_owned(), theme.dim()),
            },
            _ => (model.trouble.as_deref().map(clean).unwrap_or_default(), theme.bad()),
        });
        ink.line(inner, (at - first + 1) as u16, &line);
        ink.hit_row(inner, (at - first + 1) as u16, Hit::Row(Row::Model(model.id)));
    }
    let below = Rect { y: inner.bottom().saturating_sub(detail_rows as u16), height: detail_rows as u16, ..inner };
    ink.lines(below, &about);
}

fn commission(model: &ModelRow) -> String {
    format!("{}.{:02}%", model.commission_bps / 100, model.commission_bps % 100)
}

/// The selected model in sentences.
fn about(state: &State, index: usize, model: &ModelRow, width: usize, ink: &Ink<'_>) -> Vec<Line<'static>> {
    let theme = ink.theme;
    let letters = &state.targets.letters;
    let share = state.models.shares.get(index).copied().unwrap_or_default();
    let mut lines = vec![Line::from(vec![
        Span::styled(format!("{} ", model_letter(index)), theme.model(index).patch(theme.strong())),
        Span::styled(fit(&model.id.to_hex_prefixed(), width.saturating_sub(3), theme.glyphs.ellipsis), theme.strong()),
    ])];
    let mut say = |text: String, style: Style| {
        lines.extend(wrap(&text, width).into_iter().map(|line| Line::styled(line, style)));
    };
    say(
        format!(
            "stake {} SOMA: {} of the sum of all square roots, and a target takes models with little distance for their share; commission {}",
            soma(model.stake, 20),
            percent(share),
            commission(model)
        ),
        Style::new(),
    );
    say(format!("lowest loss for {} of our samples; {} open targets list it", model.wins, model.targets), Style::new());
    if let Some((other, distance)) = model.nearest {
        let name = letters.index(&other).map_or_else(|| other.short(), model_letter);
        let crowd = match model.crowd {
            0 => "no other model is".to_owned(),
            1 => "1 other model is".to_owned(),
            n => format!("{n} other models are"),
        };
        let placed = state.snapshot.board.models.iter().find(|placed| placed.id == model.id);
        let together = match placed {
            Some(placed) if model.crowd > 0 => spelled(
                &format!("; with it they hold {} of √stake", percent(placed.crowd_ppm as f32 / 1e6)),
                state.look.ascii,
            ),
            _ => String::new(),
        };
        let text = format!("{crowd} within {CROWD_DISTANCE} of it; the nearest is {name} at {distance:.4}{together}");
        say(text, Style::new());
    }
    if model.pinned {
        say(format!("{PIN} pinned: every target that lists it is, those to come included"), theme.accent());
    }
    match (&model.trouble, model.resident) {
        (Some(trouble), _) => say(format!("{} {}", theme.glyphs.bad, clean(trouble)), theme.bad()),
        (None, true) if model.loaded_on.is_empty() => say("weights: on disk, loaded when needed".into(), Style::new()),
        (None, true) => say(format!("weights: loaded on {}", clean(&model.loaded_on.join(", "))), Style::new()),
        (None, false) => say(format!("weights: {}", fetching(model.fetching)), theme.attention()),
    }
    lines
}
