//! A JSON schema of the file, for editors.

use serde_json::{Map, Value, json};

use super::{Facts, Kind, SECTIONS};
use crate::app::actions::ACTIONS;

/// JSON schema (2020-12).
pub fn schema(facts: &[Facts]) -> Value {
    let mut tables = Map::new();
    for (section, about) in SECTIONS {
        let of_section = facts.iter().filter(|facts| facts.setting.section() == *section);
        let properties: Map<String, Value> =
            of_section.map(|facts| (facts.setting.key().to_owned(), property(facts))).collect();
        tables.insert((*section).to_owned(), table(about, properties));
    }
    let key = json!({ "type": "string", "minLength": 1 });
    let keys = ACTIONS.iter().map(|info| {
        let one_or_more = json!([key, { "type": "array", "items": key }]);
        (info.id.to_owned(), json!({ "description": info.help, "anyOf": one_or_more }))
    });
    tables.insert("keys".to_owned(), table("Keys of the dashboard's actions.", keys.collect()));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "somascope's config.toml",
        "type": "object",
        "additionalProperties": false,
        "properties": tables,
    })
}

fn table(about: &str, properties: Map<String, Value>) -> Value {
    json!({ "type": "object", "description": about, "additionalProperties": false, "properties": properties })
}

fn property(facts: &Facts) -> Value {
    let mut text = json!({ "type": "string" });
    if !facts.choices.is_empty() {
        text["enum"] = facts.choices.iter().map(|(name, _)| Value::from(name.as_str())).collect();
    }
    let mut property = match facts.setting.kind {
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Integer => json!({ "type": "integer" }),
        Kind::Number => json!({ "type": "number" }),
        Kind::Amount => json!({ "type": ["number", "string"] }),
        Kind::Text => text,
        Kind::List => json!({ "anyOf": [{ "type": "array", "items": text }, text] }),
    };
    let about = format!("{} ({}, {})", facts.help.replace('\n', " "), facts.option, facts.setting.env);
    property["description"] = about.into();
    if let Some(default) = default(facts) {
        property["default"] = default;
    }
    property
}

fn default(facts: &Facts) -> Option<Value> {
    let first = facts.default.first()?;
    Some(match facts.setting.kind {
        Kind::List => facts.default.clone().into(),
        Kind::Text => first.as_str().into(),
        // These are JSON as they are.
        Kind::Bool | Kind::Integer | Kind::Number | Kind::Amount => serde_json::from_str(first).ok()?,
    })
}
