//! What lands here: the submissions nearest to what was asked about, and a safe look at their data.

use ratatui::{
    layout::Rect,
    style::Style,
    text::{Line, Span},
    widgets::{Clear, Widget},
};

use super::{
    key_below, key_of, numbers,
    panes::Ink,
    preview::preview,
    table::{Column, Table, first_row, left, right},
    text::{bytes, clean, fit, group, letters, margin},
};
use crate::{
    api::{Content, Inspect, InspectStage, Inspection, Landed},
    app::{Hit, Row, State, actions::Action},
};

const COLUMNS: &[Column] = &[
    left("", 1, 0),
    right("away", 6, 0),
    // How much nearer than a random direction it is; from a place, how far inside its target's threshold it was.
    right("z", 5, 1),
    left("model", 5, 2),
    right("size", 9, 3),
    left("data", 14, 0),
    left("submitter", 9, 4),
    right("epoch", 6, 5),
];

pub fn draw(state: &State, body: Rect, ink: &mut Ink<'_>) {
    let area = body.intersection(ink.buffer.area);
    Clear.render(area, ink.buffer);
    let Some(answer) = state.inspector.answer(&state.snapshot) else {
        let inner = ink.pane("", "What lands here", String::new(), true, area);
        return ink.empty(inner, &["Asking the chain which submissions are near.".to_owned()]);
    };
    let inner = ink.pane("", &format!("What lands {}", subject(state, &answer.of)), stage(answer), true, area);
    if answer.items.is_empty() {
        return ink.empty(inner, &empty(state, answer));
    }
    let selected = state.inspector.selected(answer);
    let list_height = (answer.items.len() as u16 + 1).min((inner.height / 2).max(2));
    let list = Rect { height: list_height.min(inner.height), ..inner };
    draw_list(state, answer, selected, list, ink);
    let top = (list_height + 1).min(inner.height);
    let detail = Rect { y: inner.y + top, height: inner.height - top, ..inner };
    if let Some(item) = answer.items.get(selected) {
        draw_detail(state, answer, item, detail, ink);
    }
}

fn subject(state: &State, of: &Inspect) -> String {
    match of {
        Inspect::Target(id) => format!("near target {}", id.short()),
        Inspect::Model(id) => format!("near model {} {}", letters(&[*id], &state.snapshot.models), id.short()),
        Inspect::Near(_) => "here on the map".to_owned(),
        Inspect::Close => String::new(),
    }
}

/// How far a submission is from what was asked about.
fn away(answer: &Inspection, item: &Landed) -> String {
    match answer.of {
        Inspect::Near(_) if item.away <= 0.0 => "inside".to_owned(),
        Inspect::Near(_) => format!("{:.1}%", item.away * 100.0),
        _ => format!("{:.4}", item.away),
    }
}

fn stage(answer: &Inspection) -> String {
    let here = answer.items.iter().filter(|item| item.content != Content::Waiting).count();
    let more = if answer.more { "+" } else { "" };
    let compared = format!("nearest {} of {}{more} fills", answer.items.len(), group(answer.compared));
    match &answer.stage {
        InspectStage::Listing => "asking the chain".to_owned(),
        InspectStage::Fetching => format!("{compared}, fetched {here}"),
        InspectStage::Done => compared,
        InspectStage::Failed(_) => "not to be had".to_owned(),
    }
}

fn empty(state: &State, answer: &Inspection) -> Vec<String> {
    match &answer.stage {
        InspectStage::Listing | InspectStage::Fetching => vec![match answer.of {
            Inspect::Near(_) => {
                "Asking the chain for filled targets, to see where their data lies on the map.".to_owned()
            }
            _ => "Asking the chain for filled targets that won under the same models.".to_owned(),
        }],
        InspectStage::Done => vec![
            match answer.of {
                Inspect::Near(_) => {
                    "Nobody has filled a target in the last epochs, or all of them are claimed.".to_owned()
                }
                _ => "Nobody has filled a target under these models in the last epochs, or all of them are claimed."
                    .to_owned(),
            },
            "Fills stay on the chain until they are claimed: ask again when the board shows some.".to_owned(),
        ],
        InspectStage::Failed(why) => {
            let (close, asks) = (key_of(state, Action::CloseInspector), key_below(state, Action::Inspect));
            vec![format!("The chain did not tell: {}", clean(why)), format!("{close}, then {asks} asks again.")]
        }
    }
}

/// What became of an item's data, in a glyph and a word.
fn content(item: &Landed, ink: &Ink<'_>) -> (String, Style) {
    let glyphs = ink.theme.glyphs;
    match &item.content {
        Content::Waiting => (format!("{} fetching", glyphs.sending), ink.theme.attention()),
        Content::Here { kind, .. } => (format!("{} {}", glyphs.good, clean(kind)), ink.theme.good()),
        Content::Absent(_) => (format!("{} not shown", glyphs.bad), ink.theme.bad()),
    }
}

fn draw_list(state: &State, answer: &Inspection, selected: usize, area: Rect, ink: &mut Ink<'_>) {
    let table = Table::new(COLUMNS, area.width.into(), ink.theme.glyphs.ellipsis);
    let theme = ink.theme;
    ink.line(area, 0, &table.heading(theme.dim()));
    let height = usize::from(area.height.saturating_sub(1));
    let is_place = matches!(answer.of, Inspect::Near(_));
    let first = first_row(selected, answer.items.len(), height);
    for (line, (at, item)) in (1..).zip(answer.items.iter().enumerate().skip(first).take(height)) {
        let word = content(item, ink);
        let cells = table.row(|column| match column {
            0 if at == selected => (theme.glyphs.selected.to_owned(), theme.focus()),
            0 => (String::new(), Style::new()),
            1 => (away(answer, item), Style::new()),
            2 if answer.sigma > 0.0 => {
                let nearer = if is_place { item.threshold - item.distance } else { 1.0 - item.away };
                (numbers::sigma(nearer / answer.sigma, 1, "", theme.glyphs.minus), Style::new())
            }
            2 => (theme.glyphs.dot.to_owned(), theme.dim()),
            3 => (letters(&[item.model], &state.snapshot.models), Style::new()),
            4 => (bytes(item.size_bytes), Style::new()),
            5 => word.clone(),
            6 if state.snapshot.wallet.address == Some(item.submitter) => ("you".to_owned(), theme.accent()),
            6 => (item.submitter.short(), Style::new()),
            _ => (item.epoch.to_string(), theme.dim()),
        });
        ink.line(area, line, &cells);
        ink.hit_row(area, line, Hit::Row(Row::Landed(at)));
    }
}

fn draw_detail(state: &State, answer: &Inspection, item: &Landed, area: Rect, ink: &mut Ink<'_>) {
    let theme = ink.theme;
    let columns = usize::from(area.width);
    let loss = item.loss.map_or(String::new(), |loss| format!(", loss {loss:.4}"));
    let claimed = format!(
        "filled {} at {:.4} of {:.4} ({}){loss}",
        item.target.short(),
        item.distance,
        item.threshold,
        margin(item.threshold - item.distance, theme.glyphs.minus)
    );
    let mut lines: Vec<Line<'_>> = match answer.of {
        Inspect::Near(_) if item.away <= 0.0 => vec![Line::raw("its embedding lies in this place")],
        Inspect::Near(_) => {
            vec![Line::raw(fit(
                &format!("its embedding lies {:.1}% of the map away", item.away * 100.0),
                columns,
                theme.glyphs.ellipsis,
            ))]
        }
        _ => Vec::new(),
    };
    lines.extend([
        Line::raw(fit(&claimed, columns, theme.glyphs.ellipsis)),
        Line::styled(fit(&clean(&item.url), columns, theme.glyphs.ellipsis), theme.dim()),
    ]);
    match &item.content {
        Content::Waiting => lines.push(Line::styled("on its way", theme.attention())),
        Content::Absent(why) => {
            let why = super::text::wrap(&format!("not shown: {}", clean(why)), columns);
            lines.extend(why.into_iter().map(|line| Line::styled(line, theme.bad())));
        }
        Content::Here { preview: data, kind } => {
            let shown = preview(data, state.inspector.hex, columns);
            let part = if (data.len() as u64) < item.size_bytes {
                format!(", the first {} bytes", data.len())
            } else {
                String::new()
            };
            let told = format!("{}, checksum agrees{part}, as {}", clean(kind), shown.kind);
            lines.push(Line::from(Span::styled(told, theme.dim())));
            lines.extend(shown.lines.into_iter().map(Line::raw));
        }
    }
    ink.lines(area, &lines);
}
