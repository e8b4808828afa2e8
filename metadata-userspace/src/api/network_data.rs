//! `network_data.json`: links, networks and services of an instance's ports.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::identity::MacAddr;
use crate::inventory::{Assignment, Cidr, FixedIp, InventoryPort};

#[derive(Default, Serialize)]
struct NetworkData {
    links: Vec<Link>,
    networks: Vec<Network>,
    services: Vec<Service>,
}

#[derive(Serialize)]
struct Link {
    id: String,
    vif_id: Uuid,
    #[serde(rename = "type")]
    kind: &'static str,
    mtu: Option<u32>,
    ethernet_mac_address: MacAddr,
}

#[derive(Serialize)]
struct Network {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    link: String,
    #[serde(flatten)]
    addressing: Option<Addressing>,
    network_id: Uuid,
}

/// What a guest needs that does not ask DHCP for all of it.
#[derive(Serialize)]
struct Addressing {
    ip_address: IpAddr,
    netmask: IpAddr,
    routes: Vec<NetworkRoute>,
    services: Vec<Service>,
}

#[derive(Serialize)]
struct NetworkRoute {
    network: IpAddr,
    netmask: IpAddr,
    gateway: IpAddr,
}

#[derive(Clone, PartialEq, Serialize)]
struct Service {
    #[serde(rename = "type")]
    kind: &'static str,
    address: IpAddr,
}

/// The document for `ports`; an empty object when there are none. Of each port
/// the first IPv4 and the first IPv6 address count, as in Nova.
pub(super) fn of(ports: &[InventoryPort]) -> Value {
    if ports.is_empty() {
        return json!({});
    }
    let mut data = NetworkData::default();
    for port in ports {
        let first = |is_ipv4| {
            let mut fixed_ips = port.fixed_ips.iter();
            fixed_ips.find(|fixed_ip| fixed_ip.address.is_ipv4() == is_ipv4)
        };
        let fixed_ips: Vec<&FixedIp> = [first(true), first(false)].into_iter().flatten().collect();
        if fixed_ips.is_empty() {
            continue;
        }
        let link = link(port);
        for fixed_ip in fixed_ips {
            let id = format!("network{}", data.networks.len());
            data.networks.push(network(id, &link.id, port, fixed_ip));
            for service in services(fixed_ip) {
                if !data.services.contains(&service) {
                    data.services.push(service);
                }
            }
        }
        data.links.push(link);
    }
    json!(data)
}

fn link(port: &InventoryPort) -> Link {
    // Named as the device on a hypervisor is, after the port.
    let id: String = format!("tap{}", port.id).chars().take(14).collect();
    // DHCP tells the guest the MTU.
    let has_dhcp = port
        .fixed_ips
        .iter()
        .any(|fixed_ip| fixed_ip.assignment == Assignment::Dhcp);
    Link {
        id,
        vif_id: port.id,
        kind: "phy",
        mtu: port.mtu.filter(|_| !has_dhcp),
        ethernet_mac_address: port.mac_address,
    }
}

fn network(id: String, link: &str, port: &InventoryPort, fixed_ip: &FixedIp) -> Network {
    Network {
        id,
        kind: kind(fixed_ip),
        link: link.to_owned(),
        addressing: fixed_ip
            .cidr
            .filter(|_| fixed_ip.assignment != Assignment::Dhcp)
            .map(|cidr| Addressing {
                ip_address: fixed_ip.address,
                netmask: cidr.netmask(),
                routes: routes(fixed_ip),
                services: services(fixed_ip),
            }),
        network_id: port.network_id,
    }
}

fn kind(fixed_ip: &FixedIp) -> &'static str {
    match (fixed_ip.address, fixed_ip.assignment) {
        (IpAddr::V4(_), Assignment::Static) => "ipv4",
        (IpAddr::V4(_), _) => "ipv4_dhcp",
        (IpAddr::V6(_), Assignment::Static) => "ipv6",
        (IpAddr::V6(_), Assignment::Dhcp) => "ipv6_dhcp",
        (IpAddr::V6(_), Assignment::Slaac) => "ipv6_slaac",
        (IpAddr::V6(_), Assignment::Dhcpv6Stateful) => "ipv6_dhcpv6-stateful",
        (IpAddr::V6(_), Assignment::Dhcpv6Stateless) => "ipv6_dhcpv6-stateless",
    }
}

fn routes(fixed_ip: &FixedIp) -> Vec<NetworkRoute> {
    let default = fixed_ip.gateway.map(|gateway| NetworkRoute {
        network: unspecified_like(gateway),
        netmask: unspecified_like(gateway),
        gateway,
    });
    let others = fixed_ip.routes.iter().map(|route| {
        let destination: Cidr = route.destination;
        NetworkRoute {
            network: destination.network(),
            netmask: destination.netmask(),
            gateway: route.gateway,
        }
    });
    default.into_iter().chain(others).collect()
}

fn unspecified_like(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

fn services(fixed_ip: &FixedIp) -> Vec<Service> {
    let service = |&address| Service {
        kind: "dns",
        address,
    };
    fixed_ip.dns.iter().map(service).collect()
}
