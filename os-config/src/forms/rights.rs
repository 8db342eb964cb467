//! What containers may do and use: capabilities, processors, conditions.

use super::Problem;
use crate::diagnostic::nearest;
use crate::model::{Condition, HostRight, Name, NetworkMode};

/// capabilities(7), without `CAP_`.
const CAPABILITIES: [&str; 41] = [
    "audit_control",
    "audit_read",
    "audit_write",
    "block_suspend",
    "bpf",
    "checkpoint_restore",
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "ipc_lock",
    "ipc_owner",
    "kill",
    "lease",
    "linux_immutable",
    "mac_admin",
    "mac_override",
    "mknod",
    "net_admin",
    "net_bind_service",
    "net_broadcast",
    "net_raw",
    "perfmon",
    "setfcap",
    "setgid",
    "setpcap",
    "setuid",
    "sys_admin",
    "sys_boot",
    "sys_chroot",
    "sys_module",
    "sys_nice",
    "sys_pacct",
    "sys_ptrace",
    "sys_rawio",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "syslog",
    "wake_alarm",
];
/// Stands for every capability.
const ALL: &str = "all";
/// The highest processor that Linux can be built for (CONFIG_NR_CPUS).
const LAST_CPU: u32 = 8191;

fn unknown<'a>(problem: Problem, word: &str, known: impl Iterator<Item = &'a str>) -> Problem {
    match nearest(word, known) {
        Some(near) => problem.help(format!("did you mean \"{near}\"?")),
        None => problem,
    }
}

/// A capability, or `all`.
pub(crate) fn capability(text: &str) -> Result<String, Problem> {
    if text == ALL || CAPABILITIES.contains(&text) {
        return Ok(text.to_owned());
    }
    let problem = Problem::new(format!("`{text}` is not a capability"));
    let plain = text.to_ascii_lowercase();
    let plain = plain.strip_prefix("cap_").unwrap_or(&plain);
    if CAPABILITIES.contains(&plain) {
        return Err(problem.help(format!("write \"{plain}\"")));
    }
    Err(unknown(problem, plain, CAPABILITIES.into_iter()))
}

/// A part of the host.
pub(crate) fn host_right(text: &str) -> Result<HostRight, Problem> {
    let found = HostRight::ALL.iter().find(|(name, _)| *name == text);
    found.map(|(_, right)| *right).ok_or_else(|| {
        let names = HostRight::ALL.map(|(name, _)| format!("\"{name}\""));
        Problem::new(format!("`{text}` is not a part of the host"))
            .help(format!("one of {}", names.join(", ")))
    })
}

/// What another container must have come to.
pub(crate) fn condition(text: &str) -> Result<Condition, Problem> {
    match text {
        "started" => Ok(Condition::Started),
        "healthy" => Ok(Condition::Healthy),
        "completed" => Ok(Condition::Completed),
        _ => Err(Problem::new(format!("`{text}` is nothing to wait for"))
            .help("write \"started\", \"healthy\" or \"completed\"")),
    }
}

/// Whose network a container is in.
pub(crate) fn network_mode(text: &str) -> Result<NetworkMode, Problem> {
    let help = "write \"none\" or \"container:NAME\"; for the host's network \
                `host = [\"network\"]`, for others `networks = [\"NAME\"]`";
    let fail = || Problem::new(format!("`{text}` does not say whose network")).help(help);
    match text.split_once(':') {
        None if text == "none" => Ok(NetworkMode::None),
        Some(("container", name)) => Name::new(name).map(NetworkMode::Container).ok_or_else(fail),
        _ => Err(fail()),
    }
}

/// The container whose IPC one shares.
pub(crate) fn ipc_of(text: &str) -> Result<Name, Problem> {
    let name = text.strip_prefix("container:").and_then(Name::new);
    name.ok_or_else(|| {
        Problem::new(format!("`{text}` does not say whose IPC")).help(
            "write \"container:NAME\"; for the host's `host = [\"ipc\"]`, and nothing for its own",
        )
    })
}

/// A list of processors.
pub(crate) fn cpuset(text: &str) -> Result<String, Problem> {
    let number = |digits: &str| {
        let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        let number: Option<u32> = plain.then(|| digits.parse().ok()).flatten();
        number.filter(|number| *number <= LAST_CPU)
    };
    let item = |item: &str| match item.split_once('-') {
        None => number(item).is_some(),
        Some((from, to)) => matches!((number(from), number(to)), (Some(a), Some(b)) if a <= b),
    };
    if text.split(',').all(item) {
        return Ok(text.to_owned());
    }
    Err(
        Problem::new(format!("`{text}` is not a list of processors"))
            .help("numbers from 0 and ranges, such as \"0-3,5\""),
    )
}

/// A JSON merge patch of an object, made compact.
pub(crate) fn merge_patch(text: &str) -> Result<String, Problem> {
    let help = "write a JSON object, such as '{ \"process\": { \"oomScoreAdj\": 500 } }'";
    let value: serde_json::Value = serde_json::from_str(text)
        .map_err(|error| Problem::new(format!("this is not JSON: {error}")).help(help))?;
    if !value.is_object() {
        return Err(Problem::new("the patch is not a JSON object").help(help));
    }
    Ok(value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capability_written_as_elsewhere_is_told_how_it_is_written_here() {
        let help = |text| capability(text).unwrap_err().help;
        assert_eq!(
            help("CAP_NET_ADMIN").as_deref(),
            Some("write \"net_admin\"")
        );
        assert_eq!(
            help("net_admn").as_deref(),
            Some("did you mean \"net_admin\"?")
        );
        assert!(capability("all").is_ok() && capability("sys_time").is_ok());
    }

    #[test]
    fn processors_are_numbers_and_ranges() {
        for text in ["0", "0-3,5", "1,2,3"] {
            assert!(cpuset(text).is_ok(), "{text}");
        }
        for text in ["", "3-0", "a", "1,", "-1", "99999", "0 1"] {
            assert!(cpuset(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_patch_is_an_object_and_kept_in_one_form() {
        assert_eq!(merge_patch("{ \"a\" : null }").unwrap(), "{\"a\":null}");
        assert!(merge_patch("[]").is_err() && merge_patch("{").is_err());
    }
}
