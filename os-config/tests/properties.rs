//! Properties that hold for any text.

use orlop_config::{ByteSize, Diagnostics, format_duration, parse, parse_duration};
use proptest::prelude::*;
use std::time::Duration;

const GOOD: &str = include_str!("../../docs/examples/every-key.toml");

/// Pieces that mean something to the parser, to be put anywhere.
const PIECES: [&str; 24] = [
    "[",
    "]",
    "{",
    "}",
    "=",
    "\"",
    "\"\"\"",
    "'",
    ",",
    ".",
    "\n",
    "\r\n",
    "#",
    "\u{feff}",
    "ä",
    "\0",
    "0x",
    "1e9",
    "nan",
    "-1",
    "99999999999999999999",
    "true",
    "1979-05-27",
    "[[gate.check]]\n",
];

/// What holds of every refusal, whatever the text.
fn is_well_formed(text: &str, problems: &Diagnostics) -> Result<(), TestCaseError> {
    prop_assert!(!problems.list().is_empty(), "a refusal without a reason");
    for diagnostic in problems.list() {
        prop_assert!(
            text.get(diagnostic.span.clone()).is_some(),
            "{diagnostic:?} is off the text"
        );
        let line = text.split('\n').nth(diagnostic.line - 1);
        prop_assert!(
            line.is_some_and(|line| diagnostic.column <= line.chars().count() + 1),
            "{diagnostic:?} points at nothing"
        );
        prop_assert!(!diagnostic.message.is_empty());
    }
    let starts: Vec<_> = problems
        .list()
        .iter()
        .map(|diagnostic| diagnostic.span.start)
        .collect();
    prop_assert!(starts.is_sorted());
    prop_assert!(problems.render().contains("cannot use node.toml"));
    Ok(())
}

fn check(text: &str) -> Result<(), TestCaseError> {
    match parse("node.toml", text) {
        Ok(_) => Ok(()),
        Err(problems) => is_well_formed(text, &problems),
    }
}

/// `GOOD` with `count` characters from `at` replaced.
fn spliced(at: usize, count: usize, with: &str) -> String {
    let chars: Vec<char> = GOOD.chars().collect();
    let at = at % (chars.len() + 1);
    let end = (at + count).min(chars.len());
    chars[..at]
        .iter()
        .copied()
        .chain(with.chars())
        .chain(chars[end..].iter().copied())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_text_is_read_or_refused_with_reasons_that_point_into_it(text in ".{0,200}") {
        check(&text)?;
        check(&format!("schema = 1\n{text}"))?;
    }

    #[test]
    fn any_damage_to_a_good_file_is_read_or_refused_with_reasons(
        at in any::<usize>(),
        count in 0_usize..40,
        piece in prop::sample::select(PIECES.to_vec()),
    ) {
        check(&spliced(at, count, piece))?;
    }

    #[test]
    fn any_value_in_any_place_is_read_or_refused_with_reasons(
        line in 0_usize..100,
        value in prop_oneof!["[0-9:./a-z\\[\\]-]{0,20}".prop_map(|s| format!("\"{s}\"")), "-?[0-9]{1,25}", "[{}\\[\\], ]{1,6}"],
    ) {
        let lines: Vec<String> = GOOD.lines().enumerate().map(|(n, text)| {
            match text.split_once('=') {
                Some((key, _)) if n == line => format!("{key}= {value}"),
                _ => text.to_owned(),
            }
        }).collect();
        check(&lines.join("\n"))?;
    }

    #[test]
    fn a_duration_is_read_back_as_written(millis in 0..u64::MAX / 2) {
        let duration = Duration::from_millis(millis);
        prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
    }

    #[test]
    fn a_size_is_read_back_as_written(number in 0_u64..4096, shift in 0_u32..50) {
        let size = ByteSize(number << shift);
        prop_assert_eq!(size.to_string().parse(), Ok(size));
    }

    #[test]
    fn any_text_as_duration_or_size_is_read_or_refused(text in ".{0,24}") {
        if let Ok(duration) = parse_duration(&text) {
            prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }
        if let Ok(size) = text.parse::<ByteSize>() {
            prop_assert_eq!(size.to_string().parse(), Ok(size));
        }
    }
}

#[test]
fn deep_nesting_is_refused_and_does_not_exhaust_the_stack() {
    for open in ["[", "{ a = ", "a."] {
        let text = format!("schema = 1\nx = {}", open.repeat(20_000));
        assert!(parse("node.toml", &text).is_err());
    }
}
