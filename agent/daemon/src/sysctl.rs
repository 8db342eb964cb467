//! Kernel settings of the TOML: what they were before, and whether they are as they should be.
//!
//! systemd-sysctl sets them. It cannot unset one, so the value from before the first setting is kept
//! in `/run`, which lasts as long as the kernel's settings do, and is written back by
//! [`keep_and_give_back`] when the TOML no longer has the setting.

use crate::chain::chain;
use crate::paths::Paths;
use crate::records::read_limited;
use orlop_config::{NodeConfig, sysctl_path};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::{fs, io};

/// The longest file of values from before: 256 KiB of TOML cannot name more.
const MAX_KEPT_BYTES: u64 = 1 << 20;

/// Values from before, by their place below `/proc/sys`.
type Kept = BTreeMap<String, String>;

fn file(paths: &Paths, place: &str) -> PathBuf {
    paths.place(&format!("/proc/sys/{place}"))
}

fn kept_file(paths: &Paths) -> PathBuf {
    paths.run().join("sysctl.json")
}

/// The setting's value as it is; none where there is no such setting, or it has many lines and so
/// cannot have come from a TOML.
fn value(paths: &Paths, place: &str) -> Option<String> {
    let text = fs::read_to_string(file(paths, place)).ok()?;
    let text = text.trim();
    (!text.contains('\n')).then(|| text.to_owned())
}

fn read_kept(paths: &Paths) -> Kept {
    let read = match read_limited(&kept_file(paths), MAX_KEPT_BYTES) {
        Ok(read) => read,
        Err(error) => {
            log::warn!("ignoring what kernel settings were: {}", chain(&error));
            None
        }
    };
    let bytes = read.unwrap_or_else(|| b"{}".to_vec());
    serde_json::from_slice(&bytes).unwrap_or_else(|error| {
        log::warn!("ignoring what kernel settings were: {error}");
        Kept::new()
    })
}

/// Whole or not at all; `/run` is gone after a power cut anyway, so nothing is synced.
fn write_kept(paths: &Paths, kept: &Kept) -> io::Result<()> {
    let path = kept_file(paths);
    let temp = path.with_extension("json.orlop-tmp");
    fs::create_dir_all(paths.run())?;
    fs::write(&temp, serde_json::to_vec_pretty(kept)?)?;
    fs::rename(&temp, &path)
}

/// Keeps what the settings of `config` are now, unless that is kept already, and gives those that it
/// does not have their old values back. To be done before systemd-sysctl runs for `config`.
///
/// Tells, a sentence each, what keeps its value until the machine restarts.
pub fn keep_and_give_back(paths: &Paths, config: &NodeConfig) -> Vec<String> {
    let before = read_kept(paths);
    let mut kept = before.clone();
    let wanted: Vec<_> = config
        .kernel
        .sysctl
        .keys()
        .map(|name| sysctl_path(name))
        .collect();
    for place in &wanted {
        if !kept.contains_key(place)
            && let Some(value) = value(paths, place)
        {
            kept.insert(place.clone(), value);
        }
    }
    // On record before anything is set: an agent that is killed in between still knows.
    let mut problems = Vec::new();
    if kept != before
        && let Err(error) = write_kept(paths, &kept)
    {
        log::warn!("cannot keep what kernel settings were: {error}");
    }
    let gone: Vec<_> = kept
        .keys()
        .filter(|place| !wanted.contains(place))
        .cloned()
        .collect();
    for place in &gone {
        let old = kept.remove(place).unwrap_or_default();
        if value(paths, place).is_some_and(|now| same(&now, &old)) {
            continue;
        }
        match fs::write(file(paths, place), &old) {
            Ok(()) => log::info!("sysctl {place} is {old} again"),
            Err(error) => problems.push(format!(
                "sysctl {place} keeps its value until the machine restarts: {error}"
            )),
        }
    }
    if !gone.is_empty()
        && let Err(error) = write_kept(paths, &kept)
    {
        log::warn!("ignoring that old values of kernel settings are still kept: {error}");
    }
    problems
}

/// The kernel writes numbers of a list with tabs between them.
fn same(a: &str, b: &str) -> bool {
    a.split_whitespace().eq(b.split_whitespace())
}

/// What of `config` is not in force, a sentence each.
pub fn differences(paths: &Paths, config: &NodeConfig) -> Vec<String> {
    let mut out = Vec::new();
    for (name, wanted) in &config.kernel.sysctl {
        match fs::read_to_string(file(paths, &sysctl_path(name))) {
            Ok(found) if same(&found, wanted) => {}
            Ok(found) => out.push(format!(
                "sysctl {name} is {}, not {wanted}: the kernel did not take the value",
                found.trim()
            )),
            Err(error) if error.kind() == io::ErrorKind::NotFound => out.push(format!(
                "sysctl {name} is not there: it is misspelt, or a module has to bring it"
            )),
            // Some settings can only be written.
            Err(error) => log::debug!("ignoring that sysctl {name} cannot be read: {error}"),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(settings: &[(&str, &str)]) -> (tempfile::TempDir, Paths) {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::under(dir.path());
        for (place, value) in settings {
            let file = file(&paths, place);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, format!("{value}\n")).unwrap();
        }
        (dir, paths)
    }

    fn config(sysctl: &str) -> NodeConfig {
        crate::config::parse(&format!("schema = 1\nkernel.sysctl = {{ {sysctl} }}")).unwrap()
    }

    #[test]
    fn a_setting_that_is_taken_out_gets_the_value_from_before_the_first_setting() {
        let (_dir, paths) = node(&[("net/ipv4/tcp_rmem", "4096\t87380\t6291456")]);
        let place = "net/ipv4/tcp_rmem";
        for wanted in ["4096 87380 1000000", "4096 87380 2000000"] {
            let with = config(&format!("\"net.ipv4.tcp_rmem\" = \"{wanted}\""));
            assert_eq!(keep_and_give_back(&paths, &with), Vec::<String>::new());
            fs::write(file(&paths, place), wanted).unwrap();
            assert_eq!(differences(&paths, &with), Vec::<String>::new());
        }
        assert_eq!(
            keep_and_give_back(&paths, &config("")),
            Vec::<String>::new()
        );
        assert_eq!(value(&paths, place).unwrap(), "4096\t87380\t6291456");
        assert_eq!(read_kept(&paths), Kept::new());
    }

    #[test]
    fn a_setting_that_is_not_there_or_not_taken_is_told() {
        let (_dir, paths) = node(&[("vm/swappiness", "60")]);
        let with = config("\"vm.swappiness\" = \"10\", \"net.nothing.here\" = \"1\"");
        assert_eq!(
            differences(&paths, &with),
            [
                "sysctl net.nothing.here is not there: it is misspelt, or a module has to bring it",
                "sysctl vm.swappiness is 60, not 10: the kernel did not take the value",
            ]
        );
    }

    #[test]
    fn a_damaged_file_of_old_values_stops_nothing() {
        let (_dir, paths) = node(&[("vm/swappiness", "60")]);
        fs::create_dir_all(paths.run()).unwrap();
        fs::write(kept_file(&paths), "{").unwrap();
        let with = config("\"vm.swappiness\" = \"10\"");
        assert_eq!(keep_and_give_back(&paths, &with), Vec::<String>::new());
        assert_eq!(read_kept(&paths)["vm/swappiness"], "60");
    }
}
