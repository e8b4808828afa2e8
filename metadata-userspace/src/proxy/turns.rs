//! How many requests of one guest are worked on at a time.
//!
//! Without it a guest with many connections has as many requests before Nova and in
//! the thread's queue, and a neighbour's single one is behind them all.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use tokio::sync::Semaphore;

use super::sender::Counted;

/// On each thread. A guest's own documents come one after the other; more at a time
/// than this is a program that repeats itself, or a flood.
const AT_ONCE: usize = 4;

/// The turns of guests on one thread, each in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Turns {
    guests: HashMap<Counted, Weak<Semaphore>>,
    /// At this size those that are gone are forgotten.
    sweep_at: usize,
}

impl Turns {
    /// What all connections of a guest share.
    pub(super) fn of(&mut self, guest: Counted) -> Arc<Semaphore> {
        if let Some(turns) = self.guests.get(&guest).and_then(Weak::upgrade) {
            return turns;
        }
        if self.guests.len() >= self.sweep_at {
            self.guests.retain(|_, turns| turns.strong_count() > 0);
            self.sweep_at = self.guests.len() * 2 + 1;
        }
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        self.guests.insert(guest, Arc::downgrade(&turns));
        turns
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
    fn a_guests_connections_share_its_turns() {
        let mut turns = Turns::default();
        let (one, other) = (turns.of(guest(5)), turns.of(guest(5)));
        let taken: Vec<_> = (0..AT_ONCE)
            .filter_map(|_| one.try_acquire().ok())
            .collect();
        assert_eq!(taken.len(), AT_ONCE);
        assert!(other.try_acquire().is_err());
        assert!(turns.of(guest(6)).try_acquire().is_ok());
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
