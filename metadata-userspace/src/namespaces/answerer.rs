//! Who else would answer a guest: what listens in a namespace without being ours.

use std::fs;

use metadata_ebpf::METADATA_PORT;

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
        .any(|table| has_listener(&table, &[METADATA_PORT, proxy_port]))
    {
        true => Answerer::Haproxy,
        false => Answerer::Nobody,
    }
}

/// A table's lines are `sl local_address rem_address st …`.
fn has_listener(table: &str, ports: &[u16]) -> bool {
    let wanted = |line: &str| {
        let mut columns = line.split_ascii_whitespace().skip(1);
        let (_, port) = columns.next()?.rsplit_once(':')?;
        let port = u16::from_str_radix(port, 16).ok()?;
        let state = columns.nth(1)?;
        Some(state == LISTEN && ports.contains(&port))
    };
    table.lines().any(|line| wanted(line) == Some(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue\n   \
         0: FEA9FEA9:0050 00000000:0000 0A 00000000:00000000\n   \
         1: 0100007F:25E1 0100007F:25E2 01 00000000:00000000\n";

    #[test]
    fn a_listener_counts_and_a_connection_does_not() {
        assert!(has_listener(TABLE, &[80, 9697]));
        assert!(!has_listener(TABLE, &[9697]));
        assert!(!has_listener("", &[80]));
    }
}
