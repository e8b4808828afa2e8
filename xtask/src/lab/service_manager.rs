//! systemd's part in a restart: hears what a daemon says at `NOTIFY_SOCKET`, keeps its
//! descriptors (sd_notify(3), `FDSTORE=1`), passes them to the next one
//! (sd_listen_fds(3)), and wants to hear that it lives (sd_watchdog_enabled(3)).

use std::io::IoSliceMut;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Result;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use tempfile::TempDir;

/// Where passed descriptors begin.
const FIRST: RawFd = 3;
/// Above any number that a test's own descriptors have.
const ALOFT: RawFd = 700;
/// Descriptors in one message, as systemd takes them (`NOTIFY_FD_MAX`).
const AT_ONCE: usize = 768;
const LISTENING: Duration = Duration::from_millis(20);
/// The unit's `WatchdogSec=`.
const WATCHDOG: Duration = Duration::from_secs(120);
/// Descriptors that are kept at most: the unit's `FileDescriptorStoreMax`.
const MOST: usize = 32;

/// A service manager for one daemon.
#[derive(Debug)]
pub struct ServiceManager {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    directory: TempDir,
    watchdog: Duration,
}

#[derive(Debug, Default)]
struct Shared {
    said: Mutex<Vec<String>>,
    kept: Mutex<Vec<(String, OwnedFd)>>,
    /// By what name nothing is kept.
    refused: Mutex<Option<String>>,
    stop: AtomicBool,
}

impl ServiceManager {
    /// # Errors
    /// When the socket cannot be made.
    pub fn start() -> Result<Self> {
        Self::with_watchdog(WATCHDOG)
    }

    /// One that takes a daemon for hung after so long a silence. What follows from that is
    /// the caller's.
    ///
    /// # Errors
    /// As [`ServiceManager::start`].
    pub fn with_watchdog(watchdog: Duration) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("notify-").tempdir()?;
        let socket = UnixDatagram::bind(directory.path().join("socket"))?;
        socket.set_read_timeout(Some(LISTENING))?;
        let shared = Arc::new(Shared::default());
        let hearing = shared.clone();
        let thread = thread::spawn(move || {
            while !hearing.stop.load(Ordering::Relaxed) {
                hearing.hear(&socket);
            }
        });
        Ok(Self {
            shared,
            thread: Some(thread),
            directory,
            watchdog,
        })
    }

    /// What the daemons said, in order.
    #[must_use]
    pub fn said(&self) -> Vec<String> {
        lock(&self.shared.said).clone()
    }

    /// Whether they said this, alone or among other lines.
    #[must_use]
    pub fn was_told(&self, line: &str) -> bool {
        let said = lock(&self.shared.said);
        said.iter().any(|text| text.lines().any(|one| one == line))
    }

    /// Forgets what they said.
    pub fn clear_said(&self) {
        lock(&self.shared.said).clear();
    }

    /// The names of the descriptors that are kept, sorted. Those that hung up are not.
    #[must_use]
    pub fn kept(&self) -> Vec<String> {
        let mut kept = lock(&self.shared.kept);
        kept.retain(|(_, fd)| is_alive(fd));
        let mut names: Vec<String> = kept.iter().map(|(name, _)| name.clone()).collect();
        names.sort();
        names
    }

    /// From now on, keeps nothing of this name, as when its store is full.
    pub fn refuse(&self, name: Option<&str>) {
        *lock(&self.shared.refused) = name.map(str::to_owned);
    }

    /// Closes what it keeps, as systemd does when a service is stopped and not
    /// restarted.
    pub fn release(&self) {
        lock(&self.shared.kept).clear();
    }

    /// A command that runs `program` as this service: it is given what is kept.
    ///
    /// # Errors
    /// When there are too many open files.
    pub fn command(&self, program: &Path) -> Result<Command> {
        let names = self.kept_names_in_order();
        let kept = lock(&self.shared.kept);
        let aloft: Vec<RawFd> = kept
            .iter()
            .map(|(_, fd)| fcntl(fd, FcntlArg::F_DUPFD_CLOEXEC(ALOFT)))
            .collect::<nix::Result<_>>()?;
        // The process that is executed has to know its own number.
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "LISTEN_PID=$$ WATCHDOG_PID=$$ exec \"$0\" \"$@\""]);
        command
            .arg(program)
            .env("NOTIFY_SOCKET", self.path())
            .env("WATCHDOG_USEC", self.watchdog.as_micros().to_string())
            .env("LISTEN_FDS", aloft.len().to_string())
            .env("LISTEN_FDNAMES", names.join(":"));
        let guards: Vec<OwnedFd> = aloft
            .iter()
            // SAFETY: made a moment ago, for nobody else.
            .map(|fd| unsafe { OwnedFd::from_raw_fd(*fd) })
            .collect();
        let pass_on = move || {
            // What whoever started us left open is not the service's, and in the way of some.
            let own = libc::CLOSE_RANGE_CLOEXEC.cast_signed();
            // SAFETY: without pointers; async-signal-safe.
            if unsafe { libc::close_range(FIRST.cast_unsigned(), u32::MAX, own) } < 0 {
                return Err(std::io::Error::last_os_error());
            }
            for (number, fd) in (FIRST..).zip(&guards) {
                // SAFETY: dup2 is async-signal-safe; what has the number in the child is
                // of no use to it.
                if unsafe { libc::dup2(fd.as_raw_fd(), number) } < 0 {
                    return Err(std::io::Error::last_os_error());
                }
            }
            Ok(())
        };
        // SAFETY: nothing but close_range and dup2 happens between fork and exec.
        unsafe { command.pre_exec(pass_on) };
        Ok(command)
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("socket")
    }

    fn kept_names_in_order(&self) -> Vec<String> {
        let mut kept = lock(&self.shared.kept);
        kept.retain(|(_, fd)| is_alive(fd));
        kept.iter().map(|(name, _)| name.clone()).collect()
    }
}

/// The same under a number that the child's copies of what is kept do not take.
///
/// # Errors
/// When there are too many open files.
pub fn aloft(fd: impl AsFd) -> Result<OwnedFd> {
    let number = fcntl(fd, FcntlArg::F_DUPFD_CLOEXEC(ALOFT))?;
    // SAFETY: made a moment ago, for nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

impl Shared {
    fn hear(&self, socket: &UnixDatagram) {
        let mut buffer = [0; 4096];
        let mut rights = nix::cmsg_space!([RawFd; AT_ONCE]);
        let mut parts = [IoSliceMut::new(&mut buffer)];
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        let received = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut rights), flags);
        let Ok(message) = received else { return };
        let mut fds = Vec::new();
        for control in message.cmsgs().into_iter().flatten() {
            if let ControlMessageOwned::ScmRights(some) = control {
                // SAFETY: the kernel has just installed them for us.
                fds.extend(
                    some.into_iter()
                        .map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }),
                );
            }
        }
        let length = message.bytes;
        let text = String::from_utf8_lossy(buffer.get(..length).unwrap_or_default()).into_owned();
        if text.lines().any(|line| line == "FDSTORE=1") {
            let name = text.lines().find_map(|line| line.strip_prefix("FDNAME="));
            self.keep(name.unwrap_or("stored"), fds);
        }
        lock(&self.said).push(text);
    }

    fn keep(&self, name: &str, fds: Vec<OwnedFd>) {
        if lock(&self.refused).as_deref() == Some(name) {
            return;
        }
        let mut kept = lock(&self.kept);
        kept.retain(|(_, fd)| is_alive(fd));
        let room = MOST.saturating_sub(kept.len());
        kept.extend(fds.into_iter().take(room).map(|fd| (name.to_owned(), fd)));
    }
}

/// systemd drops a descriptor on which an end or an error is reported.
fn is_alive(fd: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(fd.as_fd(), PollFlags::empty())];
    let polled = poll(&mut fds, PollTimeout::ZERO);
    let [fd] = fds;
    let ended = PollFlags::POLLHUP | PollFlags::POLLERR;
    polled.is_ok()
        && !fd
            .revents()
            .is_some_and(|happened| happened.intersects(ended))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for ServiceManager {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
