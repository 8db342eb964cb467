//! Which container has which ids of the host: noted in its bundle, and gone with it. Nothing on disk depends
//! on them.

use super::absent::remove_file;
use super::error::StepError;
use super::instance::Instance;
use super::observe::{names_in, read_text};
use super::places::Places;
use crate::id_range::IdRange;
use orlop_initrd::atomic_write::atomic_write;
use std::collections::{BTreeMap, BTreeSet};

const FILE_MODE: u32 = 0o600;

/// The range that `name` was set up with; none for one in the host's user namespace.
pub(super) fn of(places: &Places, name: &Instance) -> Result<Option<IdRange>, StepError> {
    let text = read_text(&places.ids(name))?;
    let base = text.and_then(|text| text.trim_end().parse().ok());
    Ok(base.and_then(IdRange::from))
}

/// Notes the range of `name`, whose bundle is there. Returns after fsync.
pub(super) fn keep(
    places: &Places,
    name: &Instance,
    range: Option<IdRange>,
) -> Result<(), StepError> {
    let path = places.ids(name);
    match range {
        Some(range) => atomic_write(&path, format!("{}\n", range.root()).as_bytes(), FILE_MODE)
            .map_err(StepError::file("write", &path)),
        None => remove_file(&path),
    }
}

/// A range for each of `names`: the one that it has, or the lowest that nobody has, whoever's bundle is
/// there.
pub(super) fn give(
    places: &Places,
    names: &BTreeSet<Instance>,
) -> Result<BTreeMap<Instance, IdRange>, StepError> {
    let mut taken = taken(places)?;
    for name in names {
        if !taken.contains_key(name) {
            let free = lowest_free(&taken.values().copied().collect());
            taken.insert(name.clone(), free.ok_or(StepError::NoIds)?);
        }
    }
    taken.retain(|name, _| names.contains(name));
    Ok(taken)
}

fn taken(places: &Places) -> Result<BTreeMap<Instance, IdRange>, StepError> {
    let mut taken = BTreeMap::new();
    for name in names_in(&places.bundles(), Instance::parse)? {
        if let Some(range) = of(places, &name)? {
            taken.insert(name, range);
        }
    }
    Ok(taken)
}

fn lowest_free(taken: &BTreeSet<IdRange>) -> Option<IdRange> {
    IdRange::all().find(|range| !taken.contains(range))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(text: &str) -> Instance {
        Instance::parse(text).unwrap()
    }

    #[test]
    fn everybody_has_ids_of_its_own_and_keeps_them_while_its_bundle_is_there() {
        let root = tempfile::tempdir().unwrap();
        let places = Places::under(root.path());
        let give = |names: &[&str]| {
            let names = names.iter().map(|text| instance(text)).collect();
            let given = super::give(&places, &names).unwrap();
            for (name, range) in &given {
                std::fs::create_dir_all(places.bundle(name)).unwrap();
                keep(&places, name, Some(*range)).unwrap();
            }
            given.into_values().map(IdRange::root).collect::<Vec<_>>()
        };
        assert_eq!(give(&["a", "b"]), [524_288, 589_824]);
        assert_eq!(give(&["b", "c"]), [589_824, 655_360]);
        std::fs::remove_dir_all(places.bundle(&instance("a"))).unwrap();
        assert_eq!(give(&["c", "d"]), [655_360, 524_288]);
        keep(&places, &instance("b"), None).unwrap();
        assert_eq!(of(&places, &instance("b")).unwrap(), None);
    }
}
