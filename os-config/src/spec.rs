//! What a description of the TOML is made of. The keys themselves are in `keys/`; the parser, the
//! JSON Schema and the reference page all read that one table.

/// A table of the TOML.
#[derive(Debug)]
pub(crate) struct Table {
    /// One or two sentences.
    pub(crate) doc: &'static str,
    /// Its keys, in the order of the reference page.
    pub(crate) keys: &'static [Key],
    /// Exactly one of these keys must be there; empty for no such rule.
    pub(crate) one_of: &'static [&'static str],
    /// Keys of the target design that this version refuses with a message of their own.
    pub(crate) later: &'static [&'static str],
}

/// A key of a table.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) presence: Presence,
    /// A sentence or two.
    pub(crate) doc: &'static str,
}

/// Whether a key must be there, and what holds where it is not.
#[derive(Debug)]
pub(crate) enum Presence {
    /// It must be there.
    Required,
    /// Left out, it is this TOML value.
    Default(&'static str),
    /// Left out, this holds (a phrase).
    Optional(&'static str),
}

/// What a key's value is.
#[derive(Debug)]
pub(crate) enum Kind {
    /// A string of a form.
    Text(&'static Form),
    /// One of these words, each with its meaning.
    Word(&'static [(&'static str, &'static str)]),
    /// `true` or `false`.
    Bool,
    /// A whole number, both ends included.
    Integer { min: u64, max: u64 },
    /// A whole number that may be negative, both ends included.
    Signed { min: i64, max: i64 },
    /// A number, both ends included.
    Number { min: f64, max: f64 },
    /// An array of strings.
    TextList { form: &'static Form, min: usize },
    /// A table with free keys and string values.
    TextMap {
        name: &'static Form,
        value: &'static Form,
    },
    /// A table.
    Table(&'static Table),
    /// An array of tables.
    TableList { table: &'static Table, max: usize },
    /// An array of names, or a table of tables under those names, with more to say about each.
    NamesOrTables {
        name: &'static Form,
        table: &'static Table,
    },
    /// A table of tables with free names, `[container.NAME]`.
    Named {
        name: &'static Form,
        table: &'static Table,
        max: usize,
    },
}

/// A form of text.
#[derive(Debug)]
pub(crate) struct Form {
    /// What it is called: `duration`.
    pub(crate) name: &'static str,
    /// A regular expression that every good text matches (a few bad ones may match too).
    pub(crate) pattern: Option<&'static str>,
    /// A good text.
    pub(crate) example: &'static str,
}

impl Table {
    /// The key of that name.
    pub(crate) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

impl Kind {
    /// What is expected, with its article, for messages: `a string`.
    pub(crate) fn expected(&self) -> &'static str {
        match self {
            Self::Text(_) | Self::Word(_) => "a string",
            Self::Bool => "`true` or `false`",
            Self::Integer { .. } | Self::Signed { .. } => "a whole number",
            Self::Number { .. } => "a number",
            Self::TextList { .. } => "an array of strings",
            Self::NamesOrTables { .. } => "an array of names, or a table",
            Self::TextMap { .. } | Self::Table(_) | Self::Named { .. } => "a table",
            Self::TableList { .. } => "an array of tables",
        }
    }
}
