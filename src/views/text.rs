//! Words and numbers: safe, short, with units.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::{
    api::ModelRow,
    app::targets::model_letter,
    primitives::{ObjectId, SHANNONS_PER_SOMA, Shannons},
};

pub use crate::primitives::{clean, counted, group};

pub fn width(text: &str) -> usize {
    text.width()
}

/// At most `columns` columns, with an ellipsis where something was cut.
pub fn fit(text: &str, columns: usize, ellipsis: &str) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let room = columns.saturating_sub(ellipsis.width());
    let mut used = 0;
    let mut kept: String = text
        .chars()
        .take_while(|c| {
            used += c.width().unwrap_or(0);
            used <= room
        })
        .collect();
    if columns >= ellipsis.width() {
        kept.push_str(ellipsis);
    }
    kept
}

/// At most `columns` columns of the end, which says more of a path than its start.
pub fn fit_end(text: &str, columns: usize, ellipsis: &str) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let room = columns.saturating_sub(ellipsis.width());
    let mut used = 0;
    let kept = text.char_indices().rev().take_while(|(_, c)| {
        used += c.width().unwrap_or(0);
        used <= room
    });
    let start = kept.last().map_or(text.len(), |(at, _)| at);
    let ellipsis = if columns >= ellipsis.width() { ellipsis } else { "" };
    format!("{ellipsis}{}", &text[start..])
}

/// At most `columns` columns, of the start and of the end.
pub fn fit_ends(text: &str, columns: usize, ellipsis: &str) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let end = columns / 2;
    format!("{}{}", fit(text, columns - end, ellipsis), fit_end(text, end, ""))
}

/// Breaks at spaces, and inside words that are longer than a line.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split_inclusive(' ') {
        if used > 0 && used + word.trim_end().width() > columns {
            lines.push(String::new());
            used = 0;
        }
        for c in word.chars() {
            let w = c.width().unwrap_or(0);
            if used + w > columns {
                if c == ' ' {
                    continue;
                }
                lines.push(String::new());
                used = 0;
            }
            if let Some(line) = lines.last_mut() {
                line.push(c);
            }
            used += w;
        }
    }
    lines
}

/// SOMA with as many of six decimals as fit into `columns`; thousands of SOMA lose their decimals first.
pub fn soma(amount: Shannons, columns: usize) -> String {
    let whole = group(amount.0 / SHANNONS_PER_SOMA);
    let room = columns.saturating_sub(whole.len() + 1).min(6);
    if room < 2 {
        return whole;
    }
    let decimals = format!("{:09}", amount.0 % SHANNONS_PER_SOMA);
    // Cut, not rounded: a balance is never shown higher than it is.
    format!("{whole}.{}", &decimals[..room])
}

/// The difference with its sign.
pub fn soma_change(from: Shannons, to: Shannons, columns: usize, minus: &str) -> String {
    let (sign, amount) = if to >= from { ("+", to.saturating_sub(from)) } else { (minus, from.saturating_sub(to)) };
    format!("{sign}{}", soma(amount, columns.saturating_sub(1)))
}

/// Counts that may be large, in at most six columns: `9,999`, `12.3k`, `4.56M`.
pub fn count(n: u64) -> String {
    let scaled = |unit: f64, letter: char| {
        let value = n as f64 / unit;
        if value < 100.0 { format!("{value:.1}{letter}") } else { format!("{value:.0}{letter}") }
    };
    match n {
        0..10_000 => group(n),
        10_000..1_000_000 => scaled(1e3, 'k'),
        1_000_000..1_000_000_000 => scaled(1e6, 'M'),
        _ => scaled(1e9, 'G'),
    }
}

/// A rate: one decimal while it is small.
pub fn rate(per: f32) -> String {
    if !per.is_finite() || per < 0.0 {
        "0.0".to_owned()
    } else if per < 100.0 {
        format!("{per:.1}")
    } else {
        count(per as u64)
    }
}

/// The two largest units: `14s`, `2m 05s`, `3h 12m`, `2d 03h`. Long spans change rarely, and so cost few redraws.
pub fn span(ms: u64) -> String {
    let s = ms / 1000;
    match s {
        0..60 => format!("{s}s"),
        60..3_600 => format!("{}m {:02}s", s / 60, s % 60),
        3_600..86_400 => format!("{}h {:02}m", s / 3_600, s / 60 % 60),
        _ => format!("{}d {:02}h", s / 86_400, s / 3_600 % 24),
    }
}

/// The largest unit only, for narrow columns. Below a minute in steps of ten seconds: a clock that ticks on every row keeps
/// the terminal busy and tells nothing.
pub fn age(ms: u64) -> String {
    let s = ms / 1000;
    match s {
        0..10 => "new".to_owned(),
        10..60 => format!("{}s", s / 10 * 10),
        60..3_600 => format!("{}m", s / 60),
        3_600..86_400 => format!("{}h", s / 3_600),
        _ => format!("{}d", s / 86_400),
    }
}

/// How long ago something was heard: what is recent is all the same.
pub fn ago(ms: u64) -> String {
    match ms / 1000 {
        0..10 => "now".to_owned(),
        10..60 => format!("{}s ago", ms / 10_000 * 10),
        _ => format!("{} ago", age(ms)),
    }
}

/// What is left until something: the nearer, the finer. Rounded down to what is shown.
pub fn countdown(ms: u64) -> String {
    let s = ms / 1000;
    match s {
        0..60 => span(ms),
        60..600 => span(s / 10 * 10_000),
        600..3_600 => format!("{}m", s / 60),
        _ => span(ms),
    }
}

/// UTC time of day, for the log.
pub fn time_of_day(unix_ms: u64) -> String {
    let s = unix_ms / 1000;
    format!("{:02}:{:02}:{:02}", s / 3_600 % 24, s / 60 % 60, s % 60)
}

/// A place in a recording: `1:02:03`.
pub fn clock(ms: u64) -> String {
    let s = ms / 1000;
    format!("{}:{:02}:{:02}", s / 3_600, s / 60 % 60, s % 60)
}

pub fn bytes(n: u64) -> String {
    match n {
        0..10_240 => format!("{} B", group(n)),
        10_240..1_048_576 => format!("{:.1} KiB", n as f64 / 1024.0),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", n as f64 / 1_048_576.0),
        _ => format!("{:.1} GiB", n as f64 / 1_073_741_824.0),
    }
}

/// A margin with its sign.
pub fn margin(margin: f32, minus: &str) -> String {
    format!("{}{:.4}", if margin < 0.0 { minus } else { "+" }, margin.abs())
}

/// The letters of a target's models, `?` for one that is not in play.
pub fn letters(ids: &[ObjectId], models: &[ModelRow]) -> String {
    ids.iter()
        .map(|id| models.iter().position(|model| model.id == *id).map_or_else(|| "?".to_owned(), model_letter))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_and_direction_characters_never_reach_the_screen() {
        assert_eq!(clean("a\u{1b}[2Jb\u{202e}c\r\n\u{9b}x"), "a·[2Jb·c···x");
    }

    #[test]
    fn amounts_lose_decimals_before_they_overflow_and_are_never_rounded_up() {
        let amount = Shannons(12_345_678_999_999);
        assert_eq!(soma(amount, 20), "12,345.678999");
        assert_eq!(soma(amount, 9), "12,345.67");
        assert_eq!(soma(amount, 7), "12,345");
        assert_eq!(soma_change(Shannons(5), Shannons(2_000_000_005), 12, "-"), "+2.000000");
    }

    #[test]
    fn spans_and_counts_stay_short() {
        assert_eq!([span(14_999), span(125_000), span(11_520_000)], ["14s", "2m 05s", "3h 12m"]);
        assert_eq!([countdown(9_999), countdown(125_900), countdown(1_439_000)], ["9s", "2m 00s", "23m"]);
        assert_eq!([ago(9_999), ago(29_000), ago(125_000), age(3_000)], ["now", "20s ago", "2m ago", "new"]);
        assert_eq!([count(9_999), count(12_345), count(4_560_000)], ["9,999", "12.3k", "4.6M"]);
    }

    #[test]
    fn wide_characters_are_cut_by_columns() {
        assert_eq!(fit("日本語テキスト", 7, "…"), "日本語…");
        assert_eq!(fit("abc", 3, "…"), "abc");
        assert_eq!(fit_end("日本語テキスト", 6, "…"), "…スト");
        assert_eq!(
            [fit_end("/a/b.csv", 8, "…"), fit_end("/a/b.csv", 6, ".."), fit_end("/a", 0, "…")],
            ["/a/b.csv", "...csv", ""]
        );
        assert_eq!(fit("abcd", 0, "…"), "");
        assert_eq!(wrap("one two three", 8), ["one two ", "three"]);
    }
}
