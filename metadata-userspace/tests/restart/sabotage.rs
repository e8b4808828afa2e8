//! A worker that a guest has taken over, and what it leaves to the next: sockets are shared,
//! so whatever is done to one is done for all who have it.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use anyhow::Result;
use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::Signal;
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::stat::fstat;
use socket2::{Domain, SockRef};
use xtask::lab::daemon::send;
use xtask::lab::unique;
use xtask::lab::wait;

use crate::{DOCUMENT, LIMIT, Served};

/// Copies of the TCP listeners that a process has, one of each.
pub(crate) fn listeners_of(pid: u32) -> Result<Vec<OwnedFd>> {
    // SAFETY: without pointers.
    let process = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
    // SAFETY: the kernel has just made it for us.
    let process = unsafe { OwnedFd::from_raw_fd(process.try_into()?) };
    let mut listeners = BTreeMap::new();
    for file in fs::read_dir(format!("/proc/{pid}/fd"))? {
        let number: i32 = file?.file_name().to_string_lossy().parse()?;
        // SAFETY: without pointers.
        let copy = unsafe { libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), number, 0) };
        let copy = match Errno::result(copy) {
            Err(Errno::EBADF) => continue, // closed since it was listed
            copy => copy?,
        };
        // SAFETY: the kernel has just made it for us.
        let copy = unsafe { OwnedFd::from_raw_fd(copy.try_into()?) };
        let socket = SockRef::from(&copy);
        let is_tcp = socket.domain().is_ok_and(|domain| domain != Domain::UNIX);
        if is_tcp && socket.is_listener()? {
            listeners.insert(fstat(&copy)?.st_ino, copy);
        }
    }
    Ok(listeners.into_values().collect())
}

/// By calls that the sandbox has to allow.
pub(crate) fn spoil(listener: &OwnedFd) -> Result<()> {
    setsockopt(listener, sockopt::Priority, &0)?;
    SockRef::from(listener).set_nonblocking(false)?;
    let nowhere = [0_u8; 16];
    // SAFETY: the address is as long as is said.
    let ended = unsafe { libc::connect(listener.as_raw_fd(), nowhere.as_ptr().cast(), 16) };
    Errno::result(ended)?;
    Ok(())
}

#[test]
fn what_a_worker_did_to_its_sockets_ends_with_it() -> Result<()> {
    let metrics = (Ipv4Addr::LOCALHOST, unique::loopback_port()?);
    let address = format!("{}:{}", metrics.0, metrics.1);
    let mut served = Served::with(|setup| setup.option("metrics_listen", &address))?;
    let (kept, held) = (served.manager.kept(), served.wait_held()?);
    let worker = served.site.daemon.worker_pid()?;
    let listeners = listeners_of(worker)?;
    // Of guests over IPv4 and over IPv6, of metrics and of the embedded API.
    assert_eq!(listeners.len(), 4);
    listeners.iter().try_for_each(spoil)?;
    drop(listeners);
    assert!(TcpStream::connect(metrics).is_err());
    assert!(served.site.guest.get(DOCUMENT).is_err());
    wait::until("nobody keeps what has ended", LIMIT, || {
        Ok(served.manager.kept().len() == kept.len() - 2 && served.holder.sockets()? == held - 2)
    })?;

    send(worker, Signal::SIGKILL)?;
    served.site.daemon.wait("another worker serves", |daemon| {
        Ok(daemon.worker_pid().is_ok_and(|pid| pid != worker))
    })?;
    let listeners = listeners_of(served.site.daemon.worker_pid()?)?;
    for listener in &listeners {
        assert!(SockRef::from(listener).nonblocking()?);
    }
    assert_eq!(listeners.len(), 4);
    drop(listeners);
    assert!(TcpStream::connect(metrics).is_ok());
    assert_eq!(served.site.guest.get(DOCUMENT)?.status, 200);
    assert_eq!(served.site.guest.get_ipv6(DOCUMENT)?.status, 200);
    let line = ["ERROR", "a worker had ended a socket; it listens again"];
    served.site.daemon.wait_log(&line)?;
    wait::until("the same is kept", LIMIT, || {
        Ok(served.manager.kept() == kept && served.holder.sockets()? == held)
    })?;
    served.restart()?;
    assert_eq!(served.site.guest.get(DOCUMENT)?.status, 200);
    Ok(())
}
