//! Who may register with the daemon, and what it takes.

use std::fs::{self, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use nix::libc;
use socket2::{Domain, SockAddr, Socket, Type};
use xtask::lab::daemon::{Daemon, Setup};
use xtask::lab::{proc, wait};

use crate::{LIMIT, METADATAD};

const NOBODY: u32 = 65534;

fn daemon() -> Result<Daemon> {
    Daemon::start(Setup::new(METADATAD, &["none"], String::new())?)
}

/// What the daemon answers to a message; empty when it hangs up.
fn ask(socket: &Path, message: &str) -> io::Result<String> {
    let connection = Socket::new(Domain::UNIX, Type::SEQPACKET, None)?;
    connection.set_read_timeout(Some(Duration::from_secs(9)))?;
    connection.connect(&SockAddr::unix(socket)?)?;
    connection.send(message.as_bytes())?;
    let mut answer = [0; 4096];
    // SAFETY: the buffer is as long as it is said to be.
    let length = unsafe {
        libc::recv(
            connection.as_raw_fd(),
            answer.as_mut_ptr().cast(),
            answer.len(),
            0,
        )
    };
    match usize::try_from(length) {
        Ok(length) => Ok(String::from_utf8_lossy(&answer[..length]).into_owned()),
        Err(_) => Err(io::Error::last_os_error()),
    }
}

/// The same from a thread of another user; glibc's function would change all threads.
fn ask_as_nobody(socket: &Path, message: &str) -> Result<io::Result<String>> {
    std::thread::scope(|scope| {
        let nobody = scope.spawn(|| {
            // SAFETY: numbers only; the thread ends with its changed user.
            unsafe { libc::syscall(libc::SYS_setresuid, NOBODY, NOBODY, NOBODY) };
            ask(socket, message)
        });
        nobody.join().map_err(|_| anyhow!("it panicked"))
    })
}

#[test]
fn only_root_registers() -> Result<()> {
    let daemon = daemon()?;
    let socket = daemon.shim_socket();
    assert_eq!(fs::metadata(&socket)?.permissions().mode() & 0o777, 0o600);
    let refused = ask_as_nobody(&socket, "{}")?
        .err()
        .map(|error| error.kind());
    assert_eq!(refused, Some(io::ErrorKind::PermissionDenied));
    // Also where somebody opens the file to all.
    fs::set_permissions(&socket, Permissions::from_mode(0o666))?;
    let heard = ask_as_nobody(&socket, "{}")?;
    assert!(heard.is_err() || heard.is_ok_and(|answer| answer.is_empty()));
    daemon.wait_log(&["turned a process away", "65534"])?;
    Ok(())
}

#[test]
fn whoever_says_something_else_is_refused() -> Result<()> {
    let daemon = daemon()?;
    let before = proc::open_files(daemon.pid())?;
    for (message, answer) in [
        (r#"{"version":99}"#, "this daemon 1"),
        (r#"{"version":1}"#, "missing field"),
        (
            r#"{"version":1,"kind":"router","realm":{"router":"1"},"limits":null}"#,
            "no namespace",
        ),
    ] {
        let said = ask(&daemon.shim_socket(), message)?;
        assert!(said.contains("refused") && said.contains(answer), "{said}");
    }
    assert_eq!(ask(&daemon.shim_socket(), "nonsense")?, "");
    // A process that says nothing is not waited for.
    let silent = Socket::new(Domain::UNIX, Type::SEQPACKET, None)?;
    let start = Instant::now();
    silent.connect(&SockAddr::unix(daemon.shim_socket())?)?;
    let end = silent.recv(&mut [std::mem::MaybeUninit::uninit(); 9])?;
    assert_eq!(end, 0);
    assert!(start.elapsed() < Duration::from_secs(9));
    // What it answered before may still have been open at first.
    wait::until("nothing stays open", LIMIT, || {
        Ok(proc::open_files(daemon.pid())? <= before)
    })
}
