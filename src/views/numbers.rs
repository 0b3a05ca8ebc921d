//! Numbers that several screens tell in the same way.

use super::{
    panes::Ink,
    text::{group, soma},
};
use crate::{app::map::z, primitives::Shannons};

/// A margin in standard deviations of random directions (1/√dim), with its sign; `None` while the dimension is not known.
pub fn deviations(margin: f32, dim: u64, ink: &Ink<'_>) -> Option<String> {
    let z = z(margin, dim);
    (dim > 0 && z.is_finite()).then(|| sigma(z, 2, unit(ink.theme.is_ascii()), ink.theme.glyphs.minus))
}

/// A number of standard deviations with its sign: `+1.23σ`.
pub fn sigma(z: f32, decimals: usize, unit: &str, minus: &str) -> String {
    format!("{}{:.decimals$}{unit}", if z < 0.0 { minus } else { "+" }, z.abs())
}

pub fn unit(ascii: bool) -> &'static str {
    if ascii { " sigma" } else { "σ" }
}

/// A text with σ in it.
pub fn spelled(text: &str, ascii: bool) -> String {
    if ascii { text.replace('√', "sqrt of ").replace('σ', "sigma").replace('−', "-") } else { text.to_owned() }
}

/// An expected gain with its sign; it may be a loss.
pub fn gain(shannons: i64, columns: usize, minus: &str) -> String {
    let sign = if shannons < 0 { minus } else { "+" };
    format!("{sign}{}", soma(Shannons(shannons.unsigned_abs()), columns.saturating_sub(1)))
}

/// Exactly, in shannons where these are short.
pub fn small(amount: Shannons) -> String {
    if amount.0 < 1_000_000 { format!("{} sh", group(amount.0)) } else { format!("{amount} SOMA") }
}

/// A part of a whole in percent, with as many decimals as it takes to be seen.
pub fn share(part: u64, whole: u64) -> String {
    let hundredths = u128::from(part) * 10_000 / u128::from(whole.max(1));
    match hundredths {
        _ if whole == 0 && part > 0 => "all".to_owned(),
        0 if part > 0 => "<0.01%".to_owned(),
        0..1_000 => format!("{}.{:02}%", hundredths / 100, hundredths % 100),
        _ => format!("{}%", hundredths / 100),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_seen_however_small() {
        assert_eq!([share(0, 9), share(1, 1_000_000), share(66, 100_000)], ["0.00%", "<0.01%", "0.06%"]);
        assert_eq!([share(1, 4), share(5, 4), share(1, 0)], ["25%", "125%", "all"]);
    }

    #[test]
    fn a_sign_and_a_unit_for_every_terminal() {
        assert_eq!(sigma(-0.456, 1, unit(false), "−"), "−0.5σ");
        assert_eq!(sigma(1.0, 2, unit(true), "-"), "+1.00 sigma");
        assert_eq!(spelled("1 − σ for √stake", true), "1 - sigma for sqrt of stake");
    }

    #[test]
    fn a_gain_has_its_sign() {
        assert_eq!([gain(-5_000_000, 10, "-"), gain(1_500_000_000, 10, "-")], ["-0.005000", "+1.500000"]);
        assert_eq!([small(Shannons(66_560)), small(Shannons(12_685_185))], ["66,560 sh", "0.012685185 SOMA"]);
    }
}
