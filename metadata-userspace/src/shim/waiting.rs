//! Waiting at the least cost: the process becomes a [waiter](../../src/shim/waiter.rs)
//! of four pages, which registers with the next daemon too, and turns into this program
//! again when that has something to say.

use std::convert::Infallible;
use std::ffi::{CString, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, FcntlArg, fcntl};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::prctl;
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::unistd::execveat;
use serde::{Deserialize, Serialize};

use super::handover::{CONNECTION, EXECUTABLE, PAUSE, REGISTRATION, SOCKET, STARTER};
use super::order::Log;
use super::process;
use super::protocol::Registration;
use super::report::{Severity, to_log};

/// The program that waits; empty where there is none for the machine.
const WAITER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/haproxy-waiter"));
/// Environment variable: the [`Shim`]. The configuration is not read again, as haproxy
/// would not: it may be gone, and reading it may take privileges that are given up.
const STATE: &str = "METADATAD_SHIM_STATE";
/// Between two attempts to reach the daemon.
const BETWEEN_ATTEMPTS: Duration = Duration::from_secs(1);
/// `MFD_EXEC` of Linux 6.3, which since then warns without it.
const MFD_EXEC: u32 = 0x10;

/// All that a shim has to remember.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Shim {
    pub(super) registration: Registration,
    pub(super) log: Log,
    pub(super) socket: PathBuf,
    pub(super) executable: PathBuf,
}

impl Shim {
    /// What this process was before it waited.
    pub(super) fn left_by_the_waiter() -> Option<Self> {
        serde_json::from_str(&std::env::var(STATE).ok()?).ok()
    }
}

/// Waits until the daemon hangs up, and then for the next one, until a signal ends
/// the process. `starter` is closed when the process is what it stays.
pub(super) fn wait(
    shim: &Shim,
    connection: Option<OwnedFd>,
    starter: Option<OwnedFd>,
    pause: Duration,
) -> ! {
    // What haproxy does with them (a reload, a report) is not ours, but they end a
    // process.
    for ignored in [Signal::SIGHUP, Signal::SIGUSR2] {
        // SAFETY: ignoring takes no handler.
        let _ = unsafe { signal(ignored, SigHandler::SigIgn) };
    }
    let _ = prctl::set_name(c"haproxy");
    let (connection, starter) = (connection.map(aloft), starter.map(aloft));
    let Err(error) = become_waiter(shim, connection.as_ref(), starter.as_ref(), pause);
    drop(starter);
    hand_over(None, CONNECTION);
    hand_over(None, STARTER);
    let text = format!("cannot execute the small waiter, so stays large: {error}");
    to_log(&shim.log, Severity::Warning, &text);
    stay(shim, connection, pause)
}

fn become_waiter(
    shim: &Shim,
    connection: Option<&OwnedFd>,
    starter: Option<&OwnedFd>,
    pause: Duration,
) -> io::Result<Infallible> {
    let waiter = aloft(waiter()?.into());
    let environment = environment(shim, pause)?;
    let arguments: Vec<CString> = std::env::args_os().filter_map(text).collect();
    hand_over(connection, CONNECTION);
    hand_over(starter, STARTER);
    let flags = AtFlags::AT_EMPTY_PATH;
    Ok(execveat(
        waiter.as_fd(),
        c"",
        &arguments,
        &environment,
        flags,
    )?)
}

/// Moves a descriptor out of the way of the numbers under which the waiter looks.
fn aloft(fd: OwnedFd) -> OwnedFd {
    match fcntl(&fd, FcntlArg::F_DUPFD_CLOEXEC(16)) {
        // SAFETY: the kernel has just made it for us.
        Ok(copy) => unsafe { OwnedFd::from_raw_fd(copy) },
        Err(_) => fd,
    }
}

/// Puts a copy where the waiter looks, or nothing.
fn hand_over(fd: Option<&OwnedFd>, number: i32) {
    match fd {
        // SAFETY: nothing of this process is open under that number any more.
        Some(fd) => unsafe { libc::dup2(fd.as_raw_fd(), number) },
        // SAFETY: as before.
        None => unsafe { libc::close(number) },
    };
}

fn waiter() -> io::Result<File> {
    if WAITER.is_empty() {
        return Err(io::Error::other("there is none for this machine"));
    }
    let flags = MFdFlags::MFD_CLOEXEC;
    let memory = memfd_create(c"haproxy", flags | MFdFlags::from_bits_retain(MFD_EXEC));
    let memory = match memory {
        Err(Errno::EINVAL) => memfd_create(c"haproxy", flags),
        made => made,
    };
    let mut file = File::from(memory?);
    file.write_all(WAITER)?;
    Ok(file)
}

fn environment(shim: &Shim, pause: Duration) -> io::Result<Vec<CString>> {
    let registration = serde_json::to_string(&shim.registration)?;
    let ours: [(&str, OsString); 5] = [
        (STATE, serde_json::to_string(shim)?.into()),
        (REGISTRATION, registration.into()),
        (SOCKET, shim.socket.clone().into()),
        (EXECUTABLE, shim.executable.clone().into()),
        (PAUSE, pause.as_secs().to_string().into()),
    ];
    let inherited = std::env::vars_os().filter(|(name, _)| ours.iter().all(|(our, _)| name != our));
    let all = inherited.chain(
        ours.iter()
            .map(|(name, value)| (name.into(), value.clone())),
    );
    Ok(all
        .filter_map(|(mut variable, value)| {
            variable.push("=");
            variable.push(value);
            text(variable)
        })
        .collect())
}

fn text(text: OsString) -> Option<CString> {
    CString::new(text.as_bytes()).ok()
}

/// The waiter's work, where the kernel does not let it run: `vm.memfd_noexec`, a
/// security module, another architecture.
fn stay(shim: &Shim, mut connection: Option<OwnedFd>, mut pause: Duration) -> ! {
    loop {
        connection.iter().for_each(await_hang_up);
        drop(connection.take());
        std::thread::sleep(pause.max(BETWEEN_ATTEMPTS));
        pause = Duration::ZERO;
        match process::register(shim) {
            Ok((registered, problem)) => {
                connection = Some(registered);
                if let Some(problem) = problem {
                    to_log(&shim.log, Severity::Warning, &problem);
                }
            }
            Err(error) => pause = process::pause_after(&error),
        }
    }
}

fn await_hang_up(connection: &OwnedFd) {
    let mut polled = [PollFd::new(connection.as_fd(), PollFlags::POLLIN)];
    while let Err(Errno::EINTR) = poll(&mut polled, PollTimeout::NONE) {}
}
