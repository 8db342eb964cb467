//! A draft as text, and which part of the text is which part of the draft.

use crate::draft::{Item, Spot, Table};
use std::ops::Range;
use toml::Value;

/// The longest line before an array or table is spread over several, in characters.
const MAX_LINE: usize = 100;

/// The text of a draft.
pub(crate) struct Emitted {
    pub(crate) text: String,
    /// Outer parts before inner ones.
    pub(crate) spots: Vec<(Range<usize>, Spot)>,
}

/// Writes `draft` below the line of the schema.
pub(crate) fn emit(draft: &Table) -> Emitted {
    let mut out = Emitted {
        text: format!("schema = {}\n", orlop_config::SCHEMA),
        spots: Vec::new(),
    };
    out.table(&mut Vec::new(), draft);
    out
}

impl Emitted {
    fn table(&mut self, path: &mut Vec<String>, table: &Table) {
        let (tables, lines): (Vec<_>, Vec<_>) = table
            .0
            .iter()
            .partition(|(key, item)| matches!(item, Item::Table(below) if !fits(path, key, below)));
        if !path.is_empty() && (!lines.is_empty() || tables.is_empty()) {
            let names: Vec<String> = path.iter().map(|name| key_text(name)).collect();
            self.text.push('\n');
            let header = format!("[{}]\n", names.join("."));
            self.write(&header, path, None);
        }
        for (key, item) in lines {
            path.push(key.clone());
            let start = self.text.len();
            let at = self.mark(path, None);
            self.text.push_str(&key_text(key));
            self.text.push_str(" = ");
            self.item(path, item, true);
            self.spots[at].0 = start..self.text.len();
            self.text.push('\n');
            path.pop();
        }
        for (key, item) in tables {
            if let Item::Table(below) = item {
                path.push(key.clone());
                self.table(path, below);
                path.pop();
            }
        }
    }

    fn item(&mut self, path: &mut Vec<String>, item: &Item, own_line: bool) {
        match item {
            Item::Leaf(Value::String(text), _) if own_line && text.contains('\n') => {
                self.text.push_str(&long_text(text));
            }
            Item::Leaf(value, _) => self.text.push_str(&value.to_string()),
            Item::List(list) => self.list(path, list, own_line),
            Item::Table(table) if table.0.is_empty() => self.text.push_str("{}"),
            Item::Table(table) => {
                for (index, (key, item)) in table.0.iter().enumerate() {
                    self.text.push_str(if index == 0 { "{ " } else { ", " });
                    path.push(key.clone());
                    let start = self.text.len();
                    let at = self.mark(path, None);
                    self.text.push_str(&format!("{} = ", key_text(key)));
                    self.item(path, item, false);
                    self.spots[at].0 = start..self.text.len();
                    path.pop();
                }
                self.text.push_str(" }");
            }
        }
    }

    fn list(&mut self, path: &[String], list: &[(Value, crate::note::Place)], own_line: bool) {
        let width: usize = list
            .iter()
            .map(|(value, _)| value.to_string().chars().count() + 2)
            .sum();
        let spread = own_line && width > MAX_LINE;
        self.text.push('[');
        for (index, (value, _)) in list.iter().enumerate() {
            self.text.push_str(match (spread, index) {
                (true, _) => "\n    ",
                (false, 0) => "",
                (false, _) => ", ",
            });
            self.write(&value.to_string(), path, Some(index));
            if spread {
                self.text.push(',');
            }
        }
        self.text.push_str(if spread { "\n]" } else { "]" });
    }

    fn write(&mut self, text: &str, path: &[String], element: Option<usize>) {
        let at = self.mark(path, element);
        let start = self.text.len();
        self.text.push_str(text);
        self.spots[at].0 = start..self.text.len();
    }

    /// A place in the list of spots, to be filled in when its text is written.
    fn mark(&mut self, path: &[String], element: Option<usize>) -> usize {
        let spot = Spot {
            path: path.to_vec(),
            element,
        };
        self.spots.push((0..0, spot));
        self.spots.len() - 1
    }
}

/// Whether a table goes onto one line. Those of the top, and of what is declared there, have headers.
fn fits(path: &[String], key: &str, table: &Table) -> bool {
    path.len() >= 2
        && !table.0.is_empty()
        && width(table).is_some_and(|width| width + key.len() <= MAX_LINE)
}

/// The characters of a table on one line; none where one of its texts has several lines.
fn width(table: &Table) -> Option<usize> {
    let mut sum = 6;
    for (key, item) in &table.0 {
        sum += key.chars().count() + 7;
        sum += match item {
            Item::Leaf(Value::String(text), _) if text.contains('\n') => return None,
            Item::Leaf(value, _) => value.to_string().chars().count(),
            Item::List(list) => list
                .iter()
                .map(|(value, _)| value.to_string().chars().count() + 2)
                .sum(),
            Item::Table(below) => width(below)?,
        };
    }
    Some(sum)
}

fn key_text(key: &str) -> String {
    let bare = !key.is_empty()
        && key
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if bare {
        key.to_owned()
    } else {
        format!("\"{}\"", escaped(key, false))
    }
}

/// A text of several lines, as it is read.
fn long_text(text: &str) -> String {
    format!("\"\"\"\n{}\"\"\"", escaped(text, true))
}

fn escaped(text: &str, lines: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' if lines => out.push('\n'),
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\t' if lines => out.push('\t'),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}
