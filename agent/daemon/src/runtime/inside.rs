//! Which process is in a container's namespaces.

use super::desired::DesiredContainer;
use super::observe::read_text;
use super::places::{Places, unit_name};
use super::systemd::UnitStatus;
use orlop_config::Kind;
use std::path::Path;

/// A process of `container` itself, if it runs. A service's main process is one; that of a task is its
/// OCI runtime, which is in the host's namespaces and has written down the other's number.
pub(super) fn process(
    container: &DesiredContainer,
    status: &UnitStatus,
    places: &Places,
) -> Option<u32> {
    let main = status.pid?;
    if container.config.lifecycle.kind == Kind::Service {
        return Some(main);
    }
    let text = read_text(&places.pid_file(&container.instance())).ok()??;
    let pid: u32 = text.trim().parse().ok()?;
    // The file may be of a run before, and the number another process's by now.
    let group = read_text(Path::new(&format!("/proc/{pid}/cgroup"))).ok()??;
    is_of(&group, &unit_name(&container.instance())).then_some(pid)
}

/// Whether a process of `/proc/PID/cgroup`'s text is one of `unit` (cgroups(7)).
pub(super) fn is_of(groups: &str, unit: &str) -> bool {
    groups
        .lines()
        .filter_map(|line| line.strip_prefix("0::"))
        .any(|path| path.split('/').any(|part| part == unit))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::desired_web;
    use super::*;

    #[test]
    fn a_tasks_process_is_the_one_written_down_if_it_is_still_the_units() {
        let root = tempfile::tempdir().unwrap();
        let places = Places::under(root.path());
        let mut container = desired_web().containers.remove(0);
        let mut status = UnitStatus::default();
        assert_eq!(process(&container, &status, &places), None);
        status.pid = Some(7);
        assert_eq!(process(&container, &status, &places), Some(7));
        container.config.lifecycle.kind = Kind::Task;
        assert_eq!(process(&container, &status, &places), None);
        std::fs::create_dir_all(places.bundle(&container.instance())).unwrap();
        // This process is no container's.
        let own = std::process::id().to_string();
        std::fs::write(places.pid_file(&container.instance()), own).unwrap();
        assert_eq!(process(&container, &status, &places), None);
    }

    #[test]
    fn the_group_tells_whose_a_process_is() {
        let unit = "orlop-container-web.service";
        let group = format!("0::/orlop.slice/orlop-containers.slice/{unit}/payload\n");
        assert!(is_of(&group, unit));
        assert!(!is_of(&group, "orlop-container-we.service"));
        assert!(!is_of("0::/init.scope\n", unit));
    }
}
