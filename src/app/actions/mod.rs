//! The one registry of actions. Keys, help, footer hints, the refusals of read-only mode and the confirmations all come
//! from [`ACTIONS`].
//!
//! The rule for confirmations: ask before something that signs more than the eye rests on, or that lets the program sign
//! by itself; never before what can be taken back or costs nothing.

mod board;
mod decisions;
mod keymap;
mod lists;
mod log;
mod map;
mod moving;
mod palette;
mod places;
mod program;
mod rewards;
mod throughput;

use serde::{Deserialize, Serialize};

use super::{Key, Pane, Part, Place};

pub use keymap::{Keymap, KeymapError};
pub use palette::Palette;
use places::SCREENS;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Quit,
    LeaveNow,
    Suspend,
    Help,
    Back,
    Zoom,
    Jump(Pane),
    Models,
    Log,
    Board,
    Approvals,
    NextSection,
    PreviousSection,
    OlderEpoch,
    NewerEpoch,
    Inspect,
    InspectorHex,
    CloseInspector,
    NextPane,
    PreviousPane,
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Top,
    Bottom,
    Approve,
    Reject,
    ApproveAll,
    /// What a question about several candidates leads to.
    AnswerBatch,
    Mark,
    MarkAll,
    ClearMarks,
    PreviewDown,
    PreviewUp,
    EditPolicy,
    /// What a question about other limits leads to.
    ApplyPolicy,
    LogFilter,
    LogFollow,
    LogDetail,
    AcceptProtocol,
    Hex,
    Mode,
    Pause,
    Sort,
    Reverse,
    Filter,
    Open,
    Pin,
    OnlyPinned,
    Palette,
    SearchHelp,
    ZoomIn,
    ZoomOut,
    WholeMap,
    PanLeft,
    PanDown,
    PanUp,
    PanRight,
    NextTarget,
    SortSubmissions,
    FilterSubmissions,
    OlderPeriod,
    NewerPeriod,
    ByDay,
    Submission,
    Export,
    ExportSubmissions,
    ExportEpochs,
    ExportJson,
    ExportPng,
    ExportSvg,
    ChartSpan,
    ChartShorter,
    ChartLonger,
    ChartMeasure,
    NextRegion,
    Box,
    MapColour,
    Coverage,
    HideOpen,
    Layout,
    Refit,
    ExportMap,
    Copy,
    CopyMenu,
    CopyPart(Part),
    Mouse,
    Confirm,
}

impl Action {
    /// Moves what is looked at: of use under a finger, not in a list of things to do.
    fn is_motion(self) -> bool {
        use Action::{
            Back, Bottom, CloseInspector, Down, Left, NextPane, NextSection, PageDown, PageUp, PanDown, PanLeft,
            PanRight, PanUp, PreviousPane, PreviousSection, Right, Top, Up,
        };
        matches!(
            self,
            Back | CloseInspector
                | NextSection
                | PreviousSection
                | NextPane
                | PreviousPane
                | Up
                | Down
                | Left
                | Right
                | PanUp
                | PanDown
                | PanLeft
                | PanRight
                | PageUp
                | PageDown
                | Top
                | Bottom
        )
    }
}

/// When an action asks before it acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    Never,
    Always,
    /// Only on the way to the mode AUTO.
    BeforeAuto,
    /// Only where the policy would approve more by itself than before.
    BeforeAutoWidens,
}

#[derive(Clone, Copy, Debug)]
pub struct ActionInfo {
    pub action: Action,
    /// Its name in the configuration's `[keys]`; unique.
    pub id: &'static str,
    /// One or two words, for the footer.
    pub name: &'static str,
    /// What it is bound to unless the configuration says otherwise: ask the [`Keymap`].
    pub keys: &'static [Key],
    /// One line, for the help.
    pub help: &'static str,
    pub places: &'static [Place],
    /// It can lead to a signature or changes what may be signed: refused in read-only mode.
    pub mutates: bool,
    pub asks: Asks,
    /// Important enough for the footer.
    pub hint: bool,
}

impl ActionInfo {
    /// It is chosen by name: no motion, and not the list of names.
    pub fn is_chosen(&self) -> bool {
        !self.action.is_motion() && self.action != Action::Palette
    }
}

const fn plain(
    action: Action,
    id: &'static str,
    name: &'static str,
    keys: &'static [Key],
    help: &'static str,
    places: &'static [Place],
) -> ActionInfo {
    ActionInfo { action, id, name, keys, help, places, mutates: false, asks: Asks::Never, hint: true }
}

/// Known from help or from habit: not in the footer.
const fn quiet(
    action: Action,
    id: &'static str,
    name: &'static str,
    keys: &'static [Key],
    help: &'static str,
    places: &'static [Place],
) -> ActionInfo {
    ActionInfo { action, id, name, keys, help, places, mutates: false, asks: Asks::Never, hint: false }
}

/// In the order in which help and footer show them: decisions come first.
const GROUPS: &[&[ActionInfo]] = &[
    decisions::ACTIONS,
    log::ACTIONS,
    lists::ACTIONS,
    map::MARKS,
    rewards::ACTIONS,
    throughput::ACTIONS,
    board::ACTIONS,
    map::WINDOW,
    program::ACTIONS,
    program::SCREENS_BY_NAME,
    moving::ACTIONS,
];

const COUNT: usize = {
    let (mut count, mut group) = (0, 0);
    while group < GROUPS.len() {
        count += GROUPS[group].len();
        group += 1;
    }
    count
};

/// All of them.
pub static ACTIONS: &[ActionInfo] = &{
    let mut all = [GROUPS[0][0]; COUNT];
    let (mut at, mut group) = (0, 0);
    while group < GROUPS.len() {
        let mut index = 0;
        while index < GROUPS[group].len() {
            all[at] = GROUPS[group][index];
            at += 1;
            index += 1;
        }
        group += 1;
    }
    all
};

/// What can be done at `place`, in the registry's order.
pub fn at(place: Place) -> impl Iterator<Item = &'static ActionInfo> {
    ACTIONS.iter().filter(move |info| info.places.contains(&place))
}

/// The keys that every place has, as a table for the README.
pub fn key_table() -> String {
    let mut table = String::from("| keys | action | what it does | where |\n|---|---|---|---|\n");
    for info in ACTIONS {
        let keys: Vec<_> = info.keys.iter().map(|key| format!("`{}`", key.name(false).replace('|', "\\|"))).collect();
        let places = words(info.places);
        table.push_str(&format!("| {} | `{}` | {} | {places} |\n", keys.join(" "), info.id, info.help));
    }
    table
}

pub fn words(places: &[Place]) -> String {
    let on = |places: &[Place]| places.iter().map(|place| place.word()).collect::<Vec<_>>().join(", ");
    let missing: Vec<_> = SCREENS.iter().filter(|place| !places.contains(place)).copied().collect();
    if missing.is_empty() {
        return "everywhere".to_owned();
    }
    if missing.len() <= 2 { format!("everywhere but {}", on(&missing)) } else { on(places) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_means_two_things_at_one_place() {
        for place in SCREENS.iter().chain(&[
            Place::Help,
            Place::Inspector,
            Place::Confirm,
            Place::Export,
            Place::Copying,
            Place::Settling,
        ]) {
            let keys: Vec<_> = at(*place).flat_map(|info| info.keys).collect();
            for (i, key) in keys.iter().enumerate() {
                assert!(!keys[..i].contains(key), "{key:?} twice at {place:?}");
            }
        }
    }

    #[test]
    fn an_id_names_one_action() {
        for (i, info) in ACTIONS.iter().enumerate() {
            assert!(ACTIONS[..i].iter().all(|other| other.id != info.id), "{} twice", info.id);
            assert!(info.id.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{}", info.id);
        }
    }

    #[test]
    fn whatever_asks_first_can_sign() {
        assert!(ACTIONS.iter().filter(|info| info.asks != Asks::Never).all(|info| info.mutates));
    }
}
