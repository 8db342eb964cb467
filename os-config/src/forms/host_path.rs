//! Paths of the host and of containers: `"/mnt/media:/media:ro"`, `"/dev/ttyUSB0"`, `"0440"`.

use super::Problem;
use super::published::is_mount_path;
use crate::model::{Bind, Device, Propagation};

const BIND_HELP: &str = "write `/host/path:/path[:ro][,rslave]`, such as \"/mnt/media:/media:ro\"";
const DEVICE_HELP: &str = "write `/dev/host[:/dev/path][:rwm]`, such as \"/dev/ttyUSB0\"";
const DEV: &str = "/dev/";
/// What is there for containers to share with the host and with each other.
const FREE: [&str; 3] = ["/mnt", "/media", "/var/srv"];
/// What harms nobody when it is read.
const READABLE: [&str; 4] = ["/var/log", "/etc/ssl", "/usr/share", "/run/udev"];

/// Whether a container without rights over the host may have a path of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leave {
    /// It may write there.
    Write,
    /// It may read there.
    Read,
    /// It may not.
    None,
}

/// What may be done with `path`, which is clean.
pub(crate) fn leave(path: &str) -> Leave {
    let below = |dirs: &[&str]| {
        dirs.iter().any(|dir| {
            path.strip_prefix(dir)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    };
    if below(&FREE) {
        Leave::Write
    } else if below(&READABLE) {
        Leave::Read
    } else {
        Leave::None
    }
}

/// An absolute path below `/`.
pub(crate) fn path(text: &str) -> Result<String, Problem> {
    if is_mount_path(text) {
        return Ok(text.to_owned());
    }
    Err(Problem::new(format!("`{text}` is not a path for this"))
        .help("an absolute one below `/`, without `.`, `..`, `//` or a `/` at its end"))
}

/// A working directory, which may be `/` itself.
pub(crate) fn directory(text: &str) -> Result<String, Problem> {
    if text == "/" {
        return Ok(text.to_owned());
    }
    path(text)
}

/// A path of the host in a container.
pub(crate) fn bind(text: &str) -> Result<Bind, Problem> {
    let fail = |why: String| Problem::new(why).help(BIND_HELP);
    let mut parts = text.split(':');
    let (Some(host), Some(path)) = (parts.next(), parts.next()) else {
        return Err(fail(format!("`{text}` has no path to mount on")));
    };
    let (mut read_only, mut propagation) = (None, None);
    for option in parts.next().into_iter().flat_map(|all| all.split(',')) {
        let named = |known: &&Propagation| known.as_str() == option;
        let twice = match (option, Propagation::ALL.iter().find(named)) {
            ("ro", _) => read_only.replace(true).is_some(),
            ("rw", _) => read_only.replace(false).is_some(),
            (_, Some(known)) => propagation.replace(*known).is_some(),
            (_, None) => return Err(fail(format!("`{option}` is not known here"))),
        };
        if twice {
            return Err(fail(format!("`{option}` comes after another of its kind")));
        }
    }
    if let Some(more) = parts.next() {
        return Err(fail(format!("`:{more}` is not known here")));
    }
    if host != "/" && !is_mount_path(host) {
        return Err(fail(format!("`{host}` is not a path of the host")));
    }
    if !is_mount_path(path) {
        return Err(fail(format!("`{path}` is not a path to mount on")));
    }
    Ok(Bind {
        host: host.to_owned(),
        path: path.to_owned(),
        read_only: read_only.unwrap_or(false),
        propagation: propagation.unwrap_or_default(),
    })
}

/// A device of the host.
pub(crate) fn device(text: &str) -> Result<Device, Problem> {
    let fail = |why: String| Problem::new(why).help(DEVICE_HELP);
    let mut parts: Vec<&str> = text.split(':').collect();
    let access = match parts[..] {
        [_, .., last] if !last.starts_with('/') => {
            parts.pop();
            last
        }
        _ => "rw",
    };
    let once = |letter| access.matches(letter).count() <= 1;
    if access.is_empty() || !access.chars().all(|c| "rwm".contains(c) && once(c)) {
        return Err(fail(format!("`{access}` is not an access to a device")));
    }
    let (host, path) = match parts[..] {
        [host] => (host, host),
        [host, path] => (host, path),
        _ => return Err(fail(format!("`{text}` is not a device"))),
    };
    if !host.starts_with(DEV) || !is_mount_path(host) || !is_mount_path(path) {
        return Err(fail(format!("`{text}` is not a device of the host")));
    }
    Ok(Device {
        host: host.to_owned(),
        path: path.to_owned(),
        access: access.to_owned(),
    })
}

/// Permission bits, in octal.
pub(crate) fn mode(text: &str) -> Result<u32, Problem> {
    permissions(text).ok_or_else(|| {
        Problem::new(format!("`{text}` is not a mode")).help("three octal digits, such as \"0440\"")
    })
}

/// Permissions that new files do not get.
pub(crate) fn umask(text: &str) -> Result<u32, Problem> {
    permissions(text).ok_or_else(|| {
        Problem::new(format!("`{text}` is not a umask")).help("three octal digits, such as \"027\"")
    })
}

fn permissions(text: &str) -> Option<u32> {
    let digits = text.strip_prefix('0').filter(|rest| rest.len() == 3);
    let digits = digits.unwrap_or(text);
    let octal = digits.len() == 3 && digits.bytes().all(|b| matches!(b, b'0'..=b'7'));
    octal.then(|| u32::from_str_radix(digits, 8).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_had_of_the_host_goes_by_whole_parts_of_the_path() {
        for (path, expected) in [
            ("/mnt", Leave::Write),
            ("/var/srv/a", Leave::Write),
            ("/mnt2", Leave::None),
            ("/var/log/journal", Leave::Read),
            ("/var/lib", Leave::None),
            ("/", Leave::None),
            ("/run/orlop/api.sock", Leave::None),
            ("/state", Leave::None),
        ] {
            assert_eq!(leave(path), expected, "{path}");
        }
    }

    #[test]
    fn a_bind_has_at_most_one_access_and_one_propagation() {
        for (text, read_only, propagation) in [
            ("/mnt/a:/a", false, Propagation::Rslave),
            ("/mnt/a:/a:ro", true, Propagation::Rslave),
            ("/mnt/a:/a:ro,private", true, Propagation::Private),
            ("/mnt/a:/a:rshared,rw", false, Propagation::Rshared),
        ] {
            let bind = bind(text).unwrap();
            assert_eq!(
                (bind.read_only, bind.propagation),
                (read_only, propagation),
                "{text}"
            );
        }
        for text in [
            "/mnt/a:/a:",
            "/mnt/a:/a:ro,ro",
            "/mnt/a:/a:ro,rw",
            "/mnt/a:/a:shared,slave",
            "/mnt/a:/a:ro:rslave",
            "/mnt/a:/a:z",
        ] {
            assert!(bind(text).is_err(), "{text}");
        }
    }

    #[test]
    fn devices_are_read_with_place_and_access() {
        for (text, host, path, access) in [
            ("/dev/a", "/dev/a", "/dev/a", "rw"),
            ("/dev/a:r", "/dev/a", "/dev/a", "r"),
            ("/dev/a:/dev/b:rwm", "/dev/a", "/dev/b", "rwm"),
        ] {
            let device = device(text).unwrap();
            let parts = (&*device.host, &*device.path, &*device.access);
            assert_eq!(parts, (host, path, access));
        }
        for text in [
            "/etc/a",
            "/dev/a:/b:rr",
            "/dev/a:x",
            "/dev/../sda",
            "/dev/a:/b:/c",
        ] {
            assert!(device(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_mode_is_three_octal_digits() {
        assert_eq!(mode("0440"), Ok(0o440));
        assert_eq!(mode("755"), Ok(0o755));
        for text in ["", "4755", "0", "888", "04440", "+77"] {
            assert!(mode(text).is_err(), "{text}");
        }
    }
}
