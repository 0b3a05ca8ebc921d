//! The keys that matter here, and where in the footer they stand.

use super::{
    Key, Pane, Place, State,
    actions::{self, Action, ActionInfo},
};
use crate::api::Mode;

/// A piece of the footer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// The first column.
    pub x: u16,
    pub key: String,
    pub name: &'static str,
    /// What a click on it does; none where it stands for several keys.
    pub action: Option<Action>,
}

impl Hint {
    /// Columns, with the gap before the next one.
    pub fn width(&self) -> u16 {
        (self.key.chars().count() + self.name.chars().count() + 3) as u16
    }
}

/// As many of the keys of this place as fit into `width` columns. Help and quit are always there, and the way back where there
/// is room for it beside them.
pub fn hints(state: &State, width: u16) -> Vec<Hint> {
    let place = state.place();
    let read_only = state.snapshot.mode == Mode::ReadOnly;
    let hint = |info: &ActionInfo| {
        let key = state.keymap.keys(info).first()?.name(state.look.ascii);
        Some(Hint { x: 0, key, name: info.name, action: Some(info.action) })
    };
    // What a page of details is read for.
    let reads = place == Place::Pane(Pane::Rewards) && state.rewards.detail;
    let is_hint = |info: &ActionInfo| info.hint || (reads && info.action == Action::CopyMenu);
    let shown =
        actions::at(place).filter(|info| is_hint(info) && !(read_only && info.mutates) && state.offers(info.action));
    let (ends, firsts): (Vec<_>, Vec<_>) =
        shown.partition(|info| matches!(info.action, Action::Help | Action::Quit | Action::Back));
    let mut ends: Vec<Hint> = ends.into_iter().filter_map(hint).collect();
    let total = |ends: &[Hint]| ends.iter().map(Hint::width).sum::<u16>();
    // The last one has no gap behind it.
    if total(&ends) > width.saturating_add(2) && ends.len() > 1 {
        ends.retain(|hint| hint.action != Some(Action::Back));
    }
    let mut room = width.saturating_sub(total(&ends));
    let firsts = firsts.into_iter().filter_map(hint).chain(number_keys(state, place)).take_while(|hint| {
        let fits = hint.width() <= room;
        room = room.saturating_sub(hint.width());
        fits
    });
    let mut x = 0;
    let mut laid_out: Vec<Hint> = firsts.collect();
    laid_out.extend(ends);
    for hint in &mut laid_out {
        hint.x = x;
        x = x.saturating_add(hint.width());
    }
    laid_out
}

/// All the number keys as one hint.
fn number_keys(state: &State, place: Place) -> Option<Hint> {
    let is_screen =
        |info: &&ActionInfo| matches!(info.action, Action::Jump(_) | Action::Models | Action::Board | Action::Log);
    let screens = actions::at(place).filter(is_screen);
    let digits = screens.flat_map(|info| state.keymap.keys(info)).filter_map(|key| match key {
        Key::Char(c) if c.is_ascii_digit() => Some(*c),
        _ => None,
    });
    let (first, last) = digits.fold((None, None), |(low, high), digit| {
        (Some(low.map_or(digit, |low: char| low.min(digit))), high.max(Some(digit)))
    });
    Some(Hint { x: 0, key: format!("{}-{}", first?, last?), name: "screens", action: None })
}
