//! The process that holds guests' sockets open while no daemon and no worker lives.
//!
//! systemd could, but compares each descriptor that it is given with all it has: ten
//! thousand would occupy it for more than a minute. So it keeps one connection to this
//! process, which ends when nobody keeps that connection any more.

mod channel;
pub mod process;

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::sockopt::{ReceiveTimeout, SendTimeout};
use nix::sys::socket::{
    AddressFamily, Shutdown, SockFlag, SockType, setsockopt, shutdown, socketpair,
};
use nix::sys::time::TimeVal;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::inherited::FOR_ONE_PROCESS;
use crate::async_fd;
use crate::config::Account;
use channel::{Word, pass, receive, say};

/// By what name the connection is left.
pub const NAME: &str = "holder";
/// It does nothing else than to answer.
const PATIENCE: TimeVal = TimeVal::new(5, 0);

/// The connection to it.
#[derive(Debug)]
pub struct Holder(OwnedFd);

impl Holder {
    /// Starts one, and tells its process id.
    pub fn start(account: &Account) -> io::Result<(Self, u32)> {
        let (family, kind) = (AddressFamily::Unix, SockType::SeqPacket);
        let (ours, its) = socketpair(family, kind, None, SockFlag::SOCK_CLOEXEC)?;
        let mut command = Command::new("/proc/self/exe");
        command.arg0("metadatad").arg("holder");
        command.args(["--uid", &account.uid.to_string()]);
        command.args(["--gid", &account.gid.to_string()]);
        for variable in FOR_ONE_PROCESS.iter().chain(&["NOTIFY_SOCKET"]) {
            command.env_remove(variable);
        }
        let child = command
            .stdin(Stdio::from(its))
            .stdout(Stdio::null())
            .spawn()?;
        Ok((Self::of(ours)?, child.id()))
    }

    /// One that an earlier daemon started.
    pub fn of(connection: OwnedFd) -> io::Result<Self> {
        setsockopt(&connection, SendTimeout, &PATIENCE)?;
        setsockopt(&connection, ReceiveTimeout, &PATIENCE)?;
        Ok(Self(connection))
    }

    /// Has it hold sockets until they are shut down.
    pub fn hold(&self, sockets: &[impl AsFd]) -> io::Result<()> {
        pass(self.0.as_fd(), sockets)
    }

    /// Ends it, as soon as it goes on if it hangs, whoever else keeps the connection: guests
    /// whom the kernel gave to a socket that it alone has would wait there in vain.
    pub fn dismiss(self) {
        // It may have ended.
        let _ = shutdown(self.0.as_raw_fd(), Shutdown::Both);
    }

    /// Tells of its end, to this thread's runtime.
    pub fn watch(&self) -> io::Result<Watch> {
        let connection = self.0.try_clone()?;
        Ok(Watch(async_fd::register(connection, Interest::READABLE)?))
    }

    /// All that it holds.
    pub fn hand_out(&self) -> io::Result<Vec<OwnedFd>> {
        // A daemon before this one may have ended while it was answered.
        let question = getrandom::u32().map_err(io::Error::other)?;
        say(self.0.as_fd(), Word::HandOut(question))?;
        let mut all = Vec::new();
        loop {
            match receive(self.0.as_fd())? {
                Some((Word::Hold, sockets)) => all.extend(sockets),
                Some((Word::End(answered), _)) if answered == question => return Ok(all),
                Some(_) => {}
                None => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
    }
}

impl AsFd for Holder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// On one holder.
#[derive(Debug)]
pub struct Watch(AsyncFd<OwnedFd>);

impl Watch {
    /// Returns when the holder has ended.
    pub async fn ended(&self) -> io::Result<()> {
        loop {
            let mut readable = self.0.readable().await?;
            if has_hung_up(self.0.get_ref().as_fd())? {
                return Ok(());
            }
            // What it has answered to an earlier daemon, perhaps.
            readable.clear_ready();
        }
    }
}

fn has_hung_up(connection: BorrowedFd<'_>) -> io::Result<bool> {
    let mut one = [PollFd::new(connection, PollFlags::empty())];
    Ok(poll(&mut one, PollTimeout::ZERO)? > 0)
}
