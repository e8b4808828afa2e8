//! Faults at a daemon's system calls: chosen ones fail, or something happens just before
//! one of them.
//!
//! A filter that its processes inherit stops them at these calls and tells us (seccomp's
//! user notification, Linux 5.5); we say whether the kernel goes on with the call.

mod filter;

use std::fmt;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::Result;
use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};

use super::daemon::Surroundings;
use super::service_manager::aloft;

/// A call that a process is about to make.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// The thread's, which is the process's where there is one.
    pub pid: u32,
    pub number: i64,
    pub arguments: [u64; 6],
}

impl Call {
    /// A number in the memory of whoever makes the call.
    ///
    /// # Errors
    /// When there is nothing at the address.
    pub fn u32_at(&self, address: u64) -> Result<u32> {
        let memory = File::open(format!("/proc/{}/mem", self.pid))?;
        let mut number = [0; 4];
        memory.read_exact_at(&mut number, address)?;
        Ok(u32::from_ne_bytes(number))
    }
}

/// Says with which error a call fails.
type Rule = Box<dyn FnMut(&Call) -> Option<Errno> + Send>;

/// Watches calls of these numbers. Others are not slowed down.
pub struct SystemCalls {
    numbers: Vec<i64>,
    rule: Arc<Mutex<Option<Rule>>>,
}

impl SystemCalls {
    #[must_use]
    pub fn watch(numbers: &[i64]) -> Arc<Self> {
        Arc::new(Self {
            numbers: numbers.to_vec(),
            rule: Arc::default(),
        })
    }

    /// From now on, this says with which error a call fails; the process waits meanwhile.
    pub fn rule(&self, rule: impl FnMut(&Call) -> Option<Errno> + Send + 'static) {
        *lock(&self.rule) = Some(Box::new(rule));
    }

    /// From now on, all calls are made.
    pub fn clear(&self) {
        *lock(&self.rule) = None;
    }
}

impl fmt::Debug for SystemCalls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SystemCalls({:?})", self.numbers)
    }
}

impl Surroundings for SystemCalls {
    fn prepare(&self, command: &mut Command) -> Result<()> {
        let (ours, theirs) = UnixDatagram::pair()?;
        let theirs = aloft(theirs)?;
        let rule = self.rule.clone();
        thread::spawn(move || {
            if let Ok(Some(calls)) = receive(&ours) {
                judge_all(&calls, &rule);
            }
        });
        let program = filter::program(&self.numbers);
        let install = move || {
            let calls = filter::install(&program)?;
            let fds = [calls.as_raw_fd()];
            let rights = [ControlMessage::ScmRights(&fds)];
            let part = [std::io::IoSlice::new(b"x")];
            sendmsg::<()>(theirs.as_raw_fd(), &part, &rights, MsgFlags::empty(), None)?;
            Ok(())
        };
        // SAFETY: system calls, and an allocation, which glibc's fork leaves possible.
        unsafe { command.pre_exec(install) };
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The listening end of a filter.
fn receive(socket: &UnixDatagram) -> Result<Option<OwnedFd>> {
    let mut buffer = [0; 1];
    let mut rights = nix::cmsg_space!([std::os::fd::RawFd; 1]);
    let mut parts = [std::io::IoSliceMut::new(&mut buffer)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut rights), flags)?;
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(fds) = control {
            // SAFETY: the kernel has just installed it for us.
            let owned = |fd| unsafe { OwnedFd::from_raw_fd(fd) };
            return Ok(fds.into_iter().next().map(owned));
        }
    }
    Ok(None)
}

/// Until no process has the filter any more.
fn judge_all(calls: &OwnedFd, rule: &Mutex<Option<Rule>>) {
    loop {
        let mut ready = [PollFd::new(calls.as_fd(), PollFlags::POLLIN)];
        let polled = poll(&mut ready, PollTimeout::NONE);
        let [ready] = ready;
        let happened = ready.revents().unwrap_or(PollFlags::empty());
        if polled.is_ok() && !happened.contains(PollFlags::POLLIN) {
            return;
        }
        let Some((id, call)) = filter::next(calls) else {
            // It was killed in the meantime.
            continue;
        };
        let error = lock(rule).as_mut().and_then(|rule| rule(&call));
        filter::answer(calls, id, error);
    }
}

/// The command of a `bpf(2)`.
#[must_use]
pub fn bpf_command(call: &Call) -> Option<u64> {
    (call.number == libc::SYS_bpf).then_some(call.arguments[0])
}
