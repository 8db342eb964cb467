//! Values in the query of a request.

/// A value of a query (RFC 3986, 3.4).
pub(crate) fn encoded(text: &str) -> String {
    let one = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b':' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    };
    text.bytes().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::encoded;

    #[test]
    fn what_has_a_meaning_in_a_query_is_written_otherwise() {
        assert_eq!(
            encoded("r.example:5000/a/b:1@sha256:0a&x= +%"),
            "r.example:5000/a/b:1%40sha256:0a%26x%3D%20%2B%25"
        );
    }
}
