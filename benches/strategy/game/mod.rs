//! The game of the strategy bench: a corpus scored by V1 models, the embedded network's ledger with its real rules, and players.
//!
//! Knows the product's public parts. Time is counted in model evaluations; whatever else a submitter does takes none.

mod network;
mod players;
mod world;

use std::path::PathBuf;

pub use network::Rules;
pub use players::{play, players};
pub use world::{World, WorldSpec};

/// Beside what cargo builds.
pub fn cache_dir() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    target.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target")).join("strategy")
}

/// What a strategy came to on one network.
#[derive(Clone, Debug, Default)]
pub struct Played {
    pub name: &'static str,
    pub epochs: u64,
    /// Evaluations of the search: the clock.
    pub evaluations: u64,
    /// Rows evaluated once more to confirm what is submitted.
    pub confirmations: u64,
    /// Targets that were open at some time.
    pub targets: u64,
    pub fills: u64,
    /// Fills by more than one window, and their windows.
    pub compositions: u64,
    pub composed_windows: u64,
    /// Compositions that were scored by the models themselves, and the most that their distance was off.
    pub checked: u64,
    pub largest_error: f32,
}

impl Played {
    pub const HEADER: &str = "\
| threshold | strategy | evaluations | targets | fills | of them composed (windows each) | fills per 10,000 evaluations | ratio | with confirmations charged | ratio |
|---|---|---|---|---|---|---|---|---|---|";

    /// Fills per 10,000 evaluations, confirmations left out and charged.
    pub fn rates(&self) -> (f64, f64) {
        let per = |evaluations: u64| self.fills as f64 * 1e4 / evaluations.max(1) as f64;
        (per(self.evaluations), per(self.evaluations + self.confirmations))
    }

    pub fn row(&self, threshold: f32, reference: &Self) -> String {
        let ((search, all), (search_before, all_before)) = (self.rates(), reference.rates());
        let length = self.composed_windows as f64 / self.compositions.max(1) as f64;
        format!(
            "| {threshold} | {} | {} | {} | {} | {} ({length:.1}) | {search:.0} | {:.1} | {all:.0} | {:.1} |",
            self.name,
            self.evaluations,
            self.targets,
            self.fills,
            self.compositions,
            search / search_before,
            all / all_before,
        )
    }
}
