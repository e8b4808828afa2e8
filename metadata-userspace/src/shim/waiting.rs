//! Waiting at the least cost: the process becomes a [waiter](../../src/shim/waiter.rs)
//! of three pages, which turns into this program again when there is something to do.

use std::ffi::{CString, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, FdFlag};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::prctl;
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::unistd::execveat;
use serde::{Deserialize, Serialize};

use super::handover::{CONNECTION, EXECUTABLE, PAUSE, SOCKET};
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

/// The connection that the waiter has opened.
pub(super) fn connection() -> Option<OwnedFd> {
    // SAFETY: asks about a number; whether it is open is the question.
    (unsafe { libc::fcntl(CONNECTION, libc::F_GETFD) } >= 0)
        // SAFETY: it is open, and nothing else in the process knows its number.
        .then(|| unsafe { OwnedFd::from_raw_fd(CONNECTION) })
}

/// Waits until the daemon hangs up, and then for the next one, until a signal ends
/// the process.
pub(super) fn wait(shim: &Shim, connection: Option<OwnedFd>, pause: Duration) -> ! {
    // What haproxy does with them (a reload, a report) is not ours, but they end a
    // process.
    for ignored in [Signal::SIGHUP, Signal::SIGUSR2] {
        // SAFETY: ignoring takes no handler.
        let _ = unsafe { signal(ignored, SigHandler::SigIgn) };
    }
    let _ = prctl::set_name(c"haproxy");
    let connection = match become_waiter(shim, connection, pause) {
        Ok(never) => match never {},
        Err((connection, error)) => {
            let text = format!("cannot execute the small waiter, so stays large: {error}");
            to_log(&shim.log, Severity::Warning, &text);
            connection
        }
    };
    stay(shim, connection, pause)
}

type Hindered = (Option<OwnedFd>, io::Error);

fn become_waiter(
    shim: &Shim,
    connection: Option<OwnedFd>,
    pause: Duration,
) -> Result<std::convert::Infallible, Hindered> {
    let prepared = waiter().and_then(|waiter| Ok((waiter, environment(shim, pause)?)));
    let (waiter, environment) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return Err((connection, error)),
    };
    let arguments: Vec<CString> = std::env::args_os().filter_map(text).collect();
    let connection = connection.map(hand_over);
    let flags = AtFlags::AT_EMPTY_PATH;
    let failed = execveat(waiter.as_fd(), c"", &arguments, &environment, flags);
    // SAFETY: it was ours a moment ago, and the program that was to have it did not come.
    let connection = connection.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
    match failed {
        Ok(never) => Ok(never),
        Err(errno) => Err((connection, errno.into())),
    }
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

/// The number under which the waiter finds the connection.
fn hand_over(connection: OwnedFd) -> i32 {
    if connection.as_raw_fd() == CONNECTION {
        let _ = nix::fcntl::fcntl(&connection, nix::fcntl::FcntlArg::F_SETFD(FdFlag::empty()));
        return connection.into_raw_fd();
    }
    // SAFETY: what may be open under that number is of no use to what comes.
    unsafe { libc::dup2(connection.as_raw_fd(), CONNECTION) }
}

fn environment(shim: &Shim, pause: Duration) -> io::Result<Vec<CString>> {
    let ours: [(&str, OsString); 4] = [
        (STATE, serde_json::to_string(shim)?.into()),
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
