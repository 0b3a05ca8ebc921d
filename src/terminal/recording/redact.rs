//! What must not be in a recording, taken out of whatever is written: by its name and by its shape, so that what is added
//! to a snapshot later is covered, too.

use serde_json::Value;

use crate::primitives::without_paths;

/// Fields with contents of the user's data.
const CONTENTS: [&str; 1] = ["preview"];

/// Empties contents, unless `previews` keeps them, and shortens addresses; and numbers, which are of single precision.
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
        Value::Number(number) if number.is_f64() => {
            if let Some(short) = number.as_f64().and_then(shortest) {
                *value = short.into();
            }
        }
        _ => {}
    }
}

/// The number with the fewest digits that is the same in single precision, if this one is of single precision.
fn shortest(number: f64) -> Option<f64> {
    let single = number as f32;
    let short: f64 = single.to_string().parse().ok()?;
    (f64::from(single) == number && short as f32 == single).then_some(short)
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
        let mut numbers = json!([0.1_f32, 0.3, 1e-7_f32, f32::MAX, 5]);
        redact(&mut numbers, false);
        assert_eq!(numbers.to_string(), "[0.1,0.3,1e-7,3.4028235e38,5]");
        let mut kept = json!({"preview": [1, 2]});
        redact(&mut kept, true);
        assert_eq!(kept, json!({"preview": [1, 2]}));
    }
}
