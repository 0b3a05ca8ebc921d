//! Mnemonics (BIP-39): twelve or twenty-four words of the list in a row whose checksum is right.

use bip39::{Language, Mnemonic};

/// Between two words of one phrase: blanks, commas, line ends, numbers of a list and quotes.
const GAP: usize = 6;
const WORDS: [usize; 2] = [12, 24];

/// Whether a row of words holds a phrase.
pub(super) fn find(bytes: &[u8]) -> Option<&'static str> {
    let mut row: Vec<&str> = Vec::new();
    let mut end = 0;
    let mut at = 0;
    while at < bytes.len() {
        if !bytes[at].is_ascii_alphabetic() {
            at += 1;
            continue;
        }
        let len = bytes[at..].iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
        let word = std::str::from_utf8(&bytes[at..at + len]).unwrap_or_default();
        let is_listed = (3..=8).contains(&len)
            && word.bytes().all(|byte| byte.is_ascii_lowercase())
            && Language::English.word_list().binary_search(&word).is_ok();
        let is_next = at - end <= GAP && bytes[end..at].iter().all(|byte| b" \t\r\n,.\"'[]0123456789)".contains(byte));
        if !is_listed || !is_next {
            row.clear();
        }
        if is_listed {
            row.push(word);
            if row.len() > WORDS[1] {
                row.remove(0);
            }
            if WORDS.iter().any(|words| row.len() >= *words && is_phrase(&row[row.len() - words..])) {
                return Some("a mnemonic");
            }
        }
        at += len;
        end = at;
    }
    None
}

fn is_phrase(words: &[&str]) -> bool {
    // The same word over and over stands in for a phrase, as `test test … junk` and `abandon … about` do.
    let mut different = words.to_vec();
    different.sort_unstable();
    different.dedup();
    different.len() > words.len() / 2 && Mnemonic::parse_in_normalized(Language::English, &words.join(" ")).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_is_seen_in_a_line_in_a_list_and_in_json_and_words_of_the_list_are_no_phrase() {
        let phrase = Mnemonic::from_entropy_in(
            Language::English,
            &std::array::from_fn::<u8, 16, _>(|n| (n as u8).wrapping_mul(37)),
        )
        .expect("16 bytes")
        .to_string();
        assert!(find(format!("my words: {phrase}\n").as_bytes()).is_some());
        let list: Vec<String> = phrase.split(' ').enumerate().map(|(n, word)| format!("{}. {word}", n + 1)).collect();
        assert!(find(list.join("\n").as_bytes()).is_some());
        assert!(find(format!("[\"{}\"]", phrase.replace(' ', "\", \"")).as_bytes()).is_some());
        let mut words: Vec<&str> = phrase.split(' ').collect();
        words.swap(0, 11);
        words.swap(3, 7);
        let swapped = words.join(" ");
        assert_eq!(find(swapped.as_bytes()).is_some(), Mnemonic::parse_in(Language::English, &swapped).is_ok());
        assert_eq!(find(("abandon ".repeat(11) + "about").as_bytes()), None);
        assert_eq!(find(&phrase.as_bytes()[..phrase.len() - 9]), None);
    }
}
