//! The activity log.

use super::{Action, ActionInfo, places::LOG, plain};
use crate::app::Key::{Char, Enter};

pub(super) const ACTIONS: &[ActionInfo] = &[
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
];
