//! A proxy that dies is replaced at once; Neutron looks once a minute.

use anyhow::Result;
use nix::sys::signal::Signal;
use xtask::lab::daemon;

use crate::DOCUMENT;
use crate::place::{Kind, Place, assert_is_of, assert_served};

crate::in_each_kind!(guests_are_answered_after_the_worker_died);

fn guests_are_answered_after_the_worker_died(kind: Kind) -> Result<()> {
    let place = Place::create(kind)?;
    let (guest, instance) = (place.guest(), &place.ground.instance);
    for _ in 0..2 {
        daemon::send(place.daemon.worker_pid()?, Signal::SIGKILL)?;
        assert_served(guest, instance)?;
        assert_is_of(&guest.get_ipv6(DOCUMENT)?, instance)?;
    }
    assert_eq!(place.daemon.status()?["worker"]["restarts"], 2);
    Ok(())
}
