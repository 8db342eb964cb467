//! Tables in Markdown, and the part of a document that they are written to.

use std::fmt::Write as _;

/// Begins what is written by this program.
const BEGIN: &str = "<!-- measured: begin -->";
/// Ends it.
const END: &str = "<!-- measured: end -->";

/// A table.
#[derive(Debug)]
pub(crate) struct Table {
    text: String,
}

impl Table {
    /// A table without rows; all columns but the first are aligned to the right.
    pub(crate) fn new(head: &[&str]) -> Self {
        let mut table = Self {
            text: String::new(),
        };
        table.row(head);
        table.text.push_str("|---|");
        for _ in 1..head.len() {
            table.text.push_str("---:|");
        }
        table.text.push('\n');
        table
    }

    pub(crate) fn row(&mut self, cells: &[impl AsRef<str>]) {
        for cell in cells {
            write!(self.text, "| {} ", cell.as_ref()).expect("a String takes every write");
        }
        self.text.push_str("|\n");
    }

    /// A row that begins with what was measured.
    pub(crate) fn measured(&mut self, what: &str, cells: &[String]) {
        let mut row = vec![what.to_owned()];
        row.extend_from_slice(cells);
        self.row(&row);
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

/// The document with `measured` between its markers, instead of what was there.
///
/// # Errors
/// The sentence to show, if the markers are not there.
pub(crate) fn replace(document: &str, measured: &str) -> Result<String, String> {
    let missing = || format!("it needs a line {BEGIN} and, after it, a line {END}");
    let (before, rest) = document.split_once(BEGIN).ok_or_else(missing)?;
    let (_, after) = rest.split_once(END).ok_or_else(missing)?;
    let measured = measured.trim();
    Ok(format!("{before}{BEGIN}\n{measured}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_markers_is_replaced() {
        let document = format!("# A\n\n{BEGIN}\nold\n{END}\n\nB\n");
        let new = replace(&document, "\nnew\n").unwrap();
        assert_eq!(new, format!("# A\n\n{BEGIN}\nnew\n{END}\n\nB\n"));
        assert_eq!(replace(&new, "new").unwrap(), new);
    }

    #[test]
    fn a_document_without_markers_is_refused() {
        assert!(replace("# A\n", "new").is_err());
        assert!(replace(&format!("{END}{BEGIN}"), "new").is_err());
    }

    #[test]
    fn a_table_is_markdown() {
        let mut table = Table::new(&["what", "ms"]);
        table.measured("start", &["7".to_owned()]);
        assert_eq!(table.text(), "| what | ms |\n|---|---:|\n| start | 7 |\n");
    }
}
