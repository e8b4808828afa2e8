//! What makes a router answer for the metadata address.

use metadatad::datapath::{Reachability, ensure_route, reachability, remove_route};
use xtask::lab::namespace::Namespace;
use xtask::lab::unique;

use crate::socket_in;

#[test]
fn the_address_is_ours_and_only_where_it_is_needed() {
    let namespace = Namespace::create(&format!("route-{}", unique::tag().unwrap())).unwrap();
    let socket = socket_in(&namespace);
    assert_eq!(reachability(&socket).unwrap(), Reachability::None);
    assert_eq!(ensure_route(&socket).unwrap(), Reachability::ByUs);
    assert_eq!(ensure_route(&socket).unwrap(), Reachability::ByUs);
    let address = namespace
        .ip("address show dev lo to 169.254.169.254")
        .unwrap();
    assert!(
        address.contains("inet 169.254.169.254/32 metric 169 scope host lo"),
        "{address}"
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
    assert_eq!(ensure_route(&socket).unwrap(), Reachability::BySomebody);
    assert_eq!(
        namespace
            .ip("address show dev lo to 169.254.169.254")
            .unwrap(),
        ""
    );

    // The operator's own address is nobody else's to remove.
    namespace.ip("link delete tap1").unwrap();
    namespace
        .ip("address add 169.254.169.254/32 dev lo")
        .unwrap();
    assert_eq!(ensure_route(&socket).unwrap(), Reachability::BySomebody);
    remove_route(&socket).unwrap();
    assert_eq!(reachability(&socket).unwrap(), Reachability::BySomebody);
}

/// A route of type local that the kernel did not make itself has it look up the source
/// of every packet that it forwards, and nothing takes that back but the namespace's end.
#[test]
fn the_kernel_makes_the_route_itself() {
    let namespace = Namespace::create(&format!("route-{}", unique::tag().unwrap())).unwrap();
    let socket = socket_in(&namespace);
    ensure_route(&socket).unwrap();
    let routes = namespace.ip("-4 route show table local").unwrap();
    let ours = routes.lines().find(|line| line.contains("169.254.169.254"));
    assert!(
        ours.is_some_and(|route| route.contains("dev lo proto kernel scope host")),
        "{routes}"
    );
    assert!(
        routes.lines().all(|line| line.contains("proto kernel")),
        "{routes}"
    );
}
