//! Web addresses in texts, without what may be a key in them.

/// What may stand behind an address in a sentence.
const PUNCTUATION: [char; 15] = [',', ';', '.', ':', '!', ')', ']', '}', '>', '"', '\'', '`', '’', '”', '»'];

/// Scheme, host and port of every address in a text; users, paths and queries can hold keys. An address goes on to the next white space,
/// whatever is written in it: rather too much is left out than a part of a password stays.
pub fn without_paths(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let end = after.find(|c: char| c.is_whitespace() || c.is_control()).unwrap_or(after.len());
        let mut length = after[..end].trim_end_matches(PUNCTUATION).len();
        // The end of an IPv6 address is none of the sentence.
        if after[length..end].starts_with(']') && after[..length].contains('[') {
            length += 1;
        }
        put(&mut out, &after[..length]);
        out.push_str(&after[length..end]);
        rest = &after[end..];
    }
    out.push_str(rest);
    out
}

/// The same of a text that should be one address. Its scheme may have been forgotten: nothing behind its host is shown then, either, and
/// nothing at all where there may be a password in it.
pub fn address_shown(text: &str) -> String {
    if text.contains("://") {
        return without_paths(text);
    }
    match text.find(['/', '?', '#', '\\', '@']) {
        Some(_) if text.contains('@') => "…".to_owned(),
        Some(at) => format!("{}/…", &text[..at]),
        None => text.to_owned(),
    }
}

/// What is shown of an address, from behind its `://`.
fn put(out: &mut String, address: &str) {
    let (authority, path) = address.split_at(address.find(['/', '?', '#', '\\']).unwrap_or(address.len()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    // With an `@` behind it, what looks like a host may be the beginning of a password.
    match host_and_port(host).filter(|_| !path.contains('@')) {
        Some(known) if known == host && matches!(path, "" | "/") => out.extend([known, path]),
        Some(known) => out.extend([known, "/…"]),
        None if address.is_empty() => {}
        None => out.push('…'),
    }
}

/// The host and the port with which a text begins. `None`: there is no host, or what stands behind its colon is no port.
fn host_and_port(text: &str) -> Option<&str> {
    let host = match text.strip_prefix('[') {
        Some(inner) => {
            inner.find(']').filter(|end| inner[..*end].chars().all(|c| c.is_ascii_hexdigit() || ".:".contains(c)))? + 2
        }
        None => text.find(|c: char| !c.is_alphanumeric() && !"-._".contains(c)).unwrap_or(text.len()),
    };
    let Some(port) = text[host..].strip_prefix(':') else { return (host > 0).then_some(&text[..host]) };
    let digits = port.find(|c: char| !c.is_ascii_digit()).unwrap_or(port.len());
    let is_port =
        (1..=5).contains(&digits) && !port[digits..].starts_with(|c: char| c.is_alphanumeric() || "-._:%".contains(c));
    (host > 0 && is_port).then_some(&text[..host + 1 + digits])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_that_lacks_its_scheme_keeps_no_more() {
        for (text, left) in [
            ("rpc.example.org/v2/KEY0123", "rpc.example.org/…"),
            ("rpc.example.org:443?token=KEY", "rpc.example.org:443/…"),
            ("https:/rpc.example.org/KEY", "https:/…"),
            ("host#KEY", "host/…"),
            ("host\\KEY", "host/…"),
            ("me:word@host/x", "…"),
            ("https://host/KEY", "https://host/…"),
            ("testnet", "testnet"),
        ] {
            assert_eq!(address_shown(text), left);
        }
    }

    #[test]
    fn addresses_keep_their_host_and_nothing_behind_it() {
        for (text, left) in [
            ("https://rpc.example.org/v2/KEY0123", "https://rpc.example.org/…"),
            ("no answer from https://user:word@host:9000/?token=x, again", "no answer from https://host:9000/…, again"),
            ("http://a/b http://c", "http://a/… http://c"),
            ("http://a@b@c/", "http://c/"),
            ("(see https://h/p).", "(see https://h/…)."),
            ("\"https://h:9000\": refused", "\"https://h:9000\": refused"),
            ("https://me:pa^s\"s<w>{o}|rd@host/x", "https://host/…"),
            ("http://[::1]:9000/x and [http://[::1]]", "http://[::1]:9000/… and [http://[::1]]"),
            // What may be a password that is cut off.
            ("https://me:pa/ss@host/", "https://…"),
            ("https://me:12ab is no URL", "https://… is no URL"),
            ("https://me:pass\\word@host", "https://…"),
            ("https://h/a,https://user:word@h/b", "https://…"),
            ("no address", "no address"),
            ("://", "://"),
            ("https:// x", "https:// x"),
        ] {
            assert_eq!(without_paths(text), left, "{text}");
            assert_eq!(without_paths(left), left, "what is left is left again");
        }
    }

    /// Anything that is no white space: quotes, brackets, escapes and letters of all scripts.
    const INK: &str = "[^\\s\\p{Cc}]{0,12}";

    proptest! {
        /// Wherever it stands, whatever stands around it.
        #[test]
        fn no_secret_of_an_address_survives(
            before in "\\PC{0,20}",
            (scheme, host) in ("[a-z]{1,6}", "[a-z]{1,8}(\\.[a-z]{2,4})?(:[0-9]{2,5})?"),
            (left, right) in (INK, INK),
            place in 0..7_usize,
            after in "\\PC{0,20}",
        ) {
            const SECRET: &str = "HUNTER2";
            let word = format!("{left}{SECRET}{right}");
            let address = match place {
                0 => format!("{scheme}://me:{word}@{host}/path"),
                1 => format!("{scheme}://{word}@{host}"),
                2 => format!("{scheme}://{host}/{word}"),
                3 => format!("{scheme}://{host}?key={word}"),
                4 => format!("{scheme}://{host}/#{word}"),
                5 => format!("{scheme}://{host}/a/b?x=1&y={word}&z"),
                _ => format!("{scheme}://me:word@{host}/{word}"),
            };
            let text = format!("{before}{address} {after}");
            prop_assert!(!without_paths(&text).contains(SECRET), "{text} → {}", without_paths(&text));
        }

        #[test]
        fn text_without_an_address_stays_and_nothing_panics(text in "\\PC{0,60}", other in any::<String>()) {
            prop_assume!(!text.contains("://"));
            prop_assert_eq!(without_paths(&text), text);
            without_paths(&other);
        }
    }
}
