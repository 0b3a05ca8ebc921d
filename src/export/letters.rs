//! Letters made of strokes: pictures look the same on a machine without any font.
//!
//! A glyph lies on a grid: `x` grows to the right from 0, `y` downwards, capitals from 0 to the base line at 6, small letters from
//! 2, descenders to 8. It is written as strokes with a space between them, each a row of points of two digits, `xy`; a stroke of
//! one point is a dot.

/// Units of the grid from the top of capitals to the base line, and below it.
pub const CAPITAL: f32 = 6.0;
pub const DESCENT: f32 = 2.0;
/// Space between two letters.
const GAP: f32 = 2.0;
/// Digits stand in columns.
const DIGIT_WIDTH: f32 = 4.0;
const SPACE_WIDTH: f32 = 1.5;

/// Share of a font's size that its capitals are high.
const CAPITAL_OF_SIZE: f32 = 0.7;

/// The grid's unit in pixels at a font size.
pub fn unit(size: f32) -> f32 {
    size * CAPITAL_OF_SIZE / CAPITAL
}

/// Half of the width of a stroke at a font size.
pub fn pen(size: f32) -> f32 {
    (size / 22.0).max(0.5)
}

/// Width of a text in grid units.
pub fn width(text: &str) -> f32 {
    let sum: f32 = text.chars().map(|c| advance(c) + GAP).sum();
    (sum - GAP).max(0.0)
}

/// The strokes of a text in grid units, the base line's start at (0, [`CAPITAL`]).
pub fn strokes(text: &str) -> Vec<Vec<(f32, f32)>> {
    let mut x = 0.0;
    let mut strokes = Vec::new();
    for c in text.chars() {
        strokes.extend(glyph(c).split(' ').filter(|stroke| !stroke.is_empty()).map(|stroke| {
            let (points, _) = stroke.as_bytes().as_chunks::<2>();
            points.iter().map(|[a, b]| (x + coordinate(*a), coordinate(*b))).collect()
        }));
        x += advance(c) + GAP;
    }
    strokes
}

fn coordinate(digit: u8) -> f32 {
    f32::from(digit.wrapping_sub(b'0'))
}

fn advance(c: char) -> f32 {
    match c {
        ' ' => SPACE_WIDTH,
        '0'..='9' => DIGIT_WIDTH,
        _ => glyph(c)
            .split(' ')
            .flat_map(|stroke| stroke.as_bytes().as_chunks::<2>().0)
            .map(|[x, _]| coordinate(*x))
            .fold(0.0, f32::max),
    }
}

/// A box for what has no glyph.
const UNKNOWN: &str = "0040460600";

#[rustfmt::skip]
fn glyph(c: char) -> &'static str {
    match c {
        ' ' => "",
        'A' => "062046 1434", 'B' => "0333444536060030414233", 'C' => "4130100105163645", 'D' => "06002042442606",
        'E' => "40000646 0333", 'F' => "400006 0333", 'G' => "41301001051636454323", 'H' => "0006 4046 0343",
        'I' => "0020 1016 0626", 'J' => "4045361605", 'K' => "0006 4004 1346", 'L' => "000646",
        'M' => "0600234046", 'N' => "06004640", 'O' => "100105163645413010", 'P' => "06003041423303",
        'Q' => "100105163645413010 2446", 'R' => "06003041423303 2346", 'S' => "413010010213334445361605",
        'T' => "0040 2026", 'U' => "000516364540", 'V' => "002640", 'W' => "0016233640", 'X' => "0046 4006",
        'Y' => "002340 2326", 'Z' => "00400646",
        'a' => "4246 4332120305163645", 'b' => "0006 0312324345361605", 'c' => "4332120305163645",
        'd' => "4046 4332120305163645", 'e' => "04444332120305163645", 'f' => "30201116 0232",
        'g' => "4247381807 4332120305163645", 'h' => "0006 0312324346", 'i' => "0206 00", 'j' => "121708 10",
        'k' => "0006 3205 1436", 'l' => "000516", 'm' => "0206 03122326 23324346", 'n' => "0206 0312324346",
        'o' => "120305163645433212", 'p' => "0208 0312324345361605", 'q' => "4248 4332120305163645",
        'r' => "0206 031232", 's' => "43321203143445361605", 't' => "101526 0222", 'u' => "0205163645 4246",
        'v' => "022642", 'w' => "0216243642", 'x' => "0246 4206", 'y' => "0226 4218", 'z' => "02420646",
        '0' => "100105163645413010", '1' => "112026 1636", '2' => "01103041420646",
        '3' => "0110304142334445361605 1333", '4' => "36300444", '5' => "400002324345361605",
        '6' => "413010010516364544331304", '7' => "004016", '8' => "100102133344453616050413 3342413010",
        '9' => "051636454130100102133342",
        '.' => "06", ',' => "0607", ':' => "03 06", ';' => "03 0607", '-' => "0434", '–' | '—' | '−' => "0444",
        '+' => "0444 2226", '=' => "0343 0545", '/' => "4006", '\\' => "0046", '(' => "10020416", ')' => "00121406",
        '[' => "10000616", ']' => "00101606", '{' => "20111203141526", '}' => "00111223141506",
        '%' => "4006 0010110100 3545463635", '&' => "461120310405162644", '#' => "1016 3036 0242 0444",
        '*' => "2024 0143 4103", '_' => "0747", '!' => "0004 06", '?' => "01103041422324 26", '\'' => "0001",
        '"' => "0001 2021", '<' => "410345", '>' => "014305", '|' => "0007", '~' => "04133443",
        '@' => "361605011030414434242242", '^' => "022042", '`' => "0011", '$' => "413010010213334445361605 2026",
        '°' => "0020220200", '×' => "1335 3315", '…' => "06 26 46", '·' => "04",
        _ => UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_printable_ascii_letter_has_a_glyph_of_its_own_on_the_grid() {
        for c in '!'..='~' {
            assert_ne!(glyph(c), UNKNOWN, "{c}");
            for stroke in glyph(c).split(' ') {
                assert!(stroke.len() >= 2 && stroke.len().is_multiple_of(2), "{c}: {stroke}");
                assert!(stroke.bytes().all(|b| (b'0'..=b'8').contains(&b)), "{c}: {stroke}");
            }
        }
    }

    #[test]
    fn numbers_of_as_many_digits_are_as_wide() {
        assert_eq!(width("1111"), width("8080"));
        assert_eq!(width(""), 0.0);
    }
}
