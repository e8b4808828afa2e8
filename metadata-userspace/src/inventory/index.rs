//! Who has an address, by the place a request came from.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use uuid::Uuid;

use super::{InventoryInstance, InventoryPort};
use crate::identity::{MacAddr, Port, Realm};

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

/// Positions in the list of instances, and ports by what a request shows of them.
/// Addresses repeat between realms: that is the normal case.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    by_uuid: HashMap<Uuid, usize>,
    by_address: HashMap<(Scope, IpAddr), Vec<Arc<Port>>>,
    by_mac: HashMap<(Scope, MacAddr), Vec<Arc<Port>>>,
}

impl Index {
    pub(super) fn new(instances: &[InventoryInstance]) -> Self {
        let mut index = Self::default();
        for (position, instance) in instances.iter().enumerate() {
            index.by_uuid.insert(instance.uuid, position);
            for port in &instance.ports {
                index.add(port, &Arc::new(as_neutron_has_it(instance, port)));
            }
        }
        index
    }

    fn add(&mut self, listed: &InventoryPort, port: &Arc<Port>) {
        let routers = listed.router_ids.iter().copied().map(Scope::Router);
        for scope in routers.chain([Scope::Network(listed.network_id)]) {
            let with_mac = self.by_mac.entry((scope, listed.mac_address));
            with_mac.or_default().push(port.clone());
            for address in &port.addresses {
                let with_address = self.by_address.entry((scope, *address));
                with_address.or_default().push(port.clone());
            }
        }
    }

    pub(super) fn instance(&self, uuid: Uuid) -> Option<usize> {
        self.by_uuid.get(&uuid).copied()
    }

    pub(super) fn with_address(&self, scope: Scope, address: IpAddr) -> &[Arc<Port>] {
        self.by_address
            .get(&(scope, address))
            .map_or(&[], Vec::as_slice)
    }

    pub(super) fn with_mac(&self, scope: Scope, mac: MacAddr) -> &[Arc<Port>] {
        self.by_mac.get(&(scope, mac)).map_or(&[], Vec::as_slice)
    }
}

fn as_neutron_has_it(instance: &InventoryInstance, port: &InventoryPort) -> Port {
    Port {
        id: port.id.to_string(),
        network_id: port.network_id.to_string(),
        mac: Some(port.mac_address),
        addresses: port.fixed_ips.iter().map(|ip| ip.address).collect(),
        device_id: instance.uuid.to_string().into(),
        project_id: instance.project_id.as_str().into(),
    }
}
