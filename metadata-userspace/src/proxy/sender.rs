//! Who is behind a connection, as far as its socket tells.

use std::net::{IpAddr, SocketAddr};

use tokio::net::TcpStream;

use super::saved_syn;
use crate::identity::MacAddr;

/// The peer of an accepted connection. No byte of it was read for this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sender {
    /// Without a zone; IPv4-mapped addresses are unmapped.
    pub(super) address: IpAddr,
    pub(super) mac: Option<MacAddr>,
}

/// Whom limits count. Of IPv6 a guest makes as many addresses as it likes, of MACs it
/// has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Counted {
    Mac(MacAddr),
    /// No MAC was seen: the connection was made by SYN cookie, for example.
    Address(IpAddr),
}

impl Sender {
    pub(super) fn of(stream: &TcpStream, peer: SocketAddr) -> Self {
        Self {
            address: peer.ip().to_canonical(),
            mac: saved_syn::source_mac(stream),
        }
    }

    pub(super) fn counted(self) -> Counted {
        self.mac
            .map_or(Counted::Address(self.address), Counted::Mac)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_stays_one_however_many_addresses_it_makes() {
        let mac = MacAddr([0xfa, 0x16, 0x3e, 0, 0, 5]);
        let sender = |last| Sender {
            address: IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, last]),
            mac: Some(mac),
        };
        assert_eq!(sender(1).counted(), sender(2).counted());
        let without = |last| Sender {
            mac: None,
            ..sender(last)
        };
        assert_ne!(without(1).counted(), without(2).counted());
    }
}
