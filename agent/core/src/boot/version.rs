//! Versions as systemd-boot compares them.
//!
//! The rules are those of `strverscmp_improved()` in systemd's
//! `src/fundamental/string-util-fundamental.c` (257), which are also the version comparison of the
//! UAPI group's "Version Format Specification".

use std::cmp::Ordering;

/// The marks that begin a segment, in the order in which they are looked at. A version that has the
/// mark where the other has none is the older one.
const MARKS: [u8; 3] = [b'-', b'^', b'.'];

/// Whether `a` is older (`Less`) or newer (`Greater`) than `b`. Versions that are written
/// differently may be equal: `007` is `7`.
pub(super) fn compare_versions(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    loop {
        a = skip(a, |byte| !is_valid(byte));
        b = skip(b, |byte| !is_valid(byte));
        // A pre-release mark is looked at before the end: `1~rc1` is older than `1`.
        if let Some(order) = step_over(b'~', &mut a, &mut b) {
            return order;
        }
        if a.is_empty() || b.is_empty() {
            return a.len().min(1).cmp(&b.len().min(1));
        }
        for mark in MARKS {
            if let Some(order) = step_over(mark, &mut a, &mut b) {
                return order;
            }
        }
        let order = compare_segments(&mut a, &mut b);
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// Compares the segments that both begin with, and moves both on to the next ones.
fn compare_segments(a: &mut &[u8], b: &mut &[u8]) -> Ordering {
    let is_digit = |byte: u8| byte.is_ascii_digit();
    let numeric = starts_with(a, is_digit) || starts_with(b, is_digit);
    if numeric {
        // A number is newer than letters.
        let order = starts_with(a, is_digit).cmp(&starts_with(b, is_digit));
        if order != Ordering::Equal {
            return order;
        }
        let (x, y) = (take(a, is_digit), take(b, is_digit));
        let (x, y) = (skip(x, |byte| byte == b'0'), skip(y, |byte| byte == b'0'));
        x.len().cmp(&y.len()).then_with(|| x.cmp(y))
    } else {
        let is_letter = |byte: u8| byte.is_ascii_alphabetic();
        let (x, y) = (take(a, is_letter), take(b, is_letter));
        x.cmp(y)
    }
}

/// Where either begins with `mark`: the one that does is older, and where both do, both lose it.
fn step_over(mark: u8, a: &mut &[u8], b: &mut &[u8]) -> Option<Ordering> {
    match (a.strip_prefix(&[mark]), b.strip_prefix(&[mark])) {
        (Some(rest_a), Some(rest_b)) => {
            (*a, *b) = (rest_a, rest_b);
            None
        }
        (Some(_), None) => Some(Ordering::Less),
        (None, Some(_)) => Some(Ordering::Greater),
        (None, None) => None,
    }
}

fn is_valid(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'~' || MARKS.contains(&byte)
}

fn starts_with(text: &[u8], class: impl Fn(u8) -> bool) -> bool {
    text.first().is_some_and(|byte| class(*byte))
}

fn skip(text: &[u8], class: impl Fn(u8) -> bool) -> &[u8] {
    let end = text
        .iter()
        .position(|byte| !class(*byte))
        .unwrap_or(text.len());
    &text[end..]
}

fn take<'a>(text: &mut &'a [u8], class: impl Fn(u8) -> bool) -> &'a [u8] {
    let rest = skip(text, class);
    let taken = &text[..text.len() - rest.len()];
    *text = rest;
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_sort_as_systemds_own_table_has_them() {
        // The order that the comment of strverscmp_improved() gives, oldest first.
        let sorted = [
            "122.1",
            "123~rc1-1",
            "123",
            "123-a",
            "123-a.1",
            "123-1",
            "123-1.1",
            "123^post1",
            "123.a-1",
            "123.1-1",
            "123a-1",
            "124-1",
        ];
        for (i, a) in sorted.iter().enumerate() {
            for (j, b) in sorted.iter().enumerate() {
                assert_eq!(compare_versions(a, b), i.cmp(&j), "{a} {b}");
            }
        }
    }

    #[test]
    fn numbers_compare_by_value() {
        for (a, b, order) in [
            ("9", "10", Ordering::Less),
            ("007", "7", Ordering::Equal),
            (
                "18446744073709551616",
                "18446744073709551615",
                Ordering::Greater,
            ),
            ("", "1", Ordering::Less),
            ("", "", Ordering::Equal),
            ("1_2", "1 2", Ordering::Equal),
        ] {
            assert_eq!(compare_versions(a, b), order, "{a:?} {b:?}");
        }
    }
}
