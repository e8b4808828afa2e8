//! How many connections a guest may hold.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};

use super::Origin;
use super::sender::{Counted, Sender};

/// Open connections by guest, in one namespace.
#[derive(Debug, Default)]
pub(super) struct GuestConnections {
    open: Mutex<HashMap<Counted, usize>>,
}

/// What becomes of a new connection.
pub(super) enum Admission {
    /// It is served.
    Welcome(Ticket),
    /// It is told to come back later.
    TooMany(Ticket),
    /// It is closed without a word: even telling holds a socket for a while,
    /// and a guest that opens connections without end gets no more of them.
    Flood,
}

/// A guest's share in its limit, given back when dropped.
pub(super) struct Ticket {
    pub(super) origin: Arc<Origin>,
    pub(super) sender: Sender,
}

impl GuestConnections {
    pub(super) fn admit(origin: &Arc<Origin>, sender: Sender, limit: usize) -> Admission {
        let ceiling = limit.saturating_mul(2);
        let open = origin.connections.enter(sender.counted(), ceiling);
        let ticket = || Ticket {
            origin: Arc::clone(origin),
            sender,
        };
        match open {
            Some(open) if open <= limit => Admission::Welcome(ticket()),
            Some(_) => Admission::TooMany(ticket()),
            None => Admission::Flood,
        }
    }

    /// The number of the guest's connections with the new one; `None` and not
    /// counted when that is above `ceiling`.
    fn enter(&self, guest: Counted, ceiling: usize) -> Option<usize> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        match open.entry(guest) {
            Entry::Occupied(mut count) if *count.get() < ceiling => {
                *count.get_mut() += 1;
                Some(*count.get())
            }
            Entry::Vacant(vacant) if ceiling > 0 => Some(*vacant.insert(1)),
            Entry::Occupied(_) | Entry::Vacant(_) => None,
        }
    }

    fn leave(&self, guest: Counted) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = open.entry(guest) {
            match count.get() {
                ..=1 => drop(count.remove()),
                _ => *count.get_mut() -= 1,
            }
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.origin.connections.leave(self.sender.counted());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Realm;
    use std::net::{IpAddr, Ipv4Addr};

    const GUEST: Sender = guest(5);
    const NEIGHBOUR: Sender = guest(6);

    const fn guest(last: u8) -> Sender {
        Sender {
            address: IpAddr::V4(Ipv4Addr::new(10, 0, 0, last)),
            mac: None,
        }
    }

    #[test]
    fn a_guest_has_its_limit_and_gets_its_share_back() {
        let origin = Arc::new(Origin::new(Realm::Router(String::new()), "qrouter-x", None));
        let admit = |sender| GuestConnections::admit(&origin, sender, 2);
        let first = admit(GUEST);
        assert!(matches!(first, Admission::Welcome(_)));
        let _second = admit(GUEST);
        let _third = admit(GUEST);
        assert!(matches!(_third, Admission::TooMany(_)));
        let _fourth = admit(GUEST);
        assert!(matches!(admit(GUEST), Admission::Flood));
        assert!(matches!(admit(NEIGHBOUR), Admission::Welcome(_)));
        drop((_third, _fourth, first));
        assert!(matches!(admit(GUEST), Admission::Welcome(_)));
    }

    #[test]
    fn guests_that_left_take_no_memory() {
        let origin = Arc::new(Origin::new(Realm::Router(String::new()), "qrouter-x", None));
        drop(GuestConnections::admit(&origin, GUEST, 2));
        let open = origin.connections.open.lock();
        assert!(open.is_ok_and(|open| open.is_empty()));
    }
}
