//! IPv4: a guest asks 169.254.169.254:80.

use anyhow::Result;

use crate::place::{Kind, Place, assert_served};

crate::in_each_kind!(a_guest_is_answered);

fn a_guest_is_answered(kind: Kind) -> Result<()> {
    let place = Place::create(kind)?;
    assert_served(place.guest(), &place.ground.instance)?;
    assert_eq!(place.state("answers")?, "metadatad");
    assert_eq!(place.state("state")?, "serving");
    let inside = place.ground.home.namespace();
    let net = inside.sh("bpftool net")?;
    assert!(
        net.contains("metadata_steer") && net.contains("metadata_restore"),
        "{net}"
    );
    Ok(())
}
