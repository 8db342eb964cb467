//! Files of variables: `.env`, `env_file:` and `EnvironmentFile=`.

use crate::variables::fill;
use std::collections::BTreeMap;

/// The variables of a file, in its order, with those before it and those of `set` filled in; and the
/// lines, from 1, that are none.
pub fn parse_env_file(
    text: &str,
    set: &BTreeMap<String, String>,
) -> (Vec<(String, String)>, Vec<usize>) {
    let mut known = set.clone();
    let mut found = Vec::new();
    let mut wrong = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let pair = line.split_once('=');
        let pair = pair.filter(|(name, _)| is_name(name.trim()));
        let Some((name, value)) = pair else {
            wrong.push(index + 1);
            continue;
        };
        let Some(value) = value_of(value.trim(), &known) else {
            wrong.push(index + 1);
            continue;
        };
        known.insert(name.trim().to_owned(), value.clone());
        found.push((name.trim().to_owned(), value));
    }
    (found, wrong)
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == '"' || c == '\'')
}

fn value_of(text: &str, known: &BTreeMap<String, String>) -> Option<String> {
    if let Some(rest) = text.strip_prefix('\'') {
        return rest.split_once('\'').map(|(value, _)| value.to_owned());
    }
    if let Some(rest) = text.strip_prefix('"') {
        let (value, _) = unescaped(rest)?;
        return fill(&value, known).ok().map(|filled| filled.text);
    }
    let value = match text.find(" #") {
        Some(at) => text[..at].trim_end(),
        None => text,
    };
    fill(value, known).ok().map(|filled| filled.text)
}

/// What is inside of double quotes, and what comes after them.
fn unescaped(text: &str) -> Option<(String, &str)> {
    let mut out = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((out, &text[at + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => out.push('\n'),
                't' => out.push('\t'),
                'r' => out.push('\r'),
                c @ ('"' | '\\') => out.push(c),
                '$' => out.push_str("$$"),
                c => out.extend(['\\', c]),
            },
            c => out.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_a_file_are_read_with_quotes_comments_and_references() {
        let text = "# c\n\nexport A=one\nB = two # c\nC='$A # x' # c\nD=\"$A\\n\\$B\"\nE=\nbroken\nF=\"x\nG=${A}-${H}\n";
        let set = BTreeMap::from([("H".to_owned(), "h".to_owned())]);
        let (found, wrong) = parse_env_file(text, &set);
        let found: Vec<_> = found.iter().map(|(n, v)| (&**n, &**v)).collect();
        let expected = [
            ("A", "one"),
            ("B", "two"),
            ("C", "$A # x"),
            ("D", "one\n$B"),
            ("E", ""),
            ("G", "one-h"),
        ];
        assert_eq!(found, expected);
        assert_eq!(wrong, [8, 9]);
    }
}
