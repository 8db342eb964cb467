//! Problems in a TOML: where, what, what to write instead; and their rendering for people.

use crate::limits::MAX_DIAGNOSTICS;
use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};
use std::fmt;
use std::ops::Range;

/// The longest lines that are shown; of longer ones only the place is named.
const MAX_EXCERPT_BYTES: usize = 2048;

/// The longest message or help, in characters.
const MAX_MESSAGE_CHARS: usize = 400;

/// One problem in a TOML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The bytes of the text that are wrong; always on character boundaries of the text.
    pub span: Range<usize>,
    /// What is wrong, a phrase without a full stop.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

/// Every problem of a TOML, in the order of the text. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostics {
    file_name: String,
    text: String,
    list: Vec<Diagnostic>,
    more: usize,
}

/// Whether rendered diagnostics carry ANSI colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colour {
    /// Plain text.
    #[default]
    Never,
    /// With ANSI escape sequences.
    Always,
}

/// A problem before its place is counted out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) span: Range<usize>,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl Diagnostics {
    /// The findings about `text`, sorted and placed. At most [`MAX_DIAGNOSTICS`] are kept.
    pub(crate) fn new(file_name: &str, text: &str, mut findings: Vec<Finding>) -> Self {
        findings.sort_by_key(|finding| (finding.span.start, finding.span.end));
        findings.dedup();
        let more = findings.len().saturating_sub(MAX_DIAGNOSTICS);
        findings.truncate(MAX_DIAGNOSTICS);
        let list = findings
            .into_iter()
            .map(|finding| place(text, finding))
            .collect();
        Self {
            file_name: file_name.to_owned(),
            text: text.to_owned(),
            list,
            more,
        }
    }

    /// The problems, in the order of the text.
    pub fn list(&self) -> &[Diagnostic] {
        &self.list
    }

    /// How many problems were found beyond those listed.
    pub fn more(&self) -> usize {
        self.more
    }

    /// The problems as plain text for people, each with its line underlined.
    pub fn render(&self) -> String {
        self.render_with(Colour::Never)
    }

    /// The same, with or without colour. Colour carries no meaning of its own.
    pub fn render_with(&self, colour: Colour) -> String {
        let renderer = match colour {
            Colour::Never => Renderer::plain(),
            Colour::Always => Renderer::styled(),
        };
        let mut out = String::new();
        for diagnostic in &self.list {
            out.push_str(&self.render_one(&renderer, diagnostic));
            out.push_str("\n\n");
        }
        out.push_str(&self.to_string());
        out.push('\n');
        out
    }

    fn render_one(&self, renderer: &Renderer, diagnostic: &Diagnostic) -> String {
        let title = Level::ERROR.primary_title(diagnostic.message.as_str());
        let (source, span) = excerpt(&self.text, &diagnostic.span);
        let mut group = if source.len() > MAX_EXCERPT_BYTES {
            title.element(
                Origin::path(self.file_name.as_str())
                    .line(diagnostic.line)
                    .char_column(diagnostic.column),
            )
        } else {
            title.element(
                Snippet::source(source)
                    .line_start(diagnostic.line)
                    .path(self.file_name.as_str())
                    .annotation(AnnotationKind::Primary.span(span)),
            )
        };
        if let Some(help) = &diagnostic.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        renderer.render(&[group])
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.list.len() + self.more;
        let noun = if count == 1 { "problem" } else { "problems" };
        write!(f, "cannot use {}: {count} {noun}", self.file_name)?;
        if self.more > 0 {
            write!(f, " (the first {} are shown)", self.list.len())?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "line {}, column {}: {}",
            self.line, self.column, self.message
        )?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

fn place(text: &str, finding: Finding) -> Diagnostic {
    let start = text.floor_char_boundary(finding.span.start);
    let end = text.ceil_char_boundary(finding.span.end).max(start);
    let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
    Diagnostic {
        line: text[..start].matches('\n').count() + 1,
        column: text[line_start..start].chars().count() + 1,
        span: start..end,
        message: shortened(finding.message),
        help: finding.help.map(shortened),
    }
}

/// The lines that `span` touches (at most three, so that a certificate is not printed whole), and
/// the span within them.
fn excerpt<'a>(text: &'a str, span: &Range<usize>) -> (&'a str, Range<usize>) {
    const MAX_LINES: usize = 3;
    let from = text[..span.start].rfind('\n').map_or(0, |at| at + 1);
    let breaks = text[span.clone()].matches('\n').count().min(MAX_LINES - 1);
    let ends = text[from..].match_indices('\n').map(|(at, _)| from + at);
    let to = ends
        .skip(breaks)
        .chain([text.len()])
        .min()
        .unwrap_or(text.len());
    (&text[from..to], span.start - from..span.end.min(to) - from)
}

/// `text`, its middle left out where it repeats a very long value.
fn shortened(text: String) -> String {
    let count = text.chars().count();
    if count <= MAX_MESSAGE_CHARS {
        return text;
    }
    let head = text.chars().take(MAX_MESSAGE_CHARS / 2);
    let tail = text.chars().skip(count - MAX_MESSAGE_CHARS / 2);
    head.chain(['…']).chain(tail).collect()
}

/// The candidate that `word` was most likely meant to be, if any is near: a third of its letters off
/// at most, or the same beginning.
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    const ALIKE: f64 = 0.85;
    let length = word.chars().count();
    let near = |candidate: &&'a str| {
        let edits = strsim::damerau_levenshtein(word, candidate);
        edits < length && edits <= (length / 3).max(1)
            || strsim::jaro_winkler(word, candidate) >= ALIKE
    };
    let likeness = |candidate: &&'a str| strsim::normalized_damerau_levenshtein(word, candidate);
    candidates
        .filter(near)
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
}
