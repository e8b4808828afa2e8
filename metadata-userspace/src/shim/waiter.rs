//! What a shim is while it waits: a program of one page, because there is one for
//! each router and network of the host.
//!
//! It waits until the daemon hangs up, connects to the next one and registers the
//! namespace anew. When the answer is not the usual one it becomes the whole program,
//! which knows what to do; it does not otherwise, because a process that executes
//! another has no arguments for a moment, and an agent that looks then would start
//! a second proxy. It has no heap, no library and no relocation to write. The build
//! script compiles it; [`waiting`](super::waiting) executes it.

#![no_std]
#![no_main]

use core::arch::global_asm;
use core::ffi::c_char;
use core::panic::PanicInfo;

#[path = "handover.rs"]
mod handover;
#[path = "waiter/kernel.rs"]
mod kernel;

use handover::{CONNECTION, EXECUTABLE, PAUSE, REGISTRATION, SERVING, SOCKET, STARTER};
use kernel::{
    AF_UNIX, AT_FDCWD, Action, Address, ENDINGS, MSG_NOSIGNAL, Message, PATIENCE, POLLIN,
    PR_SET_NAME, Part, Poll, Rights, SA_RESTORER, SCM_RIGHTS, SOCK_SEQPACKET, SOL_SOCKET, Time,
    call, number,
};

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
        match connect(&stack) && say(&stack) {
            true => match hear() {
                Heard::Serving => await_hang_up(),
                Heard::Nothing => close_connection(),
                Heard::SomethingElse => become_whole(&stack),
            },
            false => close_connection(),
        }
        sleep(1, jitter());
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
    close_connection();
}

fn close_connection() {
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

/// Registers the namespace in which this process is.
fn say(stack: &Stack) -> bool {
    let Some(start) = stack.variable(REGISTRATION) else {
        return false;
    };
    let mut length = 0;
    // SAFETY: the environment's strings end with a null.
    while unsafe { start.add(length).read_volatile() } != 0 {
        length += 1;
    }
    let path = c"/proc/self/ns/net".as_ptr() as usize;
    let namespace = call(number::OPENAT, [AT_FDCWD, path, 0, 0, 0]);
    let part = Part { start, length };
    let rights = Rights {
        length: size_of::<Rights>() - size_of::<i32>(),
        level: SOL_SOCKET,
        kind: SCM_RIGHTS,
        fd: namespace as i32,
        padding: 0,
    };
    let message = Message {
        name: 0,
        name_length: 0,
        parts: &raw const part,
        part_count: 1,
        control: &raw const rights,
        control_length: size_of::<Rights>(),
        flags: 0,
    };
    let message = &raw const message as usize;
    let sent = namespace >= 0
        && call(
            number::SENDMSG,
            [CONNECTION as usize, message, MSG_NOSIGNAL, 0, 0],
        ) >= 0;
    call(number::CLOSE, [namespace.cast_unsigned(), 0, 0, 0, 0]);
    sent
}

enum Heard {
    Serving,
    /// The daemon went.
    Nothing,
    SomethingElse,
}

fn hear() -> Heard {
    let mut poll = Poll {
        fd: CONNECTION,
        events: POLLIN,
        happened: 0,
    };
    let patience = &raw const PATIENCE as usize;
    if call(number::PPOLL, [&raw mut poll as usize, 1, patience, 0, 0]) <= 0 {
        return Heard::Nothing;
    }
    let mut answer = [0_u8; 16];
    let start = &raw mut answer;
    let length = call(
        number::READ,
        [
            CONNECTION as usize,
            start as usize,
            size_of_val(&answer),
            0,
            0,
        ],
    );
    // SAFETY: the kernel has written there.
    let answer = unsafe { start.read_volatile() };
    match length {
        ..=0 => Heard::Nothing,
        _ if is_serving(&answer, length.cast_unsigned()) => Heard::Serving,
        _ => Heard::SomethingElse,
    }
}

fn is_serving(answer: &[u8; 16], length: usize) -> bool {
    let mut pairs = SERVING.iter().zip(answer);
    length == SERVING.len() && pairs.all(|(expected, heard)| expected == heard)
}

/// Returns only when the program is not there: it may be replaced just now.
fn become_whole(stack: &Stack) {
    close_connection();
    if let Some(path) = stack.variable(EXECUTABLE) {
        let (arguments, environment) = (stack.arguments as usize, stack.environment as usize);
        call(
            number::EXECVE,
            [path as usize, arguments, environment, 0, 0],
        );
    }
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
