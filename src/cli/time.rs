//! Unix time, for people.

use std::time::{SystemTime, UNIX_EPOCH};

const DAY_S: u64 = 86_400;

/// A clock before 1970 reads as 0.
pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// `2026-11-22 13:40:28 UTC`.
pub fn date(ms: u64) -> String {
    let seconds = ms / 1000;
    let (mut days, second) = (seconds / DAY_S, seconds % DAY_S);
    let mut year = 1970;
    // A node's time may be anything: beyond some thousand years it is shown as a number.
    while days >= year_days(year) {
        days -= year_days(year);
        year += 1;
        if year > 9999 {
            return format!("{ms} ms");
        }
    }
    let mut month = 1;
    while days >= month_days(year, month) {
        days -= month_days(year, month);
        month += 1;
    }
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!("{year:04}-{month:02}-{:02} {hour:02}:{minute:02}:{:02} UTC", days + 1, second % 60)
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn year_days(year: u64) -> u64 {
    365 + u64::from(is_leap(year))
}

fn month_days(year: u64, month: u64) -> u64 {
    match month {
        2 => 28 + u64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

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
    fn dates_are_those_of_the_calendar() {
        assert_eq!(date(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(date(1_795_354_828_000), "2026-11-22 13:40:28 UTC");
        assert_eq!(date(951_782_400_000), "2000-02-29 00:00:00 UTC");
        assert_eq!(date(1_798_761_599_999), "2026-12-31 23:59:59 UTC");
        assert_eq!(date(u64::MAX), "18446744073709551615 ms");
    }

    #[test]
    fn spans_have_two_units() {
        assert_eq!([59_999, 61_000, 3_900_000, 90_000_000].map(span), ["59 s", "1 min 01 s", "1 h 05 min", "1 d 1 h"]);
    }
}
