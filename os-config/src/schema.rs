//! The TOML as a JSON Schema (draft 2020-12), made from the table of keys.

use crate::keys::ROOT;
use crate::spec::{Form, Key, Kind, Presence, Table};
use serde_json::{Map, Value, json};

const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The JSON Schema of the node's TOML, as this version reads it. It knows every key, type, default
/// and simple form; references between tables and contradictions are found by [`crate::parse`] alone.
pub fn json_schema() -> Value {
    let mut schema = table(&ROOT);
    if let Some(map) = schema.as_object_mut() {
        map.insert("$schema".to_owned(), json!(DRAFT));
        map.insert("title".to_owned(), json!("Orlop node"));
    }
    schema
}

fn table(spec: &Table) -> Value {
    let properties: Map<String, Value> = spec
        .keys
        .iter()
        .map(|key| (key.name.to_owned(), property(key)))
        .collect();
    let required: Vec<_> = spec
        .keys
        .iter()
        .filter(|key| matches!(key.presence, Presence::Required))
        .map(|key| key.name)
        .collect();
    let mut out = json!({
        "type": "object",
        "description": spec.doc,
        "properties": properties,
        "additionalProperties": false,
    });
    if !required.is_empty() {
        out["required"] = json!(required);
    }
    if !spec.one_of.is_empty() {
        let choices: Vec<_> = spec
            .one_of
            .iter()
            .map(|key| json!({"required": [key]}))
            .collect();
        out["oneOf"] = json!(choices);
    }
    out
}

fn property(key: &Key) -> Value {
    let mut out = value(&key.kind);
    out["description"] = json!(description(key));
    if let Presence::Default(default) = key.presence {
        out["default"] = default_value(default);
    }
    out
}

/// The sentence of the key, and what holds without it where that is not a value.
fn description(key: &Key) -> String {
    match key.presence {
        Presence::Optional(without) if !without.is_empty() => {
            format!("{} Left out: {without}.", key.doc)
        }
        _ => key.doc.to_owned(),
    }
}

/// The defaults of the table are strings, numbers, truth values and empty arrays, which TOML and
/// JSON write alike; a test holds every one of them to that.
fn default_value(toml: &str) -> Value {
    serde_json::from_str(toml).unwrap_or(Value::Null)
}

fn value(kind: &Kind) -> Value {
    match kind {
        Kind::Text(form) => text(form),
        Kind::Word(words) => {
            let choices: Vec<_> = words
                .iter()
                .map(|(word, meaning)| json!({"const": word, "description": meaning}))
                .collect();
            json!({"type": "string", "oneOf": choices})
        }
        Kind::Bool => json!({"type": "boolean"}),
        Kind::Integer { min, max } => json!({"type": "integer", "minimum": min, "maximum": max}),
        Kind::Signed { min, max } => json!({"type": "integer", "minimum": min, "maximum": max}),
        Kind::Number { min, max } => json!({"type": "number", "minimum": min, "maximum": max}),
        Kind::TextList { form, min } => {
            json!({"type": "array", "items": text(form), "minItems": min})
        }
        Kind::TextMap { name, value } => json!({
            "type": "object",
            "propertyNames": text(name),
            "additionalProperties": text(value),
        }),
        Kind::NamesOrTables { name, table: spec } => json!({
            "type": ["array", "object"],
            "items": text(name),
            "propertyNames": text(name),
            "additionalProperties": table(spec),
        }),
        Kind::Table(spec) => table(spec),
        Kind::TableList { table: spec, max } => {
            json!({"type": "array", "items": table(spec), "maxItems": max})
        }
        Kind::Named {
            name,
            table: spec,
            max,
        } => json!({
            "type": "object",
            "propertyNames": text(name),
            "additionalProperties": table(spec),
            "maxProperties": max,
        }),
    }
}

fn text(form: &Form) -> Value {
    match form.pattern {
        Some(pattern) => {
            json!({"type": "string", "pattern": pattern, "examples": [form.example]})
        }
        None => json!({"type": "string"}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defaults(spec: &Table, path: &str, out: &mut Vec<(String, Value)>) {
        for key in spec.keys {
            let path = format!("{path}.{}", key.name);
            if let Presence::Default(default) = key.presence {
                out.push((path.clone(), serde_json::from_str(default).unwrap()));
            }
            match key.kind {
                Kind::Table(table)
                | Kind::TableList { table, .. }
                | Kind::NamesOrTables { table, .. }
                | Kind::Named { table, .. } => {
                    defaults(table, &path, out);
                }
                _ => {}
            }
        }
    }

    #[test]
    fn every_default_is_in_the_schema_as_the_value_that_the_table_writes() {
        let mut found = Vec::new();
        defaults(&ROOT, "", &mut found);
        assert!(found.len() > 10);
        let schema = json_schema().to_string();
        for (path, value) in found {
            assert!(
                schema.contains(&format!("\"default\":{value}")),
                "{path} = {value}"
            );
        }
    }
}
