//! Finds out what there is of each container: files, mounts, network namespaces, units.

use super::desired::SpecHash;
use super::error::StepError;
use super::instance::{Instance, Slot};
use super::places::{Places, instance_of_netns, instance_of_unit};
use super::plan::{Found, Observed};
use super::wish;
use super::{os_files, unit};
use orlop_config::Name;
use std::collections::{BTreeSet, HashSet};
use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// Everything but the state of the units, which the caller asks systemd for. Operators' wishes count
/// where they were made under `generation`.
pub(super) fn observe_files(places: &Places, generation: u64) -> Result<Observed, StepError> {
    let mounts = mount_points()?;
    let wishes = wish::load(places, generation)?;
    let seconds = names_in(&places.seconds(), Name::new)?;
    let mut instances = names_in(&places.bundles(), Instance::parse)?;
    instances.extend(names_in(&places.layers(), Instance::parse)?);
    instances.extend(names_in(&places.units, instance_of_unit)?);
    instances.extend(names_in(&places.netns, instance_of_netns)?);
    instances
        .into_iter()
        .map(|instance| {
            let mut found = found(places, &mounts, &instance)?;
            found.stopped = wishes.contains_key(&instance.container);
            let second_serves = seconds.contains(&instance.container);
            found.serves = second_serves == (instance.slot == Slot::Second);
            Ok((instance, found))
        })
        .collect()
}

fn found(
    places: &Places,
    mounts: &HashSet<PathBuf>,
    instance: &Instance,
) -> Result<Found, StepError> {
    let unit = read_text(&places.unit_file(instance))?;
    let layer = read_text(&places.layer_spec(instance))?;
    let ready = places.network_ready(instance);
    let timer = places.timer_file(&instance.container);
    let os_mark = read_text(&places.os_mark(instance))?;
    let old_os = os_mark
        .as_deref()
        .map(os_files::are_of_another)
        .transpose()?;
    Ok(Found {
        holds_old_os: old_os.unwrap_or_default(),
        scheduled: instance.slot == Slot::First
            && timer
                .try_exists()
                .map_err(StepError::file("look for", &timer))?,
        spec: unit.as_deref().and_then(unit::spec_of).map(SpecHash::found),
        layer: layer.map(|text| SpecHash::found(text.trim_end())),
        mounted: mounts.contains(&places.rootfs(instance)),
        connected: mounts.contains(&places.netns_file(instance))
            && ready
                .try_exists()
                .map_err(StepError::file("look for", &ready))?,
        ..Found::default()
    })
}

/// What `parse` makes of the names of `dir`'s entries that it knows. A directory that is not there is empty.
pub(super) fn names_in<T: Ord>(
    dir: &Path,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<BTreeSet<T>, StepError> {
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(BTreeSet::new()),
        entries => entries.map_err(StepError::file("list", dir))?,
    };
    let mut names = BTreeSet::new();
    for entry in entries {
        let entry = entry.map_err(StepError::file("list", dir))?;
        names.extend(entry.file_name().to_str().and_then(&parse));
    }
    Ok(names)
}

/// The text of the file at `path`; none without the file.
pub(super) fn read_text(path: &Path) -> Result<Option<String>, StepError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StepError::file("read", path)(error)),
    }
}

const MOUNTINFO: &str = "/proc/self/mountinfo";

/// Everything that is mounted where this process sees it.
pub(super) fn mount_points() -> Result<HashSet<PathBuf>, StepError> {
    let path = Path::new(MOUNTINFO);
    let text = std::fs::read(path).map_err(StepError::file("read", path))?;
    Ok(parse_mountinfo(&text))
}

/// The fifth field of each line of proc_pid_mountinfo(5), unescaped.
fn parse_mountinfo(text: &[u8]) -> HashSet<PathBuf> {
    text.split(|byte| *byte == b'\n')
        .filter_map(|line| line.split(|byte| *byte == b' ').nth(4))
        .map(|field| PathBuf::from(OsString::from_vec(unescape_octal(field))))
        .collect()
}

/// `\040` and its like, as the kernel escapes space, tab, newline and backslash.
fn unescape_octal(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, after)) = rest.split_first() {
        let code = after
            .get(..3)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) if first == b'\\' => {
                out.push(byte);
                rest = &after[3..];
            }
            _ => {
                out.push(first);
                rest = after;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::fixture::name;
    use super::*;

    #[test]
    fn mount_points_are_read_with_their_escapes() {
        let text = b"36 35 0:4 / /run/netns/orlop-web rw shared:1 - nsfs nsfs rw\n\
                     37 35 0:5 / /with\\040space rw - tmpfs tmpfs rw\n\n";
        let points = parse_mountinfo(text);
        assert!(points.contains(Path::new("/run/netns/orlop-web")));
        assert!(points.contains(Path::new("/with space")));
        assert_eq!(points.len(), 2);
    }

    #[test]
    fn every_trace_of_a_container_is_found() {
        let root = tempfile::tempdir().unwrap();
        let places = Places::under(root.path());
        for dir in [
            places.bundles().join("a"),
            places.layers().join("b"),
            places.units.clone(),
            places.netns.clone(),
        ] {
            std::fs::create_dir_all(dir).unwrap();
        }
        std::fs::write(
            places.units.join("orlop-container-c.service"),
            "[Unit]\nX-Orlop-Spec=77\n",
        )
        .unwrap();
        std::fs::write(places.units.join("other.service"), "").unwrap();
        std::fs::write(places.netns.join("orlop-d"), "").unwrap();
        std::fs::write(places.layers().join("b/spec"), "88\n").unwrap();
        let observed = observe_files(&places, 1).unwrap();
        let names: Vec<_> = observed.keys().map(Instance::to_string).collect();
        assert_eq!(names, ["a", "b", "c", "d"]);
        assert_eq!(
            observed[&Instance::first(&name("c"))].spec,
            Some(SpecHash::found("77"))
        );
        assert_eq!(
            observed[&Instance::first(&name("b"))].layer,
            Some(SpecHash::found("88"))
        );
    }
}
