//! How a guest finds the way: by its router, or by the route that DHCP tells it.

use anyhow::Result;

use crate::DOCUMENT;
use crate::place::{Kind, Place, assert_is_of, assert_served};

crate::in_each_kind!(the_route_that_neutron_gives_suffices);

fn the_route_that_neutron_gives_suffices(kind: Kind) -> Result<()> {
    let place = Place::create(kind)?;
    let (guest, instance) = (place.guest(), &place.ground.instance);
    let route = guest.namespace().ip("route get 169.254.169.254")?;
    assert!(route.contains("via 17.17.17.1 "), "{route}");
    assert_served(guest, instance)?;
    // Without Neutron's route for IPv6 a guest looks for the address on its own link.
    // A router of Neutron's answers nobody there.
    let route = guest
        .namespace()
        .ip("-6 route get fe80::a9fe:a9fe oif eth0")?;
    assert!(!route.contains("via"), "{route}");
    assert_is_of(&guest.get_ipv6(DOCUMENT)?, instance)
}
