//! What must not be in a recording, taken out of whatever is written: by its name and by its shape, so that what is added
//! to a snapshot later is covered, too.

use serde_json::Value;

/// Fields with contents of the user's data.
const CONTENTS: [&str; 1] = ["preview"];

/// Empties contents, unless `previews` keeps them, and shortens addresses.
pub fn redact(value: &mut Value, previews: bool) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                if !previews && CONTENTS.contains(&name.as_str()) {
                    *field = match field {
                        Value::String(_) => Value::String(String::new()),
                        Value::Array(_) => Value::Array(Vec::new()),
                        _ => continue,
                    };
                } else {
                    redact(field, previews);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| redact(item, previews)),
        Value::String(text) if text.contains("://") => *text = without_paths(text),
        _ => {}
    }
}

/// Scheme, host and port of every address in a text. Users, paths and queries can hold keys.
pub fn without_paths(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let end = after.find(|c: char| c.is_whitespace() || "\"'<>`|\\^{}".contains(c)).unwrap_or(after.len());
        let (address, behind) = after.split_at(end);
        // Punctuation of the sentence around it.
        let address = address.trim_end_matches([',', ';', ')', ':', '.']);
        let tail = &after[address.len()..end];
        let authority = &address[..address.find(['/', '?', '#']).unwrap_or(address.len())];
        let host = authority.rsplit('@').next().unwrap_or_default();
        out.push_str(host);
        match &address[authority.len()..] {
            "" => {}
            "/" => out.push('/'),
            _ => out.push_str("/…"),
        }
        out.push_str(tail);
        rest = behind;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn addresses_keep_their_host_and_nothing_behind_it() {
        for (text, left) in [
            ("https://rpc.example.org/v2/KEY0123", "https://rpc.example.org/…"),
            ("no answer from https://user:word@host:9000/?token=x, again", "no answer from https://host:9000/…, again"),
            ("http://a/b http://c", "http://a/… http://c"),
            ("http://a@b@c/", "http://c/"),
            ("(see https://h/p).", "(see https://h/…)."),
            ("no address", "no address"),
            ("://", "://"),
        ] {
            assert_eq!(without_paths(text), left, "{text}");
        }
    }

    #[test]
    fn contents_go_and_everything_else_stays() {
        let mut value = json!({"rows": [{"preview": [1, 2], "source": "a.txt"}], "url": "https://h/k", "n": 1.5});
        redact(&mut value, false);
        assert_eq!(value, json!({"rows": [{"preview": [], "source": "a.txt"}], "url": "https://h/…", "n": 1.5}));
        let mut kept = json!({"preview": [1, 2]});
        redact(&mut kept, true);
        assert_eq!(kept, json!({"preview": [1, 2]}));
    }
}
