//! Who asked, by the inventory file.

use std::future::ready;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::{Resolution, Resolver, Resolving};
use crate::identity::{Instance, MacAddr, Requester};
use crate::inventory::{Inventory, InventoryInstance, Scope};

/// Looks ports up in the inventory that is current when a request comes.
pub struct InventoryResolver {
    inventory: Arc<ArcSwap<Inventory>>,
}

impl InventoryResolver {
    pub fn new(inventory: Arc<ArcSwap<Inventory>>) -> Self {
        Self { inventory }
    }
}

impl Resolver for InventoryResolver {
    fn resolve<'a>(&'a self, requester: &'a Requester) -> Resolving<'a> {
        Box::pin(ready(Ok(resolve(&self.inventory.load(), requester))))
    }
}

fn resolve(inventory: &Inventory, requester: &Requester) -> Resolution {
    let Some(scope) = Scope::of(&requester.realm) else {
        return Resolution::Unknown;
    };
    match requester.address.to_canonical() {
        // No port lists the link-local address that its guest made for itself.
        IpAddr::V6(address) if address.is_unicast_link_local() => {
            match requester.mac.or_else(|| mac_of(address)) {
                Some(mac) => the_only_one(&inventory.with_mac(scope, mac)),
                None => Resolution::Unknown,
            }
        }
        address => the_only_one(&inventory.with_address(scope, address)),
    }
}

fn the_only_one(ports: &[&InventoryInstance]) -> Resolution {
    match ports {
        [] => Resolution::Unknown,
        [instance] => Resolution::Found(Instance {
            id: instance.uuid.to_string(),
            project_id: instance.project_id.clone(),
        }),
        several => Resolution::Ambiguous(several.len()),
    }
}

/// The MAC that an EUI-64 interface identifier was made of (RFC 4291, appendix A).
/// Neutron does not look for the `ff:fe` in its middle and takes any identifier
/// for one; another guest's MAC could come out.
fn mac_of(address: Ipv6Addr) -> Option<MacAddr> {
    match address.octets() {
        [_, _, _, _, _, _, _, _, a, b, c, 0xff, 0xfe, d, e, f] => {
            Some(MacAddr([a ^ 0x02, b, c, d, e, f]))
        }
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
