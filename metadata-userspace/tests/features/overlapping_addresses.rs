//! Two networks with the same addresses, beside each other on one host.

use anyhow::Result;
use xtask::lab::daemon::{Daemon, Setup};
use xtask::lab::inventory;
use xtask::lab::router::Subnet;

use crate::place::{Ground, Kind, assert_is_of, assert_served};
use crate::{DOCUMENT, METADATAD};

crate::in_each_kind!(each_guest_gets_its_own);

fn each_guest_gets_its_own(kind: Kind) -> Result<()> {
    let ground = |name| Ground::of(kind, Subnet::TUTORIAL, name);
    let grounds = [ground("left")?, ground("right")?];
    // The same link-local address, too: only the interface tells them apart.
    for ground in &grounds {
        let inside = ground.guest.namespace();
        inside.ip("-6 address flush dev eth0 scope link")?;
        inside.ip("address add fe80::5/64 dev eth0 nodad")?;
    }
    let names = grounds.each_ref().map(|ground| ground.home.name());
    let instances = grounds.each_ref().map(|ground| ground.instance.clone());
    let setup = Setup::new(METADATAD, &names, inventory::file(&instances)?)?;
    let _daemon = Daemon::serving(setup, &names)?;
    for _ in 0..5 {
        for ground in &grounds {
            assert_served(&ground.guest, &ground.instance)?;
            assert_is_of(&ground.guest.get_ipv6(DOCUMENT)?, &ground.instance)?;
        }
    }
    Ok(())
}
