//! Numbers in units of σ, which is what distances of random directions scatter by.

/// With its sign and its unit: `+1.23σ`.
pub fn sigma(z: f32, decimals: usize, ascii: bool, minus: &str) -> String {
    format!("{}{:.decimals$}{}", if z < 0.0 { minus } else { "+" }, z.abs(), unit(ascii))
}

pub fn unit(ascii: bool) -> &'static str {
    if ascii { "s" } else { "σ" }
}

/// A text that has σ in it.
pub fn spelled(text: &str, ascii: bool) -> String {
    if ascii { text.replace('√', "sqrt of ").replace('σ', "sigma").replace('−', "-") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_and_a_unit_for_every_terminal() {
        assert_eq!(sigma(-0.456, 1, false, "−"), "−0.5σ");
        assert_eq!(sigma(1.0, 2, true, "-"), "+1.00s");
        assert_eq!(spelled("1 − σ for √stake", true), "1 - sigma for sqrt of stake");
    }
}
