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
#[error("`{0}` is no amount of SOMA: digits, at most nine decimals")]
pub struct ParseSomaError(String);

/// SOMA in decimal text, exactly.
impl FromStr for Shannons {
    type Err = ParseSomaError;
    fn from_str(text: &str) -> Result<Self, ParseSomaError> {
        let bad = || ParseSomaError(text.chars().filter(|c| !c.is_control()).take(40).collect());
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(decimals) || decimals.len() > 9 {
            return Err(bad());
        }
        let whole: u64 = whole.parse().map_err(|_| bad())?;
        let rest: u64 = format!("{decimals:0<9}").parse().map_err(|_| bad())?;
        whole.checked_mul(SHANNONS_PER_SOMA).and_then(|w| w.checked_add(rest)).map(Self).ok_or_else(bad)
    }
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
        for text in ["0.0000000001", "", ".", "1.", ".5", "-1", "1e9", "99999999999999999999"] {
            assert!(text.parse::<Shannons>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn text_round_trips(amount: u64) {
            prop_assert_eq!(Shannons(amount).to_string().parse(), Ok(Shannons(amount)));
        }
    }
}
