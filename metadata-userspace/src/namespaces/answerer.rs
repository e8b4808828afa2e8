//! Who else would answer a guest: what listens in a namespace where guests' requests
//! come, without being ours.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use metadata_ebpf::{METADATA_ADDRESS, METADATA_ADDRESS_V6, METADATA_PORT};
use nix::libc;
use socket2::{Domain, Protocol, Socket, Type};

use crate::status::Answerer;
use crate::tcp_tables;

/// Addresses of no listener of ours or Neutron's: who has one of them has the wildcard.
const ANY: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::LOCALHOST),
    IpAddr::V6(Ipv6Addr::LOCALHOST),
];

/// Looks in the calling thread's namespace. Neutron's haproxies listen on port 80 of the
/// metadata addresses in the namespaces of networks; in those of routers on the proxy
/// port, to which rules redirect, of all addresses.
///
/// Whether a place is taken is found out by trying to take it. The kernel's own tables
/// are those of the whole host: reading them takes milliseconds, and longer with each
/// namespace (`established_get_first` in its net/ipv4/tcp_ipv4.c).
pub(super) fn of_namespace(proxy_port: u16, interfaces: impl Iterator<Item = u32>) -> Answerer {
    let everywhere = ANY.map(|address| SocketAddr::new(address, proxy_port));
    let at_home = SocketAddr::new(METADATA_ADDRESS.into(), METADATA_PORT);
    let on_links = interfaces
        .map(|index| SocketAddrV6::new(METADATA_ADDRESS_V6, METADATA_PORT, 0, index).into());
    let mut places = everywhere.into_iter().chain([at_home]).chain(on_links);
    match places.any(is_taken) {
        true => Answerer::Haproxy,
        false => Answerer::Nobody,
    }
}

/// Whether somebody listens there. It is not held for a moment longer, and does not
/// hinder who comes to listen meanwhile: that only another listener does.
fn is_taken(place: SocketAddr) -> bool {
    match take(place) {
        Ok(()) => false,
        Err(error) => match error.raw_os_error() {
            Some(libc::EADDRINUSE) => true,
            // There is no such address: IPv6 is off, or the interface has gone.
            Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL | libc::ENODEV | libc::EINVAL) => false,
            // Without CAP_NET_BIND_SERVICE, for one.
            _ => is_listed(place),
        },
    }
}

fn take(place: SocketAddr) -> io::Result<()> {
    let socket = Socket::new(
        Domain::for_address(place),
        Type::STREAM.cloexec(),
        Some(Protocol::TCP),
    )?;
    // Connections that were accepted there are no hindrance then, only listeners.
    socket.set_reuse_address(true)?;
    // The address need not be there.
    match place {
        SocketAddr::V4(_) => socket.set_freebind_v4(true)?,
        SocketAddr::V6(_) => {
            socket.set_only_v6(true)?;
            socket.set_freebind_v6(true)?;
        }
    }
    socket.bind(&place.into())
}

fn is_listed(place: SocketAddr) -> bool {
    tcp_tables::read().any(|table| has_listener(&table, place.port()))
}

fn has_listener(table: &str, port: u16) -> bool {
    let ours = [
        in_words(&METADATA_ADDRESS.octets()),
        in_words(&METADATA_ADDRESS_V6.octets()),
    ];
    let is_others = |address: &str| !ours.iter().any(|ours| ours == address);
    let mut there = tcp_tables::listeners(table).filter(|one| one.port == port);
    there.any(|one| port == METADATA_PORT || is_others(one.address))
}

/// An address as the tables write it: words of the machine's order, in hexadecimal.
fn in_words(address: &[u8]) -> String {
    let words = address.chunks_exact(4).map(|word| match word {
        [a, b, c, d] => format!("{:08X}", u32::from_ne_bytes([*a, *b, *c, *d])),
        _ => String::new(),
    });
    words.collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue\n   \
         0: FEA9FEA9:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 1\n   \
         1: 0100007F:25E1 0100007F:25E2 01 00000000:00000000 00:00000000 00000000 0 0 2\n";

    #[test]
    fn a_place_is_taken_by_who_listens_there_and_not_by_who_is_connected() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let place = listener.local_addr().unwrap();
        let elsewhere = SocketAddr::new(Ipv4Addr::new(127, 0, 0, 2).into(), place.port());
        assert!(is_taken(place) && !is_taken(elsewhere));
        let _client = TcpStream::connect(place).unwrap();
        let _accepted = listener.accept().unwrap();
        drop(listener);
        assert!(!is_taken(place));
    }

    #[test]
    fn who_has_the_wildcard_has_every_place() {
        let listener = TcpListener::bind("[::]:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(
            ANY.map(|any| SocketAddr::new(any, port))
                .into_iter()
                .all(is_taken)
        );
        assert!(is_taken(SocketAddr::new(METADATA_ADDRESS.into(), port)));
        assert_eq!(of_namespace(port, std::iter::empty()), Answerer::Haproxy);
    }

    #[test]
    fn a_listener_counts_and_a_connection_does_not() {
        assert!(has_listener(TABLE, METADATA_PORT));
        assert!(!has_listener(TABLE, 9697));
        assert!(!has_listener("", METADATA_PORT));
    }

    #[test]
    fn our_own_listeners_are_nobody_elses() {
        let at =
            |address: &str| format!("heading\n 0: {address}:25E1 00000000:0000 0A 0:0 0:0 0 0 0 3");
        let ours = in_words(&METADATA_ADDRESS.octets());
        assert_eq!(ours.len(), 8);
        assert!(!has_listener(&at(&ours), 9697));
        let ours = in_words(&METADATA_ADDRESS_V6.octets());
        assert_eq!(ours.len(), 32);
        assert!(!has_listener(&at(&ours), 9697));
        for others in ["00000000", "00000000000000000000000000000000"] {
            assert!(has_listener(&at(others), 9697));
        }
    }
}
