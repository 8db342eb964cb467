//! Ctrl-P Ctrl-Q, which leaves a container's terminal and lets it go on. The same as with Docker and Podman.

/// What the keys send.
const KEYS: [u8; 2] = [0x10, 0x11];

/// Looks for the keys in what is typed.
#[derive(Debug, Default)]
pub(super) struct DetachKeys {
    /// The first of them has come, and is not passed on before the next key is known.
    begun: bool,
}

/// What is to be passed on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Passed {
    pub(super) bytes: Vec<u8>,
    /// Whether the keys have come after that.
    pub(super) detached: bool,
}

impl DetachKeys {
    /// What is to be passed on of `typed`, which comes after what came before.
    pub(super) fn pass(&mut self, typed: &[u8]) -> Passed {
        let mut bytes = Vec::with_capacity(typed.len() + 1);
        for key in typed {
            if self.begun && *key == KEYS[1] {
                return Passed {
                    bytes,
                    detached: true,
                };
            }
            if std::mem::take(&mut self.begun) {
                bytes.push(KEYS[0]);
            }
            match *key == KEYS[0] {
                true => self.begun = true,
                false => bytes.push(*key),
            }
        }
        Passed {
            bytes,
            detached: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_detach_however_they_come_and_either_alone_is_passed_on() {
        for (parts, bytes, detached) in [
            (&[&b"ls\x10\x11rest"[..]][..], &b"ls"[..], true),
            (&[b"\x10", b"\x11"], b"", true),
            (&[b"\x10\x10\x11"], b"\x10", true),
            (&[b"\x10", b"a\x11"], b"\x10a\x11", false),
            (&[b"\x10"], b"", false),
        ] {
            let mut keys = DetachKeys::default();
            let (mut passed, mut left) = (Vec::new(), false);
            for part in parts {
                let next = keys.pass(part);
                passed.extend(next.bytes);
                left |= next.detached;
            }
            assert_eq!((passed.as_slice(), left), (bytes, detached), "{parts:?}");
        }
    }
}
