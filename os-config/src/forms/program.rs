//! What a program runs as and with: `"1000:1000"`, `"SIGINT"`, `"1024:4096"`.

use super::Problem;
use crate::model::Ulimit;

/// The longest name of a user or group (useradd(8)), twice over.
const MAX_USER: usize = 64;
/// The names of setrlimit(2), without `RLIMIT_`.
const ULIMITS: [&str; 16] = [
    "as",
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];
/// Signals that a container can be asked with to stop (signal(7)).
const SIGNALS: [&str; 12] = [
    "SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGKILL",
    "SIGABRT", "SIGALRM", "SIGPIPE", "SIGCONT",
];
/// Distance of the last real-time signal from the first.
const REAL_TIME: u8 = 30;
/// Sysctls outside of `net.` that are of a namespace (namespaces(7), ipc_namespaces(7)).
const IPC: [&str; 8] = [
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
];
const MAX_SYSCTL: usize = 256;

fn is_account(text: &str) -> bool {
    (1..=MAX_USER).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

/// `user`, `uid`, `user:group` or `uid:gid`.
pub(crate) fn user(text: &str) -> Result<String, Problem> {
    if text.splitn(2, ':').all(is_account) {
        return Ok(text.to_owned());
    }
    Err(Problem::new(format!("`{text}` is not a user"))
        .help("write a name or number, and its group if need be: \"app\", \"1000:1000\""))
}

/// A name or number.
pub(crate) fn group(text: &str) -> Result<String, Problem> {
    if is_account(text) {
        return Ok(text.to_owned());
    }
    Err(Problem::new(format!("`{text}` is not a group")).help("write a name or a number"))
}

/// A signal's name.
pub(crate) fn signal(text: &str) -> Result<String, Problem> {
    let real_time = text
        .strip_prefix("SIGRTMIN+")
        .is_some_and(|rest| rest.parse().is_ok_and(|n: u8| n <= REAL_TIME));
    if real_time || SIGNALS.contains(&text) {
        return Ok(text.to_owned());
    }
    let known = SIGNALS.map(|name| format!("\"{name}\"")).join(", ");
    Err(Problem::new(format!("`{text}` is not a signal to stop by"))
        .help(format!("one of {known}, \"SIGRTMIN+3\"")))
}

/// The name of a resource limit.
pub(crate) fn ulimit_name(text: &str) -> Result<String, Problem> {
    if ULIMITS.contains(&text) {
        return Ok(text.to_owned());
    }
    Err(Problem::new(format!("`{text}` is not a resource limit"))
        .help(format!("known are {}", ULIMITS.join(", "))))
}

/// A resource limit.
pub(crate) fn ulimit(text: &str) -> Result<Ulimit, Problem> {
    let help = "write a number, `soft:hard`, or \"unlimited\"";
    let number = |text: &str| match text {
        "unlimited" => Ok(u64::MAX),
        digits if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => digits
            .parse()
            .map_err(|_| Problem::new(format!("`{digits}` is too large")).help(help)),
        other => Err(Problem::new(format!("`{other}` is not a limit")).help(help)),
    };
    let (soft, hard) = text.split_once(':').unwrap_or((text, text));
    let limit = Ulimit {
        soft: number(soft)?,
        hard: number(hard)?,
    };
    if limit.soft > limit.hard {
        return Err(
            Problem::new(format!("the soft limit {soft} is above the hard one")).help(help),
        );
    }
    Ok(limit)
}

/// Whether a sysctl is of an IPC namespace.
pub(crate) fn is_of_ipc(text: &str) -> bool {
    text.starts_with("fs.mqueue.") || IPC.contains(&text)
}

/// The name of a sysctl that is of a namespace, not of the host.
pub(crate) fn own_sysctl_name(text: &str) -> Result<String, Problem> {
    let clean = text.len() <= MAX_SYSCTL
        && text.split('.').all(|part| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'/'))
        })
        && !text.contains("//");
    let of_namespace = text.starts_with("net.") || is_of_ipc(text);
    if clean && of_namespace {
        return Ok(text.to_owned());
    }
    let problem = Problem::new(format!("`{text}` is not a sysctl of a container's own"));
    Err(problem.help(format!(
        "`net.…`, `fs.mqueue.…`, {}; others are the host's: `kernel.sysctl`",
        IPC.map(|name| format!("`{name}`")).join(", ")
    )))
}

/// The value of a sysctl.
pub(crate) fn own_sysctl_value(text: &str) -> Result<String, Problem> {
    let fits = !text.is_empty() && text.len() <= MAX_SYSCTL && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned())
        .ok_or_else(|| Problem::new("a sysctl's value is one line of at most 256 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_and_a_soft_one_above_the_hard_one_is_refused() {
        let limit = |soft, hard| Ok(Ulimit { soft, hard });
        assert_eq!(ulimit("5"), limit(5, 5));
        assert_eq!(ulimit("5:unlimited"), limit(5, u64::MAX));
        for text in ["", "5:4", "-1", "+1", "unlimited:5", "99999999999999999999"] {
            assert!(ulimit(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_sysctls_of_namespaces_are_taken() {
        for text in [
            "net.core.somaxconn",
            "net.ipv4.conf.eth0/1.forwarding",
            "kernel.sem",
        ] {
            assert!(own_sysctl_name(text).is_ok(), "{text}");
        }
        for text in [
            "kernel.panic",
            "vm.swappiness",
            "net..x",
            "net",
            "fs.file-max",
            "net.a//b",
        ] {
            assert!(own_sysctl_name(text).is_err(), "{text}");
        }
    }

    #[test]
    fn users_and_signals_are_of_their_forms() {
        assert!(user("app:log").is_ok() && user("1000").is_ok());
        assert!(user("a:b:c").is_err() && user("").is_err() && user("a\nb").is_err());
        assert!(signal("SIGRTMIN+3").is_ok() && signal("SIGRTMIN+99").is_err());
        assert!(signal("TERM").is_err());
    }
}
