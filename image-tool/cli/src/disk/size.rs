//! Sizes on the command line: `4G`, `512M`.

/// Reads a number of bytes with the unit K, M, G or T (powers of 1024), or without.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let units = [('K', 10), ('M', 20), ('G', 30), ('T', 40)];
    let unit = units
        .iter()
        .find(|(unit, _)| text.ends_with([*unit, unit.to_ascii_lowercase()]));
    let (number, shift) = match unit {
        Some((_, shift)) => (&text[..text.len() - 1], *shift),
        None => (text, 0),
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(1 << shift))
        .ok_or_else(|| "expected a size such as `4G` or `512M`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn sizes_have_units_of_1024() {
        let table = [
            ("4G", Some(4 << 30)),
            ("512m", Some(512 << 20)),
            ("17", Some(17)),
            ("", None),
            ("G", None),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text).ok(), expected, "{text}");
        }
        assert!(parse("99999999999T").is_err());
        assert!(parse("-1G").is_err());
    }
}
