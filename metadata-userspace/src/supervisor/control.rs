//! The channel between supervisor and worker: whole messages over a
//! `SOCK_SEQPACKET` pair, each with at most one file descriptor. What is too
//! large for a message travels as a memory file.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg,
    sendmsg, socketpair,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use zeroize::Zeroizing;

use crate::async_fd;

/// Longest message, bytes. The largest is a proxy listener's order.
const LONGEST: usize = 4096;

#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    #[error("the other process is gone")]
    Closed,
    #[error("the other process neither answered nor took an order for {0:?}: it hangs")]
    Stuck(Duration),
    /// tokio takes the end of a socket for final (`ScheduledIo::clear_readiness`).
    #[error("sockets that it serves had been ended by another, and it may not hear of them again")]
    Outdated,
    #[error("the control socket failed: {0}")]
    Socket(#[from] io::Error),
    #[error("cannot make a file for a message: {0}")]
    MemoryFile(io::Error),
    #[error("a control message cannot be read: {0}")]
    Malformed(#[from] serde_json::Error),
    #[error("a control message came without the file it announces")]
    NoFile,
}

impl From<Errno> for ControlError {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::EPIPE | Errno::ECONNRESET => Self::Closed,
            errno => Self::Socket(errno.into()),
        }
    }
}

/// A connected pair of sockets; the second is for the child.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    Ok(socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        flags,
    )?)
}

/// One end of the channel.
pub struct Control(AsyncFd<OwnedFd>);

impl Control {
    /// Needs a tokio runtime. The socket must be non-blocking.
    pub fn new(socket: OwnedFd) -> io::Result<Self> {
        async_fd::register(socket, Interest::READABLE | Interest::WRITABLE).map(Self)
    }

    /// Sends a message and, with it, a copy of `fd`.
    pub async fn send<M: Serialize>(
        &self,
        message: &M,
        fd: Option<BorrowedFd<'_>>,
    ) -> Result<(), ControlError> {
        let bytes = serde_json::to_vec(message)?;
        let sent = self
            .0
            .async_io(Interest::WRITABLE, |socket| {
                send_once(socket.as_fd(), &bytes, fd)
            })
            .await;
        sent.map_err(closed_or_failed)
    }

    /// The next message and what came with it. [`ControlError::Closed`] at the end.
    pub async fn receive<M: DeserializeOwned>(&self) -> Result<(M, Option<OwnedFd>), ControlError> {
        let received = self
            .0
            .async_io(Interest::READABLE, |socket| receive_once(socket.as_fd()))
            .await;
        let (bytes, fd) = received.map_err(closed_or_failed)?;
        if bytes.is_empty() {
            return Err(ControlError::Closed);
        }
        Ok((serde_json::from_slice(&bytes)?, fd))
    }
}

fn closed_or_failed(error: io::Error) -> ControlError {
    match error.raw_os_error() {
        Some(errno) => Errno::from_raw(errno).into(),
        None => error.into(),
    }
}

fn send_once(socket: BorrowedFd<'_>, bytes: &[u8], fd: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let fds = fd.map(|fd| [fd.as_raw_fd()]);
    let rights: Vec<_> = fds
        .iter()
        .map(|fds| ControlMessage::ScmRights(fds))
        .collect();
    let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
    sendmsg::<()>(
        socket.as_raw_fd(),
        &[IoSlice::new(bytes)],
        &rights,
        flags,
        None,
    )?;
    Ok(())
}

fn receive_once(socket: BorrowedFd<'_>) -> io::Result<(Vec<u8>, Option<OwnedFd>)> {
    let mut buffer = vec![0; LONGEST];
    let mut rights = nix::cmsg_space!([std::os::fd::RawFd; 1]);
    let mut parts = [IoSliceMut::new(&mut buffer)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC | MsgFlags::MSG_DONTWAIT;
    let message = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut rights), flags)?;
    let mut fd = None;
    // None where no descriptor was left for what came along, which nix takes for an error.
    for control in message.cmsgs().into_iter().flatten() {
        if let ControlMessageOwned::ScmRights(fds) = control {
            // SAFETY: the kernel has just installed these descriptors for us and
            // nothing else in the process knows their numbers.
            let owned = |raw| unsafe { OwnedFd::from_raw_fd(raw) };
            // One counts; padding leaves room for another, which must not stay open.
            let all: Vec<OwnedFd> = fds.into_iter().map(owned).collect();
            fd = all.into_iter().next();
        }
    }
    let length = message.bytes;
    buffer.truncate(length);
    Ok((buffer, fd))
}

/// Puts `value` into a memory file that can be sent.
pub fn to_memory_file<T: Serialize>(value: &T) -> Result<OwnedFd, ControlError> {
    let bytes = to_json(value)?;
    let made = memfd_create(c"metadatad", MFdFlags::MFD_CLOEXEC)
        .map_err(io::Error::from)
        .and_then(|fd| {
            let mut file = File::from(fd);
            file.write_all(&bytes)?;
            Ok(file.into())
        });
    made.map_err(ControlError::MemoryFile)
}

/// A briefing has secrets in it, so its text is made in one piece of memory, which is wiped. One
/// that grew would leave copies.
fn to_json<T: Serialize>(value: &T) -> serde_json::Result<Zeroizing<Vec<u8>>> {
    let mut length = Length(0);
    serde_json::to_writer(&mut length, value)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(length.0));
    serde_json::to_writer(&mut *bytes, value)?;
    Ok(bytes)
}

/// How many bytes were written.
struct Length(usize);

impl Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Takes a value out of a memory file that was received.
pub fn from_memory_file<T: DeserializeOwned>(fd: Option<OwnedFd>) -> Result<T, ControlError> {
    let mut file = File::from(fd.ok_or(ControlError::NoFile)?);
    let length = file.seek(SeekFrom::End(0))?;
    let length = usize::try_from(length).map_err(io::Error::other)?;
    let mut bytes = Zeroizing::new(vec![0; length]);
    file.rewind()?;
    file.read_exact(&mut bytes)?;
    Ok(serde_json::from_slice(&bytes)?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use nix::fcntl::OFlag;

    use super::*;
    use crate::testing::when_dropped;

    #[tokio::test]
    async fn a_message_takes_its_file_along() {
        let (here, there) = pair().unwrap();
        let (here, there) = (Control::new(here).unwrap(), Control::new(there).unwrap());
        let file = to_memory_file(&vec!["x".repeat(100_000)]).unwrap();
        here.send(&7, Some(file.as_fd())).await.unwrap();
        let (number, fd) = there.receive::<u8>().await.unwrap();
        assert_eq!(number, 7);
        let large: Vec<String> = from_memory_file(fd).unwrap();
        assert_eq!(large.first().map(String::len), Some(100_000));
    }

    #[tokio::test]
    async fn a_second_file_does_not_stay_open() {
        let (here, there) = pair().unwrap();
        let there = Control::new(there).unwrap();
        let (reader, writer) = nix::unistd::pipe2(OFlag::O_NONBLOCK).unwrap();
        let fds = [writer.as_raw_fd(); 2];
        let rights = [ControlMessage::ScmRights(&fds)];
        let flags = MsgFlags::empty();
        sendmsg::<()>(
            here.as_raw_fd(),
            &[IoSlice::new(b"7")],
            &rights,
            flags,
            None,
        )
        .unwrap();
        drop(writer);
        let (_, fd) = there.receive::<u8>().await.unwrap();
        assert_eq!(nix::unistd::read(&reader, &mut [0]), Err(Errno::EAGAIN));
        drop(fd);
        // Nobody is left who could write.
        assert!(when_dropped(
            || nix::unistd::read(&reader, &mut [0]) == Ok(0)
        ));
    }

    #[tokio::test]
    async fn the_end_of_the_other_process_is_noticed() {
        let (here, there) = pair().unwrap();
        let here = Control::new(here).unwrap();
        drop(there);
        assert!(matches!(
            here.receive::<u8>().await,
            Err(ControlError::Closed)
        ));
        assert!(matches!(
            here.send(&1, None).await,
            Err(ControlError::Closed)
        ));
    }
}
