//! The chart of the throughput.

use super::{Action, ActionInfo, places::THROUGHPUT, plain, quiet};
use crate::app::Key::Char;

pub(super) const ACTIONS: &[ActionInfo] = &[
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
];
