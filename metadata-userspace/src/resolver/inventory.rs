//! Ports of the inventory file.

use std::future::ready;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::Asking;
use super::identifier::Ports;
use super::identify::{Certainty, Sighting, mac_to_find};
use crate::identity::Requester;
use crate::inventory::{Inventory, Scope};

/// Looks ports up in the inventory that is current when a request comes.
pub struct InventoryPorts {
    inventory: Arc<ArcSwap<Inventory>>,
}

impl InventoryPorts {
    pub fn new(inventory: Arc<ArcSwap<Inventory>>) -> Self {
        Self { inventory }
    }
}

impl Ports for InventoryPorts {
    fn name(&self) -> &'static str {
        "inventory"
    }

    fn sight(&self, requester: &Requester) -> Option<Sighting> {
        let inventory = self.inventory.load();
        let scope = Scope::of(&requester.realm);
        let by_address =
            scope.map(|scope| inventory.with_address(scope, requester.address.to_canonical()));
        let by_mac = scope
            .zip(mac_to_find(requester))
            .map(|(scope, mac)| inventory.with_mac(scope, mac));
        Some(Sighting {
            by_address: by_address.unwrap_or_default().to_vec(),
            by_mac: by_mac.unwrap_or_default().to_vec(),
            certainty: Certainty::Sure,
            failing: false,
        })
    }

    fn renew<'a>(&'a self, _: &'a Requester) -> Asking<'a, ()> {
        Box::pin(ready(Ok(())))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
