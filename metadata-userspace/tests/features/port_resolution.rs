//! Exactly one port must have the address: with none or with two there is no answer to
//! give.

use anyhow::Result;
use xtask::lab::inventory;

use crate::DOCUMENT;
use crate::place::{Ground, Kind, assert_served};

crate::in_each_kind!(one_port_is_needed);

fn one_port_is_needed(kind: Kind) -> Result<()> {
    let place = Ground::create(kind)?.served()?;
    let (guest, instance) = (place.guest(), &place.ground.instance);
    assert_served(guest, instance)?;
    let know = |instances: &[_], count: usize| {
        std::fs::write(place.daemon.inventory_file(), inventory::file(instances)?)?;
        place
            .daemon
            .wait_log(&["inventory read", &format!("instances={count}")])
    };
    know(&[], 0)?;
    assert_eq!(guest.get(DOCUMENT)?.status, 404);
    // Over IPv6 a quick 404 would cost a guest its IPv4 answer too: cloud-init takes
    // whichever comes first.
    assert!(guest.get_ipv6(DOCUMENT).is_err());
    place.daemon.clear_log()?;
    know(std::slice::from_ref(instance), 1)?;
    assert_served(guest, instance)
}
