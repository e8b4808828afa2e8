//! What the programs and metadatad agree on, and the pure part of the
//! programs, which the host can test.
#![cfg_attr(not(test), no_std)]

mod counter;
pub mod decision;
pub mod flow;
pub mod guard;
pub mod packet;
mod verdict;

use core::net::{Ipv4Addr, Ipv6Addr};

pub use counter::VerdictCounter;
pub use verdict::Verdict;

/// Part of the pin path: raised whenever a pinned map changes its meaning, so
/// that two versions never share one.
pub const ABI_VERSION: u32 = if cfg!(feature = "next-abi") { 3 } else { 2 };

/// Where guests send their metadata requests.
///
/// A constant and not a global of the programs: no client can be told another
/// address, and a constant costs no instruction.
pub const METADATA_ADDRESS: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

/// The same for IPv6: on each tenant interface, in the scope of its link.
pub const METADATA_ADDRESS_V6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe);

/// The port that guests use.
pub const METADATA_PORT: u16 = 80;

/// Bits of the skb mark that the access mark occupies; Neutron keeps its
/// address scopes in the others.
pub const ACCESS_MARK_MASK: u32 = 0xffff;

/// Names of programs, maps and globals in the object.
pub mod name {
    /// TC program at ingress.
    pub const STEER: &str = "metadata_steer";
    /// TC program at egress.
    pub const RESTORE: &str = "metadata_restore";
    /// XDP program.
    pub const GUARD: &str = "metadata_guard";
    /// LRU hash from [`Guest`](crate::guard::Guest) to
    /// [`Budget`](crate::guard::Budget).
    pub const GUESTS: &str = "guests";
    /// Array of one [`Limits`](crate::guard::Limits).
    pub const LIMITS: &str = "limits";
    /// Per-CPU array of [`VerdictCounter`](crate::VerdictCounter), indexed by
    /// [`Verdict`](crate::Verdict).
    pub const VERDICTS: &str = "verdicts";
    /// `u16` global: the proxy port. The verifier sees it as a constant.
    pub const PROXY_PORT: &str = "PROXY_PORT";
    /// `u16` global: the access mark. The verifier sees it as a constant.
    pub const ACCESS_MARK: &str = "ACCESS_MARK";
}
