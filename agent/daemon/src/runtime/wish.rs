//! Operators' wishes that a container be stopped. They are kept below `/run`: the agent may be killed and
//! keeps to them, and a machine that is started anew starts everything.

use super::absent::remove_file;
use super::error::StepError;
use super::observe::{names_in, read_text};
use super::places::Places;
use super::record;
use orlop_config::Name;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A container is to be stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// Who wants it, as the audit record names the caller.
    pub by: String,
    /// Since when, seconds since 1970-01-01 UTC.
    pub at: u64,
    /// The generation that ran then. Under another one the wish is void.
    pub generation: u64,
}

/// Wishes by container.
pub(super) type Wishes = BTreeMap<Name, Wish>;

/// The wishes that hold under `generation`.
pub(super) fn load(places: &Places, generation: u64) -> Result<Wishes, StepError> {
    let (hold, _void) = read(places, generation)?;
    Ok(hold)
}

/// The same; those that do not hold are removed.
pub(super) fn load_and_tidy(places: &Places, generation: u64) -> Result<Wishes, StepError> {
    let (hold, void) = read(places, generation)?;
    for name in void.keys() {
        withdraw(places, name)?;
    }
    Ok(hold)
}

/// Every wish there is: those that hold under `generation`, and the others. One that cannot be understood
/// is none: its container is started.
fn read(places: &Places, generation: u64) -> Result<(Wishes, Wishes), StepError> {
    let mut wishes = Wishes::new();
    for name in names_in(&places.wishes(), Name::new)? {
        let text = read_text(&places.wish(&name))?.unwrap_or_default();
        match serde_json::from_str(&text) {
            Ok(wish) => drop(wishes.insert(name, wish)),
            Err(error) => {
                let name = name.as_str();
                log::warn!(container = name; "ignoring the wish to stop {name}: {error}");
            }
        }
    }
    let holds = |(_, wish): &(Name, Wish)| wish.generation == generation;
    Ok(wishes.into_iter().partition(holds))
}

/// Returns when the wish is in `/run`. Idempotent.
pub(super) fn make(places: &Places, name: &Name, wish: &Wish) -> Result<(), StepError> {
    record::write(&places.wishes(), name.as_str(), wish)
}

/// There is no wish any more. Idempotent.
pub(super) fn withdraw(places: &Places, name: &Name) -> Result<(), StepError> {
    let path = places.wish(name);
    remove_file(&path)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::name;
    use super::*;
    use std::path::Path;

    fn wish(generation: u64) -> Wish {
        Wish {
            by: "uid 0".into(),
            at: 7,
            generation,
        }
    }

    fn names(wishes: &Wishes) -> Vec<&str> {
        wishes.keys().map(Name::as_str).collect()
    }

    #[test]
    fn a_wish_holds_until_it_is_withdrawn_or_another_generation_runs() {
        let root = tempfile::tempdir().unwrap();
        let places = Places::under(root.path());
        assert!(load(&places, 1).unwrap().is_empty());
        withdraw(&places, &name("web")).unwrap();
        make(&places, &name("web"), &wish(1)).unwrap();
        make(&places, &name("web"), &wish(1)).unwrap();
        make(&places, &name("db"), &wish(1)).unwrap();
        assert_eq!(names(&load_and_tidy(&places, 1).unwrap()), ["db", "web"]);
        withdraw(&places, &name("db")).unwrap();
        assert_eq!(load_and_tidy(&places, 1).unwrap()[&name("web")], wish(1));
        assert!(load_and_tidy(&places, 2).unwrap().is_empty());
        // The way back does not bring it back.
        assert!(load_and_tidy(&places, 1).unwrap().is_empty());
    }

    #[test]
    fn a_wish_that_cannot_be_read_is_none() {
        let root = tempfile::tempdir().unwrap();
        let places = Places::under(root.path());
        make(&places, &name("db"), &wish(1)).unwrap();
        std::fs::write(places.wish(&name("web")), "half a wi").unwrap();
        std::fs::write(places.wishes().join(Path::new(".tmp")), "").unwrap();
        assert_eq!(names(&load(&places, 1).unwrap()), ["db"]);
    }
}
