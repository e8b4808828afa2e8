//! Who sent a request, judged by what is known at the moment.

use std::net::IpAddr;
use std::sync::Arc;

use super::Resolution;
use crate::eui64::{self, is_link_local};
use crate::identity::{MacAddr, Port, Requester};

/// What is known about the ports that a requester could be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Those in the realm that have the requester's address.
    pub by_address: Vec<Arc<Port>>,
    /// Those in the realm that have [`mac_to_find`]'s MAC.
    pub by_mac: Vec<Arc<Port>>,
    pub certainty: Certainty,
    /// Learning more takes long or failed when it was tried last.
    pub failing: bool,
}

/// How new a sighting is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certainty {
    /// As new as it can be made for this requester.
    Sure,
    /// Young enough to be believed when the MAC agrees.
    Current,
    /// Older than what is known may become.
    Expired,
}

/// Why newer knowledge could lead to another answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// The port may have been made or attached just now.
    NotFound,
    /// The MAC belongs to no port with this address: the address may have been
    /// given to a new port since.
    OtherMac,
    /// Nothing but the address speaks for the port.
    Unproven,
    Expired,
}

/// The answer by the present knowledge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    pub resolution: Resolution,
    pub doubt: Option<Doubt>,
}

/// Judges a requester.
pub fn judge(requester: &Requester, sighting: &Sighting) -> Judgement {
    let (resolution, doubt) = if is_known_by_mac(requester, &sighting.by_address) {
        only_one(&sighting.by_mac, Doubt::NotFound)
    } else {
        by_address(requester, sighting)
    };
    let doubt = match sighting.certainty {
        Certainty::Sure => None,
        Certainty::Current => doubt,
        Certainty::Expired => doubt.or(Some(Doubt::Expired)),
    };
    Judgement { resolution, doubt }
}

/// Whether the MAC alone tells who it is: the guest made the address by itself. Of
/// IPv6 a guest has such addresses, link-local ones and temporary ones (RFC 8981). Their
/// packets come straight from it: no router forwards what is for a link-local address,
/// as the metadata address is.
pub fn is_known_by_mac(requester: &Requester, by_address: &[Arc<Port>]) -> bool {
    let is_ipv6 = requester.address.to_canonical().is_ipv6();
    is_link_local(requester.address)
        || (is_ipv6 && requester.mac.is_some() && by_address.is_empty())
}

/// The MAC to look for: the one that was seen. No port lists the link-local
/// address that its guest made for itself, so without a MAC it is taken out of that.
pub fn mac_to_find(requester: &Requester) -> Option<MacAddr> {
    match requester.address.to_canonical() {
        IpAddr::V6(address) if address.is_unicast_link_local() => {
            requester.mac.or_else(|| eui64::mac_of(address))
        }
        _ => requester.mac,
    }
}

fn by_address(requester: &Requester, sighting: &Sighting) -> (Resolution, Option<Doubt>) {
    let Some(mac) = requester.mac else {
        return only_one(&sighting.by_address, Doubt::Unproven);
    };
    let proven = |port: &&Arc<Port>| port.mac == Some(mac);
    let mut ports = sighting.by_address.iter();
    if let (Some(port), None) = (ports.find(proven), ports.find(proven)) {
        return owned(port, None);
    }
    match only_one(&sighting.by_address, Doubt::OtherMac) {
        (Resolution::Found(claimed), doubt) => match same_network(&sighting.by_mac, &claimed) {
            Some(real) => (Resolution::Pretender { claimed, real }, doubt),
            // A router or NAT stands between.
            None => (Resolution::Found(claimed), doubt),
        },
        other => other,
    }
}

fn same_network(ports: &[Arc<Port>], port: &Port) -> Option<Arc<Port>> {
    let mut ports = ports.iter();
    ports
        .find(|other| other.network_id == port.network_id)
        .cloned()
}

fn only_one(ports: &[Arc<Port>], doubt: Doubt) -> (Resolution, Option<Doubt>) {
    match ports {
        [] => (Resolution::Unknown, Some(Doubt::NotFound)),
        [port] if doubt == Doubt::NotFound => owned(port, None),
        [port] => owned(port, Some(doubt)),
        several => (Resolution::Ambiguous(several.len()), Some(Doubt::NotFound)),
    }
}

/// A port that belongs to no instance yet has no metadata.
fn owned(port: &Arc<Port>, doubt: Option<Doubt>) -> (Resolution, Option<Doubt>) {
    match port.device_id.is_empty() {
        true => (Resolution::Unknown, Some(Doubt::NotFound)),
        false => (Resolution::Found(port.clone()), doubt),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
