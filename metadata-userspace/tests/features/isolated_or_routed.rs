//! A network is served where its agent puts the metadata address, and as long as it
//! is there.

use anyhow::Result;
use std::time::Duration;

use crate::place::{Ground, Home, Kind, assert_served};
use xtask::lab::daemon::Daemon;

#[test]
fn dhcp() -> Result<()> {
    follows_the_address(Kind::Dhcp)
}

#[test]
fn ovn() -> Result<()> {
    follows_the_address(Kind::Ovn)
}

fn follows_the_address(kind: Kind) -> Result<()> {
    let ground = Ground::create(kind)?;
    let Home::Network(_, network) = &ground.home else {
        anyhow::bail!("no network's namespace");
    };
    network.remove_metadata_address()?;
    let mut daemon = Daemon::start(ground.setup()?)?;
    let name = ground.home.name();
    wait_state(&mut daemon, name, "idle")?;
    let limit = Duration::from_secs(2);
    let vip = xtask::lab::guest::METADATA.into();
    assert!(ground.guest.connect_within(vip, limit).is_err());

    for _ in 0..2 {
        network.add_metadata_address()?;
        wait_state(&mut daemon, name, "serving")?;
        daemon.wait_serving(name)?;
        assert_served(&ground.guest, &ground.instance)?;
        network.remove_metadata_address()?;
        wait_state(&mut daemon, name, "idle")?;
        daemon.wait("nothing is steered", |_| {
            let net = ground.home.namespace().sh("bpftool net")?;
            Ok(!net.contains("metadata_steer"))
        })?;
        assert_eq!(
            ground
                .home
                .namespace()
                .ip("-6 address show to fe80::a9fe:a9fe")?,
            ""
        );
    }
    Ok(())
}

fn wait_state(daemon: &mut Daemon, name: &str, wanted: &str) -> Result<()> {
    daemon.wait(&format!("{name} is {wanted}"), |daemon| {
        Ok(daemon
            .namespace(name)?
            .is_some_and(|state| state["state"] == wanted))
    })
}
