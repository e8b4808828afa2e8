//! Who asks, according to the headers that the proxy in front of the unix
//! socket wrote (neutron/common/metadata.py).

use std::net::IpAddr;

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use uuid::Uuid;

use crate::identity::{Realm, Requester};

const ROUTER: HeaderName = HeaderName::from_static("x-neutron-router-id");
const NETWORK: HeaderName = HeaderName::from_static("x-neutron-network-id");
const OVN_NETWORK: HeaderName = HeaderName::from_static("x-ovn-network-id");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Whose proxies speak: each kind writes headers of its own, and leaves those of
/// the other kind to the guests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proxies {
    /// Those of l3-agents and dhcp-agents: `X-Neutron-Router-ID` and
    /// `X-Neutron-Network-ID`, each set in the place of what the guest sent.
    Neutron,
    /// Those of OVN agents: `X-OVN-Network-ID`, added to what the guest sent.
    Ovn,
}

/// Why nobody can be told from the headers. The proxy made a mistake, or
/// someone else speaks to the socket.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unidentified {
    #[error("Both network {network} and router {router} defined.")]
    Both { network: String, router: String },
    #[error("Neither X-Neutron-Router-ID nor X-Neutron-Network-ID is defined.")]
    Neither,
    #[error("X-OVN-Network-ID is not defined.")]
    NoOvnNetwork,
    #[error("{0} is defined several times.")]
    Repeated(&'static str),
    #[error("{0} is not a UUID.")]
    NoUuid(&'static str),
    #[error("X-Forwarded-For does not end with an IP address.")]
    NoAddress,
}

pub(super) fn requester(headers: &HeaderMap, proxies: Proxies) -> Result<Requester, Unidentified> {
    Ok(Requester {
        realm: match proxies {
            Proxies::Neutron => realm(headers)?,
            Proxies::Ovn => ovn_realm(headers)?,
        },
        address: address(headers).ok_or(Unidentified::NoAddress)?,
        mac: None,
    })
}

fn realm(headers: &HeaderMap) -> Result<Realm, Unidentified> {
    let router = id(headers, &ROUTER, "X-Neutron-Router-ID")?;
    let network = id(headers, &NETWORK, "X-Neutron-Network-ID")?;
    match (router, network) {
        (Some(router), None) => Ok(Realm::Router(router)),
        (None, Some(network)) => Ok(Realm::Network(network)),
        (Some(router), Some(network)) => Err(Unidentified::Both { network, router }),
        (None, None) => Err(Unidentified::Neither),
    }
}

/// The last line: the proxy adds its own after all that the guest sent (measured
/// with haproxy 2.6), so a guest can never choose the network.
fn ovn_realm(headers: &HeaderMap) -> Result<Realm, Unidentified> {
    let last = headers.get_all(&OVN_NETWORK).iter().next_back();
    let value = last.ok_or(Unidentified::NoOvnNetwork)?;
    canonical(value, "X-OVN-Network-ID").map(Realm::Network)
}

/// One header, one UUID, in its canonical spelling.
fn id(
    headers: &HeaderMap,
    header: &HeaderName,
    spelt: &'static str,
) -> Result<Option<String>, Unidentified> {
    let mut values = headers.get_all(header).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Unidentified::Repeated(spelt));
    }
    canonical(value, spelt).map(Some)
}

fn canonical(value: &HeaderValue, spelt: &'static str) -> Result<String, Unidentified> {
    Uuid::try_parse_ascii(value.as_bytes())
        .map(|id| id.hyphenated().to_string())
        .map_err(|_| Unidentified::NoUuid(spelt))
}

/// The last element of the last line. haproxy's `option forwardfor` keeps the
/// lines that the guest sent and appends its own after them (measured with
/// 2.6), so all before the last element is the guest's word, and a guest can
/// never choose the address. Neutron's own agent fails on such a request.
fn address(headers: &HeaderMap) -> Option<IpAddr> {
    let line = headers.get_all(FORWARDED_FOR).iter().next_back()?;
    let last = line.to_str().ok()?.rsplit(',').next()?.trim();
    // A listener on [::] sees IPv4 guests as ::ffff:a.b.c.d; Neutron knows a.b.c.d.
    last.parse::<IpAddr>()
        .ok()
        .map(|address| address.to_canonical())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    const ID: &str = "8f3a9a93-5a1c-4ce9-9266-e3048098412a";
    const OTHER: &str = "11111111-5a1c-4ce9-9266-e3048098412a";

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn from(lines: &[(&'static str, &str)]) -> Result<Requester, Unidentified> {
        requester(&headers(lines), Proxies::Neutron)
    }

    fn from_ovn(lines: &[(&'static str, &str)]) -> Result<Requester, Unidentified> {
        requester(&headers(lines), Proxies::Ovn)
    }

    #[test]
    fn the_last_network_is_the_one_that_ovns_proxy_added() {
        let address = ("x-forwarded-for", "10.0.0.5");
        let ovn = |id| ("x-ovn-network-id", id);
        let network = Ok(Realm::Network(ID.into()));
        for lines in [
            vec![ovn(ID), address],
            vec![ovn(OTHER), ovn("nonsense"), ovn(ID), address],
            vec![
                ("x-neutron-network-id", OTHER),
                ("x-neutron-router-id", OTHER),
                ovn(ID),
                address,
            ],
        ] {
            assert_eq!(from_ovn(&lines).map(|requester| requester.realm), network);
        }
        let list = format!("{OTHER}, {ID}");
        for lines in [
            vec![address, ("x-neutron-network-id", ID)],
            vec![address, ovn(&list)],
            vec![address, ovn(ID), ovn("")],
        ] {
            assert!(from_ovn(&lines).is_err(), "{lines:?}");
        }
    }

    #[test]
    fn neutrons_proxies_say_nothing_of_ovn() {
        let lines = [("x-ovn-network-id", ID), ("x-forwarded-for", "10.0.0.5")];
        assert_eq!(from(&lines), Err(Unidentified::Neither));
        let router = [("x-neutron-router-id", ID), lines[0], lines[1]];
        assert_eq!(from(&router).unwrap().realm, Realm::Router(ID.into()));
    }

    #[test]
    fn a_router_or_a_network_names_the_realm() {
        let router = from(&[("x-neutron-router-id", ID), ("x-forwarded-for", "10.0.0.5")]);
        assert_eq!(
            router.unwrap(),
            Requester {
                realm: Realm::Router(ID.into()),
                address: "10.0.0.5".parse().unwrap(),
                mac: None
            }
        );
        let network = from(&[
            ("x-neutron-network-id", ID),
            ("x-forwarded-for", "10.0.0.5"),
        ]);
        assert_eq!(network.unwrap().realm, Realm::Network(ID.into()));
    }

    #[test]
    fn the_realm_must_be_certain() {
        let address = ("x-forwarded-for", "10.0.0.5");
        for (lines, message) in [
            (vec![address], "Neither"),
            (
                vec![
                    address,
                    ("x-neutron-router-id", ID),
                    ("x-neutron-network-id", OTHER),
                ],
                "Both network 11111111-5a1c-4ce9-9266-e3048098412a and router 8f3a9a93",
            ),
            (
                vec![
                    address,
                    ("x-neutron-router-id", ID),
                    ("x-neutron-router-id", OTHER),
                ],
                "several times",
            ),
            (vec![address, ("x-neutron-router-id", "../x")], "not a UUID"),
            (vec![address, ("x-neutron-router-id", "")], "not a UUID"),
        ] {
            let error = from(&lines).unwrap_err().to_string();
            assert!(error.contains(message), "{lines:?}: {error}");
        }
    }

    #[test]
    fn the_last_word_about_the_address_is_the_proxys() {
        for (lines, address) in [
            (vec!["10.0.0.66", "10.0.0.5"], "10.0.0.5"),
            (vec!["10.0.0.66, 10.0.0.5"], "10.0.0.5"),
            (vec!["10.0.0.66,\t10.0.0.5 "], "10.0.0.5"),
            (vec!["::ffff:10.0.0.5"], "10.0.0.5"),
            (vec!["fe80::f816:3eff:fe00:1"], "fe80::f816:3eff:fe00:1"),
            (vec!["garbage", "2001:db8::1"], "2001:db8::1"),
        ] {
            let mut all = vec![("x-neutron-router-id", ID)];
            all.extend(lines.iter().map(|line| ("x-forwarded-for", *line)));
            assert_eq!(
                from(&all).unwrap().address,
                address.parse::<IpAddr>().unwrap(),
                "{lines:?}"
            );
        }
    }

    #[test]
    fn without_an_address_nobody_asks() {
        for lines in [
            vec![],
            vec![""],
            vec!["10.0.0.5,"],
            vec!["10.0.0.5", "unknown"],
            vec!["fe80::1%eth0"],
            vec!["10.0.0.5:80"],
        ] {
            let mut all = vec![("x-neutron-router-id", ID)];
            all.extend(lines.iter().map(|line| ("x-forwarded-for", *line)));
            assert_eq!(from(&all), Err(Unidentified::NoAddress), "{lines:?}");
        }
    }
}
