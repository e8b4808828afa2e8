//! The queues of the guests on one thread.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use super::sender::Counted;
use crate::turn::Queue;

/// On each thread. A guest's own documents come one after the other; more at a time
/// than this is a program that repeats itself, or a flood.
const AT_ONCE: usize = 4;

/// Where the requests of each guest wait.
#[derive(Debug, Default)]
pub(super) struct Turns {
    guests: HashMap<Counted, Weak<Queue>>,
    /// At this size those that are gone are forgotten.
    sweep_at: usize,
}

impl Turns {
    /// What all connections of a guest share.
    pub(super) fn of(&mut self, guest: Counted) -> Arc<Queue> {
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

    fn guest(number: u32) -> Counted {
        Counted::Address(IpAddr::V4(Ipv4Addr::from_bits(number)))
    }

    #[test]
    fn a_guests_connections_share_its_queue() {
        let mut turns = Turns::default();
        let (one, other) = (turns.of(guest(5)), turns.of(guest(5)));
        assert!(Arc::ptr_eq(&one, &other));
        assert!(!Arc::ptr_eq(&one, &turns.of(guest(6))));
    }

    #[test]
    fn guests_that_left_take_no_memory() {
        let mut turns = Turns::default();
        for number in 0..10_000 {
            turns.of(guest(number));
        }
        assert!(turns.guests.len() <= 2, "{}", turns.guests.len());
    }
}
