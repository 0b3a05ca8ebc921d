//! Drawing only: the state of `app` becomes cells in a buffer. A file a pane, small widgets beside them.
//!
//! Never changes the state, never does I/O, never panics at any size. All text from outside goes through
//! [`text::clean`]; every meaning has a word or a glyph, never a colour alone.

mod approvals;
mod board;
mod copying;
mod export;
mod footer;
mod header;
mod help;
mod inspect;
mod letters;
mod log;
mod map;
mod models;
mod numbers;
mod palette;
mod panes;
mod policy;
mod preview;
mod replay;
mod rewards;
mod table;
mod targets;
mod text;
mod theme;
mod throughput;
mod wallet;
mod wizard;

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};

use crate::app::{
    Dialog, Hit, Hits, Life, Pane, Place, Purpose, Screen, State,
    actions::{self, Action},
    layout::Area,
};
use panes::Ink;
pub use wizard::draw_wizard;

pub use letters::is_plain;
pub use replay::{ReplayBar, draw_replay};
pub use theme::{BUILT_IN, Palette, ThemeError, built_in, parse as parse_theme};

/// Draws the whole screen into `buffer`, in the terminal's own colours; tells what lies where.
pub fn draw(state: &State, buffer: &mut Buffer) -> Hits {
    draw_with(state, Palette::default(), buffer)
}

/// Draws the whole screen into `buffer`; tells what lies where.
pub fn draw_with(state: &State, palette: Palette, buffer: &mut Buffer) -> Hits {
    let frame = state.frame();
    let ink = &mut Ink::with(state.look, palette, buffer);
    ink.hits = Some(Hits::of(state));
    header::draw(state, rect(frame.header), ink);
    let body = rect(frame.body);
    match state.screen {
        Screen::Dashboard => dashboard(state, ink),
        Screen::Pane(pane) => draw_pane(state, pane, body, true, ink),
        Screen::Models => models::draw(state, body, ink),
        Screen::Approvals => approvals::draw(state, body, ink),
        Screen::Log => log::draw(state, body, true, ink),
        Screen::Board => board::draw(state, body, ink),
    }
    // Nothing below a dialog answers; what is filtered does.
    if state.place() != state.below() && !state.is_filtering() {
        ink.cover();
    }
    footer::draw(state, rect(frame.footer), ink);
    match state.dialog {
        _ if state.life != Life::Running => settling(state, body, ink),
        Some(Dialog::Help) => help::draw(state, body, ink),
        Some(Dialog::Inspector) => inspect::draw(state, body, ink),
        Some(Dialog::Confirm(action)) => approvals::confirm(state, action, body, ink),
        Some(Dialog::Export) => export::draw(state, body, ink),
        Some(Dialog::Copying) => copying::draw(state, body, ink),
        Some(Dialog::Typing(Purpose::HelpSearch)) => help::draw(state, body, ink),
        Some(Dialog::Typing(Purpose::Palette)) => palette::draw(state, body, ink),
        Some(Dialog::Form) => policy::form(state, body, ink),
        Some(Dialog::Typing(Purpose::TargetFilter | Purpose::SubmissionFilter | Purpose::LogFilter)) | None => {}
    }
    ink.hits.take().unwrap_or_else(|| Hits::of(state))
}

fn dashboard(state: &State, ink: &mut Ink<'_>) {
    let panes = state.panes();
    for &(pane, area) in &panes.panes {
        ink.hit(rect(area), Hit::Pane(pane));
        draw_pane(state, pane, rect(area), false, ink);
    }
    if let Some(area) = panes.log {
        ink.hit(rect(area), Hit::Act(Action::Log));
        log::draw(state, rect(area), false, ink);
    }
}

fn draw_pane(state: &State, pane: Pane, area: Rect, zoomed: bool, ink: &mut Ink<'_>) {
    match pane {
        Pane::Wallet => wallet::draw(state, area, zoomed, ink),
        Pane::Targets => targets::draw(state, area, zoomed, ink),
        Pane::Map => map::draw(state, area, zoomed, ink),
        Pane::Throughput => throughput::draw(state, area, zoomed, ink),
        Pane::Rewards => rewards::draw(state, area, zoomed, ink),
    }
}

fn settling(state: &State, body: Rect, ink: &mut Ink<'_>) {
    let Life::Settling { since_ms } = state.life else { return };
    let in_flight = state
        .snapshot
        .submissions
        .iter()
        .filter(|row| {
            use crate::api::SubmissionState::{Approved, Sent, Signed, Unknown, Uploaded};
            matches!(row.state, Approved | Uploaded | Signed | Sent | Unknown)
        })
        .count();
    let seconds = state.now_ms.saturating_sub(since_ms) / 1000;
    let doing = match in_flight {
        0 => "Nothing is in flight; the engine is closing its books.".to_owned(),
        1 => "1 submission is in flight; its fate is being asked for.".to_owned(),
        n => format!("{n} submissions are in flight; their fate is being asked for."),
    };
    let lines = vec![
        Line::from(format!("settling{} {seconds} s", ink.theme.glyphs.ellipsis)),
        Line::default(),
        Line::from(doing),
        Line::from("Whatever is not settled now is settled at the next start."),
        Line::default(),
        Line::from(Span::styled(format!("{} leaves at once", key_of(state, Action::LeaveNow)), ink.theme.dim())),
    ];
    let last = lines.len() as u16 - 1;
    let inner = ink.popup("Leaving", lines, body);
    ink.hit_row(inner, last, Hit::Act(Action::LeaveNow));
}

/// The key that does this here, as it is bound now.
fn key_of(state: &State, action: Action) -> String {
    key_at(state, state.place(), action)
}

/// The key that does this on the screen, whatever lies above it.
fn key_below(state: &State, action: Action) -> String {
    key_at(state, state.below(), action)
}

fn key_at(state: &State, place: Place, action: Action) -> String {
    let info = actions::at(place).find(|info| info.action == action);
    let key = info.and_then(|info| state.keymap.keys(info).first());
    key.map_or_else(String::new, |key| key.name(state.look.ascii))
}

fn rect(area: Area) -> Rect {
    Rect::new(area.x, area.y, area.width, area.height)
}
