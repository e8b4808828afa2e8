//! Which of a guest's headers travel on.

use std::net::IpAddr;

use hyper::HeaderMap;
use hyper::header::{CONNECTION, HeaderName, HeaderValue};

use crate::eui64::{self, is_link_local};
use crate::hop_by_hop::{self, has_prefix, is_hop_by_hop, same_name};
use crate::identity::{Realm, Requester};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const ROUTER: HeaderName = HeaderName::from_static("x-neutron-router-id");
const NETWORK: HeaderName = HeaderName::from_static("x-neutron-network-id");
const OVN_NETWORK: HeaderName = HeaderName::from_static("x-ovn-network-id");

/// Names, and beginnings of names, that some hop may believe.
const IDENTITY_NAMES: [&str; 3] = ["forwarded", "x-real-ip", "x-forwarded"];
const IDENTITY_PREFIXES: [&str; 6] = [
    "x-forwarded-",
    "x-neutron-",
    "x-ovn-",
    "x-instance-",
    "x-tenant-",
    "x-metadata-",
];

/// The next hop frames the message itself, and we have dealt with `Expect`.
const FRAMING: [&str; 2] = ["content-length", "expect"];

/// Whether a header of this name says, to some hop, who asks. `_` counts as
/// `-`: behind WSGI both are HTTP_X_INSTANCE_ID.
fn is_identity(name: &str) -> bool {
    IDENTITY_NAMES.iter().any(|known| same_name(name, known))
        || IDENTITY_PREFIXES
            .iter()
            .any(|known| has_prefix(name, known))
}

fn is_framing(name: &str) -> bool {
    FRAMING.iter().any(|known| same_name(name, known))
}

/// Leaves of the guest's headers what may travel on, and says who asks: the
/// headers of Neutron's haproxy. A network is named for both kinds of agent,
/// ML2/OVS and OVN; each looks at its own header only.
pub(crate) fn replace_identity(headers: &mut HeaderMap, requester: &Requester) {
    hop_by_hop::strip(headers);
    let refused: Vec<HeaderName> = headers
        .keys()
        .filter(|name| {
            let name = name.as_str();
            is_identity(name) || is_framing(name) || is_hop_by_hop(name)
        })
        .cloned()
        .collect();
    for name in refused {
        headers.remove(name);
    }
    let mut set = |name: HeaderName, value: String| {
        // An address or a UUID is always a header value.
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    };
    set(FORWARDED_FOR, forwarded_for(requester).to_string());
    match &requester.realm {
        Realm::Router(id) => set(ROUTER, id.clone()),
        Realm::Network(id) => {
            set(NETWORK, id.clone());
            set(OVN_NETWORK, id.clone());
        }
    }
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
}

/// The address that names the guest. Out of a link-local one Neutron's agent takes the
/// MAC, whatever it is made of (neutron/common/metadata.py), and finds no guest whose
/// addresses are stable and private (RFC 7217): so it gets the one that the guest's MAC
/// stands in.
fn forwarded_for(requester: &Requester) -> IpAddr {
    match requester.mac {
        Some(mac) if is_link_local(requester.address) => eui64::link_local(mac).into(),
        _ => requester.address,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ID: &str = "8f3a9a93-5a1c-4ce9-9266-e3048098412a";

    fn requester(realm: Realm) -> Requester {
        Requester {
            realm,
            address: "10.0.0.5".parse().unwrap(),
            mac: None,
        }
    }

    fn after_policy(lines: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(
                HeaderName::try_from(*name).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        replace_identity(&mut headers, &requester(Realm::Router(ID.into())));
        let mut left: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        left.sort();
        left
    }

    fn ours() -> Vec<(String, String)> {
        [
            ("connection", "close"),
            ("x-forwarded-for", "10.0.0.5"),
            ("x-neutron-router-id", ID),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    #[test]
    fn no_spelling_of_an_identity_gets_through() {
        for name in [
            "X-Forwarded-For",
            "x_forwarded_for",
            "X-Forwarded_For",
            "X_FORWARDED-FOR",
            "X-Forwarded-Host",
            "X-Forwarded",
            "Forwarded",
            "FORWARDED",
            "X-Real-IP",
            "x_real_ip",
            "X-Neutron-Router-ID",
            "X_Neutron_Network_ID",
            "x-neutron-anything",
            "X-OVN-Network-ID",
            "x_ovn_network_id",
            "X-Instance-ID",
            "X-Instance-ID-Signature",
            "x_INSTANCE-id",
            "X-Instance-ID-Provider",
            "X-Tenant-ID",
            "X_Tenant_ID",
            "X-Metadata-Provider",
            "X_metadata_provider_signature",
        ] {
            assert_eq!(
                after_policy(&[(name, "evil"), (name, "twice")]),
                ours(),
                "{name}"
            );
        }
    }

    #[test]
    fn headers_of_one_connection_end_here() {
        for name in [
            "Keep-Alive",
            "Proxy-Connection",
            "Proxy_Authorization",
            "TE",
            "Trailer",
            "Transfer-Encoding",
            "transfer_encoding",
            "Upgrade",
            "Content-Length",
            "content_length",
            "Expect",
        ] {
            assert_eq!(after_policy(&[(name, "x")]), ours(), "{name}");
        }
        let named = [("Connection", "close, X-Secret"), ("X-Secret", "x")];
        assert_eq!(after_policy(&named), ours());
    }

    #[test]
    fn other_headers_travel_on() {
        let sent = [
            ("user-agent", "Cloud-Init/22.4"),
            ("x-aws-ec2-metadata-token", "t"),
            ("host", "169.254.169.254"),
        ];
        let left = after_policy(&sent);
        for (name, value) in sent {
            assert!(
                left.contains(&(name.to_owned(), value.to_owned())),
                "{name}"
            );
        }
    }

    #[test]
    fn a_connection_header_cannot_take_ours_away() {
        let left = after_policy(&[("Connection", "X-Forwarded-For, X-Neutron-Router-ID")]);
        assert_eq!(left, ours());
    }

    #[test]
    fn neutrons_agent_finds_guests_with_private_addresses() {
        let forwarded = |address: &str, mac: Option<&str>| {
            let requester = Requester {
                address: address.parse().unwrap(),
                mac: mac.map(|mac| mac.parse().unwrap()),
                ..requester(Realm::Router(ID.into()))
            };
            forwarded_for(&requester).to_string()
        };
        let mac = Some("fa:16:3e:00:00:05");
        let stable_privacy = "fe80::1234:5678:9abc:def0";
        assert_eq!(forwarded(stable_privacy, mac), "fe80::f816:3eff:fe00:5");
        assert_eq!(forwarded(stable_privacy, None), stable_privacy);
        assert_eq!(forwarded("2001:db8::5", mac), "2001:db8::5");
        assert_eq!(forwarded("10.0.0.5", mac), "10.0.0.5");
    }

    #[test]
    fn both_kinds_of_agent_find_the_network() {
        let mut headers = HeaderMap::new();
        replace_identity(&mut headers, &requester(Realm::Network(ID.into())));
        assert_eq!(headers.get("x-neutron-network-id").unwrap(), ID);
        assert_eq!(headers.get("x-ovn-network-id").unwrap(), ID);
        assert_eq!(headers.get("x-neutron-router-id"), None);
    }

    /// A name of the kind that hops believe, in any mixture of spellings.
    fn spelling() -> impl Strategy<Value = String> {
        let name = "(x[-_])?(forwarded|neutron|ovn|instance|tenant|metadata|real|te|user)([-_][a-z-_]{0,12})?";
        (name, any::<u64>()).prop_map(|(name, upper)| {
            let letters = name.chars().enumerate();
            letters
                .map(|(place, letter)| match upper >> (place % 64) & 1 {
                    0 => letter,
                    _ => letter.to_ascii_uppercase(),
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn whatever_is_sent_only_our_identity_is_left(
            lines in proptest::collection::vec((spelling(), "[ -~]{0,20}"), 0..12)
        ) {
            let lines: Vec<_> = lines.iter().map(|(n, v)| (n.as_str(), v.trim())).collect();
            for (name, value) in after_policy(&lines) {
                let canonical = name.replace('_', "-");
                let theirs = IDENTITY_PREFIXES.iter().any(|p| canonical.starts_with(p))
                    || IDENTITY_NAMES.contains(&canonical.as_str());
                prop_assert!(!theirs || ours().contains(&(name, value)));
            }
        }
    }
}
