//! Text for people: foreign text made safe for a terminal, and numbers as they are read.

/// Text from outside (chain, files, servers), made safe to draw or print: no control characters, nothing that reorders or hides text.
pub fn clean(text: &str) -> String {
    text.chars().map(|c| if is_unsafe(c) { '·' } else { c }).collect()
}

/// A character that commands a terminal, or hides or reorders what stands around it.
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Whole numbers with thousands separators.
pub fn group(n: u64) -> String {
    let digits = n.to_string();
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(c);
    }
    grouped
}

/// So many of them: `1 target`, `2,000 targets`.
pub fn counted(n: u64, what: &str) -> String {
    format!("{} {what}{}", group(n), if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_line_breaks_and_reordering_marks_do_not_reach_the_terminal() {
        assert_eq!(clean("a\u{1b}]0;x\u{7}b\nc\u{202e}d"), "a·]0;x·b·c·d");
        assert_eq!(clean("größer → ok"), "größer → ok");
    }
}
