//! A YAML document as a tree with lines: aliases and merge keys (`<<`) are resolved, and bounded.

use crate::error::ImportError;
use crate::limits::{MAX_DEPTH, MAX_VALUES};
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError};
use std::collections::BTreeMap;
use std::rc::Rc;

/// A value and its line.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) line: usize,
    pub(crate) data: Data,
    /// How many values there are in it, itself counted, aliases written out.
    weight: usize,
}

/// A value.
#[derive(Clone, Debug)]
pub(crate) enum Data {
    /// Nothing, `~`, `null`.
    Null,
    /// A text, number or boolean, as it is written.
    Scalar(String),
    /// A sequence.
    List(Vec<Rc<Node>>),
    /// A mapping.
    Map(Vec<Entry>),
}

/// An entry of a mapping.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) line: usize,
    pub(crate) value: Rc<Node>,
}

impl Node {
    pub(crate) fn new(line: usize, data: Data) -> Self {
        let weight = match &data {
            Data::Null | Data::Scalar(_) => 1,
            Data::List(list) => list
                .iter()
                .fold(1, |sum: usize, node| sum.saturating_add(node.weight)),
            Data::Map(map) => map.iter().fold(1, |sum: usize, entry| {
                sum.saturating_add(entry.value.weight)
            }),
        };
        Self { line, data, weight }
    }

    /// The text of a scalar.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.data {
            Data::Scalar(text) => Some(text),
            _ => None,
        }
    }

    /// The entries of a mapping; none at all for a null.
    pub(crate) fn entries(&self) -> Option<&[Entry]> {
        match &self.data {
            Data::Map(map) => Some(map),
            Data::Null => Some(&[]),
            _ => None,
        }
    }

    /// The elements of a sequence; none at all for a null.
    pub(crate) fn elements(&self) -> Option<&[Rc<Node>]> {
        match &self.data {
            Data::List(list) => Some(list),
            Data::Null => Some(&[]),
            _ => None,
        }
    }

    /// The value of a key of a mapping.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        let entries = self.entries()?;
        let found = entries.iter().find(|entry| entry.key == key);
        found.map(|entry| &*entry.value)
    }
}

/// A collection that is not complete yet.
enum Open {
    List(Vec<Rc<Node>>),
    Map {
        entries: Vec<Entry>,
        merged: Vec<Rc<Node>>,
        key: Option<(String, usize)>,
    },
}

struct Frame {
    open: Open,
    anchor: usize,
    line: usize,
}

struct Loader<'a> {
    file: &'a str,
    stack: Vec<Frame>,
    anchors: BTreeMap<usize, Rc<Node>>,
    document: Option<Rc<Node>>,
}

const MERGE: &str = "<<";

/// Reads the one document of `text`.
pub(crate) fn read(file: &str, text: &str) -> Result<Rc<Node>, ImportError> {
    let mut loader = Loader {
        file,
        stack: Vec::new(),
        anchors: BTreeMap::new(),
        document: None,
    };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| loader.scan_error(&error))?;
        loader.event(event, span.start)?;
    }
    let empty = || Rc::new(Node::new(1, Data::Null));
    Ok(loader.document.unwrap_or_else(empty))
}

impl Loader<'_> {
    fn scan_error(&self, error: &ScanError) -> ImportError {
        self.error(*error.marker(), error.info())
    }

    fn error(&self, at: Marker, why: &str) -> ImportError {
        ImportError::Yaml {
            file: self.file.to_owned(),
            line: at.line(),
            column: at.col() + 1,
            why: why.to_owned(),
        }
    }

    fn event(&mut self, event: Event<'_>, at: Marker) -> Result<(), ImportError> {
        match event {
            Event::DocumentStart(_) if self.document.is_some() => {
                Err(self.error(at, "a second document begins: import one at a time"))
            }
            Event::Alias(anchor) => match self.anchors.get(&anchor) {
                Some(node) => {
                    let node = Rc::clone(node);
                    self.value(node, 0, at)
                }
                None => Err(self.error(at, "an alias stands inside of its own anchor")),
            },
            Event::Scalar(text, style, anchor, _) => {
                let null = style == ScalarStyle::Plain
                    && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                // As a key, `null` is a word.
                let as_key = self.expects_key();
                let data = if null && !as_key {
                    Data::Null
                } else {
                    Data::Scalar(text.into_owned())
                };
                self.value(Rc::new(Node::new(at.line(), data)), anchor, at)
            }
            Event::SequenceStart(anchor, _) => self.open(Open::List(Vec::new()), anchor, at),
            Event::MappingStart(anchor, _) => {
                let open = Open::Map {
                    entries: Vec::new(),
                    merged: Vec::new(),
                    key: None,
                };
                self.open(open, anchor, at)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(at),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
        }
    }

    fn expects_key(&self) -> bool {
        let top = self.stack.last().map(|frame| &frame.open);
        matches!(top, Some(Open::Map { key: None, .. }))
    }

    fn open(&mut self, open: Open, anchor: usize, at: Marker) -> Result<(), ImportError> {
        if self.expects_key() {
            return Err(self.error(at, "a key is not a text"));
        }
        if self.stack.len() >= MAX_DEPTH {
            return Err(self.error(at, &format!("it is nested deeper than {MAX_DEPTH}")));
        }
        self.stack.push(Frame {
            open,
            anchor,
            line: at.line(),
        });
        Ok(())
    }

    fn close(&mut self, at: Marker) -> Result<(), ImportError> {
        let Some(frame) = self.stack.pop() else {
            return Ok(());
        };
        let data = match frame.open {
            Open::List(list) => Data::List(list),
            Open::Map {
                entries, merged, ..
            } => Data::Map(self.merge(entries, &merged, at)?),
        };
        self.value(Rc::new(Node::new(frame.line, data)), frame.anchor, at)
    }

    /// The entries of a mapping, and after them those of the merged ones that it lacks.
    fn merge(
        &self,
        mut entries: Vec<Entry>,
        merged: &[Rc<Node>],
        at: Marker,
    ) -> Result<Vec<Entry>, ImportError> {
        for node in merged {
            let maps = match &node.data {
                Data::List(list) => list.as_slice(),
                _ => std::slice::from_ref(node),
            };
            for map in maps {
                let Some(more) = map.entries() else {
                    return Err(self.error(at, "`<<` is not a mapping"));
                };
                for entry in more {
                    if !entries.iter().any(|own| own.key == entry.key) {
                        entries.push(entry.clone());
                    }
                }
            }
        }
        Ok(entries)
    }

    fn value(&mut self, node: Rc<Node>, anchor: usize, at: Marker) -> Result<(), ImportError> {
        if node.weight > MAX_VALUES {
            return Err(self.error(at, &format!("it has more than {MAX_VALUES} values")));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        let Some(frame) = self.stack.last_mut() else {
            self.document = Some(node);
            return Ok(());
        };
        match &mut frame.open {
            Open::List(list) => list.push(node),
            Open::Map {
                entries,
                merged,
                key,
            } => match key.take() {
                Some((name, _)) if name == MERGE => merged.push(node),
                Some((name, line)) => entries.push(Entry {
                    key: name,
                    line,
                    value: node,
                }),
                None => {
                    let Some(text) = node.text() else {
                        return Err(self.error(at, "a key is not a text"));
                    };
                    if entries.iter().any(|entry| entry.key == text) {
                        let why = format!("the key `{text}` is there twice");
                        return Err(self.error(at, &why));
                    }
                    *key = Some((text.to_owned(), at.line()));
                }
            },
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(node: &Node) -> String {
        match &node.data {
            Data::Null => "~".to_owned(),
            Data::Scalar(text) => format!("{text}@{}", node.line),
            Data::List(list) => {
                let list: Vec<_> = list.iter().map(|node| shape(node)).collect();
                format!("[{}]", list.join(" "))
            }
            Data::Map(map) => {
                let entry =
                    |entry: &Entry| format!("{}@{}={}", entry.key, entry.line, shape(&entry.value));
                format!(
                    "{{{}}}",
                    map.iter().map(entry).collect::<Vec<_>>().join(" ")
                )
            }
        }
    }

    fn read_shape(text: &str) -> String {
        match read("f", text) {
            Ok(node) => shape(&node),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn anchors_and_merge_keys_are_resolved_and_lines_kept() {
        let text = "x: &x\n  a: 1\n  b: 2\ny:\n  <<: *x\n  b: 3\nz:\n  <<: [*x, {c: 4}]\n";
        assert_eq!(
            read_shape(text),
            "{x@1={a@2=1@2 b@3=2@3} y@4={b@6=3@6 a@2=1@2} z@7={a@2=1@2 b@3=2@3 c@8=4@8}}"
        );
        assert_eq!(read_shape(""), "~");
        assert_eq!(
            read_shape("a: null\nb: 'null'\nc:\n"),
            "{a@1=~ b@2=null@2 c@3=~}"
        );
    }

    #[test]
    fn what_cannot_be_a_tree_is_an_error_with_its_line() {
        for (text, expected) in [
            (
                "a: 1\na: 2\n",
                "line 2, column 1: the key `a` is there twice",
            ),
            (
                "a: 1\n---\nb: 2\n",
                "line 2, column 1: a second document begins",
            ),
            ("a: &a [*a]\n", "inside of its own anchor"),
            ("? [a]\n: b\n", "a key is not a text"),
            ("a: [1,\n", "line "),
            ("a: 1\n<<: 2\n", "`<<` is not a mapping"),
        ] {
            let found = read_shape(text);
            assert!(found.contains(expected), "{text}: {found}");
        }
        let deep = "[".repeat(MAX_DEPTH + 1) + &"]".repeat(MAX_DEPTH + 1);
        assert!(read_shape(&deep).contains("nested deeper"));
    }

    #[test]
    fn a_bomb_of_aliases_is_refused() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..12 {
            let below = vec![format!("*a{}", n - 1); 9].join(", ");
            text.push_str(&format!("a{n}: &a{n} [{below}]\n"));
        }
        assert!(read_shape(&text).contains("more than 50000 values"));
    }
}
