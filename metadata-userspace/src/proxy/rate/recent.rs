//! A table that forgets what was not used for a time, and never grows beyond a bound.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

/// Two generations: what is used moves to the young one; the old one is dropped when
/// its time is over, or when the young one is full.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    young_since: Duration,
    room: usize,
    lifetime: Duration,
}

impl<K: Eq + Hash, V: Default> Recent<K, V> {
    /// Keeps at least the last `room` keys and at most twice as many, of those that
    /// were used within `lifetime`.
    pub(super) fn new(room: usize, lifetime: Duration) -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            young_since: Duration::ZERO,
            room,
            lifetime,
        }
    }

    /// The value of `key`, a new one if there is none.
    pub(super) fn of(&mut self, key: K, now: Duration) -> &mut V {
        let is_known = self.young.contains_key(&key);
        let is_full = !is_known && self.young.len() >= self.room;
        if is_full || now >= self.young_since + self.lifetime {
            self.old = std::mem::take(&mut self.young);
            self.young_since = now;
        }
        let old = &mut self.old;
        match self.young.entry(key) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => {
                let value = old.remove(entry.key()).unwrap_or_default();
                entry.insert(value)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: Duration = Duration::from_secs(10);

    fn table() -> Recent<u32, u32> {
        Recent::new(100, LIFETIME)
    }

    #[test]
    fn what_is_used_stays() {
        let mut table = table();
        for second in 0..1000 {
            *table.of(7, Duration::from_secs(second)) += 1;
        }
        assert_eq!(*table.of(7, Duration::from_secs(1000)), 1000);
    }

    #[test]
    fn what_is_used_within_its_lifetime_is_there() {
        let mut table = table();
        let mut now = Duration::from_secs(9);
        for used in 0..50 {
            assert_eq!(*table.of(7, now), used);
            *table.of(7, now) += 1;
            now += LIFETIME - Duration::from_millis(1);
        }
    }

    #[test]
    fn however_many_come_the_table_stays_small_and_keeps_the_last() {
        let mut table = table();
        for key in 0..100_000 {
            *table.of(key, Duration::ZERO) = key;
        }
        assert!(table.young.len() + table.old.len() <= 200);
        assert!((99_900..100_000).all(|key| *table.of(key, Duration::ZERO) == key));
    }
}
