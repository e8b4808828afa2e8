//! The route that makes a router answer for the metadata address.

use metadatad::datapath::{Reachability, ensure_route, reachability, remove_route};
use xtask::lab::namespace::Namespace;
use xtask::lab::unique;

use crate::socket_in;

#[test]
fn the_route_is_ours_and_only_where_it_is_needed() {
    let namespace = Namespace::create(&format!("route-{}", unique::tag().unwrap())).unwrap();
    let socket = socket_in(&namespace);
    assert_eq!(reachability(&socket).unwrap(), Reachability::None);
    assert_eq!(ensure_route(&socket).unwrap(), Reachability::ByRoute);
    assert_eq!(ensure_route(&socket).unwrap(), Reachability::ByRoute);
    let routes = namespace.ip("route show table local proto 169").unwrap();
    assert!(
        routes.starts_with("local 169.254.169.254 dev lo scope host"),
        "{routes}"
    );
    remove_route(&socket).unwrap();
    remove_route(&socket).unwrap();
    assert_eq!(reachability(&socket).unwrap(), Reachability::None);

    // As Neutron's DHCP namespaces have it.
    namespace
        .ip("link add tap1 type veth peer name far")
        .unwrap();
    namespace
        .ip("address add 169.254.169.254/32 dev tap1")
        .unwrap();
    namespace.ip("link set tap1 up").unwrap();
    assert_eq!(ensure_route(&socket).unwrap(), Reachability::ByAddress);
    assert_eq!(
        namespace.ip("route show table local proto 169").unwrap(),
        ""
    );

    // The operator's own route is nobody else's to remove.
    namespace.ip("link delete tap1").unwrap();
    namespace
        .ip("route add local 169.254.169.254 dev lo proto 42 table local")
        .unwrap();
    remove_route(&socket).unwrap();
    assert_eq!(
        namespace
            .ip("route show table local proto 42")
            .unwrap()
            .lines()
            .count(),
        1
    );
}
