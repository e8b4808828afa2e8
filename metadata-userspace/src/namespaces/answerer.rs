//! Who else would answer a guest: what listens in a namespace without being ours.
//! Ours listen at the proxy port of the metadata addresses, where no haproxy does.

use std::fs;

use metadata_ebpf::{METADATA_ADDRESS, METADATA_ADDRESS_V6, METADATA_PORT};

use crate::status::Answerer;

const TABLES: [&str; 2] = ["/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"];
/// `TCP_LISTEN` as the tables write it (include/net/tcp_states.h).
const LISTEN: &str = "0A";

/// Looks in the calling thread's namespace. Neutron's haproxies listen on port 80
/// in the namespaces of networks, and on the proxy port, to which rules redirect, in
/// those of routers.
pub(super) fn of_namespace(proxy_port: u16) -> Answerer {
    let tables = TABLES
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok());
    match tables
        .into_iter()
        .any(|table| has_listener(&table, proxy_port))
    {
        true => Answerer::Haproxy,
        false => Answerer::Nobody,
    }
}

/// A table's lines are `sl local_address rem_address st …`.
fn has_listener(table: &str, proxy_port: u16) -> bool {
    let ours = [
        in_words(&METADATA_ADDRESS.octets()),
        in_words(&METADATA_ADDRESS_V6.octets()),
    ];
    let wanted = |line: &str| {
        let mut columns = line.split_ascii_whitespace().skip(1);
        let (address, port) = columns.next()?.rsplit_once(':')?;
        let port = u16::from_str_radix(port, 16).ok()?;
        let state = columns.nth(1)?;
        let is_others =
            port == METADATA_PORT || port == proxy_port && !ours.iter().any(|ours| ours == address);
        Some(state == LISTEN && is_others)
    };
    table.lines().any(|line| wanted(line) == Some(true))
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
mod tests {
    use super::*;

    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue\n   \
         0: FEA9FEA9:0050 00000000:0000 0A 00000000:00000000\n   \
         1: 0100007F:25E1 0100007F:25E2 01 00000000:00000000\n";

    #[test]
    fn a_listener_counts_and_a_connection_does_not() {
        assert!(has_listener(TABLE, 9697));
        assert!(!has_listener(&TABLE.replace(":0050", ":0051"), 9697));
        assert!(!has_listener("", 9697));
    }

    #[test]
    fn our_own_listeners_are_nobody_elses() {
        let at = |address: &str| format!("heading\n 0: {address}:25E1 00000000:0000 0A 0:0");
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
