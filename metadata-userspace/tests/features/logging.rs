//! Each request is a line: where it came from, who asked, and what became of it.

use anyhow::Result;

use crate::DOCUMENT;
use crate::place::{Kind, Place};

crate::in_each_kind!(a_request_is_a_line_with_all_that_is_known);

fn a_request_is_a_line_with_all_that_is_known(kind: Kind) -> Result<()> {
    let place = Place::create(kind)?;
    let (home, guest) = (&place.ground.home, place.guest());
    guest.get(DOCUMENT)?;
    let realm = match kind {
        Kind::Router => "router",
        Kind::Dhcp | Kind::Ovn => "network",
    };
    place.daemon.wait_log(&[
        &format!("namespace={}", home.name()),
        &format!("realm=\"{realm} {}\"", home.id()),
        &format!("client={}", guest.address),
        &format!("mac={}", guest.mac),
        &place.ground.instance.uuid,
        DOCUMENT,
        "status=200",
    ])?;
    Ok(())
}
