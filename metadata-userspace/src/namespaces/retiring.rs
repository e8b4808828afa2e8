//! Sockets that take no new connections any more, until they are closed.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::rc::{Rc, Weak};

use tokio::task::spawn_local;

use super::plan::Door;
use super::served::LAST_WORDS;
use crate::proxy::retire::turn_away;
use crate::supervisor::inherited::end_listening;

/// By door. Whoever wants one again takes the socket that is there: beside a second one
/// the kernel would give it some of the connections, and then it closes.
#[derive(Debug, Default)]
pub struct Retiring(BTreeMap<Door, Retired>);

#[derive(Debug)]
struct Retired {
    /// Held open by the task that is to end it: interfaces that are gone for good are not
    /// to leave their sockets here.
    socket: Weak<OwnedFd>,
    fate: Rc<Cell<Fate>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Open,
    WantedAgain,
    Closed,
}

impl Retiring {
    /// Turns new connections away at once, and ends the socket when those that have begun
    /// are accepted. Needs tokio's local task set.
    pub fn add(&mut self, door: Door, socket: Rc<OwnedFd>) {
        if let Err(error) = turn_away(&socket) {
            tracing::warn!(%error, "cannot turn new connections away; one may be lost");
        }
        let fate = Rc::new(Cell::new(Fate::Open));
        let open = Rc::downgrade(&socket);
        spawn_local(end_later(socket, fate.clone()));
        self.0.retain(|_, one| one.fate.get() == Fate::Open);
        self.0.insert(door, Retired { socket: open, fate });
    }

    /// Whether connections of one may still have to end.
    pub fn are_open(&self) -> bool {
        self.0.values().any(|one| one.fate.get() == Fate::Open)
    }

    /// The one that is still open, to be used again.
    pub fn take(&mut self, door: Door) -> Option<OwnedFd> {
        let Retired { socket, fate } = self.0.remove(&door)?;
        if fate.get() == Fate::Closed {
            return None;
        }
        let again = socket.upgrade()?.try_clone().ok()?;
        fate.set(Fate::WantedAgain);
        Some(again)
    }
}

async fn end_later(socket: Rc<OwnedFd>, fate: Rc<Cell<Fate>>) {
    tokio::time::sleep(LAST_WORDS).await;
    if fate.get() == Fate::Open {
        fate.set(Fate::Closed);
        end_listening(&socket);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use tokio::task::LocalSet;
    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_socket_that_nobody_wants_again_is_closed() {
        LocalSet::new()
            .run_until(async {
                let mut retiring = Retiring::default();
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let socket = Rc::new(OwnedFd::from(listener));
                let open = Rc::downgrade(&socket);
                retiring.add(Door::Ipv6(2), socket);
                sleep(LAST_WORDS * 2).await;
                assert!(open.upgrade().is_none());
            })
            .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_socket_that_is_wanted_again_goes_on_and_another_ends() {
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [wanted, unwanted] = listeners.each_ref().map(|one| one.local_addr().unwrap());
        let sockets = listeners.map(|one| Rc::new(OwnedFd::from(one)));
        LocalSet::new()
            .run_until(async {
                let mut retiring = Retiring::default();
                let doors = [Door::Ipv4, Door::Ipv6(2)];
                for (door, socket) in doors.into_iter().zip(&sockets) {
                    retiring.add(door, socket.clone());
                }
                assert!(retiring.take(Door::Ipv4).is_some());
                assert!(retiring.take(Door::Ipv4).is_none());
                assert!(retiring.are_open());
                sleep(LAST_WORDS * 2).await;
                assert!(!retiring.are_open());
                assert!(retiring.take(Door::Ipv6(2)).is_none());
                assert!(TcpStream::connect(wanted).is_ok());
                assert!(TcpStream::connect(unwanted).is_err());
            })
            .await;
    }
}
