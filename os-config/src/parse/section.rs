//! One table of the file, checked against its description, and the typed ways to take values out.
//!
//! `open` reports all that the description alone can tell: unknown and missing keys, wrong types,
//! numbers out of range, unknown words. What takes a value out therefore passes over a value of the
//! wrong type in silence: it has been reported, and the result is thrown away.

use super::context::Context;
use crate::forms::Problem;
use crate::keys::ROOT;
use crate::spec::{Key, Kind, Presence, Table};
use std::collections::BTreeMap;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value and where it stands.
pub(crate) type Located<'a> = Spanned<DeValue<'a>>;

/// Where a table stands.
struct Place {
    /// `container.web`; empty for the whole file.
    path: String,
    /// For messages: `[container.web]`, `[[gate.check]]`.
    title: String,
    /// Its header, or the whole of an inline table.
    span: Range<usize>,
}

/// An opened table.
pub(crate) struct Section<'a> {
    place: Place,
    table: &'a DeTable<'a>,
    spec: &'static Table,
}

impl<'a> Section<'a> {
    /// Opens the whole file.
    pub(crate) fn root(cx: &mut Context, table: &'a DeTable<'a>) -> Self {
        let place = Place {
            path: String::new(),
            title: String::new(),
            span: 0..0,
        };
        Self::open(cx, place, table, &ROOT)
    }

    /// Opens a table and reports what its description does not allow.
    fn open(cx: &mut Context, place: Place, table: &'a DeTable<'a>, spec: &'static Table) -> Self {
        let section = Self { place, table, spec };
        let mut all_known = true;
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            match spec.key(name) {
                Some(known) => check_value(cx, known, value),
                None => {
                    all_known = false;
                    let problem = section.unknown(cx, name);
                    cx.report(key.span(), problem);
                }
            }
        }
        section.report_missing(cx);
        // An unknown key was most likely meant to be the missing one: one problem, not two.
        section.report_choice(cx, all_known);
        section
    }

    /// Where the section stands.
    pub(crate) fn span(&self) -> Range<usize> {
        self.place.span.clone()
    }

    fn is_root(&self) -> bool {
        self.place.path.is_empty()
    }

    fn full(&self, key: &str) -> String {
        if self.is_root() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.place.path)
        }
    }

    fn unknown(&self, cx: &Context, name: &str) -> Problem {
        if self.spec.later.contains(&name) {
            let what = if self.is_root() {
                format!("[{name}]")
            } else {
                self.full(name)
            };
            return Problem::new(format!(
                "`{what}` is not supported by this version of Orlop"
            ))
            .help("remove it");
        }
        let place = if self.is_root() {
            "at the top of the file".to_owned()
        } else {
            format!("in `{}`", self.place.title)
        };
        let problem = Problem::new(format!("unknown key `{name}` {place}"));
        if let Some(near) = cx.suggest(name, self.spec.keys.iter().map(|key| key.name)) {
            return problem.help(format!("did you mean `{near}`?"));
        }
        if ROOT.key(name).is_some() {
            return problem.help(format!(
                "`{name}` belongs at the top of the file, before the first `[table]`"
            ));
        }
        if self.spec.keys.is_empty() {
            return problem.help("this table has no keys");
        }
        let known: Vec<_> = self
            .spec
            .keys
            .iter()
            .map(|key| format!("`{}`", key.name))
            .collect();
        problem.help(format!("known here: {}", known.join(", ")))
    }

    fn report_missing(&self, cx: &mut Context) {
        for key in self.spec.keys {
            if matches!(key.presence, Presence::Required) && !self.has(key.name) {
                let place = if self.is_root() {
                    " as the first line"
                } else {
                    ""
                };
                let problem = Problem::new(format!("`{}` is missing", self.full(key.name))).help(
                    format!("write `{} = {}`{place}", key.name, example(&key.kind)),
                );
                cx.report(self.span(), problem);
            }
        }
    }

    fn report_choice(&self, cx: &mut Context, all_known: bool) {
        let one_of = self.spec.one_of;
        let present: Vec<_> = one_of.iter().filter(|name| self.has(name)).collect();
        let message = match present[..] {
            [] if !one_of.is_empty() && all_known => {
                format!("`{}` does not say what to ask", self.place.title)
            }
            [first, second, ..] => format!("`{second}` cannot stand beside `{first}`"),
            _ => return,
        };
        let choice: Vec<_> = one_of.iter().map(|name| format!("`{name}`")).collect();
        let help = format!("write exactly one of {}", choice.join(", "));
        let at = present
            .get(1)
            .map_or(self.span(), |second| self.span_of(second));
        cx.report(at, Problem::new(message).help(help));
    }

    /// Whether the key is there, whatever its value.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Where a key's value stands; the section itself where it is left out.
    pub(crate) fn span_of(&self, key: &str) -> Range<usize> {
        self.table
            .get(key)
            .map_or_else(|| self.span(), Spanned::span)
    }

    fn value(&self, key: &str) -> Option<&'a Located<'a>> {
        debug_assert!(
            self.spec.key(key).is_some(),
            "{key} is read but not described"
        );
        self.table.get(key)
    }

    /// A string, read by `read`.
    pub(crate) fn text<T>(
        &self,
        cx: &mut Context,
        key: &str,
        read: impl FnOnce(&str) -> Result<T, Problem>,
    ) -> Option<T> {
        let value = self.value(key)?;
        let text = value.get_ref().as_str()?;
        read(text)
            .map_err(|problem| cx.report(value.span(), problem))
            .ok()
    }

    /// An array of strings, each read by `read`, with the place of each; none where it is left out.
    pub(crate) fn texts<T>(
        &self,
        cx: &mut Context,
        key: &str,
        mut read: impl FnMut(&str) -> Result<T, Problem>,
    ) -> Option<Vec<(Range<usize>, T)>> {
        let mut out = Vec::new();
        for element in self.value(key)?.get_ref().as_array()?.iter() {
            let Some(text) = element.get_ref().as_str() else {
                continue;
            };
            match read(text) {
                Ok(read) => out.push((element.span(), read)),
                Err(problem) => cx.report(element.span(), problem),
            }
        }
        Some(out)
    }

    /// A table of strings under free keys.
    pub(crate) fn text_map(
        &self,
        cx: &mut Context,
        key: &str,
        read_name: impl Fn(&str) -> Result<String, Problem>,
        read_value: impl Fn(&str) -> Result<String, Problem>,
    ) -> BTreeMap<String, String> {
        let mut out = BTreeMap::new();
        let Some(table) = self.value(key).and_then(|value| value.get_ref().as_table()) else {
            return out;
        };
        for (name, value) in table {
            let Some(text) = value.get_ref().as_str() else {
                continue;
            };
            match (read_name(name.get_ref()), read_value(text)) {
                (Ok(name), Ok(text)) => {
                    out.insert(name, text);
                }
                (name_read, text_read) => {
                    name_read
                        .map_err(|problem| cx.report(name.span(), problem))
                        .ok();
                    text_read
                        .map_err(|problem| cx.report(value.span(), problem))
                        .ok();
                }
            }
        }
        out
    }

    /// One of the described words.
    pub(crate) fn word(&self, key: &str) -> Option<&'a str> {
        self.value(key)?.get_ref().as_str()
    }

    /// A truth value.
    pub(crate) fn boolean(&self, key: &str) -> Option<bool> {
        self.value(key)?.get_ref().as_bool()
    }

    /// A whole number.
    pub(crate) fn integer(&self, key: &str) -> Option<u64> {
        integer(self.value(key)?.get_ref()).and_then(|number| u64::try_from(number).ok())
    }

    /// A number.
    pub(crate) fn number(&self, key: &str) -> Option<f64> {
        number(self.value(key)?.get_ref())
    }

    /// The table under `key`.
    pub(crate) fn section(&self, cx: &mut Context, key: &str) -> Option<Section<'a>> {
        let value = self.value(key)?;
        let Kind::Table(spec) = self.spec.key(key)?.kind else {
            return None;
        };
        let table = value.get_ref().as_table()?;
        let path = self.full(key);
        let place = Place {
            title: format!("[{path}]"),
            path,
            span: value.span(),
        };
        Some(Section::open(cx, place, table, spec))
    }

    /// The tables of the array under `key`.
    pub(crate) fn sections(&self, cx: &mut Context, key: &str) -> Vec<Section<'a>> {
        let Some(Kind::TableList { table: spec, .. }) = self.spec.key(key).map(|key| &key.kind)
        else {
            return Vec::new();
        };
        let Some(array) = self.value(key).and_then(|value| value.get_ref().as_array()) else {
            return Vec::new();
        };
        let mut out = Vec::new();
        for element in array.iter() {
            if let Some(table) = element.get_ref().as_table() {
                let path = self.full(key);
                let place = Place {
                    title: format!("[[{path}]]"),
                    path,
                    span: element.span(),
                };
                out.push(Section::open(cx, place, table, spec));
            }
        }
        out
    }

    /// The tables under free names in the table under `key`, with each name as `read` makes it.
    pub(crate) fn named<N>(
        &self,
        cx: &mut Context,
        key: &str,
        read: impl Fn(&str) -> Result<N, Problem>,
    ) -> Vec<(N, Section<'a>)> {
        let Some(Kind::Named { table: spec, .. }) = self.spec.key(key).map(|key| &key.kind) else {
            return Vec::new();
        };
        let Some(table) = self.value(key).and_then(|value| value.get_ref().as_table()) else {
            return Vec::new();
        };
        let mut out = Vec::new();
        for (name, value) in table {
            let Some(table) = value.get_ref().as_table() else {
                continue;
            };
            let path = format!("{}.{}", self.full(key), name.get_ref());
            let place = Place {
                title: format!("[{path}]"),
                path,
                span: value.span(),
            };
            let section = Section::open(cx, place, table, spec);
            match read(name.get_ref()) {
                Ok(name) => out.push((name, section)),
                Err(problem) => cx.report(name.span(), problem),
            }
        }
        out
    }
}

/// A whole number that fits 64 bits.
pub(super) fn integer(value: &DeValue<'_>) -> Option<i64> {
    let integer = value.as_integer()?;
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

fn number(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Float(float) => float.as_str().parse().ok(),
        // Exact: what is in range is far below 2^53.
        other => integer(other).map(|number| number as f64),
    }
}

/// Reports a value that is not of its key's kind.
fn check_value(cx: &mut Context, key: &'static Key, value: &Located<'_>) {
    match (&key.kind, value.get_ref()) {
        (Kind::Text(_), DeValue::String(_)) | (Kind::Bool, DeValue::Boolean(_)) => {}
        (Kind::Table(_), DeValue::Table(_)) => {}
        (Kind::Word(words), DeValue::String(word)) => check_word(cx, key, words, word, value),
        (Kind::Integer { min, max }, number @ DeValue::Integer(_)) => {
            let fits = integer(number)
                .and_then(|number| u64::try_from(number).ok())
                .is_some_and(|number| (*min..=*max).contains(&number));
            check_range(cx, key, value, fits, format!("{min} to {max}"));
        }
        (Kind::Number { min, max }, found @ (DeValue::Integer(_) | DeValue::Float(_))) => {
            let fits = number(found).is_some_and(|number| (*min..=*max).contains(&number));
            check_range(cx, key, value, fits, format!("{min} to {max}"));
        }
        (Kind::TextList { min, .. }, DeValue::Array(array)) => {
            if array.len() < *min {
                let problem = Problem::new(format!("`{}` is empty", key.name));
                cx.report(
                    value.span(),
                    problem.help("write at least one string, or leave it out"),
                );
            }
            array
                .iter()
                .for_each(|element| check_string(cx, key, element));
        }
        (Kind::TextMap { .. }, DeValue::Table(table)) => {
            table
                .iter()
                .for_each(|(_, value)| check_string(cx, key, value));
        }
        (Kind::TableList { max, .. }, DeValue::Array(array)) => {
            check_count(cx, key, array.len(), *max, value.span());
            array
                .iter()
                .for_each(|element| check_table(cx, key, element));
        }
        (Kind::Named { max, .. }, DeValue::Table(table)) => {
            let first = table
                .keys()
                .map(Spanned::span)
                .min_by_key(|span| span.start);
            check_count(
                cx,
                key,
                table.len(),
                *max,
                first.unwrap_or_else(|| value.span()),
            );
            table
                .iter()
                .for_each(|(_, value)| check_table(cx, key, value));
        }
        _ => wrong_type(cx, key, key.kind.expected(), value),
    }
}

fn check_word(
    cx: &mut Context,
    key: &Key,
    words: &[(&'static str, &str)],
    word: &str,
    value: &Located<'_>,
) {
    if words.iter().any(|(known, _)| *known == word) {
        return;
    }
    let known: Vec<_> = words
        .iter()
        .map(|(known, _)| format!("\"{known}\""))
        .collect();
    let help = match cx.suggest(word, words.iter().map(|(known, _)| *known)) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("write {}", known.join(" or ")),
    };
    cx.report(
        value.span(),
        Problem::new(format!("`{}` cannot be \"{word}\"", key.name)).help(help),
    );
}

fn check_range(cx: &mut Context, key: &Key, value: &Located<'_>, fits: bool, range: String) {
    if !fits {
        let problem = Problem::new(format!("`{}` is out of range", key.name));
        cx.report(
            value.span(),
            problem.help(format!("anything from {range} will do")),
        );
    }
}

fn check_count(cx: &mut Context, key: &Key, count: usize, max: usize, span: Range<usize>) {
    if count > max {
        let problem = Problem::new(format!(
            "there are {count} of `{}`; at most {max} are allowed",
            key.name
        ));
        cx.report(span, problem);
    }
}

fn check_string(cx: &mut Context, key: &Key, value: &Located<'_>) {
    if !value.get_ref().is_str() {
        wrong_type(cx, key, "a string", value);
    }
}

fn check_table(cx: &mut Context, key: &Key, value: &Located<'_>) {
    if !value.get_ref().is_table() {
        wrong_type(cx, key, "a table", value);
    }
}

fn wrong_type(cx: &mut Context, key: &Key, expected: &str, value: &Located<'_>) {
    let found = match value.get_ref() {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "a truth value",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    };
    let problem = Problem::new(format!(
        "{expected} is expected in `{}`, not {found}",
        key.name
    ));
    let help = match (&key.kind, value.get_ref()) {
        (Kind::TextMap { .. } | Kind::TextList { .. }, DeValue::Integer(number)) => {
            Some(format!("put it in quotes: \"{number}\""))
        }
        (Kind::TextMap { .. } | Kind::TextList { .. }, DeValue::Boolean(truth)) => {
            Some(format!("put it in quotes: \"{truth}\""))
        }
        (Kind::TableList { .. }, DeValue::Table(_)) => {
            Some("put the table's name in double brackets: `[[…]]`".to_owned())
        }
        (Kind::Named { .. }, _) => Some(format!("declare it as `[{}.NAME]`", key.name)),
        (kind, _) => Some(format!("such as `{} = {}`", key.name, example(kind))),
    };
    cx.report(value.span(), Problem { help, ..problem });
}

/// A good value, as TOML.
fn example(kind: &Kind) -> String {
    match kind {
        Kind::Text(form) => format!("\"{}\"", form.example),
        Kind::Word(words) => format!("\"{}\"", words.first().map_or("", |(word, _)| word)),
        Kind::Bool => "true".to_owned(),
        Kind::Integer { min, .. } => min.to_string(),
        Kind::Number { .. } => "1.5".to_owned(),
        Kind::TextList { form, .. } => format!("[\"{}\"]", form.example),
        Kind::TextMap { name, .. } => format!("{{ {} = \"text\" }}", name.example),
        Kind::Table(_) | Kind::Named { .. } => "{ … }".to_owned(),
        Kind::TableList { .. } => "[{ … }]".to_owned(),
    }
}
