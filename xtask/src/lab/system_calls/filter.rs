//! seccomp(2) and seccomp_unotify(2).

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;

use super::Call;

const RECEIVE: libc::c_ulong = 0xc050_2100;
const SEND: libc::c_ulong = 0xc018_2101;
/// From the beginning of `struct seccomp_data`.
const NUMBER: u32 = 0;

/// A filter that has us asked about calls of these numbers.
pub(super) fn program(numbers: &[i64]) -> Vec<libc::sock_filter> {
    let statement = |code: u32, k: u32| libc::sock_filter {
        code: u16::try_from(code).unwrap_or_default(),
        jt: 0,
        jf: 0,
        k,
    };
    let load = statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, NUMBER);
    let mut program = vec![load];
    for (index, number) in numbers.iter().enumerate() {
        let equal = statement(
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            u32::try_from(*number).unwrap_or(u32::MAX),
        );
        program.push(libc::sock_filter {
            // Over the rest of these and one more.
            jt: u8::try_from(numbers.len() - index).unwrap_or(u8::MAX),
            ..equal
        });
    }
    let verdict = |verdict| statement(libc::BPF_RET | libc::BPF_K, verdict);
    program.push(verdict(libc::SECCOMP_RET_ALLOW));
    program.push(verdict(libc::SECCOMP_RET_USER_NOTIF));
    program
}

/// Puts the filter on this process; returns the end at which we are asked.
pub(super) fn install(program: &[libc::sock_filter]) -> io::Result<OwnedFd> {
    let program = libc::sock_fprog {
        len: u16::try_from(program.len()).unwrap_or_default(),
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: the kernel copies the program, which lives until it has.
    let listener = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
            &raw const program,
        )
    };
    let listener = Errno::result(listener)?;
    let listener = i32::try_from(listener).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made it for us.
    Ok(unsafe { OwnedFd::from_raw_fd(listener) })
}

/// The next call, and what to name it by in the answer. `None` when whoever made it is gone.
pub(super) fn next(calls: &OwnedFd) -> Option<(u64, Call)> {
    // SAFETY: all of its fields may be zero, which the kernel wants them to be.
    let mut asked: libc::seccomp_notif = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes one such structure.
    let received = unsafe { libc::ioctl(calls.as_raw_fd(), RECEIVE, &raw mut asked) };
    Errno::result(received).ok()?;
    let call = Call {
        pid: asked.pid,
        number: asked.data.nr.into(),
        arguments: asked.data.args,
    };
    Some((asked.id, call))
}

/// Lets it proceed, or fail.
pub(super) fn answer(calls: &OwnedFd, id: u64, error: Option<Errno>) {
    let proceeds = u32::try_from(libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE).unwrap_or_default();
    let answer = libc::seccomp_notif_resp {
        id,
        val: 0,
        error: error.map_or(0, |errno| -(errno as i32)),
        flags: if error.is_none() { proceeds } else { 0 },
    };
    // Whoever asked may be gone.
    // SAFETY: the kernel reads one such structure.
    let _ = unsafe { libc::ioctl(calls.as_raw_fd(), SEND, &raw const answer) };
}
