//! A YAML document as JSON, as far as specs need it: no anchors, no tags, one document. Pure.

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Number, Value};

/// Deeper than any spec is.
const MAX_DEPTH: usize = 32;

/// A collection that is not complete yet, and, of a mapping, the key whose value comes next.
enum Open {
    List(Vec<Value>),
    Map(Map<String, Value>, Option<String>),
}

/// Reads the one document of `text`.
///
/// # Errors
/// What is wrong with it, with its line.
pub(super) fn read(text: &str) -> Result<Value, String> {
    let mut stack = Vec::new();
    let mut document = None;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| error.to_string())?;
        let fail = |why: &str| format!("line {}: {why}", span.start.line());
        let done = match event {
            Event::DocumentStart(_) if document.is_some() => {
                return Err(fail("a second document begins"));
            }
            Event::Alias(_) => return Err(fail("aliases are not known here")),
            Event::Scalar(text, style, _, _) => {
                let as_key = matches!(stack.last(), Some(Open::Map(_, None)));
                match style {
                    ScalarStyle::Plain if !as_key => plain(&text),
                    _ => Value::String(text.into_owned()),
                }
            }
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                if stack.len() >= MAX_DEPTH {
                    return Err(fail("it is nested too deeply"));
                }
                stack.push(match event {
                    Event::SequenceStart(..) => Open::List(Vec::new()),
                    _ => Open::Map(Map::new(), None),
                });
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match stack.pop() {
                Some(Open::List(list)) => Value::Array(list),
                Some(Open::Map(map, _)) => Value::Object(map),
                None => continue,
            },
            _ => continue,
        };
        put(&mut stack, &mut document, done).map_err(|why| fail(&why))?;
    }
    Ok(document.unwrap_or(Value::Null))
}

/// Puts a value where it belongs: into the innermost collection, as a key, or as the whole.
fn put(stack: &mut [Open], document: &mut Option<Value>, value: Value) -> Result<(), String> {
    match stack.last_mut() {
        None => *document = Some(value),
        Some(Open::List(list)) => list.push(value),
        Some(Open::Map(map, next)) => match (next.take(), value) {
            (Some(key), value) => drop(map.insert(key, value)),
            (None, Value::String(key)) if map.contains_key(&key) => {
                return Err(format!("the key `{key}` is there twice"));
            }
            (None, Value::String(key)) => *next = Some(key),
            (None, _) => return Err("a key is not a text".to_owned()),
        },
    }
    Ok(())
}

/// A scalar without quotes (YAML 1.2, core schema; and octal numbers as of 1.1, which Go's libraries read).
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let radix = |prefix: &str, radix| {
        let digits = text.strip_prefix(prefix).filter(|rest| !rest.is_empty())?;
        let all = digits.chars().all(|c| c.is_digit(radix));
        all.then(|| i64::from_str_radix(digits, radix).ok())?
    };
    let octal = || radix("0o", 8).or_else(|| radix("0", 8));
    let decimal = || text.parse::<i64>().ok().filter(|_| !text.starts_with('+'));
    if let Some(number) = radix("0x", 16).or_else(octal).or_else(decimal) {
        return Value::Number(number.into());
    }
    let looks_like_one = text.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '.');
    let float = text.parse::<f64>().ok().filter(|_| looks_like_one);
    match float.and_then(Number::from_f64) {
        Some(number) => Value::Number(number),
        None => Value::String(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_document_of_a_vendors_tool_is_read_as_its_json_would_be() {
        let text = "---\ncdiVersion: 0.5.0\nkind: nvidia.com/gpu\ndevices:\n- containerEdits:\n    deviceNodes:\n    \
                    - path: /dev/nvidia0\n      major: 195\n      fileMode: 0666\n  name: \"0\"\nenv: [A=1, 'B', ~]\non: true\n";
        let expected = json!({
            "cdiVersion": "0.5.0",
            "kind": "nvidia.com/gpu",
            "devices": [{
                "containerEdits": {"deviceNodes": [{"path": "/dev/nvidia0", "major": 195, "fileMode": 438}]},
                "name": "0",
            }],
            "env": ["A=1", "B", null],
            "on": true,
        });
        assert_eq!(read(text).unwrap(), expected);
        assert_eq!(read("").unwrap(), Value::Null);
    }

    #[test]
    fn what_is_no_plain_document_is_refused_with_its_line() {
        for (text, why) in [
            ("a: &x 1\nb: *x", "line 2: aliases"),
            ("a: 1\na: 2", "line 2: the key `a` is there twice"),
            ("a: 1\n---\nb: 2", "a second document"),
            ("? [a]\n: 1", "a key is not a text"),
            (&"[".repeat(40), "nested too deeply"),
            ("a: [", ""),
        ] {
            let said = read(text).unwrap_err();
            assert!(said.contains(why), "{text}: {said}");
        }
    }
}
