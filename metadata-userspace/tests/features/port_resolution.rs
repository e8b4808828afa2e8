//! Exactly one port must have the address: with none or with two there is no answer to
//! give.

use std::time::Duration;

use anyhow::Result;
use xtask::lab::{inventory, wait};

use crate::DOCUMENT;
use crate::place::{Ground, Kind, assert_served};

const LIMIT: Duration = Duration::from_secs(30);

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
    // The line is the supervisor's, and the worker hears a moment later.
    let comes = |status: u16| {
        wait::until(&format!("{status}"), LIMIT, || {
            Ok(guest.get(DOCUMENT)?.status == status)
        })
    };
    know(&[], 0)?;
    comes(404)?;
    // Over IPv6 a quick 404 would cost a guest its IPv4 answer too: cloud-init takes
    // whichever comes first.
    assert!(guest.get_ipv6(DOCUMENT).is_err());
    place.daemon.clear_log()?;
    know(std::slice::from_ref(instance), 1)?;
    comes(200)?;
    assert_served(guest, instance)
}
