//! The shapes that values of a Compose file have: short and long forms of the same.

use crate::words;
use crate::yaml::{Data, Node};

/// `NAME` or `NAME=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) name: String,
    pub(super) value: Option<String>,
    pub(super) line: usize,
}

/// One text, or several.
pub(super) fn texts(node: &Node) -> Option<Vec<(String, usize)>> {
    match &node.data {
        Data::Scalar(text) => Some(vec![(text.clone(), node.line)]),
        Data::Null => Some(Vec::new()),
        Data::List(list) => list
            .iter()
            .map(|one| Some((one.text()?.to_owned(), one.line)))
            .collect(),
        Data::Map(_) => None,
    }
}

/// A mapping of texts, or a sequence of `NAME=VALUE`.
pub(super) fn pairs(node: &Node) -> Option<Vec<Pair>> {
    match &node.data {
        Data::Null => Some(Vec::new()),
        Data::List(list) => list
            .iter()
            .map(|one| {
                let text = one.text()?;
                let (name, value) = match text.split_once('=') {
                    Some((name, value)) => (name, Some(value.to_owned())),
                    None => (text, None),
                };
                Some(Pair {
                    name: name.to_owned(),
                    value,
                    line: one.line,
                })
            })
            .collect(),
        Data::Map(map) => map
            .iter()
            .map(|entry| {
                let value = match &entry.value.data {
                    Data::Null => None,
                    Data::Scalar(text) => Some(text.clone()),
                    Data::List(_) | Data::Map(_) => return None,
                };
                Some(Pair {
                    name: entry.key.clone(),
                    value,
                    line: entry.line,
                })
            })
            .collect(),
        Data::Scalar(_) => None,
    }
}

/// A command: a line that is split as a shell does, or its words.
pub(super) fn command(node: &Node) -> Option<Vec<String>> {
    match &node.data {
        Data::Scalar(text) => words::split(text),
        Data::Null => None,
        Data::List(_) | Data::Map(_) => {
            let texts = texts(node)?.into_iter();
            Some(texts.map(|(text, _)| text).collect())
        }
    }
}

/// `true` or `false` of YAML 1.2, and what YAML 1.1 takes for them.
pub(super) fn boolean(node: &Node) -> Option<bool> {
    crate::quantity::boolean(node.text()?)
}
