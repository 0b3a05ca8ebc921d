//! Foreign text, made safe for a person's terminal.

/// Text from outside (chain, files, servers), made safe to draw or print: no control characters, nothing that reorders or hides text.
pub fn clean(text: &str) -> String {
    text.chars().map(|c| if is_unsafe(c) { '·' } else { c }).collect()
}

/// A character that commands a terminal, or hides or reorders what stands around it.
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
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
