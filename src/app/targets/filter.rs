//! The language of the targets' filter: words that must all be true of a target.
//!
//! A filter is parsed whenever a letter is typed, and asked of every target whenever targets change. What cannot be read is
//! said with its place and a hint ([`FilterError`]); printing a filter gives words that read as the same filter again.

use std::{cmp::Ordering, fmt};

use regex_lite::{Regex, RegexBuilder};

use super::{Letters, model_letter, stage_word};
use crate::{
    api::{TargetRow, TargetStage},
    primitives::{ObjectId, Shannons},
};

/// Every word of the language with what it means, for the help.
pub const LANGUAGE: &[(&str, &str)] = &[
    ("5cd4 hit A", "words: parts of an id, a status, a model; all of them must be true"),
    ("~^5c.*1$", "regular expression over id, status or models"),
    ("!hit", "not: whatever follows the ! must be false"),
    ("model:A", "lists model A; model:0x12 one whose id begins so"),
    ("status:hit", "open, hit, sending or ours"),
    ("margin:>=-0.02", "threshold less best distance; also < <= >"),
    ("z:>-2", "the margin in standard deviations of random directions"),
    ("distance:<1", "our best distance"),
    ("reward:>0.01", "in SOMA"),
    ("age:<5m", "since this program saw it: s, m, h, d"),
    ("epoch:12", "also < <= > >="),
    ("pinned", "pinned itself, or by its model"),
];

/// What a word must be like, for the hint under a word that cannot be read.
const FIELDS: &str = "model, status, margin, z, distance, reward, age, epoch";

const STAGES: [TargetStage; 4] = [TargetStage::Open, TargetStage::Hit, TargetStage::InFlight, TargetStage::Ours];

/// The longest pattern that is compiled.
const PATTERN_BYTES: usize = 256;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    words: Vec<Word>,
}

#[derive(Clone, Debug, PartialEq)]
struct Word {
    inverse: bool,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    /// Lower case.
    Text(String),
    Pattern(Regex),
    Model(ModelName),
    Status(TargetStage),
    Margin(Comparison, f32),
    Z(Comparison, f32),
    Distance(Comparison, f32),
    Reward(Comparison, Shannons),
    /// A number and its unit, as it was typed.
    Age(Comparison, u64, Unit),
    Epoch(Comparison, u64),
    Pinned,
}

#[derive(Clone, Debug, PartialEq)]
enum ModelName {
    /// Place in the list, as its letter or number says.
    Index(usize),
    /// Lower-case hex digits that its id begins with.
    Prefix(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Less,
    AtMost,
    Equal,
    AtLeast,
    More,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Seconds,
    Minutes,
    Hours,
    Days,
}

/// A word that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError {
    /// Where in the text, in characters from 0, and how many.
    pub at: usize,
    pub len: usize,
    /// What is wrong with it, and what would be right.
    pub why: String,
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {}: {}", self.at + 1, self.why)
    }
}

/// What a target is judged against besides itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context<'a> {
    pub letters: &'a Letters,
    /// Of embeddings; 0: not known, and `z` is true of nothing.
    pub dim: u64,
    pub now_ms: u64,
}

impl Comparison {
    /// The longer signs first.
    const SIGNS: [(Self, &'static str); 5] =
        [(Self::AtMost, "<="), (Self::AtLeast, ">="), (Self::Less, "<"), (Self::More, ">"), (Self::Equal, "=")];

    fn sign(self) -> &'static str {
        Self::SIGNS.iter().find(|(comparison, _)| *comparison == self).map_or("", |(_, sign)| sign)
    }

    fn split(text: &str) -> Option<(Self, &str)> {
        Self::SIGNS.iter().find_map(|(comparison, sign)| Some((*comparison, text.strip_prefix(sign)?)))
    }

    fn holds<T: PartialOrd>(self, a: T, b: T) -> bool {
        match a.partial_cmp(&b) {
            Some(Ordering::Less) => matches!(self, Self::Less | Self::AtMost),
            Some(Ordering::Equal) => matches!(self, Self::AtMost | Self::Equal | Self::AtLeast),
            Some(Ordering::Greater) => matches!(self, Self::More | Self::AtLeast),
            None => false,
        }
    }
}

impl Unit {
    const LETTERS: [(Self, char, u64); 4] = [
        (Self::Seconds, 's', 1_000),
        (Self::Minutes, 'm', 60_000),
        (Self::Hours, 'h', 3_600_000),
        (Self::Days, 'd', 86_400_000),
    ];

    fn of(letter: char) -> Option<Self> {
        Self::LETTERS.iter().find(|(_, known, _)| *known == letter).map(|(unit, ..)| *unit)
    }

    fn letter(self) -> char {
        Self::LETTERS.iter().find(|(unit, ..)| *unit == self).map_or('s', |(_, letter, _)| *letter)
    }

    fn ms(self) -> u64 {
        Self::LETTERS.iter().find(|(unit, ..)| *unit == self).map_or(1_000, |(.., ms)| *ms)
    }
}

impl PartialEq for Test {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Pattern(a), Self::Pattern(b)) => a.as_str() == b.as_str(),
            (Self::Model(a), Self::Model(b)) => a == b,
            (Self::Status(a), Self::Status(b)) => a == b,
            (Self::Margin(a, x), Self::Margin(b, y)) => (a, x) == (b, y),
            (Self::Z(a, x), Self::Z(b, y)) => (a, x) == (b, y),
            (Self::Distance(a, x), Self::Distance(b, y)) => (a, x) == (b, y),
            (Self::Reward(a, x), Self::Reward(b, y)) => (a, x) == (b, y),
            (Self::Age(a, x, u), Self::Age(b, y, v)) => (a, x, u) == (b, y, v),
            (Self::Epoch(a, x), Self::Epoch(b, y)) => (a, x) == (b, y),
            (Self::Pinned, Self::Pinned) => true,
            _ => false,
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, word) in self.words.iter().enumerate() {
            if at > 0 {
                f.write_str(" ")?;
            }
            if word.inverse {
                f.write_str("!")?;
            }
            word.test.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Pattern(pattern) => write!(f, "~{pattern}"),
            Self::Model(ModelName::Index(index)) => write!(f, "model:{}", model_letter(*index)),
            Self::Model(ModelName::Prefix(prefix)) => write!(f, "model:0x{prefix}"),
            Self::Status(stage) => write!(f, "status:{}", stage_word(*stage)),
            Self::Margin(comparison, value) => write!(f, "margin:{}{value}", comparison.sign()),
            Self::Z(comparison, value) => write!(f, "z:{}{value}", comparison.sign()),
            Self::Distance(comparison, value) => write!(f, "distance:{}{value}", comparison.sign()),
            Self::Reward(comparison, value) => write!(f, "reward:{}{value}", comparison.sign()),
            Self::Age(comparison, count, unit) => write!(f, "age:{}{count}{}", comparison.sign(), unit.letter()),
            Self::Epoch(comparison, value) => write!(f, "epoch:{}{value}", comparison.sign()),
            Self::Pinned => f.write_str("pinned"),
        }
    }
}

impl Filter {
    /// Words joined by spaces; an empty text is true of everything.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let mut words = Vec::new();
        let mut at = 0;
        for piece in text.split(char::is_whitespace) {
            let len = piece.chars().count();
            if len > 0 {
                words.push(word(piece).map_err(|(skip, why)| FilterError {
                    at: at + skip,
                    len: (len - skip).max(1),
                    why,
                })?);
            }
            at += len + 1;
        }
        Ok(Self { words })
    }

    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Whether what it shows changes as time passes.
    pub(super) fn asks_for_age(&self) -> bool {
        self.words.iter().any(|word| matches!(word.test, Test::Age(..)))
    }

    pub(super) fn shows(&self, target: &TargetRow, context: Context<'_>) -> bool {
        self.words.iter().all(|word| word.test.holds(target, context) != word.inverse)
    }
}

/// Characters to skip to what is wrong, and the sentence about it.
type Wrong = (usize, String);

fn word(piece: &str) -> Result<Word, Wrong> {
    let (inverse, rest) = match piece.strip_prefix('!') {
        Some(rest) => (true, rest),
        None => (false, piece),
    };
    let skip = usize::from(inverse);
    if rest.is_empty() {
        return Err((0, "! needs a word after it, as in !hit".to_owned()));
    }
    if rest.starts_with('!') {
        return Err((skip, "one ! is enough".to_owned()));
    }
    let test = test(rest).map_err(|(more, why)| (skip + more, why))?;
    Ok(Word { inverse, test })
}

fn test(word: &str) -> Result<Test, Wrong> {
    if let Some(pattern) = word.strip_prefix('~') {
        return regex(pattern);
    }
    let Some((field, value)) = word.split_once(':') else {
        let text = word.to_ascii_lowercase();
        return match text.as_str() {
            "pinned" => Ok(Test::Pinned),
            _ if can_be_found(&text) => Ok(Test::Text(text)),
            _ => Err((0, format!("in no id (hex), no status, no model's letter; fields are {FIELDS}"))),
        };
    };
    let skip = field.chars().count() + 1;
    let within = |(more, why): Wrong| (skip + more, why);
    match field.to_ascii_lowercase().as_str() {
        "model" => model(value).map_err(within),
        "status" | "stage" => status(value).map_err(within),
        "margin" => number(value, "margin:<0.01").map(|(c, x)| Test::Margin(c, x)).map_err(within),
        "z" => number(value, "z:>-2").map(|(c, x)| Test::Z(c, x)).map_err(within),
        "distance" | "best" => number(value, "distance:<1.02").map(|(c, x)| Test::Distance(c, x)).map_err(within),
        "reward" => reward(value).map_err(within),
        "age" => age(value).map_err(within),
        "epoch" => epoch(value).map_err(within),
        _ => Err((0, format!("no such field; there are {FIELDS}"))),
    }
}

/// Whether a plain word can be true of any target at all: one that cannot is half of a field's name, or a mistake.
fn can_be_found(text: &str) -> bool {
    let is_hex = |digits: &str| digits.len() <= 64 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    is_hex(text.strip_prefix("0x").unwrap_or(text))
        || STAGES.iter().any(|stage| stage_word(*stage).contains(text))
        || (text.len() == 1 && text.bytes().all(|b| b.is_ascii_alphabetic()))
}

fn regex(pattern: &str) -> Result<Test, Wrong> {
    if pattern.is_empty() {
        return Err((0, "~ needs a regular expression after it, as in ~^5c".to_owned()));
    }
    if pattern.len() > PATTERN_BYTES {
        return Err((1, format!("longer than {PATTERN_BYTES} bytes")));
    }
    let built = RegexBuilder::new(pattern).case_insensitive(true).build();
    built.map(Test::Pattern).map_err(|error| (1, format!("no regular expression: {error}")))
}

fn model(value: &str) -> Result<Test, Wrong> {
    let hint = || (0, "a model's letter as the list shows it (model:A), or how its id begins (model:0x12)".to_owned());
    if let Some(prefix) = value.strip_prefix("0x").or_else(|| value.strip_prefix("0X")) {
        let is_hex = !prefix.is_empty() && prefix.len() <= 64 && prefix.bytes().all(|b| b.is_ascii_hexdigit());
        return is_hex.then(|| Test::Model(ModelName::Prefix(prefix.to_ascii_lowercase()))).ok_or_else(hint);
    }
    let mut letters = value.chars();
    let index = match (letters.next(), letters.next()) {
        (Some(letter), None) if letter.is_ascii_alphabetic() => {
            Some(usize::from(letter.to_ascii_uppercase() as u8 - b'A'))
        }
        // Beyond Z models are numbered; those before it have letters.
        _ => value.parse::<usize>().ok().and_then(|number| number.checked_sub(1)).filter(|index| *index >= 26),
    };
    index.map(|index| Test::Model(ModelName::Index(index))).ok_or_else(hint)
}

fn status(value: &str) -> Result<Test, Wrong> {
    let typed = value.to_ascii_lowercase();
    let mut found = STAGES.into_iter().filter(|stage| stage_word(*stage).starts_with(&typed));
    match (found.next(), found.next()) {
        (Some(stage), None) => Ok(Test::Status(stage)),
        _ => Err((0, "open, hit, sending or ours".to_owned())),
    }
}

fn comparison<'a>(value: &'a str, example: &str) -> Result<(Comparison, &'a str, usize), Wrong> {
    let split = Comparison::split(value).map(|(comparison, rest)| (comparison, rest, comparison.sign().len()));
    split.ok_or_else(|| (0, format!("needs < <= > >= or =, as in {example}")))
}

fn number(value: &str, example: &str) -> Result<(Comparison, f32), Wrong> {
    let (comparison, rest, skip) = comparison(value, example)?;
    let number = rest.parse::<f32>().ok().filter(|number| number.is_finite());
    Ok((comparison, number.ok_or_else(|| (skip, format!("needs a number, as in {example}")))?))
}

fn reward(value: &str) -> Result<Test, Wrong> {
    let (comparison, rest, skip) = comparison(value, "reward:>0.01")?;
    let amount = rest.parse().map_err(|_| (skip, "needs an amount of SOMA, as in reward:>0.01".to_owned()))?;
    Ok(Test::Reward(comparison, amount))
}

fn age(value: &str) -> Result<Test, Wrong> {
    let (comparison, rest, skip) = comparison(value, "age:<5m")?;
    let wrong = || (skip, "needs a whole number and s, m, h or d, as in age:<5m".to_owned());
    let unit = rest.chars().last().and_then(|letter| Unit::of(letter.to_ascii_lowercase())).ok_or_else(wrong)?;
    let count: u64 = rest[..rest.len() - 1].parse().map_err(|_| wrong())?;
    count.checked_mul(unit.ms()).ok_or_else(wrong)?;
    Ok(Test::Age(comparison, count, unit))
}

fn epoch(value: &str) -> Result<Test, Wrong> {
    let (comparison, rest) = Comparison::split(value).unwrap_or((Comparison::Equal, value));
    let skip = value.len() - rest.len();
    let epoch = rest.parse().map_err(|_| (skip, "needs an epoch's number, as in epoch:12 or epoch:>=12".to_owned()))?;
    Ok(Test::Epoch(comparison, epoch))
}

impl Test {
    /// What is not known of a target is true of nothing but its inverse.
    fn holds(&self, target: &TargetRow, context: Context<'_>) -> bool {
        let compare = |value: Option<f32>, comparison: Comparison, wanted: f32| {
            value.is_some_and(|value| comparison.holds(value, wanted))
        };
        match self {
            Self::Text(text) => holds_text(text, target, context),
            Self::Pattern(pattern) => {
                pattern.is_match(hex_of(&target.id, &mut [0; 64]))
                    || pattern.is_match(stage_word(target.stage))
                    || pattern.is_match(&context.letters.of(&target.models))
            }
            Self::Model(ModelName::Index(index)) => {
                target.models.iter().any(|id| context.letters.index(id) == Some(*index))
            }
            Self::Model(ModelName::Prefix(prefix)) => begins_with(&target.models, prefix),
            Self::Status(stage) => target.stage == *stage,
            Self::Margin(comparison, wanted) => compare(target.margin(), *comparison, *wanted),
            Self::Z(comparison, wanted) => {
                let deviations = target.margin().filter(|_| context.dim > 0);
                compare(deviations.map(|margin| margin * (context.dim as f32).sqrt()), *comparison, *wanted)
            }
            Self::Distance(comparison, wanted) => compare(target.best_distance, *comparison, *wanted),
            Self::Reward(comparison, wanted) => comparison.holds(target.reward, *wanted),
            Self::Age(comparison, count, unit) => {
                let age = context.now_ms.saturating_sub(target.seen_at_ms);
                comparison.holds(age, count.saturating_mul(unit.ms()))
            }
            Self::Epoch(comparison, wanted) => comparison.holds(target.epoch, *wanted),
            Self::Pinned => target.pinned,
        }
    }
}

/// A part of the id or the status, a model's letter, or the beginning of an id of a model.
fn holds_text(text: &str, target: &TargetRow, context: Context<'_>) -> bool {
    let buffer = &mut [0; 64];
    match text.strip_prefix("0x") {
        Some(prefix) => hex_of(&target.id, buffer).starts_with(prefix) || begins_with(&target.models, prefix),
        None => {
            stage_word(target.stage).contains(text)
                || target.models.iter().any(|id| context.letters.is_called(id, text))
                || hex_of(&target.id, buffer).contains(text)
                || begins_with(&target.models, text)
        }
    }
}

fn begins_with(models: &[ObjectId], prefix: &str) -> bool {
    models.iter().any(|id| hex_of(id, &mut [0; 64]).starts_with(prefix))
}

/// An id's digits, without an allocation for each of ten thousand.
fn hex_of<'a>(id: &ObjectId, buffer: &'a mut [u8; 64]) -> &'a str {
    // 32 bytes are 64 digits, and digits are ASCII.
    let _ = hex::encode_to_slice(id.0, buffer);
    std::str::from_utf8(buffer).unwrap_or_default()
}

#[cfg(test)]
#[path = "filter_tests.rs"]
mod tests;
