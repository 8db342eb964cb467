//! The reference page of the node's TOML, made from the table of keys.

use crate::keys::ROOT;
use crate::limits::{MAX_CONTAINERS, MAX_TEXT_BYTES};
use crate::spec::{Key, Kind, Presence, Table};
use std::fmt::Write as _;

const INTRO: &str = "\
<!-- Made from os-config/src/keys/mod.rs by `orlop_config::reference_page`. Change it there, then run
     `UPDATE_REFERENCE=1 cargo nextest run -p orlop-config`. -->
# The node's TOML

The whole node in one file. `orlop config check FILE` says what is wrong with one, all at once. An unknown
key is an error, and so is a name that nothing declares.
";

/// `docs/reference/node-toml.md`: every table and key with type, default and meaning.
pub fn reference_page() -> String {
    let mut out = INTRO.to_owned();
    let kib = MAX_TEXT_BYTES / 1024;
    line(
        &mut out,
        &format!("A file has at most {kib} KiB and {MAX_CONTAINERS} containers."),
    );
    line(&mut out, "\n## Forms of text\n");
    line(&mut out, "| form | how it is written |\n|---|---|");
    line(
        &mut out,
        "| duration | whole numbers with `d`, `h`, `m`, `s`, `ms`, the larger unit first: `\"1h30m\"` |",
    );
    line(
        &mut out,
        "| size | a whole number with `B`, `KiB`, `MiB`, `GiB`, `TiB` (or `KB`, `MB`, `GB`, `TB`): `\"256 MiB\"` |",
    );
    line(
        &mut out,
        "| name | 1 to 48 of `a-z`, `0-9` and `-`, neither first nor last a `-` |",
    );
    section(&mut out, "The top of the file", &ROOT);
    tables(&mut out, "", &ROOT);
    out
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

fn tables(out: &mut String, path: &str, spec: &Table) {
    for key in spec.keys {
        let full = if path.is_empty() {
            key.name.to_owned()
        } else {
            format!("{path}.{}", key.name)
        };
        let (title, full, table) = match key.kind {
            Kind::Table(table) => (format!("`[{full}]`"), full, table),
            Kind::TableList { table, .. } => (format!("`[[{full}]]`"), full, table),
            Kind::Named { table, .. } => {
                let full = format!("{full}.NAME");
                (format!("`[{full}]`"), full, table)
            }
            Kind::NamesOrTables { table, .. } => {
                let full = format!("{full}.NAME");
                (format!("`[{full}]`"), full, table)
            }
            _ => continue,
        };
        section(out, &title, table);
        tables(out, &full, table);
    }
}

fn section(out: &mut String, title: &str, spec: &Table) {
    line(out, &format!("\n## {title}\n\n{}", spec.doc));
    let keys: Vec<_> = spec
        .keys
        .iter()
        .filter(|key| !is_table(&key.kind))
        .collect();
    if keys.is_empty() {
        return;
    }
    line(
        out,
        "\n| key | type | left out | meaning |\n|---|---|---|---|",
    );
    for key in keys {
        row(out, key);
    }
}

fn is_table(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::Table(_) | Kind::TableList { .. } | Kind::Named { .. }
    )
}

fn row(out: &mut String, key: &Key) {
    let without = match key.presence {
        Presence::Required => "**required**".to_owned(),
        Presence::Default(value) => format!("`{value}`"),
        Presence::Optional("") => "-".to_owned(),
        Presence::Optional(phrase) => phrase.to_owned(),
    };
    let mut doc = key.doc.to_owned();
    if let Kind::Word(words) = key.kind {
        let words: Vec<_> = words
            .iter()
            .map(|(word, meaning)| format!("`\"{word}\"`: {meaning}"))
            .collect();
        let _infallible = write!(doc, " {}.", words.join("; "));
    }
    let cells = [format!("`{}`", key.name), type_of(&key.kind), without, doc];
    line(
        out,
        &format!(
            "| {} |",
            cells.map(|cell| cell.replace('|', "\\|")).join(" | ")
        ),
    );
}

fn type_of(kind: &Kind) -> String {
    match kind {
        Kind::Text(form) => format!("{}, `\"{}\"`", form.name, form.example),
        Kind::Word(_) => "word".to_owned(),
        Kind::Bool => "`true` or `false`".to_owned(),
        Kind::Integer { min, max } if min == max => format!("`{min}`"),
        Kind::Integer { min, max } => format!("whole number, {min} to {max}"),
        Kind::Signed { min, max } => format!("whole number, {min} to {max}"),
        Kind::Number { min, max } => format!("number, {min} to {max}"),
        Kind::TextList { form, .. } => format!("array of {}, `[\"{}\"]`", form.name, form.example),
        Kind::TextMap { name, .. } => format!("table of text, `{{ {} = \"…\" }}`", name.example),
        Kind::NamesOrTables { name, .. } => {
            format!("array of {}, `[\"{}\"]`, or table", name.name, name.example)
        }
        Kind::Table(_) | Kind::TableList { .. } | Kind::Named { .. } => "table".to_owned(),
    }
}
