//! The holder itself.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::channel::{Word, pass, receive, say};

/// Holds what comes over `channel` until nobody has its other end.
pub fn run(channel: &OwnedFd) -> io::Result<()> {
    let channel = channel.as_fd();
    let mut held: Vec<OwnedFd> = Vec::new();
    loop {
        let (is_asked, ended) = await_something(channel, &held)?;
        let mut ended = ended.into_iter();
        held.retain(|_| !ended.next().unwrap_or_default());
        if !is_asked {
            continue;
        }
        match receive(channel)? {
            Some((Word::Hold, sockets)) => held.extend(sockets),
            Some((Word::HandOut(question), _)) => {
                pass(channel, &held)?;
                say(channel, Word::End(question))?;
            }
            Some(_) => {}
            None => return Ok(()),
        }
    }
}

/// Whether there is a message, and which sockets somebody has shut down.
fn await_something(channel: BorrowedFd<'_>, held: &[OwnedFd]) -> io::Result<(bool, Vec<bool>)> {
    let ends = held
        .iter()
        .map(|socket| PollFd::new(socket.as_fd(), PollFlags::empty()));
    let mut all: Vec<PollFd<'_>> = ends
        .chain([PollFd::new(channel, PollFlags::POLLIN)])
        .collect();
    match poll(&mut all, PollTimeout::NONE) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(errno) => return Err(errno.into()),
    }
    let mut happened: Vec<bool> = all
        .iter()
        .map(|one| one.revents().is_some_and(|events| !events.is_empty()))
        .collect();
    let is_asked = happened.pop().unwrap_or_default();
    Ok((is_asked, happened))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::thread;

    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};

    use super::super::Holder;
    use super::*;
    use crate::supervisor::inherited::end_listening;

    #[test]
    fn sockets_are_held_until_they_are_shut_down_or_nobody_wants_them() {
        let (kind, flags) = (SockType::SeqPacket, SockFlag::SOCK_CLOEXEC);
        let (ours, its) = socketpair(AddressFamily::Unix, kind, None, flags).unwrap();
        let holding = thread::spawn(move || run(&its));
        let holder = Holder::of(ours).unwrap();
        assert!(holder.hand_out().unwrap().is_empty());
        // More than go into one message.
        let sockets: Vec<_> = (0..300)
            .map(|_| OwnedFd::from(TcpListener::bind("127.0.0.1:0").unwrap()))
            .collect();
        holder.hold(&sockets).unwrap();
        drop(sockets);
        let mut handed = holder.hand_out().unwrap();
        assert_eq!(handed.len(), 300);
        end_listening(&handed.pop().unwrap());
        let last = TcpListener::from(handed.pop().unwrap());
        let address = last.local_addr().unwrap();
        drop((last, handed));
        assert!(TcpStream::connect(address).is_ok());
        assert_eq!(holder.hand_out().unwrap().len(), 299);
        drop(holder);
        holding.join().unwrap().unwrap();
        assert!(TcpStream::connect(address).is_err());
    }
}
