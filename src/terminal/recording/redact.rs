//! What must not be in a recording, taken out of whatever is written: by its name and by its shape, so that what is added
//! to a snapshot later is covered, too.

use serde_json::Value;

use crate::primitives::without_paths;

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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
