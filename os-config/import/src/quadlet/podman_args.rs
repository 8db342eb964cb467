//! `PodmanArgs=` of a `.container` unit: a terminal and an open input, for which Quadlet has no keys.

use super::container::Reading;
use crate::note::Place;
use crate::words;

impl Reading<'_, '_> {
    pub(super) fn podman_args(&mut self, value: &str, place: &Place) {
        let Some(words) = words::split(value) else {
            return self.builder.not_so(place, "a line with its quotes closed");
        };
        let mut rest = Vec::new();
        for word in words {
            let keys: &[&str] = match word.as_str() {
                "-t" | "--tty" | "--tty=true" => &["tty"],
                "-i" | "--interactive" | "--interactive=true" => &["stdin"],
                "-it" | "-ti" => &["tty", "stdin"],
                "--tty=false" | "--interactive=false" => &[],
                _ => {
                    rest.push(word);
                    &[]
                }
            };
            for key in keys
                .iter()
                .filter(|key| !self.out.has(key))
                .collect::<Vec<_>>()
            {
                self.out.set(key, true, place);
            }
        }
        if !rest.is_empty() {
            let rest = rest.join(" ");
            let why = format!("there is no Podman: write the key for `{rest}`");
            self.builder.left_out(place, why);
        }
    }
}
