//! What listens in the calling thread's network namespace, by the kernel's tables (proc(5),
//! `net/tcp`). To read them takes as long as the whole host has sockets
//! (`established_get_first` in the kernel's net/ipv4/tcp_ipv4.c).

const TABLES: [&str; 2] = ["/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"];
/// `TCP_LISTEN` as the tables write it (include/net/tcp_states.h).
const LISTEN: &str = "0A";

/// A listening socket, as a line of a table has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener<'a> {
    /// Words of the machine's order, in hexadecimal.
    pub address: &'a str,
    pub port: u16,
    /// Whose it is: the user that opened it.
    pub uid: u32,
}

/// Those tables that there are: without IPv6 there is one.
pub fn read() -> impl Iterator<Item = String> {
    let tables = TABLES.iter();
    tables.filter_map(|table| std::fs::read_to_string(table).ok())
}

/// All that a table shows.
pub fn listeners(table: &str) -> impl Iterator<Item = Listener<'_>> {
    table.lines().filter_map(listener)
}

/// A table's lines are `sl local_address rem_address st queues timer retransmits uid …`.
fn listener(line: &str) -> Option<Listener<'_>> {
    let mut columns = line.split_ascii_whitespace().skip(1);
    let (address, port) = columns.next()?.rsplit_once(':')?;
    let is_one = columns.nth(1)? == LISTEN;
    let port = u16::from_str_radix(port, 16).ok()?;
    let uid = columns.nth(3)?.parse().ok()?;
    is_one.then_some(Listener { address, port, uid })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_counts_and_a_connection_does_not() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue\n   \
             0: FEA9FEA9:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000 0 7\n   \
             1: 0100007F:25E1 0100007F:25E2 01 00000000:00000000 00:00000000 00000000  0 0 8\n";
        let only = Listener {
            address: "FEA9FEA9",
            port: 80,
            uid: 1000,
        };
        assert!(listeners(table).eq([only]));
        assert_eq!(listeners("").count(), 0);
    }
}
