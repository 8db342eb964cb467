//! Finds out what there is of each container: files, mounts, network namespaces, units.

use super::desired::SpecHash;
use super::error::StepError;
use super::places::{Places, name_of_netns, name_of_unit};
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
    let mut names = names_in(&places.bundles(), Name::new)?;
    names.extend(names_in(&places.layers(), Name::new)?);
    names.extend(names_in(&places.units, name_of_unit)?);
    names.extend(names_in(&places.netns, name_of_netns)?);
    names
        .into_iter()
        .map(|name| {
            let mut found = found(places, &mounts, &name)?;
            found.stopped = wishes.contains_key(&name);
            Ok((name, found))
        })
        .collect()
}

fn found(places: &Places, mounts: &HashSet<PathBuf>, name: &Name) -> Result<Found, StepError> {
    let unit = read_text(&places.unit_file(name))?;
    let layer = read_text(&places.layer_spec(name))?;
    let ready = places.network_ready(name);
    let timer = places.timer_file(name);
    let os_mark = read_text(&places.os_mark(name))?;
    let old_os = os_mark
        .as_deref()
        .map(os_files::are_of_another)
        .transpose()?;
    Ok(Found {
        holds_old_os: old_os.unwrap_or_default(),
        scheduled: timer
            .try_exists()
            .map_err(StepError::file("look for", &timer))?,
        spec: unit.as_deref().and_then(unit::spec_of).map(SpecHash::found),
        layer: layer.map(|text| SpecHash::found(text.trim_end())),
        mounted: mounts.contains(&places.rootfs(name)),
        connected: mounts.contains(&places.netns_file(name))
            && ready
                .try_exists()
                .map_err(StepError::file("look for", &ready))?,
        ..Found::default()
    })
}

/// The names of `dir`'s entries that `parse` knows. A directory that is not there is empty.
fn names_in(dir: &Path, parse: impl Fn(&str) -> Option<Name>) -> Result<BTreeSet<Name>, StepError> {
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
        let names: Vec<_> = observed.keys().map(Name::as_str).collect();
        assert_eq!(names, ["a", "b", "c", "d"]);
        assert_eq!(
            observed[&Name::new("c").unwrap()].spec,
            Some(SpecHash::found("77"))
        );
        assert_eq!(
            observed[&Name::new("b").unwrap()].layer,
            Some(SpecHash::found("88"))
        );
    }
}
