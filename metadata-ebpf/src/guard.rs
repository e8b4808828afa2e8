//! How many connections a guest may open in a time: what stands in the maps, and
//! the arithmetic over it.
//!
//! It is the generic cell rate algorithm (ITU-T I.371, annex A), which needs one
//! point in time for each guest and no timer.

use crate::flow::Address;

const SECOND: u64 = 1_000_000_000;

/// A MAC may open so many times what one of its addresses may: of IPv6 a guest
/// makes as many addresses as it likes, and behind a MAC may be a router.
const ADDRESSES_OF_A_MAC: u32 = 4;

/// Whom a budget belongs to: the key of the map.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guest {
    /// Inode number of the namespace in which it asks.
    pub namespace: u32,
    pub mac: [u8; 6],
    /// Always zero.
    pub padding: [u8; 2],
    /// IPv4 addresses are mapped; unspecified for all addresses of the MAC together.
    pub address: [u8; 16],
}

/// What one guest has spent: the value of the map.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// When it will be whole again, in nanoseconds since boot.
    pub whole_at: u64,
    /// Connections that were let in.
    pub admitted: u64,
    /// Requests for one that were dropped.
    pub refused: u64,
}

/// What every guest may spend: the only value of its map.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// New connections a second in the long run; zero for as many as it likes.
    pub connections_per_second: u32,
    /// New connections at once after a pause.
    pub burst: u32,
}

impl Guest {
    #[inline(always)]
    pub const fn new(namespace: u32, mac: [u8; 6], address: Address) -> Self {
        Self {
            namespace,
            mac,
            padding: [0; 2],
            address: address.bytes(),
        }
    }

    /// All addresses of its MAC together.
    #[inline(always)]
    pub const fn with_any_address(self) -> Self {
        Self {
            address: [0; 16],
            ..self
        }
    }
}

impl Limits {
    #[inline(always)]
    pub const fn are_off(&self) -> bool {
        self.connections_per_second == 0
    }

    /// For all addresses of a MAC together.
    #[inline(always)]
    pub const fn of_a_mac(&self) -> Self {
        Self {
            connections_per_second: self
                .connections_per_second
                .saturating_mul(ADDRESSES_OF_A_MAC),
            burst: self.burst.saturating_mul(ADDRESSES_OF_A_MAC),
        }
    }

    /// Whether a budget does not suffice for one more connection.
    #[inline(always)]
    pub const fn are_spent(&self, whole_at: u64, now: u64) -> bool {
        whole_at > now.saturating_add(self.interval() * self.spare())
    }

    /// When the budget will be whole again, once a connection more is taken from it.
    #[inline(always)]
    pub const fn charged(&self, whole_at: u64, now: u64) -> u64 {
        let from = if whole_at > now { whole_at } else { now };
        from.saturating_add(self.interval())
    }

    /// Nanoseconds for one connection.
    #[inline(always)]
    const fn interval(&self) -> u64 {
        match self.connections_per_second {
            0 => 0,
            rate => SECOND / rate as u64,
        }
    }

    /// Connections at once besides one.
    #[inline(always)]
    const fn spare(&self) -> u64 {
        self.burst.saturating_sub(1) as u64
    }
}

// SAFETY: repr(C), integers without padding between them: every bit pattern is a value.
#[cfg(feature = "user")]
unsafe impl aya::Pod for Guest {}
// SAFETY: as above.
#[cfg(feature = "user")]
unsafe impl aya::Pod for Budget {}
// SAFETY: as above.
#[cfg(feature = "user")]
unsafe impl aya::Pod for Limits {}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: u64 = 1_000_000;
    const LIMITS: Limits = Limits {
        connections_per_second: 10,
        burst: 3,
    };

    /// How many of so many attempts succeed at a time.
    fn admitted(whole_at: &mut u64, now: u64, attempts: u32) -> u32 {
        let mut count = 0;
        for _ in 0..attempts {
            if !LIMITS.are_spent(*whole_at, now) {
                *whole_at = LIMITS.charged(*whole_at, now);
                count += 1;
            }
        }
        count
    }

    #[test]
    fn a_burst_and_then_the_rate() {
        let mut whole_at = 0;
        let start = 1_000 * SECOND;
        assert_eq!(admitted(&mut whole_at, start, 50), 3);
        assert_eq!(admitted(&mut whole_at, start + 99 * MILLISECOND, 50), 0);
        assert_eq!(admitted(&mut whole_at, start + 100 * MILLISECOND, 50), 1);
        assert_eq!(admitted(&mut whole_at, start + 350 * MILLISECOND, 50), 2);
        assert_eq!(admitted(&mut whole_at, start + SECOND, 50), 3);
        // Refused attempts cost nothing: who slows down is let in at once.
        assert_eq!(
            admitted(&mut whole_at, start + 1_099 * MILLISECOND, 1_000),
            0
        );
        assert_eq!(admitted(&mut whole_at, start + 1_100 * MILLISECOND, 1), 1);
    }

    #[test]
    fn one_at_once_is_the_smallest_burst() {
        for burst in [0, 1] {
            let limits = Limits { burst, ..LIMITS };
            assert!(!limits.are_spent(0, SECOND));
            assert!(limits.are_spent(limits.charged(0, SECOND), SECOND));
        }
    }

    #[test]
    fn the_largest_limits_do_not_overflow() {
        let limits = Limits {
            connections_per_second: 1,
            burst: u32::MAX,
        };
        let limits = limits.of_a_mac();
        assert!(!limits.are_spent(u64::MAX, u64::MAX));
        assert_eq!(limits.charged(u64::MAX, 0), u64::MAX);
    }

    #[test]
    fn a_macs_budget_is_that_of_several_addresses() {
        let guest = Guest::new(
            7,
            [0xfa, 0x16, 0x3e, 0, 0, 5],
            Address::mapped([17, 17, 17, 5]),
        );
        assert_ne!(guest, guest.with_any_address());
        assert_eq!(guest.with_any_address().address, [0; 16]);
        let limits = LIMITS.of_a_mac();
        assert_eq!((limits.connections_per_second, limits.burst), (40, 12));
    }
}
