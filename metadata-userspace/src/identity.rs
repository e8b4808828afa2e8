//! Who asks, as far as the host can tell, and who that turned out to be.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The Neutron object whose address space a request came from. Addresses are
/// unique inside one realm only; two routers may serve the same subnet.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Realm {
    /// UUID of a router: the request entered a `qrouter-<uuid>` namespace.
    Router(String),
    /// UUID of a network: `qdhcp-<uuid>` or `ovnmeta-<uuid>`.
    Network(String),
}

impl fmt::Display for Realm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Router(id) => write!(f, "router {id}"),
            Self::Network(id) => write!(f, "network {id}"),
        }
    }
}

/// An Ethernet address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MacAddr(pub [u8; 6]);

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Not six hexadecimal octets separated by colons.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a MAC address (six octets like fa:16:3e:00:00:01)")]
pub struct InvalidMac(String);

impl FromStr for MacAddr {
    type Err = InvalidMac;

    fn from_str(text: &str) -> Result<Self, InvalidMac> {
        let invalid = || InvalidMac(text.to_owned());
        let mut octets = text.split(':').map(|octet| match octet.len() {
            2 => u8::from_str_radix(octet, 16).map_err(|_| invalid()),
            _ => Err(invalid()),
        });
        let mut mac = [0; 6];
        for byte in &mut mac {
            *byte = octets.next().ok_or_else(invalid)??;
        }
        match octets.next() {
            None => Ok(Self(mac)),
            Some(_) => Err(invalid()),
        }
    }
}

impl Serialize for MacAddr {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MacAddr {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// What the kernel says about the sender of a request. Nothing in here comes
/// from bytes that the guest put into its request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Requester {
    pub realm: Realm,
    /// TCP source address; IPv4-mapped addresses are unmapped.
    pub address: IpAddr,
    /// Source MAC of the connection's SYN; unknown behind the agent's unix
    /// socket and for connections made by SYN cookie.
    pub mac: Option<MacAddr>,
}

/// A port's owner: what the request to Nova is signed for. Clones copy no text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Instance {
    /// The port's `device_id`.
    pub id: Arc<str>,
    /// The *port's* project, which Nova compares with the instance's: without it
    /// a tenant could set another's `device_id` on its port (CVE-2013-6419).
    pub project_id: Arc<str>,
}

/// A Neutron port, of an instance, a router or anything else, as far as identity
/// needs it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Port {
    /// Its UUID; empty where the source has none.
    pub id: String,
    /// UUID of its network.
    pub network_id: String,
    pub mac: Option<MacAddr>,
    /// Its fixed IPs.
    pub addresses: Vec<IpAddr>,
    /// UUID of the instance; empty while the port belongs to none.
    pub device_id: Arc<str>,
    pub project_id: Arc<str>,
}

impl Port {
    /// For whom requests of this port are signed.
    pub fn instance(&self) -> Instance {
        Instance {
            id: self.device_id.clone(),
            project_id: self.project_id.clone(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_mac_address_survives_text() {
        let mac: MacAddr = "FA:16:3e:00:00:01".parse().unwrap();
        assert_eq!(mac.to_string(), "fa:16:3e:00:00:01");
    }

    #[test]
    fn what_is_no_mac_address_is_refused() {
        for text in [
            "",
            "fa:16:3e:00:00",
            "fa:16:3e:00:00:01:02",
            "fa:16:3e:00:00:1",
            "+a:16:3e:00:00:01x",
        ] {
            assert!(text.parse::<MacAddr>().is_err(), "{text}");
        }
    }
}
