//! PEM certificates (RFC 7468), checked for their outer form; TLS reads what is in them.

use super::Problem;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// One or more PEM certificates.
pub(crate) fn certificates(text: &str) -> Result<String, Problem> {
    let help = "paste the CA's certificate between `\"\"\"`, from BEGIN to END CERTIFICATE";
    if text.contains("PRIVATE KEY-----") {
        return Err(
            Problem::new("this is a private key; a certificate is expected")
                .help("take the key out of this file, and treat it as known to others"),
        );
    }
    let mut blocks = 0_usize;
    let mut body: Option<usize> = None;
    for line in text.lines().map(str::trim) {
        body = match (line, body) {
            (BEGIN, None) => Some(0),
            (END, Some(length)) if length > 0 => {
                blocks += 1;
                None
            }
            (BEGIN | END, _) => return Err(Problem::new("a PEM block is cut off").help(help)),
            (line, Some(length)) if is_base64(line) => Some(length + line.len()),
            (_, Some(_)) => {
                return Err(Problem::new("a line of the certificate is not base64").help(help));
            }
            // Text around the blocks is a comment (RFC 7468, section 2).
            (_, None) => None,
        };
    }
    match (blocks, body) {
        (_, Some(_)) => Err(Problem::new("a PEM block is cut off").help(help)),
        (0, None) => Err(Problem::new("there is no PEM certificate in this text").help(help)),
        _ => Ok(text.to_owned()),
    }
}

fn is_base64(line: &str) -> bool {
    line.bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='))
}
