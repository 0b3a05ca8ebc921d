//! The activity log: what the program really did.

use ratatui::{
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use super::{
    key_below,
    panes::Ink,
    table::first_row,
    text::{clean, counted, fit, time_of_day, wrap},
};
use crate::{
    api::{LogKind, LogLine},
    app::{Hit, List, LogView, Row, State, actions::Action, log::key},
    primitives::day,
};

/// Milliseconds of a day.
const DAY: u64 = 86_400_000;

pub fn draw(state: &State, area: Rect, zoomed: bool, ink: &mut Ink<'_>) {
    if zoomed {
        return screen(state, area, ink);
    }
    let log = &state.snapshot.log;
    let inner = ink.pane("7", "Activity", "UTC".to_owned(), false, area);
    if log.is_empty() {
        return ink.empty(inner, &["Nothing has happened yet.".to_owned()]);
    }
    let start = log.len().saturating_sub(inner.height.into());
    for (row, line) in (0..inner.height).zip(&log[start..]) {
        ink.line(inner, row, &entry(line, None, false, 8, inner.width, ink));
    }
}

fn screen(state: &State, area: Rect, ink: &mut Ink<'_>) {
    let (snapshot, log) = (&state.snapshot, &state.log);
    let position = log.position(snapshot);
    let below = position.map_or(0, |at| log.rows.len() - 1 - at);
    let mut right = match log.filter.is_empty() {
        true => format!("{}, UTC", counted(log.rows.len() as u64, "line")),
        false => {
            let all = counted(snapshot.log.len() as u64, "line");
            format!("{} of {all} /{}", log.rows.len(), clean(&log.filter.text))
        }
    };
    if !log.follows() {
        right = format!("{right}, {below} newer below, {} follows", key_below(state, Action::LogFollow));
    }
    let detail = log.line(snapshot).filter(|_| log.detail).map(|line| parts(line, area.width, ink));
    let height = detail
        .as_ref()
        .map_or(0, |lines| u16::try_from(lines.len() + 2).unwrap_or(u16::MAX).min(area.height.saturating_sub(5)));
    let (list, below) =
        (Rect { height: area.height - height, ..area }, Rect { y: area.y + area.height - height, height, ..area });
    let inner = ink.pane("7", "Activity", right, true, list);
    let Some(position) = position else {
        let next = if snapshot.log.is_empty() {
            "Nothing has happened yet. What is signed, uploaded, filled, claimed or refused will stand here, with digests and fees."
        } else {
            &format!(
                "No line fits the filter. {} changes it, and Esc there clears it.",
                key_below(state, Action::LogFilter)
            )
        };
        return ink.empty(inner, &[next.to_owned()]);
    };
    ink.hit(inner, Hit::List(List::Log));
    let rows = usize::from(inner.height);
    let first =
        if log.follows() { log.rows.len().saturating_sub(rows) } else { first_row(position, log.rows.len(), rows) };
    let shown = || log.rows.iter().skip(first).take(rows).filter_map(|row| snapshot.log.get(*row));
    let today = state.now_ms / DAY;
    // Where lines of other days are shown, each says its day.
    let time = if shown().all(|line| line.at_ms / DAY == today) { 8 } else { 14 };
    for ((at, line), row) in shown().enumerate().zip(0..) {
        let selected = first + at == position && (log.detail || !log.follows());
        let line = entry(line, Some(log), selected, time, inner.width, ink);
        ink.line(inner, row, &line);
        let number = log.rows.get(first + at).map(|line| snapshot.log_first + *line as u64);
        if let Some(number) = number {
            ink.hit_row(inner, row, Hit::Row(Row::Log(number)));
        }
    }
    if let Some(lines) = detail.filter(|_| height >= 3) {
        let inner = ink.pane(
            "",
            "Line",
            format!("{} copies the digest, URL or id", key_below(state, Action::Copy)),
            false,
            below,
        );
        ink.lines(inner, &lines);
    }
}

/// Time, sign, what it is about, and the text as far as there is room.
fn entry(
    line: &LogLine,
    log: Option<&LogView>,
    selected: bool,
    time: usize,
    columns: u16,
    ink: &Ink<'_>,
) -> Line<'static> {
    let (glyph, style) = ink.theme.level(line.level);
    let clock = match time {
        8 => time_of_day(line.at_ms),
        _ => format!("{} {}", &day(line.at_ms)[5..], time_of_day(line.at_ms)),
    };
    let mut spans = vec![Span::styled(clock, ink.theme.dim()), Span::styled(format!(" {glyph} "), style)];
    let mut room = usize::from(columns).saturating_sub(time + 3);
    if let Some(log) = log {
        let mark = if selected { ink.theme.glyphs.selected } else { " " };
        spans.insert(0, Span::styled(mark, ink.theme.focus()));
        room = room.saturating_sub(1);
        if room >= 50 {
            let word = line.kind.as_ref().map_or("", LogKind::word);
            spans.push(Span::styled(format!("{word:<8}"), ink.theme.accent()));
            room -= 8;
        }
        let text = fit(&clean(&line.text), room, ink.theme.glyphs.ellipsis);
        let style = if selected { style.patch(ink.theme.strong()) } else { style };
        spans.extend(set_off(&text, log.filter.texts(), style, ink.theme.badge(style)));
        return Line::from(spans);
    }
    let text = fit(&clean(&line.text), room, ink.theme.glyphs.ellipsis);
    spans.push(Span::styled(text, style));
    Line::from(spans)
}

/// The text, with what is looked for set off.
fn set_off<'a>(text: &str, wanted: impl Iterator<Item = &'a str>, plain: Style, found: Style) -> Vec<Span<'static>> {
    let lower = text.to_lowercase();
    let mut marks = vec![false; text.len()];
    // Lower case of some letters is of another length: then nothing is set off rather than something else.
    if lower.len() == text.len() {
        for word in wanted {
            for (at, hit) in lower.match_indices(word) {
                marks[at..at + hit.len()].fill(true);
            }
        }
    }
    let mut spans: Vec<(bool, String)> = Vec::new();
    for (at, c) in text.char_indices() {
        match spans.last_mut() {
            Some((is_found, run)) if *is_found == marks[at] => run.push(c),
            _ => spans.push((marks[at], c.to_string())),
        }
    }
    spans.into_iter().map(|(is_found, run)| Span::styled(run, if is_found { found } else { plain })).collect()
}

/// A line whole, with its parts.
fn parts(line: &LogLine, columns: u16, ink: &Ink<'_>) -> Vec<Line<'static>> {
    let columns = usize::from(columns).saturating_sub(4);
    let dim = ink.theme.dim();
    let (_, style) = ink.theme.level(line.level);
    let mut lines: Vec<Line<'static>> =
        wrap(&clean(&line.text), columns).into_iter().map(|line| Line::styled(line, style)).collect();
    let mut part = |label: &str, value: String| {
        let room = columns.saturating_sub(10);
        let value = clean(&value);
        for (at, piece) in wrap(&value, room).into_iter().enumerate() {
            let label = if at == 0 { label } else { "" };
            lines.push(Line::from(vec![Span::styled(format!("{label:<10}"), dim), Span::raw(piece)]));
        }
    };
    part("When", format!("{} {} UTC", day(line.at_ms), time_of_day(line.at_ms)));
    match &line.kind {
        Some(LogKind::Transaction { what, fee, .. }) => {
            let fee = fee.map_or("not known yet".to_owned(), |fee| format!("{fee} SOMA"));
            part("What", format!("transaction: {}, fee {fee}", what.word()));
        }
        Some(LogKind::Upload { bytes, .. }) => part("What", format!("upload of {bytes} bytes")),
        Some(kind) => part("What", kind.word().to_owned()),
        None => {}
    }
    if let Some((kind, value)) = line.kind.as_ref().and_then(|kind| Some((kind, key(kind)?))) {
        let label = match kind {
            LogKind::Transaction { .. } => "Digest",
            LogKind::Upload { .. } => "URL",
            _ => "Target",
        };
        part(label, value);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_is_set_off_and_nothing_is_lost() {
        let (plain, found) = (Style::new(), Style::new().add_modifier(ratatui::style::Modifier::BOLD));
        let spans = set_off("Größe: 404 of 404", ["404", "größe"].into_iter(), plain, found);
        let texts: Vec<_> = spans.iter().map(|span| (span.content.as_ref(), span.style == found)).collect();
        assert_eq!(texts, [("Größe", true), (": ", false), ("404", true), (" of ", false), ("404", true)]);
    }
}
