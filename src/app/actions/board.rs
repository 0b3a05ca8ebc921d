//! The board, and the inspector of what lands somewhere.

use super::{
    Action, ActionInfo,
    places::{BOARD, INSPECTING, INSPECTOR, SUBJECTS},
    plain, quiet,
};
use crate::app::Key::{self, BackTab, Char, Enter, Esc, Left, Right, Tab};

pub(super) const ACTIONS: &[ActionInfo] = &[
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
];
