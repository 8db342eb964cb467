//! Names of the file as names of the TOML.

use orlop_config::Name;
use std::collections::{BTreeMap, BTreeSet};

/// Stands for a name of which nothing is left.
const NAMELESS: &str = "unnamed";

/// The names of one kind of thing: each of the file has one of its own in the TOML.
#[derive(Debug, Default)]
pub(crate) struct Names {
    given: BTreeMap<String, String>,
    used: BTreeSet<String>,
}

impl Names {
    /// The name for `text`, and whether it is the first time that it is asked for.
    pub(crate) fn name(&mut self, text: &str) -> (String, bool) {
        if let Some(name) = self.given.get(text) {
            return (name.clone(), false);
        }
        let plain = sanitised(text);
        let mut name = plain.clone();
        let mut count = 1;
        while self.used.contains(&name) {
            count += 1;
            let ending = format!("-{count}");
            let room = Name::MAX_LEN - ending.len();
            let front: String = plain.chars().take(room).collect();
            name = format!("{}{ending}", front.trim_end_matches('-'));
        }
        self.used.insert(name.clone());
        self.given.insert(text.to_owned(), name.clone());
        (name, true)
    }

    /// The name that was given for `text`.
    pub(crate) fn given(&self, text: &str) -> Option<&str> {
        self.given.get(text).map(String::as_str)
    }

    /// Lets `text` stand for what `other` stands for.
    pub(crate) fn also(&mut self, text: &str, other: &str) {
        if let Some(name) = self.given.get(other).cloned() {
            self.given.entry(text.to_owned()).or_insert(name);
        }
    }
}

/// `text` with what a name may not have left out.
pub(crate) fn sanitised(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        let c = c.to_ascii_lowercase();
        let c = if c.is_ascii_alphanumeric() { c } else { '-' };
        if c != '-' || !out.ends_with('-') {
            out.push(c);
        }
    }
    let short: String = out.trim_matches('-').chars().take(Name::MAX_LEN).collect();
    let short = short.trim_matches('-');
    if short.is_empty() {
        NAMELESS.to_owned()
    } else {
        short.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_a_file_has_one_of_its_own() {
        let mut names = Names::default();
        assert_eq!(names.name("my_app"), ("my-app".to_owned(), true));
        assert_eq!(names.name("my_app"), ("my-app".to_owned(), false));
        assert_eq!(names.name("my.app"), ("my-app-2".to_owned(), true));
        assert_eq!(names.name("__").0, "unnamed");
        let long = "a_".repeat(60);
        for text in [long.clone(), format!("{long}b"), "Größe".to_owned()] {
            let (name, _) = names.name(&text);
            assert!(Name::new(&name).is_some(), "{name}");
        }
    }
}
