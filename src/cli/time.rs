//! Unix time, for people.

pub use crate::primitives::{now_ms, readable_utc as date};

const DAY_S: u64 = 86_400;

/// `1 h 05 min`, `42 s`.
pub fn span(ms: u64) -> String {
    let seconds = ms / 1000;
    match (seconds / DAY_S, seconds / 3600 % 24, seconds / 60 % 60) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min {:02} s", seconds % 60),
        (0, hours, minutes) => format!("{hours} h {minutes:02} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_units() {
        assert_eq!([59_999, 61_000, 3_900_000, 90_000_000].map(span), ["59 s", "1 min 01 s", "1 h 05 min", "1 d 1 h"]);
    }
}
