//! The ports of the networks, found by network and address in constant time.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use uuid::Uuid;

use super::binding::Binding;
use crate::identity::{MacAddr, Port};

/// What a network's ports with a certain address and with a certain MAC are.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) by_address: Vec<Arc<Port>>,
    pub(super) by_mac: Vec<Arc<Port>>,
}

/// Kept by single rows: nothing is ever searched.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// The network of each datapath.
    networks: HashMap<Uuid, Uuid>,
    /// The datapaths of each network: one, but for rows that were left behind.
    datapaths: HashMap<Uuid, Vec<Uuid>>,
    /// By row.
    bindings: HashMap<Uuid, Binding>,
    ports: HashMap<Uuid, Ports>,
    /// Datapaths whose ports are all there.
    covered: HashSet<Uuid>,
    /// All datapaths are.
    all_covered: bool,
    /// Our own chassis.
    chassis: Option<Uuid>,
}

/// Rows of one datapath.
#[derive(Debug, Default)]
struct Ports {
    by_address: HashMap<IpAddr, Vec<Uuid>>,
    by_mac: HashMap<MacAddr, Vec<Uuid>>,
    rows: HashSet<Uuid>,
    changes: u64,
}

impl Index {
    pub(super) fn network(&self, datapath: Uuid) -> Option<Uuid> {
        self.networks.get(&datapath).copied()
    }

    /// Our own chassis: a guest asks through the host that it is on.
    pub(super) fn set_chassis(&mut self, chassis: Option<Uuid>) {
        self.chassis = chassis;
    }

    pub(super) fn cover_all(&mut self) {
        self.all_covered = true;
    }

    pub(super) fn cover(&mut self, datapaths: impl Iterator<Item = Uuid>) {
        self.all_covered = false;
        self.covered = datapaths.collect();
    }

    /// The network of a datapath; `None`: it has none, or is gone. Returns rows that
    /// have to be bound anew.
    pub(super) fn set_network(&mut self, datapath: Uuid, network: Option<Uuid>) -> Vec<Uuid> {
        let before = match network {
            Some(network) => self.networks.insert(datapath, network),
            None => self.networks.remove(&datapath),
        };
        if before == network {
            return Vec::new();
        }
        if let Some(before) = before
            && let Some(datapaths) = self.datapaths.get_mut(&before)
        {
            datapaths.retain(|other| *other != datapath);
            if datapaths.is_empty() {
                self.datapaths.remove(&before);
            }
        }
        if let Some(network) = network {
            self.datapaths.entry(network).or_default().push(datapath);
        }
        self.drop_if_over(datapath);
        let rows = self.ports.get(&datapath).map(|ports| &ports.rows);
        rows.into_iter().flatten().copied().collect()
    }

    /// Forgets a datapath that has neither network nor ports any more.
    fn drop_if_over(&mut self, datapath: Uuid) {
        let has_rows = |ports: &Ports| !ports.rows.is_empty();
        if !self.networks.contains_key(&datapath)
            && !self.ports.get(&datapath).is_some_and(has_rows)
        {
            self.ports.remove(&datapath);
        }
    }

    /// What a row is now; `None`: it is gone, or bound to no chassis.
    pub(super) fn set_binding(&mut self, row: Uuid, binding: Option<Binding>) {
        if self.bindings.get(&row) == binding.as_ref() {
            return;
        }
        if let Some(old) = self.bindings.remove(&row) {
            self.forget(row, &old);
        }
        let Some(new) = binding else { return };
        let ports = self.ports.entry(new.datapath).or_default();
        for address in &new.port.addresses {
            ports.by_address.entry(*address).or_default().push(row);
        }
        if let Some(mac) = new.port.mac {
            ports.by_mac.entry(mac).or_default().push(row);
        }
        ports.rows.insert(row);
        ports.changes += 1;
        self.bindings.insert(row, new);
    }

    fn forget(&mut self, row: Uuid, old: &Binding) {
        let Some(ports) = self.ports.get_mut(&old.datapath) else {
            return;
        };
        for address in &old.port.addresses {
            remove(&mut ports.by_address, address, row);
        }
        if let Some(mac) = &old.port.mac {
            remove(&mut ports.by_mac, mac, row);
        }
        ports.rows.remove(&row);
        ports.changes += 1;
        self.drop_if_over(old.datapath);
    }

    /// Those of the network's datapaths whose ports are not all there; `None` when
    /// there is no such network.
    pub(super) fn uncovered(&self, network: Uuid) -> Option<Vec<Uuid>> {
        let datapaths = self.datapaths.get(&network)?.iter();
        let missing = |datapath: &&Uuid| !self.all_covered && !self.covered.contains(datapath);
        Some(datapaths.filter(missing).copied().collect())
    }

    /// A number that changes with the network's ports.
    pub(super) fn changes(&self, network: Uuid) -> u64 {
        let datapaths = self.datapaths.get(&network).into_iter().flatten();
        let changes = |datapath| self.ports.get(datapath).map_or(0, |ports| ports.changes);
        // A network that comes into being has changed, too.
        datapaths.map(|datapath| 1 + changes(datapath)).sum()
    }

    pub(super) fn find(&self, network: Uuid, address: IpAddr, mac: Option<MacAddr>) -> Found {
        let datapaths = self.datapaths.get(&network).into_iter().flatten();
        let (mut with_address, mut with_mac) = (Vec::new(), Vec::new());
        for ports in datapaths.filter_map(|datapath| self.ports.get(datapath)) {
            with_address.extend(ports.by_address.get(&address).into_iter().flatten());
            let rows = mac.and_then(|mac| ports.by_mac.get(&mac));
            with_mac.extend(rows.into_iter().flatten());
        }
        Found {
            by_address: self.likeliest(&with_address),
            by_mac: self.likeliest(&with_mac),
        }
    }

    /// Of rows for one address, those that can have sent something: rows of ports
    /// that are gone are left behind at times (LP 1922934, LP 1874733). Neutron's
    /// agent answers nobody then.
    fn likeliest(&self, rows: &[Uuid]) -> Vec<Arc<Port>> {
        let mut bindings: Vec<_> = rows
            .iter()
            .filter_map(|row| self.bindings.get(row))
            .collect();
        narrow(&mut bindings, |binding| {
            Some(binding.chassis) == self.chassis
        });
        narrow(&mut bindings, |binding| binding.up);
        bindings
            .iter()
            .map(|binding| binding.port.clone())
            .collect()
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        let empty = |ports: &Ports| {
            ports.rows.is_empty() && ports.by_address.is_empty() && ports.by_mac.is_empty()
        };
        self.bindings.is_empty() && self.ports.values().all(empty)
    }
}

/// Keeps those that are better, if any is.
fn narrow(bindings: &mut Vec<&Binding>, better: impl Fn(&Binding) -> bool) {
    if bindings.len() > 1 && bindings.iter().any(|binding| better(binding)) {
        bindings.retain(|binding| better(binding));
    }
}

fn remove<K: std::hash::Hash + Eq>(rows: &mut HashMap<K, Vec<Uuid>>, key: &K, row: Uuid) {
    if let Some(found) = rows.get_mut(key) {
        found.retain(|other| *other != row);
        if found.is_empty() {
            rows.remove(key);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
