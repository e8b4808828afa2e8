//! A namespace as the kernel shows it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use metadata_ebpf::{METADATA_ADDRESS, METADATA_ADDRESS_V6};

use super::role::Role;
use crate::datapath::{
    AttachState, Datapath, DatapathError, ForeignProgram, Look, XdpSlot, is_our_address,
};
use crate::netlink::{InterfaceAddress, LOOPBACK, Link, NamespaceSocket};

/// What of ours hangs on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attached {
    Nothing,
    /// Some of the programs only, two of one, or programs of another daemon's life.
    Outdated,
    Current,
}

/// The IPv6 metadata address on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ipv6Address {
    Missing,
    /// Somebody put it there and the kernel still looks for others that have it.
    Tentative,
    /// Others have it: the kernel does not use it.
    Duplicate,
    /// It can be listened on; `ours` if we put it there.
    Usable {
        ours: bool,
    },
}

/// An interface, and what is on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedInterface {
    pub name: String,
    pub is_up: bool,
    pub attached: Attached,
    pub xdp: XdpSlot,
    /// Other people's programs at the hooks of TC.
    pub foreign: Vec<ForeignProgram>,
    /// Carries 169.254.169.254.
    pub has_metadata_address: bool,
    pub ipv6: Ipv6Address,
    /// Carries an address that neither is the metadata address nor was put there by us.
    pub has_own_address: bool,
}

/// Every interface of a namespace, by its index.
pub type Interfaces = BTreeMap<u32, ObservedInterface>;

/// What one look shows.
pub(super) struct Observed {
    pub(super) interfaces: Interfaces,
    /// Indices that no interface has any more, and links of ours are pinned for.
    pub(super) gone: Vec<u32>,
}

/// Looks at the socket's namespace. Call it inside.
pub(super) fn observe(
    netlink: &NamespaceSocket,
    datapath: &Datapath,
    role: &Role,
) -> Result<Observed, DatapathError> {
    let addresses = netlink.addresses().map_err(DatapathError::Namespace)?;
    let links = netlink.links().map_err(DatapathError::Namespace)?;
    let look = datapath.look(netlink)?;
    let is_gone = |index: &u32| !links.iter().any(|link| link.index == *index);
    let gone = look.linked().into_iter().filter(is_gone).collect();
    let interfaces: Result<_, DatapathError> = links
        .into_iter()
        .map(|link| {
            let on_it = addresses.iter().filter(|one| one.interface == link.index);
            let are_guests_behind = role.is_tenant_interface(&link.name);
            let interface = match link.index {
                // No guest is behind it, so nothing of ours is there.
                LOOPBACK => bare(link.name, link.is_up),
                // Behind others there may have been, when the namespace was another's.
                index if are_guests_behind || look.may_have_ours(index) => {
                    with_programs(&link, &look, datapath)?
                }
                _ => guardable(&link, datapath)?,
            };
            Ok((link.index, with_addresses(interface, on_it)))
        })
        .collect();
    Ok(Observed {
        interfaces: interfaces?,
        gone,
    })
}

fn with_programs(
    link: &Link,
    look: &Look<'_>,
    datapath: &Datapath,
) -> Result<ObservedInterface, DatapathError> {
    let state = look.attached(link.index)?;
    Ok(ObservedInterface {
        attached: judge(&state),
        foreign: state.foreign,
        ..guardable(link, datapath)?
    })
}

/// An interface on which there is nothing but perhaps a guard.
fn guardable(link: &Link, datapath: &Datapath) -> Result<ObservedInterface, DatapathError> {
    Ok(ObservedInterface {
        xdp: datapath.xdp_slot(link)?,
        ..bare(link.name.clone(), link.is_up)
    })
}

/// An interface on which there is nothing.
pub(super) fn bare(name: String, is_up: bool) -> ObservedInterface {
    ObservedInterface {
        name,
        is_up,
        attached: Attached::Nothing,
        xdp: XdpSlot::Free,
        foreign: Vec::new(),
        has_metadata_address: false,
        ipv6: Ipv6Address::Missing,
        has_own_address: false,
    }
}

fn with_addresses<'a>(
    mut interface: ObservedInterface,
    addresses: impl Iterator<Item = &'a InterfaceAddress>,
) -> ObservedInterface {
    for one in addresses {
        match one.address {
            IpAddr::V4(METADATA_ADDRESS) => interface.has_metadata_address = true,
            IpAddr::V6(METADATA_ADDRESS_V6) => interface.ipv6 = ipv6(one),
            _ => interface.has_own_address = true,
        }
    }
    interface
}

fn ipv6(address: &InterfaceAddress) -> Ipv6Address {
    match (address.is_usable(), address.is_duplicate()) {
        (true, _) => Ipv6Address::Usable {
            ours: is_our_address(address),
        },
        (false, true) => Ipv6Address::Duplicate,
        (false, false) => Ipv6Address::Tentative,
    }
}

fn judge(state: &AttachState) -> Attached {
    if state.is_complete() {
        Attached::Current
    } else if state.is_empty() {
        Attached::Nothing
    } else {
        Attached::Outdated
    }
}
