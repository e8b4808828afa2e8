//! What may occur only once, or a request would match two.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::net::IpAddr;

use uuid::Uuid;

use crate::identity::MacAddr;
use crate::inventory::{Fault, InventoryInstance};

/// Faults between instances that are sound by themselves.
pub(super) fn check(instances: &[(String, InventoryInstance)]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut uuids: Seen<Uuid> = Seen::default();
    let mut ec2_ids: Seen<u32> = Seen::default();
    let mut addresses: Seen<(Uuid, IpAddr)> = Seen::default();
    let mut macs: Seen<(Uuid, MacAddr)> = Seen::default();
    for (label, instance) in instances {
        let mut add = |field: &str, other: &str, problem: String| {
            faults.push(Fault {
                instance: label.clone(),
                field: field.to_owned(),
                problem: format!("{problem} of {other} too"),
            });
        };
        if let Some(other) = uuids.before(instance.uuid, label) {
            add("uuid", other, format!("{} is the uuid", instance.uuid));
            continue;
        }
        if let Some(other) = ec2_ids.before(instance.ec2_id, label) {
            let ec2_id = instance.ec2_id;
            add(
                "ec2_id",
                other,
                format!("set another number by hand; {ec2_id} (i-{ec2_id:08x}) is the EC2 id"),
            );
        }
        for (position, port) in instance.ports.iter().enumerate() {
            let network = port.network_id;
            let at = |field| format!("port {}: {field}", position.saturating_add(1));
            if let Some(other) = macs.before((network, port.mac_address), label) {
                let mac = port.mac_address;
                add(
                    &at("mac_address"),
                    other,
                    format!("on network {network}, {mac} is the address"),
                );
            }
            for fixed_ip in &port.fixed_ips {
                let address = fixed_ip.address;
                if let Some(other) = addresses.before((network, address), label) {
                    add(
                        &at("fixed_ips"),
                        other,
                        format!("on network {network}, {address} is the address"),
                    );
                }
            }
        }
    }
    faults
}

/// Keys with the label of the instance that had each first.
struct Seen<'a, K>(HashMap<K, &'a str>);

impl<K> Default for Seen<'_, K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<'a, K: Eq + Hash> Seen<'a, K> {
    /// Who had `key` before.
    fn before(&mut self, key: K, label: &'a str) -> Option<&'a str> {
        match self.0.entry(key) {
            Entry::Occupied(first) => Some(first.get()),
            Entry::Vacant(free) => {
                free.insert(label);
                None
            }
        }
    }
}
