//! Amounts. One SOMA is 1e9 shannons; amounts never pass through a float.

use std::{fmt, iter::Sum, str::FromStr};

use serde::{Deserialize, Serialize};

pub const SHANNONS_PER_SOMA: u64 = 1_000_000_000;

/// An amount of money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Shannons(pub u64);

impl Shannons {
    pub const ZERO: Self = Self(0);

    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    pub fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// `self × bps / 10000`, floored, with a 128-bit intermediate (`protocol.md §7.7`).
    pub fn bps(self, bps: u64) -> Self {
        Self((u128::from(self.0) * u128::from(bps) / 10_000).try_into().unwrap_or(u64::MAX))
    }
}

/// Balances add up to at most the supply (1e16), so saturation is never reached by honest numbers.
impl Sum for Shannons {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Self::saturating_add)
    }
}

/// SOMA with all nine decimals, trailing zeros dropped down to two: `1.25`, `0.012685185`.
impl fmt::Display for Shannons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / SHANNONS_PER_SOMA, self.0 % SHANNONS_PER_SOMA);
        let mut decimals = format!("{rest:09}");
        while decimals.len() > 2 && decimals.ends_with('0') {
            decimals.pop();
        }
        f.pad(&format!("{whole}.{decimals}"))
    }
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is no amount: SOMA with at most nine decimals (`1.5`, `1.5soma`), or whole shannons (`1500000000sh`)")]
pub struct ParseSomaError(String);

/// SOMA in decimal text, exactly: `1.5` or `1.5soma`. With a unit of `shannons`, `shannon` or `sh`, a whole number of those. Case
/// and spaces around do not matter.
impl FromStr for Shannons {
    type Err = ParseSomaError;
    fn from_str(text: &str) -> Result<Self, ParseSomaError> {
        let bad = || ParseSomaError(text.chars().filter(|c| !c.is_control()).take(40).collect());
        let number_end = text.trim().find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.trim().len());
        let (number, unit) = text.trim().split_at(number_end);
        match unit.trim_start().to_ascii_lowercase().as_str() {
            "" | "soma" => parse_soma(number),
            "shannons" | "shannon" | "sh" => digits(number),
            _ => None,
        }
        .map(Self)
        .ok_or_else(bad)
    }
}

fn parse_soma(number: &str) -> Option<u64> {
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let missing = 9_u32.checked_sub(u32::try_from(decimals.len()).ok()?)?;
    // Below 1e9: nine digits at most.
    let rest = digits(decimals)? * 10_u64.pow(missing);
    digits(whole)?.checked_mul(SHANNONS_PER_SOMA)?.checked_add(rest)
}

/// Digits and nothing else: `u64`'s own parser takes a sign.
fn digits(text: &str) -> Option<u64> {
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn amounts_print_as_soma() {
        assert_eq!(Shannons(12_685_185).to_string(), "0.012685185");
        assert_eq!(Shannons(2 * SHANNONS_PER_SOMA).to_string(), "2.00");
    }

    #[test]
    fn ten_decimals_and_words_are_no_amount() {
        let bad =
            ["0.0000000001", "", ".", "1.", ".5", "-1", "+1", "1e9", "1.2.3", "1,5", "99999999999999999999", "soma"];
        let units =
            ["1.5sh", "sh", "1 shannon s", "1somas", "1btc", "0x10", "１", "18446744074", "18446744073709551616sh"];
        for text in bad.into_iter().chain(units) {
            assert!(text.parse::<Shannons>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_amount_may_say_its_unit() {
        let soma = Shannons(1_500_000_000);
        for text in ["1.5", "1.5soma", "1.5 SOMA", " 1.500000000Soma ", "1500000000sh", "1500000000 shannons"] {
            assert_eq!(text.parse(), Ok(soma), "{text}");
        }
        assert_eq!("1shannon".parse(), Ok(Shannons(1)));
        assert_eq!("18446744073.709551615".parse(), Ok(Shannons(u64::MAX)));
        assert_eq!("18446744073709551615sh".parse(), Ok(Shannons(u64::MAX)));
    }

    proptest! {
        #[test]
        fn text_round_trips(amount: u64) {
            prop_assert_eq!(Shannons(amount).to_string().parse(), Ok(Shannons(amount)));
            prop_assert_eq!(format!("{amount}sh").parse(), Ok(Shannons(amount)));
        }

        #[test]
        fn any_text_is_an_amount_or_an_error(text: String) {
            if let Ok(amount) = text.parse::<Shannons>() {
                prop_assert_eq!(amount.to_string().parse(), Ok(amount));
            }
        }
    }
}
