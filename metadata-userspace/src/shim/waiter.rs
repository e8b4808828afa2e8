//! What a shim is while it waits: a program of one page, because there is one for
//! each router and network of the host.
//!
//! It waits until the daemon hangs up, connects again, and becomes the whole program,
//! which registers anew. It has no heap, no library and no relocation to write. The
//! build script compiles it; [`waiting`](super::waiting) executes it.

#![no_std]
#![no_main]

use core::arch::{asm, global_asm};
use core::ffi::c_char;
use core::panic::PanicInfo;

#[path = "handover.rs"]
mod handover;

use handover::{CONNECTION, EXECUTABLE, PAUSE, SOCKET, STARTER};

#[cfg(target_arch = "x86_64")]
mod number {
    pub(crate) const READ: usize = 0;
    pub(crate) const CLOSE: usize = 3;
    pub(crate) const RT_SIGACTION: usize = 13;
    pub(crate) const NANOSLEEP: usize = 35;
    pub(crate) const GETPID: usize = 39;
    pub(crate) const SOCKET: usize = 41;
    pub(crate) const CONNECT: usize = 42;
    pub(crate) const EXECVE: usize = 59;
    pub(crate) const PRCTL: usize = 157;
    pub(crate) const EXIT_GROUP: usize = 231;
    pub(crate) const PPOLL: usize = 271;
    pub(crate) const DUP3: usize = 292;
}

#[cfg(target_arch = "aarch64")]
mod number {
    pub(crate) const DUP3: usize = 24;
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
    pub(crate) const EXECVE: usize = 221;
}

// The kernel starts a program with nothing but a stack, on which its arguments are.
#[cfg(target_arch = "x86_64")]
global_asm!(
    ".globl _start",
    "_start:",
    "xor ebp, ebp",
    "mov rdi, rsp",
    "and rsp, -16",
    "call {start}",
    start = sym start,
);
#[cfg(target_arch = "aarch64")]
global_asm!(
    ".globl _start",
    "_start:",
    "mov x29, xzr",
    "mov x30, xzr",
    "mov x0, sp",
    "b {start}",
    start = sym start,
);

#[cfg(target_arch = "x86_64")]
fn call(number: usize, arguments: [usize; 5]) -> isize {
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
fn call(number: usize, arguments: [usize; 5]) -> isize {
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
struct Poll {
    fd: i32,
    events: i16,
    happened: i16,
}

/// `struct sockaddr_un`.
#[repr(C)]
struct Address {
    family: u16,
    path: [u8; 108],
}

/// `struct sigaction`, as the kernel has it.
#[repr(C)]
struct Action {
    handler: extern "C" fn(i32) -> !,
    flags: usize,
    restorer: usize,
    mask: u64,
}

/// `struct timespec`.
#[repr(C)]
struct Time {
    seconds: i64,
    nanoseconds: i64,
}

const POLLIN: i16 = 1;
const AF_UNIX: u16 = 1;
const SOCK_SEQPACKET: usize = 5;
const PR_SET_NAME: usize = 15;
/// Without it x86_64 delivers no signal; the handler never returns, so it needs none.
const SA_RESTORER: usize = 0x0400_0000;
/// SIGINT, SIGUSR1 (haproxy's soft stop), SIGTERM. The process may be the first of
/// its container, for which there are no default actions.
const ENDINGS: [usize; 3] = [2, 10, 15];

/// Zero when the program is loaded; only the path is ever written.
static mut ADDRESS: Address = Address {
    family: AF_UNIX,
    path: [0; 108],
};

/// Where the arguments and the environment are.
struct Stack {
    arguments: *const *const c_char,
    environment: *const *const c_char,
}

extern "C" fn start(stack: *const usize) -> ! {
    // SAFETY: the kernel puts the number of arguments, the arguments, a null, the
    // environment and a null there.
    let stack = unsafe {
        let arguments = stack.add(1).cast();
        Stack {
            arguments,
            environment: stack.add(1 + *stack + 1).cast(),
        }
    };
    call(
        number::PRCTL,
        [PR_SET_NAME, c"haproxy".as_ptr() as usize, 0, 0, 0],
    );
    ENDINGS.iter().for_each(|&signal| end_on(signal));
    call(number::CLOSE, [STARTER as usize, 0, 0, 0, 0]);
    await_hang_up();
    sleep(stack.seconds(PAUSE), jitter());
    loop {
        if connect(&stack) {
            become_whole(&stack);
        }
        sleep(1, 0);
    }
}

extern "C" fn leave(_signal: i32) -> ! {
    loop {
        call(number::EXIT_GROUP, [0; 5]);
    }
}

fn end_on(signal: usize) {
    let action = Action {
        handler: leave,
        flags: SA_RESTORER,
        restorer: 0,
        mask: 0,
    };
    let action = &raw const action as usize;
    call(
        number::RT_SIGACTION,
        [signal, action, 0, size_of::<u64>(), 0],
    );
}

/// Returns when the daemon is gone, at once when there is no connection.
fn await_hang_up() {
    let mut poll = Poll {
        fd: CONNECTION,
        events: POLLIN,
        happened: 0,
    };
    loop {
        call(number::PPOLL, [&raw mut poll as usize, 1, 0, 0, 0]);
        // SAFETY: the kernel writes it.
        match unsafe { (&raw const poll.happened).read_volatile() } {
            // A signal that was ignored.
            0 => continue,
            POLLIN if read_something() => continue,
            _ => break,
        }
    }
    call(number::CLOSE, [CONNECTION as usize, 0, 0, 0, 0]);
}

/// The daemon has nothing to say that matters here.
fn read_something() -> bool {
    let mut buffer = [0_u8; 16];
    let start = &raw mut buffer as usize;
    call(number::READ, [CONNECTION as usize, start, 16, 0, 0]) > 0
}

/// A pause below a second, other for each of a host's thousand shims, in nanoseconds.
fn jitter() -> i64 {
    let pid = call(number::GETPID, [0; 5]).cast_unsigned() as u32;
    // Fibonacci hashing: neighbours are far from each other.
    let spread = i64::from(pid.wrapping_mul(2_654_435_769) >> 12);
    spread * 950
}

fn sleep(seconds: i64, nanoseconds: i64) {
    let time = Time {
        seconds,
        nanoseconds,
    };
    call(number::NANOSLEEP, [&raw const time as usize, 0, 0, 0, 0]);
}

/// Whether the daemon accepts; the connection is where it is expected then.
fn connect(stack: &Stack) -> bool {
    let Some(path) = stack.variable(SOCKET) else {
        return false;
    };
    let fd = call(number::SOCKET, [AF_UNIX as usize, SOCK_SEQPACKET, 0, 0, 0]);
    if fd < 0 {
        return false;
    }
    let fd = fd.cast_unsigned();
    let address = address(path);
    let connected = call(number::CONNECT, [fd, address, size_of::<Address>(), 0, 0]) == 0;
    if fd == CONNECTION as usize && connected {
        return true;
    }
    let moved = connected && call(number::DUP3, [fd, CONNECTION as usize, 0, 0, 0]) >= 0;
    call(number::CLOSE, [fd, 0, 0, 0, 0]);
    moved
}

fn address(path: *const c_char) -> usize {
    let address = &raw mut ADDRESS;
    // SAFETY: there is one thread, the path ends with a null, and the last byte of the
    // address stays one.
    unsafe {
        let to: *mut u8 = (&raw mut (*address).path).cast();
        let mut at = 0;
        while at < 107 && *path.add(at) != 0 {
            // Volatile, so that this does not become a call of memcpy: there is none.
            to.add(at).write_volatile(path.add(at).read() as u8);
            at += 1;
        }
    }
    address as usize
}

/// Returns only when the program is not there: it may be replaced just now.
fn become_whole(stack: &Stack) {
    if let Some(path) = stack.variable(EXECUTABLE) {
        let (arguments, environment) = (stack.arguments as usize, stack.environment as usize);
        call(
            number::EXECVE,
            [path as usize, arguments, environment, 0, 0],
        );
    }
    call(number::CLOSE, [CONNECTION as usize, 0, 0, 0, 0]);
}

impl Stack {
    /// The value of an environment variable.
    fn variable(&self, name: &str) -> Option<*const c_char> {
        let mut next = self.environment;
        // SAFETY: a list of strings that ends with a null.
        unsafe {
            while !(*next).is_null() {
                if let Some(value) = value(*next, name) {
                    return Some(value);
                }
                next = next.add(1);
            }
        }
        None
    }

    /// A variable that is a number; 0 when it is none.
    fn seconds(&self, name: &str) -> i64 {
        let Some(text) = self.variable(name) else {
            return 0;
        };
        let (mut next, mut number) = (text, 0_i64);
        // SAFETY: the environment's strings end with a null, which is no digit.
        while let Some(digit) = digit(unsafe { *next }) {
            number = number.wrapping_mul(10).wrapping_add(digit);
            // SAFETY: as before.
            next = unsafe { next.add(1) };
        }
        number
    }
}

fn digit(letter: c_char) -> Option<i64> {
    let letter = letter as u8;
    letter.is_ascii_digit().then(|| i64::from(letter - b'0'))
}

/// What follows `name=`.
///
/// # Safety
/// `variable` is a string that ends with a null.
unsafe fn value(variable: *const c_char, name: &str) -> Option<*const c_char> {
    let mut at = variable;
    for &byte in name.as_bytes() {
        // SAFETY: the null at the end is in no name, so nothing beyond it is read.
        if unsafe { *at } as u8 != byte {
            return None;
        }
        // SAFETY: as before.
        at = unsafe { at.add(1) };
    }
    // SAFETY: as before.
    let is_it = unsafe { *at } as u8 == b'=';
    // SAFETY: behind the sign there is at least the null.
    is_it.then(|| unsafe { at.add(1) })
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    leave(0)
}
