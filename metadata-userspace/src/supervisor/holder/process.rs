//! The holder itself.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use super::channel::{Word, pass, receive, say};

/// The channel's number in the set; sockets have those after it.
const CHANNEL: u64 = 0;
/// Of how many events one look tells.
const AT_ONCE: usize = 64;

/// Holds what comes over `channel` until nobody has its other end.
pub fn run(channel: &OwnedFd) -> io::Result<()> {
    let channel = channel.as_fd();
    let mut held = Held::new(channel)?;
    loop {
        if !held.await_message()? {
            continue;
        }
        match receive(channel)? {
            Some((Word::Hold, sockets)) => sockets.into_iter().try_for_each(|one| held.add(one))?,
            Some((Word::HandOut(question), _)) => match held.hand_out(channel, question) {
                // Nobody waits for it any more.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
                handed => handed?,
            },
            Some(_) => {}
            None => return Ok(()),
        }
    }
}

/// The sockets, by their numbers in a set that tells which of them somebody has shut down:
/// none is looked at for what happens to another.
struct Held {
    set: Epoll,
    sockets: HashMap<u64, OwnedFd>,
    latest: u64,
}

impl Held {
    fn new(channel: BorrowedFd<'_>) -> io::Result<Self> {
        let set = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        set.add(channel, EpollEvent::new(EpollFlags::EPOLLIN, CHANNEL))?;
        Ok(Self {
            set,
            sockets: HashMap::new(),
            latest: CHANNEL,
        })
    }

    fn add(&mut self, socket: OwnedFd) -> io::Result<()> {
        self.latest += 1;
        // Of its end an epoll set always tells.
        let nothing_else = EpollEvent::new(EpollFlags::empty(), self.latest);
        self.set.add(&socket, nothing_else)?;
        self.sockets.insert(self.latest, socket);
        Ok(())
    }

    fn hand_out(&self, channel: BorrowedFd<'_>, question: u32) -> io::Result<()> {
        let all: Vec<_> = self.sockets.values().map(AsFd::as_fd).collect();
        pass(channel, &all)?;
        say(channel, Word::End(question))
    }

    /// Lets go of what was shut down; tells whether a message has come.
    fn await_message(&mut self) -> io::Result<bool> {
        let mut events = [EpollEvent::empty(); AT_ONCE];
        let count = match self.set.wait(&mut events, EpollTimeout::NONE) {
            Ok(count) => count,
            Err(Errno::EINTR) => 0,
            Err(errno) => return Err(errno.into()),
        };
        let mut is_asked = false;
        for event in events.iter().take(count) {
            match self.sockets.remove(&event.data()) {
                // Others may have it open, so closing it would not take it out of the set.
                Some(socket) => self.set.delete(&socket)?,
                None => is_asked = true,
            }
        }
        Ok(is_asked)
    }
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
    use crate::testing::when_dropped;

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
        assert!(when_dropped(|| TcpStream::connect(address).is_err()));
    }
}
