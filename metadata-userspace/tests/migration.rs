//! One hop after the other, on a router that Neutron made and goes on serving.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use xtask::lab::daemon::{Daemon, Setup};
use xtask::lab::guest::Guest;
use xtask::lab::haproxy::Haproxy;
use xtask::lab::inventory::{self, Instance};
use xtask::lab::router::{Router, Subnet};
use xtask::lab::wait;

const LIMIT: Duration = Duration::from_secs(10);
const METADATAD: &str = env!("CARGO_BIN_EXE_metadatad");
const DOCUMENT: &str = "/openstack/latest/meta_data.json";

/// Answers of the proxy and of the agent's unix socket so far.
fn answered(daemon: &Daemon) -> Result<(u64, u64)> {
    let status = daemon.status()?;
    let count = |field: &str| {
        let counts = status.get(field).and_then(|counts| counts.get("200"));
        counts.and_then(serde_json::Value::as_u64).unwrap_or(0)
    };
    Ok((count("requests"), count("socket_requests")))
}

/// A haproxy answers by itself, in HTML, that its agent is away.
fn is_haproxys_own(guest: &Guest) -> Result<bool> {
    let response = guest.get(DOCUMENT)?;
    Ok(response.status == 503 && response.header("content-type") == Some("text/html"))
}

/// It waits, with the hook made, for handshakes that may have been broken by that.
#[test]
fn unload_leaves_nothing_of_a_daemon_that_waited_beside_a_haproxy() -> Result<()> {
    let router = Router::create()?;
    let guest = Guest::behind(&router, Subnet::TUTORIAL)?;
    let inside = router.namespace();
    let qdiscs = || inside.sh(&format!("tc qdisc show dev {}", guest.router_interface));
    let before = qdiscs()?;
    let _haproxy = Haproxy::start(&router, Path::new("/nobody-is-here"))?;
    let instance = Instance::of(&guest, &router, "c1")?;
    let setup = Setup::new(METADATAD, &[inside.name()], inventory::file(&[instance])?)?;
    let mut daemon = Daemon::start(setup)?;
    wait::until("the hook is there", LIMIT, || {
        Ok(qdiscs()?.contains("clsact"))
    })?;
    daemon.stop()?;
    assert!(daemon.command("unload").status()?.success());
    assert_eq!(qdiscs()?, before);
    Ok(())
}

#[test]
fn neutrons_haproxy_and_rules_may_stay_and_take_over_again() -> Result<()> {
    let router = Router::create()?;
    let guest = Guest::behind(&router, Subnet::TUTORIAL)?;
    router.add_neutron_rules()?;
    let instance = Instance::of(&guest, &router, "c1")?;
    let namespace = router.namespace().name().to_owned();
    let setup = Setup::new(METADATAD, &[&namespace], inventory::file(&[instance])?)?;
    let mut daemon = Daemon::start(setup)?;
    daemon.stop()?;
    let _haproxy = Haproxy::start(&router, &daemon.agent_socket())?;
    assert!(is_haproxys_own(&guest)?);

    daemon.start_again()?;
    daemon.wait_serving(&namespace)?;
    for _ in 0..20 {
        assert_eq!(guest.get(DOCUMENT)?.status, 200);
    }
    assert_eq!(
        answered(&daemon)?,
        (20, 0),
        "the guest is answered past haproxy"
    );

    daemon.stop()?;
    assert!(
        is_haproxys_own(&guest)?,
        "steered, with nobody but haproxy there"
    );
    assert!(daemon.command("unload").status()?.success());
    assert!(is_haproxys_own(&guest)?, "not steered any more");
    Ok(())
}
