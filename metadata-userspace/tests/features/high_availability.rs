//! A highly available router: only the primary answers. keepalived gives it its
//! addresses and takes them from the standby.

use std::time::Duration;

use anyhow::Result;
use xtask::lab::daemon::Daemon;
use xtask::lab::guest::METADATA;
use xtask::lab::wait;

use crate::DOCUMENT;
use crate::place::{Ground, Kind, assert_is_of, assert_served};

const LIMIT: Duration = Duration::from_secs(30);

#[test]
fn l3() -> Result<()> {
    let ground = Ground::create(Kind::Router)?;
    let (inside, interface) = (ground.home.namespace(), &ground.interface);
    inside.ip("link add ha-7d5e955b-99 type bridge")?;
    let gateway = format!("17.17.17.1/24 dev {interface}");
    // Otherwise it might come once the replica is demoted, and make it the primary.
    wait::until("the kernel's own address", LIMIT, || {
        let address = format!("-6 address show dev {interface} scope link");
        Ok(!inside.ip(&address)?.is_empty())
    })?;
    demote(&ground)?;
    let mut daemon = Daemon::start(ground.setup()?)?;
    let name = ground.home.name();
    for _ in 0..2 {
        daemon.wait("the replica stands by", |daemon| {
            Ok(daemon
                .namespace(name)?
                .is_some_and(|state| state["state"] == "standby"))
        })?;
        // The primary has the same MAC: a word from here would lead frames away from it.
        assert_eq!(inside.ip("-6 address show to fe80::a9fe:a9fe")?, "");
        assert!(!inside.sh("bpftool net")?.contains("metadata_steer"));
        daemon.wait("nobody listens", |_| {
            Ok(inside.sh("ss --no-header --listening --tcp")?.is_empty())
        })?;

        inside.ip(&format!("address add {gateway}"))?;
        inside.ip(&format!("-6 address add fe80::1/64 dev {interface} nodad"))?;
        daemon.wait_serving(name)?;
        assert_served(&ground.guest, &ground.instance)?;
        assert_is_of(&ground.guest.get_ipv6(DOCUMENT)?, &ground.instance)?;
        demote(&ground)?;
    }
    let limit = Duration::from_secs(1);
    assert!(ground.guest.connect_within(METADATA.into(), limit).is_err());
    Ok(())
}

/// What keepalived leaves of a standby's interface.
fn demote(ground: &Ground) -> Result<()> {
    let (inside, interface) = (ground.home.namespace(), &ground.interface);
    inside.ip(&format!("-4 address flush dev {interface}"))?;
    // The kernel's and keepalived's, not ours, which the daemon has to take away itself.
    let kernels = inside.ip(&format!(
        "-6 -oneline address show dev {interface} scope link"
    ))?;
    for line in kernels
        .lines()
        .filter(|line| !line.contains("fe80::a9fe:a9fe"))
    {
        let address = line.split_whitespace().nth(3).unwrap_or_default();
        inside.ip(&format!("address delete {address} dev {interface}"))?;
    }
    Ok(())
}
