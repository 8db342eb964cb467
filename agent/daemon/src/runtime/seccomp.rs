//! Which system calls a container may make. Pure.
//!
//! A list of what is allowed: a call that is not on it is answered as if the kernel did not know
//! it, so that programs fall back to what they did before it was invented. What could change the
//! host, its clock, its modules or other namespaces is refused with "not permitted", as a kernel
//! without the capability would do.

use oci_spec::OciSpecError;
use oci_spec::runtime::{
    Arch, LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompArgBuilder,
    LinuxSeccompBuilder, LinuxSeccompOperator, LinuxSyscall, LinuxSyscallBuilder,
};
use std::collections::BTreeSet;

const EPERM: u32 = 1;
const ENOSYS: u32 = 38;
/// `CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET` (clone(2)).
const CLONE_NEW_ANYTHING: u64 = 0x7e02_0000;
/// vsock(7): reaches the hypervisor, whatever the network namespace.
const AF_VSOCK: u64 = 40;
/// personality(2): Linux, 32-bit Linux, both also without randomised addresses' opposite, and the
/// question what it is.
const PERSONALITIES: [u64; 5] = [0x0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];

/// The profile of a container that may hold `capabilities`: what a capability is for is let through
/// with it, and the kernel asks for the capability itself.
pub(super) fn profile(capabilities: &BTreeSet<&str>) -> Result<LinuxSeccomp, OciSpecError> {
    let allow = LinuxSeccompAction::ScmpActAllow;
    let freed: BTreeSet<&str> = OF_CAPABILITY
        .iter()
        .filter(|(capability, _)| capabilities.contains(capability))
        .flat_map(|(_, names)| names.split_whitespace())
        .collect();
    let refused: Vec<&str> = REFUSED
        .split_whitespace()
        .filter(|name| !freed.contains(name))
        .collect();
    let allowed: Vec<&str> = ALLOWED.split_whitespace().chain(freed).collect();
    let namespaces = match capabilities.contains(NAMESPACES) {
        true => None,
        false => Some(no_new_namespace()?),
    };
    let errno = LinuxSeccompAction::ScmpActErrno;
    let mut syscalls = vec![
        rule(&allowed, allow, None, None)?,
        rule(&refused, errno, Some(EPERM), None)?,
        rule(&["clone"], allow, None, namespaces)?,
        rule(&["socket"], allow, None, Some(not_vsock()?))?,
    ];
    for value in PERSONALITIES {
        let arg = argument(0, value, None, LinuxSeccompOperator::ScmpCmpEq)?;
        syscalls.push(rule(&["personality"], allow, None, Some(arg))?);
    }
    LinuxSeccompBuilder::default()
        .default_action(LinuxSeccompAction::ScmpActErrno)
        .default_errno_ret(ENOSYS)
        .architectures(architectures())
        .syscalls(syscalls)
        .build()
}

/// That of this machine, and its 32-bit one.
fn architectures() -> Vec<Arch> {
    match std::env::consts::ARCH {
        "x86_64" => vec![Arch::ScmpArchX86_64, Arch::ScmpArchX86],
        "aarch64" => vec![Arch::ScmpArchAarch64, Arch::ScmpArchArm],
        _ => vec![Arch::ScmpArchNative],
    }
}

/// clone3(2) hides its flags behind a pointer, where a filter cannot see them; it is left out of
/// the list, and libraries use clone(2) instead.
fn no_new_namespace() -> Result<LinuxSeccompArg, OciSpecError> {
    argument(
        0,
        CLONE_NEW_ANYTHING,
        Some(0),
        LinuxSeccompOperator::ScmpCmpMaskedEq,
    )
}

fn not_vsock() -> Result<LinuxSeccompArg, OciSpecError> {
    argument(0, AF_VSOCK, None, LinuxSeccompOperator::ScmpCmpNe)
}

fn argument(
    index: usize,
    value: u64,
    value_two: Option<u64>,
    op: LinuxSeccompOperator,
) -> Result<LinuxSeccompArg, OciSpecError> {
    let argument = LinuxSeccompArgBuilder::default()
        .index(index)
        .value(value)
        .op(op);
    match value_two {
        Some(value) => argument.value_two(value).build(),
        None => argument.build(),
    }
}

fn rule(
    names: &[&str],
    action: LinuxSeccompAction,
    errno: Option<u32>,
    argument: Option<LinuxSeccompArg>,
) -> Result<LinuxSyscall, OciSpecError> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut rule = LinuxSyscallBuilder::default().names(names).action(action);
    if let Some(errno) = errno {
        rule = rule.errno_ret(errno);
    }
    if let Some(argument) = argument {
        rule = rule.args(vec![argument]);
    }
    rule.build()
}

/// Who may make namespaces.
const NAMESPACES: &str = "sys_admin";
/// What goes with a capability (capabilities(7)).
const OF_CAPABILITY: [(&str, &str); 11] = [
    (
        NAMESPACES,
        "bpf fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount mount_setattr move_mount \
         open_tree perf_event_open quotactl setdomainname sethostname setns swapoff swapon syslog umount \
         umount2 unshare vhangup",
    ),
    ("bpf", "bpf"),
    ("dac_read_search", "open_by_handle_at"),
    ("perfmon", "perf_event_open"),
    ("sys_boot", "reboot"),
    ("sys_module", "delete_module finit_module init_module"),
    ("sys_nice", "migrate_pages move_pages process_madvise"),
    ("sys_pacct", "acct"),
    ("sys_ptrace", "kcmp pidfd_getfd process_madvise"),
    (
        "sys_time",
        "adjtimex clock_adjtime clock_adjtime64 clock_settime clock_settime64 settimeofday stime",
    ),
    ("syslog", "syslog"),
];

/// syscalls(2) that act on the caller's own files, memory, processes, sockets and time.
const ALLOWED: &str = "
accept accept4 access alarm arch_prctl bind brk cachestat capget capset chdir chmod chown chown32
clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep
clock_nanosleep_time64 close close_range connect copy_file_range creat dup dup2 dup3 epoll_create
epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd
eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64 fadvise64_64 fallocate
fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync
fgetxattr flistxattr flock fork fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64
fsync ftruncate ftruncate64 futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake
futimesat get_mempolicy get_robust_list get_thread_area getcpu getcwd getdents getdents64 getegid
getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getitimer getpeername getpgid
getpgrp getpid getppid getpriority getrandom getresgid getresgid32 getresuid getresuid32 getrlimit
getrusage getsid getsockname getsockopt gettid gettimeofday getuid getuid32 getxattr getxattrat
inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel io_destroy io_getevents
io_pgetevents io_pgetevents_time64 io_setup io_submit ioctl ioprio_get ioprio_set ipc kill
landlock_add_rule landlock_create_ruleset landlock_restrict_self lchown lchown32 lgetxattr link
linkat listen listxattr listxattrat llistxattr _llseek lremovexattr lseek lsetxattr lstat lstat64
madvise map_shadow_stack mbind membarrier memfd_create memfd_secret mincore mkdir mkdirat mknod
mknodat mlock mlock2 mlockall mmap mmap2 modify_ldt mprotect mq_getsetattr mq_notify mq_open
mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink mremap mseal
msgctl msgget msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at nanosleep newfstatat
_newselect open openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free
pkey_mprotect poll ppoll ppoll_time64 prctl pread64 preadv preadv2 prlimit64 process_mrelease
process_vm_readv process_vm_writev pselect6 pselect6_time64 ptrace pwrite64 pwritev pwritev2
quotactl_fd read readahead readlink readlinkat readv recv recvfrom recvmmsg recvmmsg_time64 recvmsg
remap_file_pages removexattr removexattrat rename renameat renameat2 restart_syscall rmdir
riscv_hwprobe rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn
rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_get_priority_max
sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler
sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam
sched_setscheduler sched_yield seccomp select semctl semget semop semtimedop semtimedop_time64 send
sendfile sendfile64 sendmmsg sendmsg sendto set_mempolicy set_mempolicy_home_node set_robust_list
set_thread_area set_tid_address setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups
setgroups32 setitimer setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid
setresuid32 setreuid setreuid32 setrlimit setsid setsockopt setuid setuid32 setxattr setxattrat
shmat shmctl shmdt shmget shutdown sigaltstack signal signalfd signalfd4 sigpending sigprocmask
sigreturn sigsuspend socketcall socketpair splice stat stat64 statfs statfs64 statx symlink
symlinkat sync sync_file_range syncfs sysinfo tee tgkill time timer_create timer_delete
timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create
timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times tkill truncate truncate64
ugetrlimit umask uname unlink unlinkat uretprobe utime utimensat utimensat_time64 utimes vfork
vmsplice wait4 waitid waitpid write writev chroot cacheflush set_tls sync_file_range2 breakpoint
arm_fadvise64_64 arm_sync_file_range";

/// syscalls(2) that act on the host, on its kernel or on other namespaces.
const REFUSED: &str = "
acct add_key adjtimex bpf clock_adjtime clock_adjtime64 clock_settime clock_settime64
delete_module fanotify_init finit_module fsconfig fsmount fsopen fspick init_module io_uring_enter
io_uring_register io_uring_setup ioperm iopl kcmp kexec_file_load kexec_load keyctl lookup_dcookie
migrate_pages mount mount_setattr move_mount move_pages nfsservctl open_by_handle_at open_tree
perf_event_open pidfd_getfd pivot_root process_madvise quotactl reboot request_key setdomainname
sethostname setns settimeofday stime swapoff swapon syslog umount umount2 unshare userfaultfd uselib
ustat vhangup";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_call_is_both_allowed_and_refused_or_listed_twice() {
        let all: Vec<&str> = ALLOWED
            .split_whitespace()
            .chain(REFUSED.split_whitespace())
            .collect();
        let set: BTreeSet<&str> = all.iter().copied().collect();
        assert_eq!(set.len(), all.len());
        for conditional in ["clone", "clone3", "socket", "personality"] {
            assert!(!set.contains(conditional), "{conditional}");
        }
    }

    #[test]
    fn a_capability_lets_through_what_it_is_for_and_no_more() {
        let names = |capabilities: &[&'static str]| {
            let set = capabilities.iter().copied().collect();
            let value = serde_json::to_value(profile(&set).unwrap()).unwrap();
            let list = |index: usize| -> BTreeSet<String> {
                serde_json::from_value(value["syscalls"][index]["names"].clone()).unwrap()
            };
            (list(0), list(1))
        };
        let (plain, refused) = names(&[]);
        assert!(refused.contains("clock_settime") && !plain.contains("clock_settime"));
        let (timed, refused) = names(&["sys_time"]);
        assert!(timed.contains("clock_settime") && !refused.contains("clock_settime"));
        assert!(!timed.contains("mount") && refused.contains("mount"));
        for (_, freed) in OF_CAPABILITY {
            for name in freed.split_whitespace() {
                assert!(
                    REFUSED.split_whitespace().any(|known| known == name),
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn the_conditions_are_as_recorded() {
        let mut value = serde_json::to_value(profile(&BTreeSet::new()).unwrap()).unwrap();
        // The two long lists are in the source.
        value["syscalls"].as_array_mut().unwrap().drain(..2);
        insta::assert_json_snapshot!(value);
    }
}
