//! Matching a device's modalias against the patterns of `modules.alias`.

/// Whether `alias` matches `pattern`, in which `*` stands for any text, `?` for any character, and
/// `[a-c]` for one of a set, as depmod writes them.
pub fn matches(pattern: &str, alias: &str) -> bool {
    let (pattern, alias) = (pattern.as_bytes(), alias.as_bytes());
    let (mut p, mut a) = (0, 0);
    // Where to go on when a literal does not fit: behind the last `*`, one character further.
    let mut retry = None;
    while a < alias.len() {
        match one(&pattern[p..], alias[a]) {
            Step::Star => {
                p += 1;
                retry = Some((p, a));
            }
            Step::Matched { length } => {
                p += length;
                a += 1;
            }
            Step::Failed => match retry {
                Some((after_star, from)) => {
                    p = after_star;
                    a = from + 1;
                    retry = Some((after_star, a));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

enum Step {
    Star,
    Matched { length: usize },
    Failed,
}

fn one(pattern: &[u8], byte: u8) -> Step {
    match pattern.first() {
        None => Step::Failed,
        Some(b'*') => Step::Star,
        Some(b'?') => Step::Matched { length: 1 },
        Some(b'[') => set(&pattern[1..], byte),
        Some(&literal) if literal == byte => Step::Matched { length: 1 },
        Some(_) => Step::Failed,
    }
}

/// `set` begins behind the `[`. A set without an end matches nothing.
fn set(set: &[u8], byte: u8) -> Step {
    let Some(end) = set.iter().position(|&b| b == b']') else {
        return Step::Failed;
    };
    let (mut rest, mut found) = (&set[..end], false);
    while let Some(&low) = rest.first() {
        let high = if rest.get(1) == Some(&b'-') {
            rest.get(2).copied()
        } else {
            None
        };
        found |= (low..=high.unwrap_or(low)).contains(&byte);
        rest = &rest[if high.is_some() { 3 } else { 1 }..];
    }
    if found {
        Step::Matched { length: end + 2 }
    } else {
        Step::Failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_depmod_match_as_fnmatch_has_it() {
        let table = [
            ("virtio:d00000002v*", "virtio:d00000002v00001AF4", true),
            ("virtio:d00000002v*", "virtio:d00000001v00001AF4", false),
            (
                "pci:v*d*sv*sd*bc01sc06i01*",
                "pci:v00008086d00002922sv1AF4sd1100bc01sc06i01",
                true,
            ),
            (
                "pci:v*d*sv*sd*bc01sc06i01*",
                "pci:v00008086d00002922sv1AF4sd1100bc01sc01i80",
                false,
            ),
            ("scsi:t-0x00*", "scsi:t-0x00", true),
            ("usb:v0424d[0-8a]*dc*", "usb:v0424d7500dcFF", true),
            ("usb:v0424d[0-8a]*dc*", "usb:v0424d9500dcFF", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("a[", "a[", false),
            ("**b*", "aab", true),
        ];
        for (pattern, alias, expected) in table {
            assert_eq!(
                matches(pattern, alias),
                expected,
                "{pattern} against {alias}"
            );
        }
    }
}
