//! One table of the file, checked against its description, and the typed ways to take values out.
//!
//! `open` reports all that the description alone can tell: unknown and missing keys, wrong types,
//! numbers out of range, unknown words. What takes a value out therefore passes over a value of the
//! wrong type in silence: it has been reported, and the result is thrown away.

use super::context::Context;
use super::value::{Located, check_value, example, integer, number};
use crate::forms::Problem;
use crate::keys::ROOT;
use crate::spec::{Kind, Presence, Table};
use std::collections::BTreeMap;
use std::ops::Range;
use toml::Spanned;
use toml::de::DeTable;

/// What people who know other container hosts write, and no container has.
const PID: &str = "pid";

/// Where a table stands.
struct Place {
    /// `container.web`; empty for the whole file.
    path: String,
    /// For messages: `[container.web]`, `[[gate.check]]`.
    title: String,
    /// Its header, or the whole of an inline table.
    span: Range<usize>,
}

/// A key of a free table with its value.
pub(crate) struct Pair<N, V> {
    pub(crate) at: Range<usize>,
    pub(crate) name: N,
    pub(crate) value_at: Range<usize>,
    pub(crate) value: V,
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

    /// Whether this is a `[container.NAME]`.
    fn is_container(&self) -> bool {
        let name = self.place.path.strip_prefix("container.");
        name.is_some_and(|name| !name.contains('.'))
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
        if self.is_container() && name == PID {
            return Problem::new("a container's process ids are its own, or the host's").help(
                "remove it, or write `host = [\"pid\"]`; they cannot be shared with another container, \
                 since they end with its first process (docs/security.md)",
            );
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
    pub(crate) fn text_map<N: Ord, V>(
        &self,
        cx: &mut Context,
        key: &str,
        read_name: impl Fn(&str) -> Result<N, Problem>,
        read_value: impl Fn(&str) -> Result<V, Problem>,
    ) -> BTreeMap<N, V> {
        self.pairs(cx, key, read_name, read_value)
            .into_iter()
            .map(|pair| (pair.name, pair.value))
            .collect()
    }

    /// A table of strings under free keys, each pair with its places.
    pub(crate) fn pairs<N, V>(
        &self,
        cx: &mut Context,
        key: &str,
        read_name: impl Fn(&str) -> Result<N, Problem>,
        read_value: impl Fn(&str) -> Result<V, Problem>,
    ) -> Vec<Pair<N, V>> {
        let mut out = Vec::new();
        let Some(table) = self.value(key).and_then(|value| value.get_ref().as_table()) else {
            return out;
        };
        for (name, value) in table {
            let Some(text) = value.get_ref().as_str() else {
                continue;
            };
            match (read_name(name.get_ref()), read_value(text)) {
                (Ok(read), Ok(text)) => out.push(Pair {
                    at: name.span(),
                    name: read,
                    value_at: value.span(),
                    value: text,
                }),
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

    /// A string of a form, where it is one: for a second look at what is reported elsewhere.
    pub(crate) fn quiet_text<T>(
        &self,
        key: &str,
        read: impl FnOnce(&str) -> Result<T, Problem>,
    ) -> Option<T> {
        read(self.value(key)?.get_ref().as_str()?).ok()
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

    /// A whole number that may be negative.
    pub(crate) fn signed(&self, key: &str) -> Option<i64> {
        integer(self.value(key)?.get_ref())
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
        let Some(Kind::Named { table: spec, .. } | Kind::NamesOrTables { table: spec, .. }) =
            self.spec.key(key).map(|key| &key.kind)
        else {
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
