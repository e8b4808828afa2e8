//! The ports of one instance.

use std::net::IpAddr;

use uuid::Uuid;

use super::faults::Faults;
use crate::identity::MacAddr;
use crate::inventory::file::{FixedIpEntry, PortEntry, RouteEntry};
use crate::inventory::{Assignment, Cidr, FixedIp, InventoryPort, Route};

const ADDRESS: &str = "an IP address like 10.0.0.5 or 2001:db8::5";
const SUBNET: &str = "a subnet like 10.0.0.0/24 or 2001:db8::/64 without bits behind its prefix";
const MAC: &str = "a MAC address (six octets like fa:16:3e:00:00:01)";

pub(super) fn check(
    entries: Vec<PortEntry>,
    instance: Uuid,
    faults: &mut Faults,
) -> Vec<InventoryPort> {
    let mut ports = Vec::new();
    for (position, entry) in entries.into_iter().enumerate() {
        faults.enter(format!("port {}: ", position.saturating_add(1)));
        ports.push(port(entry, instance, faults));
    }
    faults.enter(String::new());
    ports
}

fn port(entry: PortEntry, instance: Uuid, faults: &mut Faults) -> InventoryPort {
    let network_id = faults.uuid("network_id", entry.network_id);
    let mac_address = mac_address(entry.mac_address, faults);
    InventoryPort {
        id: faults
            .optional_uuid("id", entry.id)
            .unwrap_or_else(|| port_id(instance, network_id, mac_address)),
        network_id,
        router_ids: router_ids(entry.router_ids, faults),
        mac_address,
        mtu: entry.mtu,
        fixed_ips: entry
            .fixed_ips
            .into_iter()
            .filter_map(|fixed_ip| self::fixed_ip(fixed_ip, faults))
            .collect(),
        floating_ips: addresses("floating_ips", &entry.floating_ips, faults),
    }
}

/// A port that Neutron does not know still needs a name in `network_data.json`,
/// and the same one after every restart.
fn port_id(instance: Uuid, network: Uuid, MacAddr(mac): MacAddr) -> Uuid {
    let mut bytes = (instance.as_u128() ^ network.as_u128().rotate_left(64)).to_be_bytes();
    for (byte, octet) in bytes.iter_mut().rev().zip(mac) {
        *byte ^= octet;
    }
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

fn mac_address(text: Option<String>, faults: &mut Faults) -> MacAddr {
    let text = faults.required("mac_address", MAC, text);
    let mac = if text.is_empty() {
        None
    } else {
        faults.parsed("mac_address", MAC, &text)
    };
    mac.unwrap_or(MacAddr([0; 6]))
}

fn router_ids(texts: Vec<String>, faults: &mut Faults) -> Vec<Uuid> {
    let mut routers: Vec<Uuid> = texts
        .into_iter()
        .filter_map(|text| faults.optional_uuid("router_ids", Some(text)))
        .collect();
    routers.sort_unstable();
    routers.dedup();
    routers
}

fn addresses(field: &str, texts: &[String], faults: &mut Faults) -> Vec<IpAddr> {
    texts
        .iter()
        .filter_map(|text| faults.parsed(field, ADDRESS, text))
        .collect()
}

fn fixed_ip(entry: FixedIpEntry, faults: &mut Faults) -> Option<FixedIp> {
    let field = "fixed_ips";
    let Some(text) = entry.address else {
        faults.add(field, format!("address is missing: {ADDRESS} is needed"));
        return None;
    };
    let address: IpAddr = faults.parsed(field, ADDRESS, &text)?;
    let cidr: Option<Cidr> = entry
        .cidr
        .and_then(|text| faults.parsed("fixed_ips: cidr", SUBNET, &text));
    let assignment = entry.assignment.unwrap_or(match cidr {
        Some(_) => Assignment::Static,
        None => Assignment::Dhcp,
    });
    if cidr.is_some_and(|cidr| !cidr.contains(address)) {
        faults.add(field, format!("{address} is not in its cidr"));
    }
    if cidr.is_none() && assignment != Assignment::Dhcp {
        faults.add(
            field,
            format!("{address} needs a cidr; without one the assignment is `dhcp`"),
        );
    }
    if address.is_ipv4() && !matches!(assignment, Assignment::Static | Assignment::Dhcp) {
        faults.add(
            field,
            format!("{address} is IPv4: its assignment is `static` or `dhcp`"),
        );
    }
    let gateway = entry
        .gateway
        .and_then(|text| faults.parsed("fixed_ips: gateway", ADDRESS, &text));
    if gateway.is_some_and(|gateway: IpAddr| gateway.is_ipv4() != address.is_ipv4()) {
        faults.add(
            field,
            format!("the gateway of {address} is of the other IP version"),
        );
    }
    Some(FixedIp {
        address,
        assignment,
        cidr,
        gateway,
        dns: addresses("fixed_ips: dns", &entry.dns, faults),
        routes: entry
            .routes
            .iter()
            .filter_map(|entry| route(entry, address, faults))
            .collect(),
    })
}

fn route(entry: &RouteEntry, address: IpAddr, faults: &mut Faults) -> Option<Route> {
    let destination: Option<Cidr> =
        faults.parsed("fixed_ips: routes: destination", SUBNET, &entry.destination);
    let gateway: Option<IpAddr> =
        faults.parsed("fixed_ips: routes: gateway", ADDRESS, &entry.gateway);
    let route = Route {
        destination: destination?,
        gateway: gateway?,
    };
    let versions = [route.destination.network(), route.gateway].map(|end| end.is_ipv4());
    if versions != [address.is_ipv4(); 2] {
        faults.add(
            "fixed_ips: routes",
            format!("a route of {address} is of the other IP version"),
        );
    }
    Some(route)
}
