//! Which keys two TOMLs differ in, for people.

use std::collections::BTreeMap;
use toml::de::{DeTable, DeValue};

/// The longest value that is shown, in characters; certificates are longer.
const MAX_SHOWN: usize = 80;
/// Stands for a value that is not shown.
const HIDDEN: &str = "(hidden)";
/// A key whose last part holds one of these, whatever the case, is not shown.
const SECRET_WORDS: [&str; 7] = [
    "passw",
    "secret",
    "token",
    "credential",
    "private",
    "api_key",
    "apikey",
];

/// A key that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyChange {
    /// `container.web.image`; an element of an array of tables is `gate.check[0].tcp`.
    pub key: String,
    /// As the old TOML writes it, cut where it is long, hidden where it may be a secret; none where
    /// the key is new.
    pub old: Option<String>,
    /// The same of the new TOML; none where the key is gone.
    pub new: Option<String>,
}

/// A value that is no table.
struct Leaf {
    /// As the TOML writes it.
    text: String,
    /// The same for all ways to write it.
    meaning: String,
}

/// The keys that `old` and `new` differ in, sorted. Both are TOML that has been parsed before; what is
/// not TOML counts as empty.
pub fn changed_keys(old: &str, new: &str) -> Vec<KeyChange> {
    let (old, new) = (leaves(old), leaves(new));
    let mut keys: Vec<_> = old.keys().chain(new.keys()).collect();
    keys.sort();
    keys.dedup();
    keys.into_iter()
        .filter(|key| {
            let meaning = |leaf: &'_ Leaf| leaf.meaning.clone();
            old.get(*key).map(meaning) != new.get(*key).map(meaning)
        })
        .map(|key| KeyChange {
            key: key.clone(),
            old: old.get(key).map(|leaf| shown(key, &leaf.text)),
            new: new.get(key).map(|leaf| shown(key, &leaf.text)),
        })
        .collect()
}

/// Every value that is no table, as the text writes it, by its key.
fn leaves(text: &str) -> BTreeMap<String, Leaf> {
    let mut out = BTreeMap::new();
    let (root, _errors) = DeTable::parse_recoverable(text);
    walk_table(text, "", root.get_ref(), &mut out);
    out
}

fn walk_table(text: &str, path: &str, table: &DeTable<'_>, out: &mut BTreeMap<String, Leaf>) {
    for (key, value) in table {
        let key = part(key.get_ref());
        let path = match path {
            "" => key,
            path => format!("{path}.{key}"),
        };
        walk(text, path, value, out);
    }
}

fn walk(
    text: &str,
    path: String,
    value: &toml::Spanned<DeValue<'_>>,
    out: &mut BTreeMap<String, Leaf>,
) {
    match value.get_ref() {
        DeValue::Table(table) if !table.is_empty() => walk_table(text, &path, table, out),
        DeValue::Table(_) => {
            let text = "{}".to_owned();
            let meaning = text.clone();
            out.insert(path, Leaf { text, meaning });
        }
        DeValue::Array(array) if array.iter().any(|element| element.get_ref().is_table()) => {
            for (number, element) in array.iter().enumerate() {
                walk(text, format!("{path}[{number}]"), element, out);
            }
        }
        _ => {
            let meaning = meaning(text, value);
            let text = text.get(value.span()).unwrap_or_default().to_owned();
            out.insert(path, Leaf { text, meaning });
        }
    }
}

/// A key as TOML writes it in a dotted one.
fn part(key: &str) -> String {
    let bare = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    if !key.is_empty() && key.bytes().all(bare) {
        key.to_owned()
    } else {
        format!("{key:?}")
    }
}

/// What a value says, however it is written: quotes and line breaks are no difference.
fn meaning(text: &str, value: &toml::Spanned<DeValue<'_>>) -> String {
    match value.get_ref() {
        DeValue::String(string) => format!("{string:?}"),
        DeValue::Array(array) => {
            let elements = array.iter().map(|element| meaning(text, element));
            format!("[{}]", elements.collect::<Vec<_>>().join(","))
        }
        _ => text.get(value.span()).unwrap_or_default().to_owned(),
    }
}

fn shown(key: &str, text: &str) -> String {
    let last = key.rsplit('.').next().unwrap_or(key).to_ascii_lowercase();
    if SECRET_WORDS.iter().any(|word| last.contains(word)) {
        return HIDDEN.to_owned();
    }
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(old: &str, new: &str) -> Vec<String> {
        let or_none = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        changed_keys(old, new)
            .into_iter()
            .map(|change| {
                format!(
                    "{}: {} -> {}",
                    change.key,
                    or_none(change.old),
                    or_none(change.new)
                )
            })
            .collect()
    }

    #[test]
    fn keys_that_are_other_new_or_gone_are_named_with_both_values() {
        let old = "schema = 1\n[gate]\nhold = \"1s\"\n[[gate.check]]\ntcp = \"a:1\"\n\
                   [container.web]\nimage = \"web:1\"\nports = [\"80:80\"]\n[volume.data]\n";
        let new = "schema = 1 # a comment\ngate = { hold = \"2s\", check = [{ tcp = \"b:1\" }] }\n\
                   container.web.image = \"web:1\"\ncontainer.web.ports = [\n  \"80:80\"\n]\n\
                   container.web.pids = 5\n[kernel.sysctl]\n\"net.ipv4.ip_forward\" = \"1\"\n";
        assert_eq!(
            said(old, new),
            [
                "container.web.pids: - -> 5",
                "gate.check[0].tcp: \"a:1\" -> \"b:1\"",
                "gate.hold: \"1s\" -> \"2s\"",
                "kernel.sysctl.\"net.ipv4.ip_forward\": - -> \"1\"",
                "volume.data: {} -> -",
            ]
        );
        assert_eq!(said(old, old), [""; 0]);
    }

    #[test]
    fn another_way_to_write_the_same_is_no_difference() {
        let old = "a = \"x y\"\nb = [\"1 2\", \"3\"]";
        assert_eq!(
            said(old, "b = [\n  '1 2', # one\n  '3',\n]\na = 'x y'"),
            [""; 0]
        );
        assert_eq!(
            said(old, "a = \"x y\"\nb = [\"12\", \"3\"]"),
            ["b: [\"1 2\", \"3\"] -> [\"12\", \"3\"]"]
        );
    }

    #[test]
    fn what_may_be_a_secret_is_told_to_differ_and_not_shown() {
        let old = "[container.db]\nenv = { POSTGRES_PASSWORD = \"hunter2\", A = \"1\" }";
        let new = "[container.db]\nenv = { POSTGRES_PASSWORD = \"hunter3\", A = \"2\" }";
        assert_eq!(
            said(old, new),
            [
                "container.db.env.A: \"1\" -> \"2\"",
                "container.db.env.POSTGRES_PASSWORD: (hidden) -> (hidden)",
            ]
        );
    }

    #[test]
    fn a_long_value_is_cut() {
        let long = format!("a = '''\n{}\n'''", "x".repeat(500));
        let said = said("", &long);
        assert!(said[0].ends_with("xx…") && said[0].len() < 110, "{said:?}");
    }
}
