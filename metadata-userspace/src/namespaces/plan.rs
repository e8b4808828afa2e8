//! Decisions, as pure functions over what was observed.

use std::collections::BTreeSet;

use super::keepers::Hold;
use super::observed::{Attached, Interfaces, Ipv6Address, ObservedInterface};
use super::role::{Kind, Role, Selection};
use crate::datapath::XdpSlot;

/// Neutron's prefix of the interface over which the replicas of a highly
/// available router hear of each other (neutron/agent/l3/ha_router.py).
const HA_INTERFACE_PREFIX: &str = "ha-";

/// Whether a namespace is one that guests' requests are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Wanted,
    /// A highly available router whose primary is on another host. Its interfaces
    /// are on the tenants' networks too, with the primary's MAC addresses: an
    /// answer from here would lead guests' frames away from the primary.
    Standby,
    /// The agent has not put the metadata address there: it serves no metadata on
    /// this network.
    WithoutAddress,
    /// The agent ended the shim that it had there.
    Released,
}

/// Judges a namespace that a shim may keep served, whatever it looks like.
pub fn held(hold: Hold, role: &Role, interfaces: &Interfaces) -> Standing {
    match (hold, standing(role, interfaces)) {
        (Hold::Shim, _) => Standing::Wanted,
        // Its agent may have ended the awaited shim when another host became the primary.
        (Hold::Awaited, Standing::WithoutAddress) => Standing::Wanted,
        (Hold::Released, Standing::Wanted | Standing::WithoutAddress) => Standing::Released,
        (_, standing) => standing,
    }
}

/// Judges a namespace.
pub fn standing(role: &Role, interfaces: &Interfaces) -> Standing {
    let tenants = || {
        let all = interfaces.values();
        all.filter(|interface| role.is_tenant_interface(&interface.name))
    };
    match role.kind {
        Kind::Router => {
            let mut all = interfaces.values();
            // keepalived gives the primary's interfaces their addresses and takes them
            // from a standby's.
            let is_replica = all.any(|interface| interface.name.starts_with(HA_INTERFACE_PREFIX));
            match is_replica && !tenants().any(|interface| interface.has_own_address) {
                true => Standing::Standby,
                false => Standing::Wanted,
            }
        }
        Kind::Dhcp | Kind::Ovn => match tenants().any(|one| one.has_metadata_address) {
            true => Standing::Wanted,
            false => Standing::WithoutAddress,
        },
    }
}

/// Where a namespace listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Door {
    Ipv4,
    /// A link-local address belongs to an interface: that with this index.
    Ipv6(u32),
}

/// One step towards what a namespace should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Put the IPv6 metadata address on the interface with this index.
    AddAddress(u32),
    /// Take it off and put it on again, without duplicate address detection.
    ReplaceAddress(u32),
    RemoveAddress(u32),
    Listen(Door),
    Close(Door),
    /// Put our programs on the interface with this index.
    Attach(u32),
    /// Take them off.
    Detach(u32),
    /// Have the driver of the interface with this index run the guard.
    Guard(u32),
    /// Have it run none.
    Unguard(u32),
}

/// What is to be done in a namespace, in this order: address, then socket, then
/// filters, and back the other way; a request is never steered to where nothing
/// listens. Interfaces that went away took their filters along and need nothing.
pub fn steps(
    role: &Role,
    standing: Standing,
    interfaces: &Interfaces,
    open: &BTreeSet<Door>,
) -> Vec<Step> {
    let is_served = |index: &u32| {
        let interface = interfaces.get(index);
        standing == Standing::Wanted
            && interface.is_some_and(|interface| role.is_tenant_interface(&interface.name))
    };
    let doors = doors(standing, interfaces, is_served);
    let mut steps: Vec<Step> = open.difference(&doors).copied().map(Step::Close).collect();
    if lingers(standing) && !steps.is_empty() {
        return steps;
    }
    for (&index, interface) in interfaces {
        steps.extend(
            match (is_served(&index) && interface.is_up, interface.ipv6) {
                (true, Ipv6Address::Missing) => Some(Step::AddAddress(index)),
                (true, Ipv6Address::Duplicate) => Some(Step::ReplaceAddress(index)),
                (_, Ipv6Address::Usable { ours: true }) if !is_served(&index) => {
                    Some(Step::RemoveAddress(index))
                }
                _ => None,
            },
        );
    }
    steps.extend(doors.difference(open).copied().map(Step::Listen));
    for (&index, interface) in interfaces {
        steps.extend(match (is_served(&index), interface.attached) {
            (true, Attached::Nothing | Attached::Outdated) => Some(Step::Attach(index)),
            (false, Attached::Outdated | Attached::Current) => Some(Step::Detach(index)),
            (true, Attached::Current) | (false, Attached::Nothing) => None,
        });
    }
    steps
}

/// Which drivers are to run the guard, and which no longer. It comes after the rest: it
/// only spares work.
pub fn guard_steps(
    role: &Role,
    standing: Standing,
    interfaces: &Interfaces,
    guarded: &Selection,
) -> Vec<Step> {
    let step = |(&index, interface): (&u32, &ObservedInterface)| {
        let wanted = standing == Standing::Wanted
            && role.is_tenant_interface(&interface.name)
            && guarded.has(&interface.name);
        match (wanted, &interface.xdp) {
            // Somebody else's stays; asking for ours anyway says why it is not there.
            (true, XdpSlot::Free | XdpSlot::Foreign(_) | XdpSlot::Guard { is_current: false }) => {
                Some(Step::Guard(index))
            }
            (false, XdpSlot::Guard { .. }) => Some(Step::Unguard(index)),
            (true, XdpSlot::Guard { is_current: true })
            | (false, XdpSlot::Free | XdpSlot::Foreign(_)) => None,
        }
    };
    interfaces.iter().filter_map(step).collect()
}

/// Whether connections that run when a namespace stops being served may still end:
/// then its filters, addresses and route stay until the next look. A standby's have to go
/// at once.
pub fn lingers(standing: Standing) -> bool {
    matches!(standing, Standing::WithoutAddress | Standing::Released)
}

/// Whether nobody needs the route to the metadata address any more, once a look has
/// closed these doors and left those open. Without it the kernel takes no segment for a
/// connection that still runs.
pub fn is_left(standing: Standing, open: &BTreeSet<Door>, closed: &[Door]) -> bool {
    open.is_empty() && (closed.is_empty() || !lingers(standing))
}

/// Where to listen, once the addresses are there.
fn doors(
    standing: Standing,
    interfaces: &Interfaces,
    is_served: impl Fn(&u32) -> bool,
) -> BTreeSet<Door> {
    let ipv6 = interfaces
        .iter()
        // An address that somebody else has put there is not ready yet; when it is,
        // the kernel tells.
        .filter(|(index, interface)| {
            is_served(index) && interface.is_up && interface.ipv6 != Ipv6Address::Tentative
        })
        .map(|(&index, _)| Door::Ipv6(index));
    match standing {
        Standing::Wanted => ipv6.chain([Door::Ipv4]).collect(),
        Standing::Standby | Standing::WithoutAddress | Standing::Released => BTreeSet::new(),
    }
}

/// What is to be done about a name in the directory of namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameStep {
    Keep,
    Start,
    Stop,
    /// Another namespace has the name now.
    Replace,
}

/// Compares the namespace that has a name with the one that is served under it.
pub fn name_step<Id: PartialEq>(present: Option<Id>, served: Option<Id>) -> NameStep {
    match (present, served) {
        (None, None) => NameStep::Keep,
        (Some(_), None) => NameStep::Start,
        (None, Some(_)) => NameStep::Stop,
        (Some(present), Some(served)) if present == served => NameStep::Keep,
        (Some(_), Some(_)) => NameStep::Replace,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod sequences;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
