//! Descriptors that the process before this one left: kept by the service manager
//! (sd_listen_fds(3)), or handed over when it executed this program in its place.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::socket::{Shutdown, shutdown};
use serde::{Deserialize, Serialize};

use super::control::from_memory_file;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Environment variable: the number of the memory file that holds a [`Handover`].
pub const HANDOVER: &str = "METADATAD_HANDOVER";
/// What is set for one process and means nothing to those that it starts.
pub const FOR_ONE_PROCESS: [&str; 4] = ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", HANDOVER];
/// `SD_LISTEN_FDS_START`.
const FIRST: RawFd = 3;

/// What one program hands to the next that takes its place.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Handover {
    /// Open descriptors with their names.
    pub descriptors: Vec<(String, RawFd)>,
    /// Children that have not ended yet.
    pub children: Vec<i32>,
}

/// What was left, by name.
#[derive(Debug, Default)]
pub struct Inherited {
    named: BTreeMap<String, Vec<OwnedFd>>,
    /// Children that programs before this one started.
    pub children: Vec<i32>,
}

impl Inherited {
    /// Takes everything that the environment tells of: once, before the process opens
    /// many files of its own.
    pub fn of_environment() -> Self {
        let mut inherited = Self::default();
        for (name, number) in listed() {
            inherited.add(name, number);
        }
        if let Some(Handover {
            descriptors,
            children,
        }) = handed_over()
        {
            for (name, number) in descriptors {
                inherited.add(name, number);
            }
            inherited.children = children;
        }
        inherited
    }

    fn add(&mut self, name: String, number: RawFd) {
        if let Some(fd) = own(number) {
            self.named.entry(name).or_default().push(fd);
        }
    }

    /// All of one name.
    pub fn take_all(&mut self, name: &str) -> Vec<OwnedFd> {
        self.named.remove(name).unwrap_or_default()
    }

    /// The socket of one name that fits. Others of that name are ended: nobody would
    /// ever accept what queues there.
    pub fn take(&mut self, name: &str, fits: impl Fn(&OwnedFd) -> bool) -> Option<OwnedFd> {
        let (taken, others) = self.part(name, fits);
        others.iter().for_each(end_listening);
        taken
    }

    /// The socket of one name that fits, and the others of that name.
    pub fn part(
        &mut self,
        name: &str,
        fits: impl Fn(&OwnedFd) -> bool,
    ) -> (Option<OwnedFd>, Vec<OwnedFd>) {
        let (mut fitting, mut others): (Vec<_>, Vec<_>) =
            self.take_all(name).into_iter().partition(|fd| fits(fd));
        let taken = fitting.pop();
        others.extend(fitting);
        (taken, others)
    }
}

/// Ends a listener for all who hold it, the service manager among them. Connections
/// that nobody accepted are reset.
pub fn end_listening(listener: &OwnedFd) {
    // What is no listening socket needs no end.
    let _ = shutdown(listener.as_raw_fd(), Shutdown::Both);
}

/// What the service manager passed to this very process.
fn listed() -> Vec<(String, RawFd)> {
    let number = |name| std::env::var(name).ok()?.parse::<i32>().ok();
    let ours = i32::try_from(std::process::id()).ok();
    let (true, Some(count)) = (number("LISTEN_PID") == ours, number("LISTEN_FDS")) else {
        return Vec::new();
    };
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let names = names.split(':').map(str::to_owned);
    names
        .chain(std::iter::repeat(String::new()))
        .zip(FIRST..FIRST.saturating_add(count))
        .collect()
}

fn handed_over() -> Option<Handover> {
    let number = std::env::var(HANDOVER).ok()?.parse().ok()?;
    match from_memory_file(own(number)) {
        Ok(handover) => Some(handover),
        Err(error) => {
            tracing::error!(%error, "cannot read what the program before this one left");
            None
        }
    }
}

/// Takes an open descriptor for our own, not to be inherited further.
fn own(number: RawFd) -> Option<OwnedFd> {
    if number < FIRST {
        return None;
    }
    // SAFETY: only asked whether it is open.
    let open = fcntl(unsafe { BorrowedFd::borrow_raw(number) }, FcntlArg::F_GETFD);
    open.ok()?;
    // SAFETY: it is open, was open before this program began, and whoever started the
    // program says that it is for us.
    let fd = unsafe { File::from_raw_fd(number) };
    fcntl(&fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).ok()?;
    Some(fd.into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    fn with(name: &str, listeners: Vec<TcpListener>) -> Inherited {
        let fds = listeners.into_iter().map(OwnedFd::from).collect();
        Inherited {
            named: [(name.to_owned(), fds)].into(),
            children: Vec::new(),
        }
    }

    #[test]
    fn what_does_not_fit_listens_no_more() {
        let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let addresses = listeners.each_ref().map(|one| one.local_addr().unwrap());
        let [_, wanted, _] = listeners.each_ref().map(AsRawFd::as_raw_fd);
        let _somebody_else_holds_them = listeners.each_ref().map(|one| one.try_clone().unwrap());
        let mut inherited = with("metrics", listeners.into());
        let taken = inherited.take("metrics", |fd| fd.as_raw_fd() == wanted);
        assert_eq!(taken.map(|fd| fd.as_raw_fd()), Some(wanted));
        let answers = addresses.map(|address| TcpStream::connect(address).is_ok());
        assert_eq!(answers, [false, true, false]);
        assert!(inherited.take("metrics", |_| true).is_none());
    }
}
