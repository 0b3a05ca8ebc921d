//! A safe look at bytes that somebody may be paid for: as text if they are text, else as hex.

use super::text;

/// What the bytes look like, and the lines to show.
pub struct Preview {
    pub kind: &'static str,
    pub lines: Vec<String>,
}

pub fn preview(bytes: &[u8], hex: bool, columns: usize) -> Preview {
    match readable(bytes).filter(|_| !hex) {
        Some(text) => Preview { kind: "text", lines: text_lines(text, columns) },
        None => Preview { kind: "hex", lines: hex_lines(bytes, columns) },
    }
}

/// UTF-8, perhaps cut inside its last character, with few control characters.
fn readable(bytes: &[u8]) -> Option<&str> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&bytes[..error.valid_up_to()]).ok()?,
        Err(_) => return None,
    };
    let odd = text.chars().filter(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')).count();
    (!text.is_empty() && odd * 20 <= text.chars().count()).then_some(text)
}

fn text_lines(text: &str, columns: usize) -> Vec<String> {
    let lines = text.lines().map(|line| text::clean(&line.replace('\t', "    ")));
    lines.flat_map(|line| text::wrap(&line, columns)).collect()
}

fn hex_lines(bytes: &[u8], columns: usize) -> Vec<String> {
    // Offset, two digits and a space a byte, and the byte as ASCII.
    let per_line = if columns >= 6 + 16 * 4 { 16 } else { 8 };
    bytes
        .chunks(per_line)
        .enumerate()
        .map(|(at, chunk)| {
            let digits: String = chunk.iter().map(|byte| format!("{byte:02x} ")).collect();
            let ascii: String =
                chunk.iter().map(|&b| if b.is_ascii_graphic() || b == b' ' { char::from(b) } else { '.' }).collect();
            format!("{:04x}  {digits:<width$} {ascii}", at * per_line, width = per_line * 3)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_shown_as_text_even_when_cut_inside_a_character() {
        let cut = preview(&"naïve é".as_bytes()[.."naïve é".len() - 1], false, 40);
        assert_eq!((cut.kind, cut.lines), ("text", vec!["naïve ".to_owned()]));
    }

    #[test]
    fn binary_is_shown_as_hex_and_escape_sequences_are_defused() {
        assert_eq!(preview(&[0xff, 0x00, b'A'], false, 40).lines, ["0000  ff 00 41                 ..A"]);
        let hostile = preview(b"hello world, twenty chars or more \x1b[2J", false, 80);
        assert_eq!(hostile.kind, "text");
        assert!(hostile.lines.iter().all(|line| !line.contains('\x1b')));
    }
}
