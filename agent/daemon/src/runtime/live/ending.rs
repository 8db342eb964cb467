//! How a process of a container has ended.

use super::super::instance::Instance;
use super::super::systemd::Exit;
use super::Live;

impl Live {
    /// How the process `pid` of `instance` has ended, where that is still known; none as long as it runs, or
    /// where nobody looks at the instance any more because another one has taken its place.
    pub(in super::super) fn ending(&self, instance: &Instance, pid: u32) -> Option<Option<Exit>> {
        let entries = self.lock();
        let entry = entries.get(instance)?;
        match entry.status.pid {
            Some(now) if now == pid => None,
            // Another one runs by now, of which alone systemd tells.
            Some(_) => Some(None),
            None => Some(entry.status.exit),
        }
    }
}
