//! The syntax of unit files (systemd.syntax(7)).

use crate::error::ImportError;
use crate::import::Source;
use crate::note::Place;
use std::rc::Rc;

/// A unit file.
#[derive(Clone, Debug)]
pub(super) struct Unit {
    pub(super) file: Rc<str>,
    /// Its name without folder and ending.
    pub(super) stem: String,
    /// Its ending: `container`, `network`, `volume`.
    pub(super) kind: String,
    /// Its assignments; those that a later empty one took back are not there.
    pub(super) entries: Vec<Entry>,
}

/// An assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) section: String,
    pub(super) key: String,
    pub(super) value: String,
    pub(super) line: usize,
}

impl Unit {
    /// Reads a unit file.
    pub(super) fn read(source: &Source) -> Result<Self, ImportError> {
        let name = source.name.rsplit('/').next().unwrap_or_default();
        let (stem, kind) = name.rsplit_once('.').unwrap_or((name, ""));
        Ok(Self {
            file: source.name.as_str().into(),
            stem: stem.to_owned(),
            kind: kind.to_owned(),
            entries: entries(&source.text).map_err(|(line, why)| ImportError::Unit {
                file: source.name.clone(),
                line,
                why,
            })?,
        })
    }

    /// The last value of a key.
    pub(super) fn last(&self, section: &str, key: &str) -> Option<&Entry> {
        let mut from_end = self.entries.iter().rev();
        from_end.find(|entry| entry.section == section && entry.key == key)
    }

    pub(super) fn place(&self, entry: &Entry) -> Place {
        Place::new(&self.file, entry.line, entry.key.as_str())
    }

    /// The place of the unit itself.
    pub(super) fn top(&self) -> Place {
        Place::new(&self.file, 1, format!("{}.{}", self.stem, self.kind))
    }

    /// A value with systemd's specifiers filled in; the first one that is not known here.
    pub(super) fn filled(&self, text: &str) -> Result<String, String> {
        let mut out = String::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            match chars.next() {
                Some('%') => out.push('%'),
                Some('N' | 'p' | 'P') => out.push_str(&self.stem),
                Some('n') => out.push_str(&format!("{}.service", self.stem)),
                // A home, which mounts know.
                Some('h') if out.is_empty() => out.push_str("%h"),
                Some(other) => return Err(format!("%{other}")),
                None => out.push('%'),
            }
        }
        Ok(out)
    }
}

fn entries(text: &str) -> Result<Vec<Entry>, (usize, &'static str)> {
    let mut found: Vec<Entry> = Vec::new();
    let mut section = None;
    let mut lines = text.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let number = index + 1;
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if let Some(rest) = trimmed.strip_prefix('[') {
            let name = rest.strip_suffix(']');
            let name = name.ok_or((number, "a section's name ends with `]`"))?;
            section = Some(name.to_owned());
            continue;
        }
        let mut whole = trimmed.to_owned();
        // A comment between continued lines is passed over (systemd.syntax(7)).
        while whole.ends_with('\\') {
            whole.pop();
            whole.push(' ');
            let is_comment = |line: &str| line.trim_start().starts_with(['#', ';']);
            let next = lines.by_ref().find(|(_, line)| !is_comment(line));
            whole.push_str(next.map_or("", |(_, line)| line.trim()));
        }
        let pair = whole.split_once('=');
        let (key, value) = pair.ok_or((number, "a line is neither a section nor `Key=value`"))?;
        let section = section.clone();
        let section = section.ok_or((number, "`Key=value` stands before the first section"))?;
        let (key, value) = (key.trim().to_owned(), value.trim().to_owned());
        if value.is_empty() {
            found.retain(|entry| entry.section != section || entry.key != key);
            continue;
        }
        found.push(Entry {
            section,
            key,
            value,
            line: number,
        });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn continued_lines_comments_and_taken_back_values_are_read_as_systemd_does() {
        let text = "# c\n[Container]\nExec=a \\\n# between\n  b \\\n  c\nLabel=x=1\nLabel=\nLabel=y=2\n; c\n[Service]\nRestart = always\n";
        let found = entries(text).unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|one| format!("{} {}={} {}", one.section, one.key, one.value, one.line))
            .collect();
        let expected = [
            "Container Exec=a  b  c 3",
            "Container Label=y=2 9",
            "Service Restart=always 12",
        ];
        assert_eq!(found, expected);
        assert_eq!(entries("a=b").unwrap_err().0, 1);
        assert_eq!(entries("[A]\nb").unwrap_err().0, 2);
        assert_eq!(entries("[A").unwrap_err().0, 1);
        assert_eq!(entries("[A]\nb=c \\").unwrap()[0].value, "c");
    }
}
