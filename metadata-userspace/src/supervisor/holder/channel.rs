//! What the holder and a daemon say to each other, and the descriptors that go along.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// Hold these; also how they are handed out.
    Hold,
    /// Hand out what there is. The number comes back with the last word.
    HandOut(u32),
    /// That was all.
    End(u32),
}

const LENGTH: usize = 5;

impl Word {
    fn bytes(self) -> [u8; LENGTH] {
        let (kind, number) = match self {
            Self::Hold => (b'h', 0),
            Self::HandOut(number) => (b'o', number),
            Self::End(number) => (b'e', number),
        };
        let [a, b, c, d] = number.to_ne_bytes();
        [kind, a, b, c, d]
    }

    fn of([kind, a, b, c, d]: [u8; LENGTH]) -> io::Result<Self> {
        let number = u32::from_ne_bytes([a, b, c, d]);
        match kind {
            b'h' => Ok(Self::Hold),
            b'o' => Ok(Self::HandOut(number)),
            b'e' => Ok(Self::End(number)),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

/// Descriptors in one message; the kernel takes 253 (`SCM_MAX_FD`).
const AT_ONCE: usize = 250;

/// Has the other side hold descriptors.
pub(super) fn pass(channel: BorrowedFd<'_>, fds: &[impl AsFd]) -> io::Result<()> {
    let fds: Vec<RawFd> = fds.iter().map(|fd| fd.as_fd().as_raw_fd()).collect();
    fds.chunks(AT_ONCE)
        .try_for_each(|some| send(channel, Word::Hold, some))
}

pub(super) fn say(channel: BorrowedFd<'_>, word: Word) -> io::Result<()> {
    send(channel, word, &[])
}

fn send(channel: BorrowedFd<'_>, word: Word, fds: &[RawFd]) -> io::Result<()> {
    let rights = [ControlMessage::ScmRights(fds)];
    let rights = if fds.is_empty() {
        [].as_slice()
    } else {
        &rights
    };
    sendmsg::<()>(
        channel.as_raw_fd(),
        &[IoSlice::new(&word.bytes())],
        rights,
        MsgFlags::MSG_NOSIGNAL,
        None,
    )?;
    Ok(())
}

/// The next message; `None` when the other side is gone.
pub(super) fn receive(channel: BorrowedFd<'_>) -> io::Result<Option<(Word, Vec<OwnedFd>)>> {
    let mut bytes = [0; LENGTH];
    let mut rights = nix::cmsg_space!([RawFd; AT_ONCE]);
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(channel.as_raw_fd(), &mut parts, Some(&mut rights), flags)?;
    let mut fds = Vec::new();
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(some) = control {
            // SAFETY: the kernel has just installed them for us.
            fds.extend(
                some.into_iter()
                    .map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }),
            );
        }
    }
    if message.bytes == 0 {
        return Ok(None);
    }
    Ok(Some((Word::of(bytes)?, fds)))
}
