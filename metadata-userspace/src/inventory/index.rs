//! Who has an address, by the place a request came from.

use std::collections::HashMap;
use std::net::IpAddr;

use uuid::Uuid;

use super::InventoryInstance;
use crate::identity::{MacAddr, Realm};

/// A [`Realm`] whose UUID is read, so that no spelling of it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    Router(Uuid),
    Network(Uuid),
}

impl Scope {
    /// None when the realm is not named by a UUID.
    pub fn of(realm: &Realm) -> Option<Self> {
        match realm {
            Realm::Router(id) => Uuid::try_parse(id).ok().map(Self::Router),
            Realm::Network(id) => Uuid::try_parse(id).ok().map(Self::Network),
        }
    }
}

/// Positions in the list of instances. Addresses repeat between realms: that is
/// the normal case.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    by_uuid: HashMap<Uuid, usize>,
    by_address: HashMap<(Scope, IpAddr), Vec<usize>>,
    by_mac: HashMap<(Scope, MacAddr), Vec<usize>>,
}

impl Index {
    pub(super) fn new(instances: &[InventoryInstance]) -> Self {
        let mut index = Self::default();
        for (position, instance) in instances.iter().enumerate() {
            index.by_uuid.insert(instance.uuid, position);
            for port in &instance.ports {
                let routers = port.router_ids.iter().copied().map(Scope::Router);
                for scope in routers.chain([Scope::Network(port.network_id)]) {
                    let with_mac = index.by_mac.entry((scope, port.mac_address));
                    with_mac.or_default().push(position);
                    for fixed_ip in &port.fixed_ips {
                        let with_address = index.by_address.entry((scope, fixed_ip.address));
                        with_address.or_default().push(position);
                    }
                }
            }
        }
        index
    }

    pub(super) fn instance(&self, uuid: Uuid) -> Option<usize> {
        self.by_uuid.get(&uuid).copied()
    }

    /// One position for each port.
    pub(super) fn with_address(&self, scope: Scope, address: IpAddr) -> &[usize] {
        self.by_address
            .get(&(scope, address))
            .map_or(&[], Vec::as_slice)
    }

    /// One position for each port.
    pub(super) fn with_mac(&self, scope: Scope, mac: MacAddr) -> &[usize] {
        self.by_mac.get(&(scope, mac)).map_or(&[], Vec::as_slice)
    }
}
