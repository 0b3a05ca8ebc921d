//! Unix time, and as a date: the one calendar, without a library.

use std::time::{SystemTime, UNIX_EPOCH};

/// Now. A clock before 1970 reads as 0.
pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// `2026-11-22T13:40:28Z`
pub fn utc(unix_ms: u64) -> String {
    let (hour, minute, second) = clock(unix_ms);
    format!("{}T{hour:02}:{minute:02}:{second:02}Z", day(unix_ms))
}

/// `2026-11-22`, of UTC.
pub fn day(unix_ms: u64) -> String {
    let (year, month, day) = date(unix_ms);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `2026-11-22 13:40:28 UTC`, for people. A node's time may be anything: beyond year 9999 it is shown as a number.
pub fn readable_utc(unix_ms: u64) -> String {
    if date(unix_ms).0 > 9999 {
        return format!("{unix_ms} ms");
    }
    let (hour, minute, second) = clock(unix_ms);
    format!("{} {hour:02}:{minute:02}:{second:02} UTC", day(unix_ms))
}

/// `20261122-134028`, for names of files.
pub fn compact_utc(unix_ms: u64) -> String {
    let (year, month, day) = date(unix_ms);
    let (hour, minute, second) = clock(unix_ms);
    format!("{year:04}{month:02}{day:02}-{hour:02}{minute:02}{second:02}")
}

fn clock(unix_ms: u64) -> (u64, u64, u64) {
    let s = unix_ms / 1000;
    (s / 3600 % 24, s / 60 % 60, s % 60)
}

/// Year, month, day. Years are counted from March on, so that the leap day is the last of its year.
fn date(unix_ms: u64) -> (u64, u64, u64) {
    /// From 0000-03-01 to 1970-01-01.
    const BEFORE: u64 = 719_468;
    const FOUR_CENTURIES: u64 = 146_097;
    let days = unix_ms / 86_400_000 + BEFORE;
    let (era, day_of_era) = (days / FOUR_CENTURIES, days % FOUR_CENTURIES);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let months = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * months + 2) / 5 + 1;
    let month = if months < 10 { months + 3 } else { months - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_days_have_their_dates() {
        assert_eq!(utc(0), "1970-01-01T00:00:00Z");
        assert_eq!(utc(951_782_400_000), "2000-02-29T00:00:00Z");
        assert_eq!(utc(1_795_354_828_000), "2026-11-22T13:40:28Z");
        assert_eq!(compact_utc(1_767_225_599_999), "20251231-235959");
        assert_eq!(day(1_795_354_828_000), "2026-11-22");
        assert_eq!(readable_utc(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(readable_utc(1_798_761_599_999), "2026-12-31 23:59:59 UTC");
    }

    #[test]
    fn a_time_that_no_clock_shows_is_a_number_and_no_panic() {
        assert_eq!(readable_utc(253_402_300_799_999), "9999-12-31 23:59:59 UTC");
        assert_eq!(readable_utc(253_402_300_800_000), "253402300800000 ms");
        assert_eq!(readable_utc(u64::MAX), "18446744073709551615 ms");
        assert!(day(u64::MAX).is_ascii() && day(u64::MAX).len() > 10);
    }
}
