//! The variables of a Compose file, filled in.

use crate::builder::Builder;
use crate::error::ImportError;
use crate::limits::MAX_FILLED_BYTES;
use crate::note::Place;
use crate::variables::fill;
use crate::yaml::{Data, Entry, Node};
use std::collections::BTreeMap;
use std::rc::Rc;

/// The document with every value's variables filled in. Keys have none.
pub(super) fn filled(
    builder: &mut Builder<'_>,
    file: &Rc<str>,
    node: &Node,
    variables: &BTreeMap<String, String>,
) -> Result<Node, ImportError> {
    let mut filler = Filler {
        builder,
        file,
        variables,
        bytes: 0,
    };
    filler.node(node)
}

struct Filler<'a, 'f> {
    builder: &'a mut Builder<'f>,
    file: &'a Rc<str>,
    variables: &'a BTreeMap<String, String>,
    bytes: usize,
}

impl Filler<'_, '_> {
    fn node(&mut self, node: &Node) -> Result<Node, ImportError> {
        let data = match &node.data {
            Data::Null => Data::Null,
            Data::Scalar(text) => Data::Scalar(self.text(text, node.line)?),
            Data::List(list) => {
                let list = list.iter().map(|one| self.node(one).map(Rc::new));
                Data::List(list.collect::<Result<_, _>>()?)
            }
            Data::Map(map) => Data::Map(
                map.iter()
                    .map(|entry| {
                        // Notes to oneself may hold anything.
                        let value = match entry.key.starts_with("x-") {
                            true => Rc::clone(&entry.value),
                            false => Rc::new(self.node(&entry.value)?),
                        };
                        Ok(Entry {
                            key: entry.key.clone(),
                            line: entry.line,
                            value,
                        })
                    })
                    .collect::<Result<_, _>>()?,
            ),
        };
        Ok(Node::new(node.line, data))
    }

    fn text(&mut self, text: &str, line: usize) -> Result<String, ImportError> {
        let wrong = |variable: String, why: String| ImportError::Variable {
            file: self.file.to_string(),
            line,
            variable,
            why,
        };
        let filled =
            fill(text, self.variables).map_err(|error| wrong(error.variable, error.why))?;
        self.bytes += filled.text.len();
        if self.bytes > MAX_FILLED_BYTES {
            return Err(wrong("…".to_owned(), "the file grows too long".to_owned()));
        }
        for name in filled.unset {
            let place = Place::new(self.file, line, format!("${{{name}}}"));
            let why = format!(
                "it is set nowhere, and empty: put it into .env beside the file, or give --env {name}=VALUE"
            );
            if !self
                .builder
                .notes
                .iter()
                .any(|note| note.key == place.key && note.line == line)
            {
                self.builder.left_out(&place, why);
            }
        }
        Ok(filled.text)
    }
}
