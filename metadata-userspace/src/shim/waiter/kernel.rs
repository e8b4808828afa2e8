//! The system calls that the waiter makes, and what they take.

use core::arch::asm;
use core::ffi::c_char;

#[cfg(target_arch = "x86_64")]
pub(crate) mod number {
    pub(crate) const READ: usize = 0;
    pub(crate) const CLOSE: usize = 3;
    pub(crate) const RT_SIGACTION: usize = 13;
    pub(crate) const NANOSLEEP: usize = 35;
    pub(crate) const GETPID: usize = 39;
    pub(crate) const SOCKET: usize = 41;
    pub(crate) const CONNECT: usize = 42;
    pub(crate) const SENDMSG: usize = 46;
    pub(crate) const EXECVE: usize = 59;
    pub(crate) const PRCTL: usize = 157;
    pub(crate) const EXIT_GROUP: usize = 231;
    pub(crate) const OPENAT: usize = 257;
    pub(crate) const PPOLL: usize = 271;
    pub(crate) const DUP3: usize = 292;
}

#[cfg(target_arch = "aarch64")]
pub(crate) mod number {
    pub(crate) const DUP3: usize = 24;
    pub(crate) const OPENAT: usize = 56;
    pub(crate) const CLOSE: usize = 57;
    pub(crate) const READ: usize = 63;
    pub(crate) const PPOLL: usize = 73;
    pub(crate) const EXIT_GROUP: usize = 94;
    pub(crate) const NANOSLEEP: usize = 101;
    pub(crate) const RT_SIGACTION: usize = 134;
    pub(crate) const PRCTL: usize = 167;
    pub(crate) const GETPID: usize = 172;
    pub(crate) const SOCKET: usize = 198;
    pub(crate) const CONNECT: usize = 203;
    pub(crate) const SENDMSG: usize = 211;
    pub(crate) const EXECVE: usize = 221;
}

#[cfg(target_arch = "x86_64")]
pub(crate) fn call(number: usize, arguments: [usize; 5]) -> isize {
    let [a, b, c, d, e] = arguments;
    let result;
    // SAFETY: the kernel's convention for system calls; every pointer in `arguments`
    // is of something that outlives the call.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number.cast_signed() => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e,
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    result
}

#[cfg(target_arch = "aarch64")]
pub(crate) fn call(number: usize, arguments: [usize; 5]) -> isize {
    let [a, b, c, d, e] = arguments;
    let result;
    // SAFETY: as on x86_64.
    unsafe {
        asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") a.cast_signed() => result,
            in("x1") b, in("x2") c, in("x3") d, in("x4") e,
            options(nostack),
        );
    }
    result
}

/// `struct pollfd`.
#[repr(C)]
pub(crate) struct Poll {
    pub(crate) fd: i32,
    pub(crate) events: i16,
    pub(crate) happened: i16,
}

/// `struct sockaddr_un`.
#[repr(C)]
pub(crate) struct Address {
    pub(crate) family: u16,
    pub(crate) path: [u8; 108],
}

/// `struct sigaction`, as the kernel has it.
#[repr(C)]
pub(crate) struct Action {
    pub(crate) handler: extern "C" fn(i32) -> !,
    pub(crate) flags: usize,
    pub(crate) restorer: usize,
    pub(crate) mask: u64,
}

/// `struct timespec`.
#[repr(C)]
pub(crate) struct Time {
    pub(crate) seconds: i64,
    pub(crate) nanoseconds: i64,
}

/// `struct iovec`.
#[repr(C)]
pub(crate) struct Part {
    pub(crate) start: *const c_char,
    pub(crate) length: usize,
}

/// `struct cmsghdr` and one descriptor behind it.
#[repr(C)]
pub(crate) struct Rights {
    pub(crate) length: usize,
    pub(crate) level: i32,
    pub(crate) kind: i32,
    pub(crate) fd: i32,
    pub(crate) padding: i32,
}

/// `struct msghdr`.
#[repr(C)]
pub(crate) struct Message {
    pub(crate) name: usize,
    pub(crate) name_length: usize,
    pub(crate) parts: *const Part,
    pub(crate) part_count: usize,
    pub(crate) control: *const Rights,
    pub(crate) control_length: usize,
    pub(crate) flags: usize,
}

pub(crate) const POLLIN: i16 = 1;
pub(crate) const AT_FDCWD: usize = -100_isize as usize;
pub(crate) const SOL_SOCKET: i32 = 1;
pub(crate) const SCM_RIGHTS: i32 = 1;
pub(crate) const MSG_NOSIGNAL: usize = 0x4000;
/// Of a daemon that is connected, before it has answered.
pub(crate) static PATIENCE: Time = Time {
    seconds: 10,
    nanoseconds: 0,
};
pub(crate) const AF_UNIX: u16 = 1;
pub(crate) const SOCK_SEQPACKET: usize = 5;
pub(crate) const PR_SET_NAME: usize = 15;
/// Without it x86_64 delivers no signal; the handler never returns, so it needs none.
pub(crate) const SA_RESTORER: usize = 0x0400_0000;
/// SIGINT, SIGUSR1 (haproxy's soft stop), SIGTERM. The process may be the first of
/// its container, for which there are no default actions.
pub(crate) const ENDINGS: [usize; 3] = [2, 10, 15];
