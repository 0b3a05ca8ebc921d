//! The one registry of actions. Keys, help, footer hints, the refusals of read-only mode and the confirmations all come
//! from [`ACTIONS`].
//!
//! The rule for confirmations: ask before something that signs more than the eye rests on, or that lets the program sign
//! by itself; never before what can be taken back or costs nothing.

mod keymap;
mod palette;

use serde::{Deserialize, Serialize};

use super::{Key, Pane, Part, Place};

pub use keymap::{Keymap, KeymapError};
pub use palette::Palette;

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

#[derive(Debug)]
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

use Key::{BackTab, Char, Ctrl, Down, End, Enter, Esc, Home, Left, PageDown, PageUp, Right, Tab, Up};

/// Everywhere but in dialogs.
const SCREENS: &[Place] = &[
    Place::Dashboard,
    Place::Pane(Pane::Wallet),
    Place::Pane(Pane::Targets),
    Place::Target,
    Place::Pane(Pane::Map),
    Place::Pane(Pane::Throughput),
    Place::Pane(Pane::Rewards),
    Place::Models,
    Place::Approvals,
    Place::Log,
    Place::Board,
];

/// Where letters need not pan.
const NOT_MAP: &[Place] = &[
    Place::Dashboard,
    Place::Pane(Pane::Wallet),
    Place::Pane(Pane::Targets),
    Place::Target,
    Place::Pane(Pane::Throughput),
    Place::Pane(Pane::Rewards),
    Place::Models,
    Place::Approvals,
    Place::Log,
    Place::Board,
];

/// Where the approvals are a key away.
const NOT_APPROVALS: &[Place] = &[
    Place::Dashboard,
    Place::Pane(Pane::Wallet),
    Place::Pane(Pane::Targets),
    Place::Target,
    Place::Pane(Pane::Map),
    Place::Pane(Pane::Throughput),
    Place::Pane(Pane::Rewards),
    Place::Models,
    Place::Log,
    Place::Board,
];

/// Screens that are left with Esc.
const INNER: &[Place] = &[
    Place::Pane(Pane::Wallet),
    Place::Pane(Pane::Targets),
    Place::Target,
    Place::Pane(Pane::Map),
    Place::Pane(Pane::Throughput),
    Place::Pane(Pane::Rewards),
    Place::Models,
    Place::Approvals,
    Place::Log,
    Place::Board,
];

/// Screens with something to move in.
const MOVING: &[Place] = &[
    Place::Dashboard,
    Place::Pane(Pane::Targets),
    Place::Target,
    Place::Pane(Pane::Map),
    Place::Pane(Pane::Rewards),
    Place::Models,
    Place::Approvals,
    Place::Log,
    Place::Board,
    Place::Inspector,
    Place::Help,
];

const BOARD: &[Place] = &[Place::Board];
const INSPECTOR: &[Place] = &[Place::Inspector];
/// Where a target or a model lies under the cursor.
const SUBJECTS: &[Place] =
    &[Place::Pane(Pane::Targets), Place::Target, Place::Pane(Pane::Map), Place::Models, Place::Board];
/// Where Enter has nothing else to open.
const INSPECTING: &[Place] = &[Place::Models, Place::Board];
const DASHBOARD: &[Place] = &[Place::Dashboard];
const SIDEWAYS: &[Place] = &[Place::Dashboard, Place::Pane(Pane::Map), Place::Target];
const TARGETS: &[Place] = &[Place::Pane(Pane::Targets)];
const LISTS: &[Place] = &[Place::Pane(Pane::Targets), Place::Models];
const PINNING: &[Place] = &[Place::Pane(Pane::Targets), Place::Target, Place::Models];
const MAP: &[Place] = &[Place::Pane(Pane::Map)];
const APPROVALS: &[Place] = &[Place::Approvals];
const THROUGHPUT: &[Place] = &[Place::Pane(Pane::Throughput)];
const REWARDS: &[Place] = &[Place::Pane(Pane::Rewards)];
const EXPORT: &[Place] = &[Place::Export];
const SUBMISSIONS: &[Place] = &[Place::Pane(Pane::Rewards), Place::Approvals];
const PARTS: &[Place] = &[Place::Copying];
const LOG: &[Place] = &[Place::Log];
/// Where limits are looked at.
const POLICY: &[Place] = &[Place::Dashboard, Place::Pane(Pane::Wallet), Place::Log];
const COPYING: &[Place] = &[
    Place::Dashboard,
    Place::Pane(Pane::Wallet),
    Place::Pane(Pane::Targets),
    Place::Target,
    Place::Pane(Pane::Rewards),
    Place::Models,
    Place::Approvals,
    Place::Log,
];

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

/// In the order in which help and footer show them.
pub const ACTIONS: &[ActionInfo] = &[
    // Decisions come first.
    ActionInfo {
        action: Action::Approve,
        id: "approve",
        name: "approve",
        keys: &[Char('y')],
        help: "sign, send, and claim the reward later: the selected one, or all that are marked",
        places: APPROVALS,
        mutates: true,
        asks: Asks::Never,
        hint: true,
    },
    ActionInfo {
        action: Action::Reject,
        id: "reject",
        name: "reject",
        keys: &[Char('n')],
        help: "drop the selected candidate, or all that are marked",
        places: APPROVALS,
        mutates: true,
        asks: Asks::Never,
        hint: true,
    },
    ActionInfo {
        action: Action::ApproveAll,
        id: "approve-all",
        name: "approve all",
        keys: &[Char('Y')],
        help: "approve all under a limit that you type; shows the sums, then asks",
        places: APPROVALS,
        mutates: true,
        asks: Asks::Never,
        hint: true,
    },
    plain(Action::Mark, "mark", "mark", &[Char(' ')], "mark or unmark a candidate, and go to the next one", APPROVALS),
    quiet(Action::MarkAll, "mark-all", "mark all", &[Char('*')], "mark all that wait", APPROVALS),
    quiet(Action::ClearMarks, "clear-marks", "unmark", &[Char('u')], "unmark all", APPROVALS),
    ActionInfo {
        action: Action::EditPolicy,
        id: "policy",
        name: "limits",
        keys: &[Char('P'), Char('o')],
        help: "change the limits of automatic approval, for this run",
        places: APPROVALS,
        mutates: true,
        asks: Asks::Never,
        hint: true,
    },
    ActionInfo {
        action: Action::EditPolicy,
        id: "policy-elsewhere",
        name: "limits",
        keys: &[Char('P')],
        help: "change the limits of automatic approval, for this run",
        places: POLICY,
        mutates: true,
        asks: Asks::Never,
        hint: false,
    },
    ActionInfo {
        action: Action::AcceptProtocol,
        id: "accept-protocol",
        name: "accept protocol",
        keys: &[Char('v')],
        help: "sign despite a newer protocol",
        places: SCREENS,
        mutates: true,
        asks: Asks::Always,
        hint: true,
    },
    quiet(Action::PreviewDown, "preview-down", "preview", &[Char('J')], "scroll the data's preview down", APPROVALS),
    quiet(Action::PreviewUp, "preview-up", "preview", &[Char('K')], "scroll the data's preview up", APPROVALS),
    plain(
        Action::LogFilter,
        "log-filter",
        "filter",
        &[Char('/')],
        "show only lines with a text, `level:warn`, `kind:tx`; `!` before one for its opposite",
        LOG,
    ),
    plain(Action::LogDetail, "log-detail", "detail", &[Enter], "show the selected line whole, with its parts", LOG),
    plain(Action::LogFollow, "log-follow", "follow", &[Char('f')], "follow the newest line, or hold still", LOG),
    plain(Action::Hex, "hex", "text/hex", &[Char('x')], "show the data's preview as text or as hex", APPROVALS),
    plain(Action::Confirm, "yes", "yes", &[Char('y')], "do it", &[Place::Confirm]),
    plain(
        Action::LeaveNow,
        "leave-now",
        "leave now",
        &[Char('q'), Ctrl('c')],
        "leave without waiting",
        &[Place::Settling],
    ),
    // What a pane offers.
    plain(Action::Open, "details", "details", &[Enter], "all about this target, and why nothing fits it yet", TARGETS),
    plain(Action::Pin, "pin", "pin", &[Char('P')], "pin it: comes first; a model stands for all its targets", PINNING),
    plain(Action::Sort, "sort", "sort", &[Char('s')], "sort by the next column", LISTS),
    quiet(Action::Reverse, "reverse-sort", "reverse", &[Char('S')], "turn the order round", LISTS),
    plain(
        Action::Filter,
        "filter",
        "filter",
        &[Char('/')],
        "show only some targets; its words are listed below",
        TARGETS,
    ),
    plain(
        Action::Box,
        "box",
        "box",
        &[Char('b')],
        "begin a box at the cursor; again (or drag the mouse): pin the targets in it",
        MAP,
    ),
    plain(Action::MapColour, "map-colour", "colour", &[Char('c')], "colour samples by model, source or margin", MAP),
    plain(Action::Coverage, "coverage", "coverage", &[Char('u')], "show which regions our data underserves", MAP),
    plain(Action::NextRegion, "next-region", "next gap", &[Char('n')], "cursor to the next underserved region", MAP),
    plain(
        Action::NextTarget,
        "next-target",
        "next target",
        &[Char('t'), Tab],
        "cursor to the next target, hits first",
        MAP,
    ),
    plain(Action::Submission, "submission", "details", &[Enter], "all that is known of a submission", REWARDS),
    plain(
        Action::SortSubmissions,
        "sort-submissions",
        "sort",
        &[Char('s')],
        "sort submissions by age, last change, state, amount",
        REWARDS,
    ),
    plain(
        Action::FilterSubmissions,
        "filter-submissions",
        "filter",
        &[Char('/')],
        "show only submissions with these words in state, target, file, digest, note",
        REWARDS,
    ),
    plain(Action::Export, "export", "export", &[Char('e')], "write rewards and submissions to a file", REWARDS),
    plain(
        Action::OlderPeriod,
        "older-period",
        "epoch",
        &[Char('[')],
        "list only the newest epoch or day, then the one before it",
        REWARDS,
    ),
    quiet(
        Action::NewerPeriod,
        "newer-period",
        "newer",
        &[Char(']')],
        "list the epoch or day after it, then all",
        REWARDS,
    ),
    plain(Action::ByDay, "by-day", "days", &[Char('d')], "sums by day instead of by epoch, or back", REWARDS),
    plain(
        Action::ExportSubmissions,
        "export-submissions",
        "submissions (CSV)",
        &[Char('c')],
        "every submission with its steps, as a table",
        EXPORT,
    ),
    plain(Action::ExportEpochs, "export-epochs", "epochs (CSV)", &[Char('e')], "sums by epoch, as a table", EXPORT),
    plain(Action::ExportJson, "export-json", "JSON", &[Char('j')], "both, for programs", EXPORT),
    plain(Action::ExportPng, "export-png", "PNG", &[Char('p')], "a chart by epoch, as pixels", EXPORT),
    plain(Action::ExportSvg, "export-svg", "SVG", &[Char('s')], "a chart by epoch, as vectors", EXPORT),
    plain(Action::Back, "no-export", "leave", &[Esc, Key::Backspace, Char('q')], "write nothing", EXPORT),
    plain(Action::ChartSpan, "chart-span", "span", &[Char('t')], "chart of a minute, an hour, a day", THROUGHPUT),
    quiet(Action::ChartShorter, "chart-shorter", "shorter", &[Char('[')], "a shorter span of time", THROUGHPUT),
    quiet(Action::ChartLonger, "chart-longer", "longer", &[Char(']')], "a longer span of time", THROUGHPUT),
    plain(
        Action::ChartMeasure,
        "chart-measure",
        "measure",
        &[Char('s')],
        "chart samples, tokens, evaluations, hits, device use",
        THROUGHPUT,
    ),
    plain(
        Action::NextSection,
        "next-section",
        "next section",
        &[Tab, Right, Char('l')],
        "the board's next question",
        BOARD,
    ),
    quiet(
        Action::PreviousSection,
        "previous-section",
        "previous section",
        &[BackTab, Left, Char('h')],
        "the board's question before",
        BOARD,
    ),
    plain(Action::OlderEpoch, "older-epoch", "older", &[Char('[')], "the review of the epoch before", BOARD),
    plain(Action::NewerEpoch, "newer-epoch", "newer", &[Char(']')], "the review of the epoch after", BOARD),
    plain(
        Action::Inspect,
        "inspect",
        "what lands here",
        &[Char('i')],
        "fetch and show public submissions near this target, model, or place on the map (its box)",
        SUBJECTS,
    ),
    quiet(
        Action::Inspect,
        "inspect-selected",
        "what lands here",
        &[Enter],
        "fetch and show public submissions near the selected one",
        INSPECTING,
    ),
    plain(
        Action::InspectorHex,
        "inspector-hex",
        "text/hex",
        &[Char('x')],
        "show the data as text or as hex",
        INSPECTOR,
    ),
    plain(
        Action::CloseInspector,
        "close-inspector",
        "close",
        &[Esc, Key::Backspace, Char('q'), Char('i')],
        "close this; what is still on its way is given up",
        INSPECTOR,
    ),
    plain(
        Action::ZoomIn,
        "zoom-in",
        "closer",
        &[Char('+'), Char('=')],
        "zoom into the map at the cursor (or turn the wheel)",
        MAP,
    ),
    plain(Action::ZoomOut, "zoom-out", "farther", &[Char('-')], "zoom out of the map", MAP),
    quiet(Action::WholeMap, "whole-map", "whole", &[Char('0')], "the whole map", MAP),
    plain(
        Action::Layout,
        "map-layout",
        "layout",
        &[Char('f')],
        "lay the map out by principal axes, or so that neighbours stay together",
        MAP,
    ),
    quiet(Action::Refit, "map-refit", "refit", &[Char('r')], "fit the map again on what is in the library now", MAP),
    quiet(Action::ExportMap, "map-export", "export", &[Char('e')], "draw the map into a file (SVG)", MAP),
    quiet(
        Action::HideOpen,
        "map-open",
        "open targets",
        &[Char('o')],
        "leave out targets that nothing of ours hits",
        MAP,
    ),
    // Ways in and out.
    plain(Action::Approvals, "approvals", "approvals", &[Char('a')], "what waits for your decision", NOT_APPROVALS),
    plain(Action::Zoom, "zoom", "zoom", &[Enter, Char('z')], "open the focused pane", DASHBOARD),
    plain(Action::Back, "back", "back", &[Esc, Key::Backspace], "back to the list or the dashboard", INNER),
    quiet(Action::Back, "back-from-approvals", "back", &[Char('a')], "back to the dashboard", APPROVALS),
    plain(
        Action::Back,
        "close-help",
        "close",
        &[Esc, Key::Backspace, Char('q'), Char('?')],
        "close this",
        &[Place::Help],
    ),
    plain(Action::Back, "no", "no", &[Char('n'), Esc, Key::Backspace, Char('q')], "leave it", &[Place::Confirm]),
    // The engine and the program.
    ActionInfo {
        action: Action::Mode,
        id: "mode",
        name: "mode",
        keys: &[Char('m')],
        help: "MANUAL: you approve; AUTO: the policy does",
        places: SCREENS,
        mutates: true,
        asks: Asks::BeforeAuto,
        hint: true,
    },
    ActionInfo {
        action: Action::OnlyPinned,
        id: "only-pinned",
        name: "only pinned",
        keys: &[Char('O')],
        help: "offer and approve only what is for pinned targets",
        places: SCREENS,
        mutates: true,
        asks: Asks::BeforeAutoWidens,
        hint: false,
    },
    plain(Action::Pause, "pause", "pause", &[Char('p')], "pause or resume scoring", SCREENS),
    plain(Action::Palette, "palette", "command", &[Char(':')], "find anything that can be done here, by name", SCREENS),
    plain(Action::SearchHelp, "search-help", "search", &[Char('/')], "search the help", &[Place::Help]),
    plain(Action::Help, "help", "help", &[Char('?')], "this help", SCREENS),
    quiet(Action::Suspend, "suspend", "suspend", &[Ctrl('z')], "back to the shell; `fg` returns", SCREENS),
    plain(
        Action::Quit,
        "quit",
        "quit",
        &[Char('q'), Ctrl('c')],
        "settle what is in flight, then leave; again: at once",
        SCREENS,
    ),
    quiet(
        Action::Quit,
        "quit-from-dialog",
        "quit",
        &[Ctrl('c')],
        "settle what is in flight, then leave",
        &[Place::Help, Place::Inspector, Place::Confirm, Place::Export, Place::Copying],
    ),
    quiet(Action::Mouse, "mouse", "mouse", &[Char('M')], "take or leave the mouse (leave it to select text)", SCREENS),
    quiet(
        Action::Copy,
        "copy",
        "copy",
        &[Char('c')],
        "send the address, id, digest or URL to the terminal's clipboard",
        COPYING,
    ),
    quiet(
        Action::CopyMenu,
        "copy-part",
        "copy part",
        &[Char('C')],
        "choose what of a submission to copy: URL, digest, target, checksum, file",
        SUBMISSIONS,
    ),
    plain(Action::CopyPart(Part::Url), "copy-url", "URL", &[Char('u')], "where its bytes lie", PARTS),
    plain(Action::CopyPart(Part::Digest), "copy-digest", "digest", &[Char('d')], "the transaction that sent it", PARTS),
    plain(Action::CopyPart(Part::Claim), "copy-claim", "claim", &[Char('l')], "the transaction that claimed it", PARTS),
    plain(Action::CopyPart(Part::Target), "copy-target", "target", &[Char('t')], "the id of its target", PARTS),
    plain(Action::CopyPart(Part::Checksum), "copy-checksum", "checksum", &[Char('s')], "the hash of its bytes", PARTS),
    plain(Action::CopyPart(Part::Source), "copy-file", "file", &[Char('f')], "where the data came from", PARTS),
    plain(Action::Back, "no-copy", "leave", &[Esc, Key::Backspace, Char('q')], "copy nothing", PARTS),
    // Screens.
    quiet(Action::Jump(Pane::Wallet), "wallet", "wallet", &[Char('1')], "wallet, full screen", SCREENS),
    quiet(Action::Jump(Pane::Targets), "targets", "targets", &[Char('2')], "open targets, full screen", SCREENS),
    quiet(Action::Jump(Pane::Map), "map", "map", &[Char('3')], "niche map, full screen", SCREENS),
    quiet(
        Action::Jump(Pane::Throughput),
        "throughput",
        "throughput",
        &[Char('4')],
        "scoring throughput, full screen",
        SCREENS,
    ),
    quiet(Action::Jump(Pane::Rewards), "rewards", "rewards", &[Char('5')], "reward history, full screen", SCREENS),
    quiet(Action::Models, "models", "models", &[Char('6')], "the models in play", SCREENS),
    quiet(Action::Board, "board", "board", &[Char('8')], "the board: who plays, gaps, who fills, reviews", SCREENS),
    quiet(Action::Log, "log", "log", &[Char('L'), Char('7')], "activity log", NOT_MAP),
    quiet(Action::Log, "log-from-map", "log", &[Char('7')], "activity log", MAP),
    // Moving.
    quiet(Action::NextPane, "next-pane", "next", &[Tab], "focus the next pane", DASHBOARD),
    quiet(Action::PreviousPane, "previous-pane", "previous", &[BackTab], "focus the previous pane", DASHBOARD),
    quiet(Action::Up, "up", "up", &[Up, Char('k')], "focus, select or scroll up", MOVING),
    quiet(Action::Down, "down", "down", &[Down, Char('j')], "focus, select or scroll down", MOVING),
    quiet(Action::Left, "left", "left", &[Left, Char('h')], "focus or cursor to the left", SIDEWAYS),
    quiet(Action::Right, "right", "right", &[Right, Char('l')], "focus or cursor to the right", SIDEWAYS),
    quiet(Action::PanLeft, "pan-left", "pan left", &[Char('H')], "move the map's window to the left", MAP),
    quiet(Action::PanDown, "pan-down", "pan down", &[Char('J')], "move the map's window down", MAP),
    quiet(Action::PanUp, "pan-up", "pan up", &[Char('K')], "move the map's window up", MAP),
    quiet(Action::PanRight, "pan-right", "pan right", &[Char('L')], "move the map's window to the right", MAP),
    quiet(Action::PageUp, "page-up", "page up", &[PageUp], "a page up", MOVING),
    quiet(Action::PageDown, "page-down", "page down", &[PageDown], "a page down", MOVING),
    quiet(Action::Top, "top", "top", &[Home, Char('g')], "to the first line", MOVING),
    quiet(Action::Bottom, "bottom", "bottom", &[End, Char('G')], "to the last line", MOVING),
];

/// What can be done at `place`, in the registry's order.
pub fn at(place: Place) -> impl Iterator<Item = &'static ActionInfo> {
    ACTIONS.iter().filter(move |info| info.places.contains(&place))
}

/// The keys that every place has, as a table for the README.
pub fn key_table() -> String {
    let screens = |info: &&ActionInfo| info.places.iter().any(|place| SCREENS.contains(place));
    let mut table = String::from("| keys | action | what it does | where |\n|---|---|---|---|\n");
    for info in ACTIONS.iter().filter(screens) {
        let keys: Vec<_> = info.keys.iter().map(|key| format!("`{}`", key.name(false).replace('|', "\\|"))).collect();
        let places = words(info.places);
        table.push_str(&format!("| {} | `{}` | {} | {places} |\n", keys.join(" "), info.id, info.help));
    }
    table
}

fn words(places: &[Place]) -> String {
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
