//! The ports of one realm at one time.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use crate::identity::{MacAddr, Port};

/// Pairs that a snapshot remembers; beyond, each request is confirmed anew.
const MOST_CONFIRMED: usize = 4096;

pub(super) struct Snapshot {
    /// The networks that were asked about.
    pub(super) networks: Vec<String>,
    /// When the asking began.
    pub(super) taken: Instant,
    by_address: HashMap<IpAddr, Vec<Arc<Port>>>,
    by_mac: HashMap<MacAddr, Vec<Arc<Port>>>,
    /// Senders whose MAC no port with their address has, seen before this was
    /// taken: what it says about them is as new as need be.
    confirmed: Mutex<HashSet<(IpAddr, MacAddr)>>,
}

impl Snapshot {
    pub(super) fn new(networks: Vec<String>, taken: Instant, ports: Vec<Port>) -> Self {
        let mut snapshot = Self {
            networks,
            taken,
            by_address: HashMap::new(),
            by_mac: HashMap::new(),
            confirmed: Mutex::default(),
        };
        for port in ports {
            snapshot.add(Arc::new(port));
        }
        snapshot
    }

    /// The same with what has become of `addresses` since.
    pub(super) fn with(&self, addresses: &[IpAddr], ports: Vec<Port>) -> Self {
        let outdated = |port: &Arc<Port>| {
            let has = |address| port.addresses.contains(address);
            addresses.iter().any(has) || ports.iter().any(|new| same(new, port))
        };
        let kept: HashSet<_> = self
            .by_address
            .values()
            .chain(self.by_mac.values())
            .flatten()
            .filter(|port| !outdated(port))
            .cloned()
            .collect();
        let mut snapshot = Self::new(self.networks.clone(), self.taken, ports);
        for port in kept {
            snapshot.add(port);
        }
        snapshot
    }

    pub(super) fn with_address(&self, address: IpAddr) -> &[Arc<Port>] {
        self.by_address.get(&address).map_or(&[], Vec::as_slice)
    }

    pub(super) fn with_mac(&self, mac: MacAddr) -> &[Arc<Port>] {
        self.by_mac.get(&mac).map_or(&[], Vec::as_slice)
    }

    pub(super) fn confirms(&self, address: IpAddr, mac: MacAddr) -> bool {
        let confirmed = self.confirmed.lock();
        let confirmed = confirmed.unwrap_or_else(PoisonError::into_inner);
        confirmed.contains(&(address, mac))
    }

    pub(super) fn confirm(&self, address: IpAddr, mac: MacAddr) {
        let confirmed = self.confirmed.lock();
        let mut confirmed = confirmed.unwrap_or_else(PoisonError::into_inner);
        if confirmed.len() < MOST_CONFIRMED {
            confirmed.insert((address, mac));
        }
    }

    fn add(&mut self, port: Arc<Port>) {
        for address in &port.addresses {
            self.by_address
                .entry(*address)
                .or_default()
                .push(port.clone());
        }
        if let Some(mac) = port.mac {
            self.by_mac.entry(mac).or_default().push(port);
        }
    }
}

fn same(one: &Port, other: &Port) -> bool {
    !one.id.is_empty() && one.id == other.id
}
