//! One value of the file, checked against its key's kind.

use super::context::Context;
use crate::forms::Problem;
use crate::spec::{Key, Kind};
use std::ops::Range;
use toml::Spanned;
use toml::de::DeValue;

/// A value and where it stands.
pub(super) type Located<'a> = Spanned<DeValue<'a>>;

/// A whole number that fits 64 bits.
pub(super) fn integer(value: &DeValue<'_>) -> Option<i64> {
    let integer = value.as_integer()?;
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// A number, whole or not.
pub(super) fn number(value: &DeValue<'_>) -> Option<f64> {
    match value {
        DeValue::Float(float) => float.as_str().parse().ok(),
        // Exact: what is in range is far below 2^53.
        other => integer(other).map(|number| number as f64),
    }
}

/// Reports a value that is not of its key's kind.
pub(super) fn check_value(cx: &mut Context, key: &'static Key, value: &Located<'_>) {
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
        (Kind::Signed { min, max }, number @ DeValue::Integer(_)) => {
            let fits = integer(number).is_some_and(|number| (*min..=*max).contains(&number));
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
        (Kind::NamesOrTables { .. }, DeValue::Array(array)) => {
            array
                .iter()
                .for_each(|element| check_string(cx, key, element));
        }
        (Kind::NamesOrTables { .. }, DeValue::Table(table)) => {
            table
                .iter()
                .for_each(|(_, value)| check_table(cx, key, value));
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
pub(super) fn example(kind: &Kind) -> String {
    match kind {
        Kind::Text(form) => format!("\"{}\"", form.example),
        Kind::Word(words) => format!("\"{}\"", words.first().map_or("", |(word, _)| word)),
        Kind::Bool => "true".to_owned(),
        Kind::Integer { min, .. } => min.to_string(),
        Kind::Signed { max, .. } => max.to_string(),
        Kind::Number { .. } => "1.5".to_owned(),
        Kind::TextList { form, .. } => format!("[\"{}\"]", form.example),
        Kind::NamesOrTables { name, .. } => format!("[\"{}\"]", name.example),
        Kind::TextMap { name, .. } => format!("{{ {} = \"text\" }}", name.example),
        Kind::Table(_) | Kind::Named { .. } => "{ … }".to_owned(),
        Kind::TableList { .. } => "[{ … }]".to_owned(),
    }
}
