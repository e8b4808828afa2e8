//! Neutron's haproxy and rules may be there: before us, after us, and when we go.

use std::time::{Duration, Instant};

use anyhow::Result;
use xtask::lab::daemon::Daemon;
use xtask::lab::guest::Guest;
use xtask::lab::haproxy::Haproxy;
use xtask::lab::unique;
use xtask::process;

use crate::DOCUMENT;
use crate::place::{Ground, Home, Kind, assert_served};

crate::in_each_kind!(haproxy_serves_before_and_after_us_and_we_while_we_are_there);

fn haproxy_serves_before_and_after_us_and_we_while_we_are_there(kind: Kind) -> Result<()> {
    let ground = Ground::create(kind)?;
    let mut daemon = Daemon::start(ground.setup()?)?;
    daemon.wait_serving(ground.home.name())?;
    daemon.stop()?;
    unload(&daemon)?;
    if let Home::Router(router) = &ground.home {
        router.add_neutron_rules()?;
    }
    let _haproxy = ground.home.haproxy(&daemon.agent_socket())?;
    assert!(is_haproxys_own(&ground.guest)?);

    for _ in 0..2 {
        daemon.start_again()?;
        daemon.wait_serving(ground.home.name())?;
        assert_served(&ground.guest, &ground.instance)?;
        let status = daemon.status()?;
        assert_eq!(status["socket_requests"]["200"].as_u64().unwrap_or(0), 0);
        assert_eq!(
            daemon.namespace(ground.home.name())?.unwrap_or_default()["answers"],
            "metadatad"
        );
        daemon.stop()?;
        // The programs are still there; nobody but haproxy listens.
        assert!(is_haproxys_own(&ground.guest)?);
        unload(&daemon)?;
        assert!(is_haproxys_own(&ground.guest)?);
    }
    Ok(())
}

mod beside_a_haproxy_the_hook_comes_first {
    use super::*;

    crate::in_each_kind!(steering_begins_when_what_the_hook_lost_is_over);

    /// As long as a SYN that was lost takes to be sent again, and more.
    const REPEATED: Duration = Duration::from_millis(1500);

    /// The kernel drops what leaves an interface while it makes a clsact qdisc there:
    /// haproxy's answer to a SYN, whose second one would come to us.
    fn steering_begins_when_what_the_hook_lost_is_over(kind: Kind) -> Result<()> {
        let ground = Ground::create(kind)?;
        if let Home::Router(router) = &ground.home {
            router.add_neutron_rules()?;
        }
        let socket = tempfile::tempdir()?;
        let _haproxy = ground.home.haproxy(&socket.path().join("none"))?;
        let begun = Instant::now();
        let mut daemon = Daemon::start(ground.setup()?)?;
        daemon.wait("the hook is there", |_| {
            let qdiscs = ground.home.namespace().sh("tc qdisc show")?;
            Ok(qdiscs.contains("clsact"))
        })?;
        let is_left_to_haproxy = is_haproxys_own(&ground.guest)?;
        // A slow machine may ask when it is over.
        assert!(is_left_to_haproxy || begun.elapsed() > REPEATED);
        daemon.wait_serving(ground.home.name())?;
        assert!(begun.elapsed() > REPEATED);
        assert_served(&ground.guest, &ground.instance)
    }
}

#[test]
fn dhcp_check_warns_of_a_haproxy_that_serves_a_routers_guests() -> Result<()> {
    let ground = Ground::create(Kind::Dhcp)?;
    let Home::Network(_, network) = &ground.home else {
        anyhow::bail!("no network's namespace");
    };
    let daemon = Daemon::start(ground.setup()?)?;
    let router = unique::uuid()?;
    let socket = daemon.agent_socket();
    let _haproxy = Haproxy::start_for_router_on_a_network(&router, network, &socket)?;
    let said = process::read(&mut daemon.command("check"))?;
    let warning = format!("serves the guests of router {router} there");
    assert!(said.contains(&warning), "{said}");
    Ok(())
}

fn unload(daemon: &Daemon) -> Result<()> {
    process::read(&mut daemon.command("unload")).map(drop)
}

/// A haproxy answers by itself, in HTML, that its agent is away.
fn is_haproxys_own(guest: &Guest) -> Result<bool> {
    let response = guest.get(DOCUMENT)?;
    Ok(response.status == 503 && response.header("content-type") == Some("text/html"))
}
