//! A connection that haproxy holds when we come is haproxy's until it ends; one that we
//! hold when we go is ours.

use std::time::Duration;

use anyhow::Result;
use xtask::lab::daemon::Daemon;
use xtask::lab::http;

use crate::DOCUMENT;
use crate::identity_header::StandIn;
use crate::place::{Ground, Home, Kind, assert_is_of};

crate::in_each_kind!(who_has_a_connection_keeps_it);

fn who_has_a_connection_keeps_it(kind: Kind) -> Result<()> {
    let ground = Ground::create(kind)?;
    let agent = StandIn::start()?;
    if let Home::Router(router) = &ground.home {
        router.add_neutron_rules()?;
    }
    let _haproxy = ground.home.haproxy(&agent.socket)?;
    let mut haproxys = ground.guest.connect()?;
    assert_eq!(http::get(&mut haproxys, DOCUMENT, "")?.text(), "ok");

    let mut daemon = Daemon::start(ground.setup()?)?;
    daemon.wait_serving(ground.home.name())?;
    let mut ours = ground.guest.connect()?;
    assert_is_of(&http::get(&mut ours, DOCUMENT, "")?, &ground.instance)?;
    for _ in 0..3 {
        assert_eq!(http::get(&mut haproxys, DOCUMENT, "")?.text(), "ok");
        assert_is_of(&http::get(&mut ours, DOCUMENT, "")?, &ground.instance)?;
    }

    // A request that is under way when the daemon is told to stop.
    let mut running = ground.guest.connect()?;
    std::io::Write::write_all(&mut running, b"GET /openstack HTTP/1.1\r\n")?;
    std::thread::sleep(Duration::from_millis(200));
    let stopping = std::thread::scope(|scope| {
        let stopping = scope.spawn(|| daemon.stop());
        std::thread::sleep(Duration::from_millis(400));
        std::io::Write::write_all(&mut running, b"Host: x\r\n\r\n")?;
        let answer = http::read_response(&mut running)?;
        assert_eq!(answer.status, 200, "{answer:?}");
        let stopped = stopping.join();
        stopped.map_err(|_| anyhow::anyhow!("stopping panicked"))?
    })?;
    assert!(stopping.success());
    assert_eq!(http::get(&mut haproxys, DOCUMENT, "")?.text(), "ok");
    xtask::process::read(&mut daemon.command("unload"))?;
    assert_eq!(http::get(&mut haproxys, DOCUMENT, "")?.text(), "ok");
    Ok(())
}
