//! Integer arithmetic of the contract: floors, 128-bit intermediates, no wrap-around.

/// `amount × share / 10 000`. Saturates, which no amount within the supply reaches.
pub(super) fn bps(amount: u64, share: u64) -> u64 {
    mul_div(amount, share, 10_000).unwrap_or(u64::MAX)
}

/// `a × b / c`; `None` for a zero divisor and results beyond 64 bits.
pub(super) fn mul_div(a: u64, b: u64, c: u64) -> Option<u64> {
    (u128::from(a) * u128::from(b)).checked_div(u128::from(c))?.try_into().ok()
}
