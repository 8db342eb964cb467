//! What a container mounts: named volumes, and paths of the host.

use crate::builder::Builder;
use crate::draft::Table;
use crate::files::Found;
use crate::note::Place;
use crate::quantity;
use orlop_config::Propagation;
use toml::Value;

/// Where the node keeps what containers share with it.
const SHARED: &str = "/var/srv";

/// Paths of a host's own. They are not moved below `/var/srv`: the parser says which may be had.
const SYSTEM: [&str; 14] = [
    "/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/media", "/mnt", "/proc", "/run", "/sbin",
    "/sys", "/usr", "/var",
];

const SOCKETS: [&str; 4] = [
    "/var/run/docker.sock",
    "/run/docker.sock",
    "/run/podman/podman.sock",
    "/var/run/podman/podman.sock",
];

/// The size of a tmpfs that the file gives none, which is half of the memory with Docker and Podman.
const TMPFS: &str = "64 MiB";

/// A mount as both formats have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    /// A path of the host, the name of a volume, or nothing for a volume without a name.
    pub(crate) source: Option<String>,
    pub(crate) target: String,
    pub(crate) read_only: bool,
    /// Of a path of the host, where the file says one.
    pub(crate) propagation: Option<String>,
}

/// Whether `word` is a propagation.
pub(crate) fn is_propagation(word: &str) -> bool {
    let mut all = Propagation::ALL.iter();
    all.any(|known| known.as_str() == word)
}

/// Whether a source is a path of the host.
pub(crate) fn is_path(source: &str) -> bool {
    source.starts_with(['/', '.', '~']) || source.starts_with("%h")
}

impl Builder<'_> {
    /// `source:/target[:options]`, or `/target` alone. Options among `meaningless` have no meaning on a
    /// node; others but `ro` are named. None where it is something else, which is said.
    pub(crate) fn short_mount(
        &mut self,
        text: &str,
        meaningless: &[&str],
        place: &Place,
    ) -> Option<Mount> {
        let parts: Vec<&str> = text.split(':').collect();
        let (source, target, options) = match parts[..] {
            [target] => (None, target, ""),
            [source, target] => (Some(source), target, ""),
            [source, target, options] => (Some(source), target, options),
            _ => {
                self.not_so(place, "`source:/target[:options]`");
                return None;
            }
        };
        let (mut read_only, mut propagation) = (false, None);
        for option in options.split(',').filter(|one| !one.is_empty()) {
            match option {
                "ro" => read_only = true,
                word if is_propagation(word) => propagation = Some(word.to_owned()),
                known if meaningless.contains(&known) => {}
                other => {
                    let why = format!("mounts have no option `{other}`; it is mounted without");
                    self.left_out(place, why);
                }
            }
        }
        Some(Mount {
            source: source.map(str::to_owned),
            target: target.to_owned(),
            read_only,
            propagation,
        })
    }

    /// A memory file system at `path`. Options among `meaningless` have no meaning on a node; others but
    /// `size=` are named.
    pub(crate) fn tmpfs(
        &mut self,
        out: &mut Table,
        (path, options): (&str, &str),
        meaningless: &[&str],
        place: &Place,
    ) {
        let mut size = None;
        for option in options.split(',').filter(|one| !one.is_empty()) {
            match option.split_once('=') {
                Some(("size", text)) => size = quantity::size(text),
                _ if meaningless.contains(&option) => {}
                _ => {
                    let why = format!("memory file systems have no option `{option}`");
                    self.left_out(place, why);
                }
            }
        }
        if size.is_none() {
            let why = format!("it names no size, and has {TMPFS}");
            self.changed(place, why);
        }
        let size = size.unwrap_or_else(|| TMPFS.to_owned());
        out.table("tmpfs").set(path, size, place);
    }

    /// Mounts it in the container `name`.
    pub(crate) fn mount(&mut self, out: &mut Table, name: &str, mount: &Mount, place: &Place) {
        let target = clean(&mount.target);
        match &mount.source {
            None => {
                let volume = self.volume(&format!("{name}{}", target.replace('/', "-")), place);
                self.changed(
                    place,
                    format!("the volume without a name is `{volume}` now"),
                );
                push_volume(out, &volume, &target, mount.read_only, place);
            }
            Some(source) if is_path(source) => self.host_path(out, source, &target, mount, place),
            Some(source) => {
                let volume = self.volume(source, place);
                push_volume(out, &volume, &target, mount.read_only, place);
            }
        }
    }

    fn host_path(
        &mut self,
        out: &mut Table,
        source: &str,
        target: &str,
        mount: &Mount,
        place: &Place,
    ) {
        if !source.starts_with('/') {
            self.relative(out, source, target, mount, place);
            return;
        }
        let host = clean(source);
        if SOCKETS.contains(&&*host) {
            let why = "there is no such socket: Orlop has no daemon of Docker or Podman";
            self.left_out(place, why);
        } else if host == "/etc/localtime" {
            out.set("timezone", "host", place);
            self.changed(place, "it is `timezone = \"host\"` now");
        } else if host == "/etc/timezone" {
            let why = "programs go by /etc/localtime: write `timezone = \"host\"`";
            self.left_out(place, why);
        } else if host.starts_with("/run/dbus") || host.starts_with("/var/run/dbus") {
            out.push("host", "dbus", place);
            self.changed(place, "it is `host = [\"dbus\"]` now");
        } else if host == "/dev" {
            out.push("host", "devices", place);
            self.changed(place, "it is `host = [\"devices\"]` now");
        } else if host.starts_with("/dev/") {
            let device = match host == target {
                true => host,
                false => format!("{host}:{target}"),
            };
            out.push("devices", device, place);
        } else if is_system(&host) || is_privileged(out) {
            push_bind(out, &host, target, mount, place);
        } else {
            let moved = format!("{SHARED}{}", host.strip_prefix("/srv").unwrap_or(&host));
            self.moved(place, source, &moved);
            push_bind(out, &moved, target, mount, place);
        }
    }

    /// What stands beside the file: a text becomes part of the TOML, the rest a folder of the node.
    fn relative(
        &mut self,
        out: &mut Table,
        source: &str,
        target: &str,
        mount: &Mount,
        place: &Place,
    ) {
        if source.starts_with('.')
            && let Found::Text(content) = self.files.find(&place.file, source)
        {
            let file = out.table("files").table(target);
            file.set("content", Value::String(content), place);
            if !mount.read_only {
                let why = format!("{source} is part of the TOML now, and read-only");
                self.changed(place, why);
            }
            return;
        }
        let rest = source.trim_start_matches("%h").trim_start_matches('~');
        let parts: Vec<&str> = rest
            .split('/')
            .filter(|part| !part.is_empty() && *part != "." && *part != "..")
            .collect();
        let mut moved = format!("{SHARED}/{}", self.project);
        for part in parts {
            moved.push('/');
            moved.push_str(part);
        }
        self.moved(place, source, &moved);
        push_bind(out, &moved, target, mount, place);
    }

    fn moved(&mut self, place: &Place, from: &str, to: &str) {
        let why = format!("{from} is {to} on the node: copy there what it holds");
        self.changed(place, why);
    }
}

fn is_privileged(out: &Table) -> bool {
    out.has("privileged")
}

fn is_system(path: &str) -> bool {
    path == "/"
        || SYSTEM.iter().any(|dir| {
            path.strip_prefix(dir)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
}

fn push_volume(out: &mut Table, volume: &str, target: &str, read_only: bool, place: &Place) {
    let ending = if read_only { ":ro" } else { "" };
    out.push("volumes", format!("{volume}:{target}{ending}"), place);
}

fn push_bind(out: &mut Table, host: &str, target: &str, mount: &Mount, place: &Place) {
    let access = mount.read_only.then_some("ro");
    let options: Vec<&str> = access
        .into_iter()
        .chain(mount.propagation.as_deref())
        .collect();
    let ending = match options.is_empty() {
        true => String::new(),
        false => format!(":{}", options.join(",")),
    };
    out.push("binds", format!("{host}:{target}{ending}"), place);
}

/// A path without what means nothing: `//`, `.` and a `/` at its end. `..` is the parser's to refuse.
pub(crate) fn clean(path: &str) -> String {
    let parts = path
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".");
    let clean = parts.collect::<Vec<_>>().join("/");
    if path.starts_with('/') {
        format!("/{clean}")
    } else {
        clean
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_and_those_of_the_system_known() {
        assert_eq!(clean("/a//b/./c/"), "/a/b/c");
        assert_eq!(clean("a/../b"), "a/../b");
        assert_eq!(clean("/"), "/");
        assert!(is_system("/") && is_system("/etc/ssl") && is_system("/var"));
        assert!(!is_system("/srv/a") && !is_system("/etcetera") && !is_system("/opt"));
        assert!(is_path("~/a") && is_path("%h/a") && is_path("./a") && !is_path("data"));
    }
}
