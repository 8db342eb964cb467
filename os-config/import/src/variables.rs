//! `$NAME`, `${NAME:-default}` and their like, filled in.

use crate::limits::{MAX_NESTED_VARIABLES, MAX_TEXT_BYTES};
use std::collections::BTreeMap;

/// A text with its variables filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filled {
    pub(crate) text: String,
    /// Those that are set nowhere, and had no default.
    pub(crate) unset: Vec<String>,
}

/// A variable that cannot be filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unfilled {
    pub(crate) variable: String,
    pub(crate) why: String,
}

/// Fills in the variables of `text`, as the Compose specification says; `$$` is `$`.
pub(crate) fn fill(text: &str, set: &BTreeMap<String, String>) -> Result<Filled, Unfilled> {
    let mut out = Filled::default();
    fill_into(text, set, &mut out, 0)?;
    Ok(out)
}

fn fill_into(
    text: &str,
    set: &BTreeMap<String, String>,
    out: &mut Filled,
    depth: usize,
) -> Result<(), Unfilled> {
    let unfilled = |variable: &str, why: &str| Unfilled {
        variable: variable.to_owned(),
        why: why.to_owned(),
    };
    if depth > MAX_NESTED_VARIABLES {
        return Err(unfilled(text, "variables are nested too deep"));
    }
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.text.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(tail) = rest.strip_prefix('$') {
            out.text.push('$');
            rest = tail;
        } else if let Some(tail) = rest.strip_prefix('{') {
            let end = closing(tail).ok_or_else(|| unfilled(tail, "its `}` is missing"))?;
            braced(&tail[..end], set, out, depth)?;
            rest = &tail[end + 1..];
        } else {
            let name = &rest[..name_len(rest)];
            if name.is_empty() {
                out.text.push('$');
                continue;
            }
            rest = &rest[name.len()..];
            plain(name, set, out);
        }
        if out.text.len() > MAX_TEXT_BYTES {
            return Err(unfilled("…", "the text grows too long"));
        }
    }
    out.text.push_str(rest);
    Ok(())
}

fn plain(name: &str, set: &BTreeMap<String, String>, out: &mut Filled) {
    match set.get(name) {
        Some(value) => out.text.push_str(value),
        None => out.unset.push(name.to_owned()),
    }
}

/// What stands between the braces.
fn braced(
    inside: &str,
    set: &BTreeMap<String, String>,
    out: &mut Filled,
    depth: usize,
) -> Result<(), Unfilled> {
    let (name, rest) = inside.split_at(name_len(inside));
    let unfilled = |why: String| Unfilled {
        variable: name.to_owned(),
        why,
    };
    let value = set.get(name);
    let filled = value.filter(|value| !value.is_empty());
    let operators = [":-", "-", ":?", "?", ":+", "+"];
    let operator = operators.iter().find(|one| rest.starts_with(**one));
    let Some(operator) = operator.filter(|_| !name.is_empty()) else {
        if rest.is_empty() && !name.is_empty() {
            plain(name, set, out);
            return Ok(());
        }
        return Err(unfilled(format!("`{inside}` is not a variable")));
    };
    let word = &rest[operator.len()..];
    let value = if operator.starts_with(':') {
        filled
    } else {
        value
    };
    match (operator.trim_start_matches(':'), value) {
        ("-", None) | ("+", Some(_)) => fill_into(word, set, out, depth + 1),
        ("-" | "?", Some(value)) => {
            out.text.push_str(value);
            Ok(())
        }
        ("?", None) => {
            let mut message = Filled::default();
            fill_into(word, set, &mut message, depth + 1)?;
            Err(unfilled(match message.text.is_empty() {
                true => "it has to be set".to_owned(),
                false => message.text,
            }))
        }
        _ => Ok(()),
    }
}

fn name_len(text: &str) -> usize {
    let first = text.bytes().next();
    if !first.is_some_and(|b| b.is_ascii_alphabetic() || b == b'_') {
        return 0;
    }
    text.bytes()
        .take_while(|b| b.is_ascii_alphanumeric() || *b == b'_')
        .count()
}

/// Where the brace that closes this one is.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut dollar = false;
    for (at, b) in text.bytes().enumerate() {
        match b {
            b'{' if dollar => depth += 1,
            b'}' if depth == 0 => return Some(at),
            b'}' => depth -= 1,
            _ => {}
        }
        dollar = b == b'$';
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> String {
        let set = [("A", "one"), ("EMPTY", "")];
        let set = set.map(|(name, value)| (name.to_owned(), value.to_owned()));
        match fill(text, &BTreeMap::from(set)) {
            Ok(filled) if filled.unset.is_empty() => filled.text,
            Ok(filled) => format!("{} without {}", filled.text, filled.unset.join(",")),
            Err(error) => format!("{}: {}", error.variable, error.why),
        }
    }

    #[test]
    fn variables_are_filled_in_as_the_compose_specification_says() {
        for (text, expected) in [
            ("$A-${A}x$$A $ $1", "one-onex$A $ $1"),
            ("${B:-two}${B-two}${EMPTY:-two}${EMPTY-two}", "twotwotwo"),
            ("${A:+yes}${B:+yes}${EMPTY+yes}", "yesyes"),
            ("${B:-${C:-${A}}}", "one"),
            ("${A:?no}", "one"),
            ("${B:?set ${A}}", "B: set one"),
            ("${B?}", "B: it has to be set"),
            ("x$B", "x without B"),
            ("${A", "A: its `}` is missing"),
            ("${}", ": `` is not a variable"),
            ("${A!}", "A: `A!` is not a variable"),
            ("{{ .x }} ${B:-{}}", "{{ .x }} {}"),
        ] {
            assert_eq!(filled(text), expected, "{text}");
        }
    }
}
