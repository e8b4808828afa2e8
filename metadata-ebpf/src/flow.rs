use core::net::{Ipv4Addr, Ipv6Addr};

/// Which kind of addresses a packet bears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    Ipv4,
    Ipv6,
}

/// Who speaks to whom; ports are zero where the packet does not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    pub family: Family,
    pub source: Address,
    pub source_port: u16,
    pub destination: Address,
    pub destination_port: u16,
}

/// An address of either family; one of IPv4 is mapped (`::ffff:a.b.c.d`).
///
/// In two words and not in sixteen bytes, because the programs have no
/// `memcmp` and copy what is aligned in fewer steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// Eight bytes as they stand in the packet.
    high: u64,
    /// Eight bytes as they stand in the packet.
    low: u64,
}

impl Address {
    pub const UNSPECIFIED: Self = Self { high: 0, low: 0 };

    #[inline(always)]
    pub const fn new(bytes: [u8; 16]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = bytes;
        Self {
            high: u64::from_ne_bytes([a, b, c, d, e, f, g, h]),
            low: u64::from_ne_bytes([i, j, k, l, m, n, o, p]),
        }
    }

    #[inline(always)]
    pub const fn mapped([a, b, c, d]: [u8; 4]) -> Self {
        Self {
            high: 0,
            low: u64::from_ne_bytes([0, 0, 0xff, 0xff, a, b, c, d]),
        }
    }

    /// As they stand in the packet.
    #[inline(always)]
    pub const fn bytes(self) -> [u8; 16] {
        let [a, b, c, d, e, f, g, h] = self.high.to_ne_bytes();
        let [i, j, k, l, m, n, o, p] = self.low.to_ne_bytes();
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
    }

    #[inline(always)]
    pub fn ipv6(self) -> Ipv6Addr {
        Ipv6Addr::from(self.bytes())
    }

    /// The last four bytes: all of a mapped IPv4 address.
    #[inline(always)]
    pub const fn ipv4(self) -> Ipv4Addr {
        let [.., a, b, c, d] = self.low.to_ne_bytes();
        Ipv4Addr::new(a, b, c, d)
    }

    /// Four words as they stand in the packet.
    #[inline(always)]
    pub const fn words(self) -> [u32; 4] {
        let [a, b, c, d, e, f, g, h] = self.high.to_ne_bytes();
        let [i, j, k, l, m, n, o, p] = self.low.to_ne_bytes();
        [
            u32::from_ne_bytes([a, b, c, d]),
            u32::from_ne_bytes([e, f, g, h]),
            u32::from_ne_bytes([i, j, k, l]),
            u32::from_ne_bytes([m, n, o, p]),
        ]
    }
}

impl Flow {
    pub const UNKNOWN: Self = Self {
        family: Family::Ipv4,
        source: Address::UNSPECIFIED,
        source_port: 0,
        destination: Address::UNSPECIFIED,
        destination_port: 0,
    };
}
