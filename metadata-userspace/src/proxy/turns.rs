//! The queues of the guests on one thread.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use super::Origin;
use super::sender::Counted;
use crate::turn::Queue;

/// On each thread. A guest's own documents come one after the other; more at a time
/// than this is a program that repeats itself, or a flood.
const AT_ONCE: usize = 4;

/// Where the requests of each guest wait.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// An address is a guest of its namespace, which is known by where its origin is kept:
    /// that stays as long as one of its connections.
    guests: HashMap<(usize, Counted), Weak<Queue>>,
    /// At this size those that are gone are forgotten.
    sweep_at: usize,
}

impl Turns {
    /// What all connections of a guest share.
    pub(super) fn of(&mut self, origin: &Arc<Origin>, guest: Counted) -> Arc<Queue> {
        let guest = (Arc::as_ptr(origin).addr(), guest);
        if let Some(queue) = self.guests.get(&guest).and_then(Weak::upgrade) {
            return queue;
        }
        if self.guests.len() >= self.sweep_at {
            self.guests.retain(|_, queue| queue.strong_count() > 0);
            self.sweep_at = self.guests.len() * 2 + 1;
        }
        let queue = Arc::new(Queue::new(AT_ONCE));
        self.guests.insert(guest, Arc::downgrade(&queue));
        queue
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, Ipv4Addr};

    use crate::identity::Realm;

    fn guest(number: u32) -> Counted {
        Counted::Address(IpAddr::V4(Ipv4Addr::from_bits(number)))
    }

    fn origin() -> Arc<Origin> {
        let realm = Realm::Router(String::new());
        Arc::new(Origin::new(realm, "qrouter-x", None))
    }

    #[test]
    fn a_guests_connections_share_its_queue() {
        let mut turns = Turns::default();
        let (here, there) = (origin(), origin());
        let one = turns.of(&here, guest(5));
        assert!(Arc::ptr_eq(&one, &turns.of(&here, guest(5))));
        assert!(!Arc::ptr_eq(&one, &turns.of(&here, guest(6))));
        assert!(!Arc::ptr_eq(&one, &turns.of(&there, guest(5))));
    }

    #[test]
    fn guests_that_left_take_no_memory() {
        let mut turns = Turns::default();
        let origin = origin();
        for number in 0..10_000 {
            turns.of(&origin, guest(number));
        }
        assert!(turns.guests.len() <= 2, "{}", turns.guests.len());
    }
}
