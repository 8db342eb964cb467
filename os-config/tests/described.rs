//! The examples, the JSON Schema and the reference page say what the parser does.

use orlop_config::{NodeConfig, json_schema, parse, reference_page};
use serde_json::Value;
use toml::Table;

const EXAMPLES: [(&str, &str); 4] = [
    ("web.toml", include_str!("../../docs/examples/web.toml")),
    (
        "app-and-database.toml",
        include_str!("../../docs/examples/app-and-database.toml"),
    ),
    ("shop.toml", include_str!("../../docs/examples/shop.toml")),
    ("every-key.toml", EVERY_KEY),
];
const EVERY_KEY: &str = include_str!("../../docs/examples/every-key.toml");
const README: &str = include_str!("../../README.md");
const PAGE_PATH: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../docs/reference/node-toml.md"
);

/// Stands for a free name in a path of the schema.
const ANY: &str = "*";
/// Stands for an element of an array of tables.
const EACH: &str = "[]";

fn read(text: &str) -> NodeConfig {
    parse("node.toml", text).unwrap_or_else(|problems| unreachable!("{}", problems.render()))
}

/// The path of every key in a schema.
fn paths(schema: &Value, at: &[String], out: &mut Vec<Vec<String>>) {
    let extend = |step: &str| [at, &[step.to_owned()]].concat();
    for (key, value) in schema["properties"].as_object().into_iter().flatten() {
        out.push(extend(key));
        paths(value, &extend(key), out);
    }
    if schema["additionalProperties"]["type"] == "object" {
        paths(&schema["additionalProperties"], &extend(ANY), out);
    }
    if schema["items"]["type"] == "object" {
        paths(&schema["items"], &extend(EACH), out);
    }
}

/// Every table of `root` that a path without its last step leads to.
fn visit(value: &mut toml::Value, path: &[String], act: &mut dyn FnMut(&mut Table, &str)) {
    match (path, value) {
        ([key], toml::Value::Table(table)) => act(table, key),
        ([step, rest @ ..], toml::Value::Table(table)) if step == ANY => {
            table
                .iter_mut()
                .for_each(|(_, value)| visit(value, rest, act));
        }
        ([step, rest @ ..], toml::Value::Array(array)) if step == EACH => {
            array.iter_mut().for_each(|value| visit(value, rest, act));
        }
        ([step, rest @ ..], toml::Value::Table(table)) => {
            if let Some(value) = table.get_mut(step) {
                visit(value, rest, act);
            }
        }
        _ => {}
    }
}

fn all_paths() -> Vec<Vec<String>> {
    let mut out = Vec::new();
    paths(&json_schema(), &[], &mut out);
    out
}

#[test]
fn every_example_is_good() {
    for (name, text) in EXAMPLES {
        assert!(
            parse(name, text).is_ok(),
            "{}",
            parse(name, text).unwrap_err().render()
        );
    }
}

#[test]
fn every_toml_of_the_readme_is_good() {
    let blocks: Vec<_> = README.split("```toml\n").skip(1).collect();
    assert!(!blocks.is_empty());
    for block in blocks {
        let (toml, _) = block.split_once("```").unwrap();
        assert!(
            parse("README.md", toml).is_ok(),
            "{}",
            parse("README.md", toml).unwrap_err().render()
        );
    }
}

#[test]
fn every_key_of_the_schema_is_read_and_has_an_effect() {
    let whole = read(EVERY_KEY);
    let paths = all_paths();
    assert!(paths.len() > 40, "{}", paths.len());
    for path in paths {
        let mut root = toml::Value::Table(EVERY_KEY.parse().unwrap());
        let mut removed = 0;
        visit(&mut root, &path, &mut |table, key| {
            removed += usize::from(table.remove(key).is_some());
        });
        assert!(removed > 0, "{} is not in every-key.toml", path.join("."));
        let without = parse("node.toml", &toml::to_string(&root).unwrap());
        assert_ne!(
            without,
            Ok(whole.clone()),
            "{} has no effect",
            path.join(".")
        );
    }
}

#[test]
fn every_key_that_parses_is_in_the_schema() {
    fn check(value: &toml::Value, schema: &Value, path: &str) {
        match value {
            toml::Value::Table(table) => {
                for (key, value) in table {
                    let known = schema["properties"].get(key);
                    let known = known.unwrap_or(&schema["additionalProperties"]);
                    assert!(known.is_object(), "{path}.{key} is not in the schema");
                    check(value, known, &format!("{path}.{key}"));
                }
            }
            toml::Value::Array(array) => {
                array
                    .iter()
                    .for_each(|value| check(value, &schema["items"], path));
            }
            toml::Value::String(_) => assert_eq!(schema["type"], "string", "{path}"),
            toml::Value::Integer(_) => {
                assert!(
                    schema["type"] == "integer" || schema["type"] == "number",
                    "{path}"
                );
            }
            toml::Value::Float(_) => assert_eq!(schema["type"], "number", "{path}"),
            toml::Value::Boolean(_) => assert_eq!(schema["type"], "boolean", "{path}"),
            toml::Value::Datetime(_) => unreachable!("no key takes a date: {path}"),
        }
    }
    for (name, text) in EXAMPLES {
        check(
            &toml::Value::Table(text.parse().unwrap()),
            &json_schema(),
            name,
        );
    }
}

#[test]
fn every_described_default_is_what_leaving_the_key_out_gives() {
    fn default_at<'a>(schema: &'a Value, path: &[String]) -> Option<&'a Value> {
        match path {
            [] => schema.get("default"),
            [step, rest @ ..] if step == ANY => default_at(&schema["additionalProperties"], rest),
            [step, rest @ ..] if step == EACH => default_at(&schema["items"], rest),
            [step, rest @ ..] => default_at(&schema["properties"][step.as_str()], rest),
        }
    }
    let schema = json_schema();
    let mut tried = 0;
    for path in all_paths() {
        let Some(default) = default_at(&schema, &path) else {
            continue;
        };
        let default: toml::Value = serde_json::from_value(default.clone()).unwrap();
        // The smallest file with every table, so that nothing else depends on the key.
        let base = "schema = 1\nhost = {}\nupdate = {}\n[gate]\ncheck = [{ http = \"http://a/\" }]\n\
                    [registry.\"r.lab\"]\n[container.web]\nimage = \"web\"\nhealth = { tcp = 80 }";
        let mut root = toml::Value::Table(base.parse().unwrap());
        visit(&mut root, &path, &mut |table, key| {
            table.insert(key.to_owned(), default.clone());
            tried += 1;
        });
        let mut given = read(&toml::to_string(&root).unwrap());
        // A time zone that is not named is kept as such; rendering makes it UTC.
        given.host.timezone = given.host.timezone.filter(|zone| zone != "UTC");
        assert_eq!(given, read(base), "{} = {default}", path.join("."));
    }
    assert!(tried >= 12, "{tried}");
}

#[test]
fn the_schema_is_as_on_record() {
    insta::assert_json_snapshot!(json_schema());
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the test, not the crate, reads and writes the page"
)]
fn the_reference_page_is_the_one_that_the_keys_give() {
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(PAGE_PATH, reference_page()).unwrap();
    }
    let page = std::fs::read_to_string(PAGE_PATH).unwrap();
    assert_eq!(
        page,
        reference_page(),
        "run UPDATE_REFERENCE=1 cargo nextest run -p orlop-config"
    );
}
