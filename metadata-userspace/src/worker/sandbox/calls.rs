//! Which system calls the worker makes, which it could make by mistake, and which
//! nobody in it can ever mean.

use std::process;

use nix::libc::{self, c_long};
use seccompiler::{
    BackendError, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition as Condition, SeccompRule,
};

use super::filter::Calls;

/// What the configuration asks of a worker, besides serving TCP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Needs {
    /// The embedded API keeps guests' passwords; Landlock says where.
    pub(super) files: bool,
    /// Another agent is asked at its unix socket.
    pub(super) unix_sockets: bool,
}

/// Ends the process, with a line in the log and a new worker: no library tries these on
/// its own, so whoever does has taken over. Everything else that is not needed is refused.
const FATAL: &[&[c_long]] = &[
    // Becoming another program.
    &[libc::SYS_execve, libc::SYS_execveat],
    // Reaching into other processes.
    &[
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_pidfd_getfd,
        libc::SYS_kcmp,
    ],
    // Programs in the kernel, and the kernel itself.
    &[
        libc::SYS_bpf,
        libc::SYS_perf_event_open,
        libc::SYS_init_module,
        libc::SYS_finit_module,
        libc::SYS_delete_module,
        libc::SYS_kexec_load,
        libc::SYS_reboot,
    ],
    // Other namespaces and other views of the file system.
    &[
        libc::SYS_setns,
        libc::SYS_unshare,
        libc::SYS_mount,
        libc::SYS_umount2,
        libc::SYS_pivot_root,
        libc::SYS_chroot,
        libc::SYS_open_tree,
        libc::SYS_move_mount,
        libc::SYS_fsopen,
        libc::SYS_fsmount,
        libc::SYS_fspick,
        libc::SYS_open_by_handle_at,
    ],
    // Becoming somebody else.
    &[
        libc::SYS_setuid,
        libc::SYS_setgid,
        libc::SYS_setreuid,
        libc::SYS_setregid,
        libc::SYS_setresuid,
        libc::SYS_setresgid,
        libc::SYS_setfsuid,
        libc::SYS_setfsgid,
        libc::SYS_setgroups,
        libc::SYS_capset,
    ],
    // What is everybody's: clock, name, swap, keys.
    &[
        libc::SYS_settimeofday,
        libc::SYS_clock_settime,
        libc::SYS_sethostname,
        libc::SYS_setdomainname,
        libc::SYS_swapon,
        libc::SYS_swapoff,
        libc::SYS_acct,
        libc::SYS_quotactl,
        libc::SYS_add_key,
        libc::SYS_request_key,
        libc::SYS_keyctl,
    ],
];

/// Needed with any arguments.
const NEEDED: &[&[c_long]] = &[
    // Connections and pipes that are open; a log line is a write, too.
    &[
        libc::SYS_read,
        libc::SYS_readv,
        libc::SYS_write,
        libc::SYS_writev,
        libc::SYS_recvfrom,
        libc::SYS_recvmsg,
        libc::SYS_close,
        libc::SYS_getsockopt,
        libc::SYS_getsockname,
        libc::SYS_getpeername,
    ],
    // New ones: accepted from sockets that were handed over, or to a server.
    &[libc::SYS_accept4, libc::SYS_connect],
    // Memory files that were handed over.
    &[libc::SYS_lseek, libc::SYS_fstat],
    // tokio, which waits for all of these.
    &[
        libc::SYS_epoll_create1,
        libc::SYS_epoll_ctl,
        libc::SYS_epoll_pwait,
        libc::SYS_eventfd2,
        libc::SYS_ppoll,
    ],
    // Memory; what can be executed is left out below.
    &[
        libc::SYS_brk,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_madvise,
    ],
    // Threads. They are made by clone, below.
    &[
        libc::SYS_futex,
        libc::SYS_set_robust_list,
        libc::SYS_rseq,
        libc::SYS_sigaltstack,
        libc::SYS_sched_yield,
        libc::SYS_sched_getaffinity,
        libc::SYS_gettid,
        libc::SYS_getpid,
        libc::SYS_exit,
        libc::SYS_exit_group,
        libc::SYS_restart_syscall,
    ],
    // Signals that come.
    &[
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
    ],
    // Time, where the vDSO does not tell it, and randomness.
    &[
        libc::SYS_clock_gettime,
        libc::SYS_clock_nanosleep,
        libc::SYS_nanosleep,
        libc::SYS_gettimeofday,
        libc::SYS_getrandom,
    ],
];

/// Files of the password directory.
const FILES: &[c_long] = &[
    libc::SYS_openat,
    libc::SYS_statx,
    libc::SYS_newfstatat,
    // To hear that it is there.
    libc::SYS_mkdirat,
    libc::SYS_linkat,
    libc::SYS_unlinkat,
    libc::SYS_fsync,
];

/// The older names of the same, which newer architectures do without.
#[cfg(target_arch = "x86_64")]
mod older {
    use nix::libc::{self, c_long};

    pub(super) const NEEDED: &[c_long] = &[libc::SYS_epoll_wait, libc::SYS_poll];
    pub(super) const FILES: &[c_long] = &[
        libc::SYS_open,
        libc::SYS_stat,
        libc::SYS_mkdir,
        libc::SYS_link,
        libc::SYS_unlink,
    ];
}

#[cfg(not(target_arch = "x86_64"))]
mod older {
    use nix::libc::c_long;

    pub(super) const NEEDED: &[c_long] = &[];
    pub(super) const FILES: &[c_long] = &[];
}

/// What no part of the worker can mean.
pub(super) fn fatal() -> Calls {
    with_any_arguments(FATAL.iter().copied().flatten())
}

/// All that the worker needs.
pub(super) fn needed(needs: &Needs) -> Result<Calls, BackendError> {
    let mut calls = with_any_arguments(NEEDED.iter().copied().flatten());
    calls.extend(with_any_arguments(older::NEEDED));
    if needs.files {
        calls.extend(with_any_arguments(FILES));
        calls.extend(with_any_arguments(older::FILES));
    }
    calls.insert(libc::SYS_socket, sockets(needs)?);
    calls.insert(libc::SYS_sendto, on_a_connection(3)?);
    calls.insert(libc::SYS_sendmsg, on_a_connection(2)?);
    calls.insert(libc::SYS_shutdown, one_of(1, &[end_of_sending()])?);
    calls.insert(libc::SYS_setsockopt, of_one_connection()?);
    calls.insert(libc::SYS_clone, threads()?);
    calls.insert(libc::SYS_mmap, not_executable()?);
    calls.insert(libc::SYS_mprotect, not_executable()?);
    calls.insert(libc::SYS_fcntl, of_one_descriptor()?);
    calls.insert(libc::SYS_ioctl, one_of(1, &[libc::FIONBIO])?);
    calls.insert(libc::SYS_prctl, one_of(0, &[set_name()])?);
    // How abort(3) ends the process after a failed allocation or a double panic.
    calls.insert(libc::SYS_tgkill, one_of(0, &[u64::from(process::id())])?);
    Ok(calls)
}

fn with_any_arguments<'a>(calls: impl IntoIterator<Item = &'a c_long>) -> Calls {
    calls.into_iter().map(|call| (*call, Vec::new())).collect()
}

/// TCP; nothing that sees or makes packets, and no netlink.
fn sockets(needs: &Needs) -> Result<Vec<SeccompRule>, BackendError> {
    let families = [libc::AF_INET, libc::AF_INET6];
    let unix = needs.unix_sockets.then_some(libc::AF_UNIX);
    let rule = |family: i32| {
        SeccompRule::new(vec![
            is(0, u64::from(family.unsigned_abs()))?,
            // Flags stand above the type.
            masked(1, 0xf, u64::from(libc::SOCK_STREAM.unsigned_abs()))?,
            is(2, 0)?,
        ])
    };
    families.into_iter().chain(unix).map(rule).collect()
}

/// Sending where a connection is open. With MSG_FASTOPEN it would open one to any server:
/// Landlock is asked by connect(2) alone. The flags are this argument.
fn on_a_connection(flags: u8) -> Result<Vec<SeccompRule>, BackendError> {
    let known = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;
    let condition = masked(flags, u64::from(!known.unsigned_abs()), 0)?;
    Ok(vec![SeccompRule::new(vec![condition])?])
}

/// What is set on a connection, and on a listener for its connections. Listeners outlive the
/// worker: a filter or a signature that it demands would make one deaf for good, and what
/// these change is put right when the worker ends (`supervisor::adoption`).
fn of_one_connection() -> Result<Vec<SeccompRule>, BackendError> {
    let options = [
        (libc::IPPROTO_TCP, libc::TCP_NODELAY),
        (libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT),
        (libc::SOL_SOCKET, libc::SO_LINGER),
        (libc::SOL_SOCKET, libc::SO_PRIORITY),
    ];
    let rule = |(level, option): (i32, i32)| {
        let [level, option] = [level, option].map(|number| u64::from(number.unsigned_abs()));
        SeccompRule::new(vec![is(1, level)?, is(2, option)?])
    };
    options.into_iter().map(rule).collect()
}

/// The only half of a shutdown that a listener takes no notice of (`inet_shutdown` in the
/// kernel's net/ipv4/af_inet.c, `unix_stream_connect` in net/unix/af_unix.c).
fn end_of_sending() -> u64 {
    u64::from(libc::SHUT_WR.unsigned_abs())
}

/// Threads of this process; no process, and no namespace.
fn threads() -> Result<Vec<SeccompRule>, BackendError> {
    let thread = libc::CLONE_THREAD | libc::CLONE_VM;
    let namespaces = libc::CLONE_NEWNS
        | libc::CLONE_NEWCGROUP
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUSER
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNET;
    let flags = |flags: i32| u64::from(flags.unsigned_abs());
    let condition = masked(0, flags(thread | namespaces), flags(thread))?;
    Ok(vec![SeccompRule::new(vec![condition])?])
}

/// Memory that holds data.
fn not_executable() -> Result<Vec<SeccompRule>, BackendError> {
    let condition = masked(2, u64::from(libc::PROT_EXEC.unsigned_abs()), 0)?;
    Ok(vec![SeccompRule::new(vec![condition])?])
}

/// Nothing that makes the kernel send signals to others, as F_SETOWN does.
fn of_one_descriptor() -> Result<Vec<SeccompRule>, BackendError> {
    let commands = [
        libc::F_DUPFD_CLOEXEC,
        libc::F_GETFD,
        libc::F_SETFD,
        libc::F_GETFL,
        libc::F_SETFL,
    ];
    one_of(
        1,
        &commands.map(|command| u64::from(command.unsigned_abs())),
    )
}

fn set_name() -> u64 {
    u64::from(libc::PR_SET_NAME.unsigned_abs())
}

/// One rule for each value of an argument.
fn one_of(argument: u8, values: &[u64]) -> Result<Vec<SeccompRule>, BackendError> {
    let rules = values.iter();
    rules
        .map(|value| SeccompRule::new(vec![is(argument, *value)?]))
        .collect()
}

// The kernel looks at 32 bits of all these arguments.

fn is(argument: u8, value: u64) -> Result<Condition, BackendError> {
    Condition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
}

fn masked(argument: u8, mask: u64, value: u64) -> Result<Condition, BackendError> {
    let compare = SeccompCmpOp::MaskedEq(mask);
    Condition::new(argument, SeccompCmpArgLen::Dword, compare, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_fatal_is_never_needed() {
        let everything = Needs {
            files: true,
            unix_sockets: true,
        };
        let needed = needed(&everything).unwrap_or_default();
        assert!(!needed.is_empty());
        assert!(fatal().keys().all(|call| !needed.contains_key(call)));
    }
}
