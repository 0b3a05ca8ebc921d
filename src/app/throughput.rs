//! Which chart of the throughput is looked at.

use serde::{Deserialize, Serialize};

use super::{Effect, State, actions::Action};
use crate::api::{RateSeries, Rates, ThroughputView};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Span {
    #[default]
    Minute,
    Hour,
    Day,
}

impl Span {
    pub const ALL: [Self; 3] = [Self::Minute, Self::Hour, Self::Day];

    pub fn word(self) -> &'static str {
        match self {
            Self::Minute => "1 min",
            Self::Hour => "1 h",
            Self::Day => "24 h",
        }
    }

    pub fn series(self, view: &ThroughputView) -> &RateSeries {
        match self {
            Self::Minute => &view.minute,
            Self::Hour => &view.hour,
            Self::Day => &view.day,
        }
    }
}

/// What the chart shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Measure {
    #[default]
    Samples,
    Tokens,
    Evaluations,
    Hits,
    Busy,
}

impl Measure {
    pub const ALL: [Self; 5] = [Self::Samples, Self::Tokens, Self::Evaluations, Self::Hits, Self::Busy];

    /// With its unit.
    pub fn word(self) -> &'static str {
        match self {
            Self::Samples => "samples/s",
            Self::Tokens => "tokens/s",
            Self::Evaluations => "evaluations/s",
            Self::Hits => "hits/h",
            Self::Busy => "device use, %",
        }
    }

    pub fn of(self, rates: &Rates) -> f32 {
        match self {
            Self::Samples => rates.samples_per_s,
            Self::Tokens => rates.tokens_per_s,
            Self::Evaluations => rates.evaluations_per_s,
            Self::Hits => rates.hits_per_h,
            Self::Busy => rates.busy * 100.0,
        }
    }
}

/// The chart of the zoomed pane.
#[derive(Clone, Copy, Debug, Default)]
pub struct Chart {
    pub span: Span,
    pub measure: Measure,
}

/// The item `by` places further on; beyond the ends stays, or goes round.
fn step<T: Copy + PartialEq>(all: &[T], from: T, by: isize, round: bool) -> T {
    let at = all.iter().position(|item| *item == from).unwrap_or(0);
    let to = if round { (at + by.unsigned_abs()) % all.len() } else { at.saturating_add_signed(by).min(all.len() - 1) };
    all[to]
}

/// What the registry's actions do here; `None` for those of other screens.
pub(super) fn act(state: &mut State, action: Action) -> Option<Vec<Effect>> {
    let chart = &mut state.chart;
    match action {
        Action::ChartSpan => chart.span = step(&Span::ALL, chart.span, 1, true),
        Action::ChartShorter => chart.span = step(&Span::ALL, chart.span, -1, false),
        Action::ChartLonger => chart.span = step(&Span::ALL, chart.span, 1, false),
        Action::ChartMeasure => chart.measure = step(&Measure::ALL, chart.measure, 1, true),
        _ => return None,
    }
    Some(Vec::new())
}
