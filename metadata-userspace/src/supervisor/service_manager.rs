//! What the service manager is told, and what it keeps for us (sd_notify(3)).
//!
//! It is told from here and not through a library, because it may be slow to listen
//! and nothing may wait for it: who reads `NOTIFY_SOCKET` is not always systemd.

use std::ffi::OsStr;
use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::sockopt::SendTimeout;
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, UnixAddr, sendmsg, setsockopt,
    socket,
};
use nix::sys::time::{TimeVal, TimeValLike};
use nix::time::{ClockId, clock_gettime};

/// Longest wait until the service manager takes a message.
const PATIENCE: TimeVal = TimeVal::new(1, 0);
/// Descriptors in one message; the kernel takes 253 (`SCM_MAX_FD`).
const AT_ONCE: usize = 250;

/// The program that started us and watches over us, if there is one.
#[derive(Debug, Default)]
pub struct ServiceManager(Option<Door>);

#[derive(Debug)]
struct Door {
    socket: OwnedFd,
    address: UnixAddr,
}

impl ServiceManager {
    /// That which `NOTIFY_SOCKET` names.
    pub fn of_environment() -> Self {
        let Some(name) = std::env::var_os("NOTIFY_SOCKET") else {
            return Self(None);
        };
        match open(&name) {
            Ok(door) => Self(Some(door)),
            Err(errno) => {
                tracing::warn!(?name, %errno, "cannot use NOTIFY_SOCKET; the service manager hears nothing");
                Self(None)
            }
        }
    }

    pub fn is_there(&self) -> bool {
        self.0.is_some()
    }

    /// Everything is served.
    pub fn ready(&self, status: &str) {
        self.say(&format!("READY=1\nSTATUS={status}"));
    }

    pub fn status(&self, status: &str) {
        self.say(&format!("STATUS={status}"));
    }

    /// A [`ready`](Self::ready) follows.
    pub fn reloading(&self) {
        // systemd tells this reload from the one before by its time.
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC);
        let now = now.map_or(0, |now| now.num_microseconds());
        self.say(&format!(
            "RELOADING=1\nMONOTONIC_USEC={now}\nSTATUS=Reloading"
        ));
    }

    pub fn stopping(&self) {
        self.say("STOPPING=1\nSTATUS=Stopping");
    }

    pub fn is_alive(&self) {
        self.say("WATCHDOG=1");
    }

    /// Has it keep descriptors for the next process of this service. It drops those
    /// that hang up by itself, such as a listener that was shut down.
    pub fn keep(&self, name: &str, descriptors: &[impl AsFd]) {
        for some in descriptors.chunks(AT_ONCE) {
            let some: Vec<BorrowedFd<'_>> = some.iter().map(AsFd::as_fd).collect();
            self.send(&format!("FDSTORE=1\nFDNAME={name}"), &some);
        }
    }

    fn say(&self, text: &str) {
        self.send(text, &[]);
    }

    fn send(&self, text: &str, descriptors: &[BorrowedFd<'_>]) {
        let Some(Door { socket, address }) = &self.0 else {
            return;
        };
        let descriptors: Vec<RawFd> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
        let rights = [ControlMessage::ScmRights(&descriptors)];
        let rights = if descriptors.is_empty() {
            [].as_slice()
        } else {
            &rights
        };
        let sent = sendmsg(
            socket.as_raw_fd(),
            &[IoSlice::new(text.as_bytes())],
            rights,
            MsgFlags::MSG_NOSIGNAL,
            Some(address),
        );
        if let Err(errno) = sent {
            tracing::warn!(%errno, message = text, "cannot tell the service manager");
        }
    }
}

fn open(name: &OsStr) -> Result<Door, Errno> {
    // systemd writes an abstract address with an @ in the place of the null.
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(name) => UnixAddr::new_abstract(name),
        None => UnixAddr::new(name),
    }?;
    let (family, kind) = (AddressFamily::Unix, SockType::Datagram);
    let socket = socket(family, kind, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&socket, SendTimeout, &PATIENCE)?;
    Ok(Door { socket, address })
}

/// How often the service manager wants to hear that we live.
pub fn watchdog_interval() -> Option<Duration> {
    let number = |name| std::env::var(name).ok()?.parse::<u64>().ok();
    let limit = number("WATCHDOG_USEC")?;
    let is_ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
    is_ours.then(|| Duration::from_micros(limit / 2).max(Duration::from_millis(1)))
}
