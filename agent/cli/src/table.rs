//! Text in columns.

use crate::screen::{Screen, Tone, plain};

/// Spaces between two columns.
const GAP: &str = "  ";

/// Rows under a heading, each column as wide as its widest cell.
pub(crate) struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

/// One cell.
pub(crate) struct Cell {
    text: String,
    tone: Option<Tone>,
}

impl<T: ToString> From<T> for Cell {
    fn from(value: T) -> Self {
        Self {
            text: plain(&value.to_string()),
            tone: None,
        }
    }
}

impl Cell {
    /// A cell in a colour.
    pub(crate) fn toned(value: impl ToString, tone: Option<Tone>) -> Self {
        Self {
            tone,
            ..Self::from(value)
        }
    }
}

impl Table {
    pub(crate) fn new(headings: &[&'static str]) -> Self {
        Self {
            headings: headings.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Rows that need no heading.
    pub(crate) fn without_headings() -> Self {
        Self::new(&[])
    }

    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// The table, each line ended by a newline.
    pub(crate) fn render(&self, screen: &Screen) -> String {
        let width = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.text.chars().count())
                .chain(self.headings.get(column).map(|text| text.len()))
                .max()
                .unwrap_or(0)
        };
        let columns = self.rows.iter().map(Vec::len);
        let columns = columns.chain([self.headings.len()]).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let headings: Vec<_> = self
            .headings
            .iter()
            .map(|text| Cell::toned(text, Some(Tone::Strong)))
            .collect();
        let headings = (!headings.is_empty()).then_some(&headings);
        headings
            .into_iter()
            .chain(&self.rows)
            .map(|row| line(row, &widths, screen))
            .collect()
    }
}

fn line(row: &[Cell], widths: &[usize], screen: &Screen) -> String {
    let mut line = String::new();
    // Blanks are written when something follows them, so that no line ends in any.
    let mut blanks = 0;
    for (cell, width) in row.iter().zip(widths) {
        let len = cell.text.chars().count();
        if len > 0 {
            line.extend(std::iter::repeat_n(' ', blanks));
            blanks = 0;
            match cell.tone {
                Some(tone) => line.push_str(&screen.paint(&cell.text, tone)),
                None => line.push_str(&cell.text),
            }
        }
        blanks += width - len + GAP.len();
    }
    line.push('\n');
    line
}

/// Names and values, a line each, the values in one column.
pub(crate) struct Fields {
    lines: Vec<(&'static str, String)>,
}

impl Fields {
    pub(crate) fn new() -> Self {
        Self { lines: Vec::new() }
    }

    /// A value that may carry colours. A name of "" goes on with the field before.
    pub(crate) fn painted(&mut self, name: &'static str, value: String) {
        self.lines.push((name, value));
    }

    pub(crate) fn add(&mut self, name: &'static str, value: impl AsRef<str>) {
        self.painted(name, plain(value.as_ref()));
    }

    pub(crate) fn render(&self, screen: &Screen) -> String {
        let width = self
            .lines
            .iter()
            .map(|(name, _)| name.len())
            .max()
            .unwrap_or(0);
        self.lines
            .iter()
            .map(|(name, value)| {
                let blanks = " ".repeat(width - name.len());
                let name = if name.is_empty() {
                    String::new()
                } else {
                    screen.paint(name, Tone::Strong)
                };
                format!("{name}{blanks}{GAP}{value}").trim_end().to_owned() + "\n"
            })
            .collect()
    }
}
