//! What Neutron's metadata service does for guests, row by row, in each kind of
//! namespace in which it does: a router's (`l3`), a DHCP agent's (`dhcp`), OVN's
//! (`ovn`). The README has the table.

#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod client_address;
mod direct_port;
mod dpdk_checksum;
mod dvr;
mod guest_route;
mod haproxy_beside;
mod held_connections;
mod high_availability;
mod identity_header;
mod ipv4;
mod ipv6;
mod ipv6_replicas;
mod isolated_or_routed;
mod live_migration;
mod logging;
mod mtu;
mod neighbour_agent;
mod netns;
mod never_forwarded;
mod overlapping_addresses;
mod password;
mod place;
mod port_resolution;
#[path = "../support/readme.rs"]
mod readme;
mod statistics;
mod supervision;
mod takeover;
mod timeouts;

const METADATAD: &str = env!("CARGO_BIN_EXE_metadatad");
const DOCUMENT: &str = "/openstack/latest/meta_data.json";

#[test]
fn the_table_names_tests_that_there_are() -> anyhow::Result<()> {
    readme::check("## Feature by feature")
}

/// One test for each kind of namespace, of a function that takes the kind.
macro_rules! in_each_kind {
    ($row:ident) => {
        #[test]
        fn l3() -> anyhow::Result<()> {
            $row(crate::place::Kind::Router)
        }

        #[test]
        fn dhcp() -> anyhow::Result<()> {
            $row(crate::place::Kind::Dhcp)
        }

        #[test]
        fn ovn() -> anyhow::Result<()> {
            $row(crate::place::Kind::Ovn)
        }
    };
}
use in_each_kind;
