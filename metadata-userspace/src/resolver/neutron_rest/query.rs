//! What Neutron is asked: the query strings of `GET /v2.0/ports`.

use std::fmt::Write as _;

use crate::resolver::source::PortQuery;

/// Ports a page. Neutron answers with fewer when its own
/// `pagination_max_limit` says so.
const PAGE: usize = 500;

/// Bytes of a query. Web servers in front of Neutron take 4 KB for a request's
/// whole head (uWSGI's `buffer-size`), a token included.
const LONGEST: usize = 2000;

/// The least that shows whether Neutron answers.
pub(super) const PROBE: &str = "/ports?limit=1&fields=id&fields=network_id";

/// The kinds of ports by which a router is on a network
/// (neutron/agent/metadata/agent.py, neutron-lib's constants).
const INTERNAL: [&str; 3] = [
    "network:router_interface",
    "network:ha_router_replicated_interface",
    "network:router_interface_distributed",
];

/// Projects were called tenants before Newton.
const FIELDS: [&str; 7] = [
    "id",
    "network_id",
    "mac_address",
    "fixed_ips",
    "device_id",
    "project_id",
    "tenant_id",
];

/// A query, without paging, for the internal interfaces of a router.
pub(super) fn interfaces_of(router: &str) -> String {
    let mut query = fields(&["id", "network_id"]);
    push(&mut query, "device_id", router);
    for owner in INTERNAL {
        push(&mut query, "device_owner", owner);
    }
    query
}

/// Queries, without paging, whose answers together are the wanted ports: long
/// lists are split. A query without a network would mean every port of the cloud,
/// so there is none.
pub(super) fn ports(wanted: &PortQuery) -> Vec<String> {
    let networks = split(wanted.networks.iter().map(|id| filter("network_id", id)));
    let addresses = wanted
        .addresses
        .iter()
        .map(|address| filter("fixed_ips", &format!("ip_address={address}")));
    let addresses = match wanted.addresses.is_empty() {
        true => vec![String::new()],
        false => split(addresses),
    };
    let fields = fields(&FIELDS);
    networks
        .iter()
        .flat_map(|networks| addresses.iter().map(move |addresses| (networks, addresses)))
        .map(|(networks, addresses)| format!("{fields}{networks}{addresses}"))
        .collect()
}

/// The path and query of one page of `query`; `marker`: the page before ends
/// with that port.
pub(super) fn page(query: &str, marker: Option<&str>) -> String {
    let mut target = format!("/ports?limit={PAGE}{query}");
    if let Some(marker) = marker {
        push(&mut target, "marker", marker);
    }
    target
}

/// The marker in the link to the next page. The rest of the link is not used: it
/// says what this request said, and its host is what Neutron takes for its own
/// name, which a proxy before it may not have told it.
pub(super) fn marker(link: &str) -> Option<&str> {
    let (_, query) = link.split_once('?')?;
    let marker = query
        .split('&')
        .find_map(|part| part.strip_prefix("marker="))?;
    (!marker.is_empty() && marker.bytes().all(is_plain)).then_some(marker)
}

fn fields(names: &[&str]) -> String {
    names.iter().map(|name| filter("fields", name)).collect()
}

/// Half a query's length each, for networks and addresses.
fn split(filters: impl Iterator<Item = String>) -> Vec<String> {
    let mut batches: Vec<String> = Vec::new();
    for filter in filters {
        match batches.last_mut() {
            Some(last) if last.len() + filter.len() <= LONGEST / 2 => last.push_str(&filter),
            _ => batches.push(filter),
        }
    }
    batches
}

fn filter(name: &str, value: &str) -> String {
    let mut query = String::new();
    push(&mut query, name, value);
    query
}

fn push(query: &mut String, name: &str, value: &str) {
    query.push('&');
    query.push_str(name);
    query.push('=');
    for byte in value.bytes() {
        if is_plain(byte) {
            query.push(char::from(byte));
        } else {
            // Writing to a String does not fail.
            let _ = write!(query, "%{byte:02X}");
        }
    }
}

/// RFC 3986 section 2.3, unreserved.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(networks: usize, addresses: &[&str]) -> PortQuery {
        PortQuery {
            networks: (0..networks).map(|n| format!("{n:036}")).collect(),
            addresses: addresses.iter().filter_map(|a| a.parse().ok()).collect(),
        }
    }

    #[test]
    fn a_short_list_is_one_query() {
        let query = PortQuery {
            networks: vec!["a".to_owned(), "b&c".to_owned()],
            addresses: wanted(0, &["10.0.0.5", "2001:db8::1"]).addresses,
        };
        let queries = ports(&query);
        assert_eq!(queries.len(), 1);
        let expected = "&fields=tenant_id&network_id=a&network_id=b%26c\
                        &fixed_ips=ip_address%3D10.0.0.5\
                        &fixed_ips=ip_address%3D2001%3Adb8%3A%3A1";
        assert!(queries.concat().ends_with(expected), "{queries:?}");
    }

    #[test]
    fn long_lists_are_split_and_nothing_is_lost() {
        let addresses: Vec<_> = (0..100).map(|n| format!("10.0.0.{n}")).collect();
        let addresses: Vec<_> = addresses.iter().map(String::as_str).collect();
        let query = wanted(100, &addresses);
        let queries = ports(&query);
        assert!(
            queries
                .iter()
                .all(|query| page(query, None).len() < LONGEST + 200)
        );
        for network in &query.networks {
            for address in &addresses {
                let asked = |query: &&String| {
                    query.contains(&format!("network_id={network}"))
                        && format!("{query}&").contains(&format!("%3D{address}&"))
                };
                assert_eq!(
                    queries.iter().filter(asked).count(),
                    1,
                    "{network} {address}"
                );
            }
        }
    }

    #[test]
    fn without_networks_nothing_is_asked() {
        assert!(ports(&wanted(0, &[])).is_empty());
        assert!(ports(&wanted(0, &["10.0.0.5"])).is_empty());
    }

    #[test]
    fn of_a_link_only_the_marker_counts() {
        let link = "https://elsewhere/v2.0/ports?limit=5&marker=3f-1&network_id=x";
        assert_eq!(marker(link), Some("3f-1"));
        for link in [
            "https://elsewhere/v2.0/ports",
            "https://elsewhere/?limit=5",
            "https://elsewhere/?marker=",
            "https://elsewhere/?marker=a%26b",
        ] {
            assert_eq!(marker(link), None);
        }
    }

    #[test]
    fn a_router_is_on_networks_by_three_kinds_of_ports() {
        let query = interfaces_of("r1");
        assert!(query.contains("&device_id=r1&device_owner=network%3Arouter_interface&"));
        assert_eq!(query.matches("&device_owner=").count(), 3);
    }
}
