//! What an agent sees of a shim, from its start to its end.

use std::fs;
use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use nix::sys::signal::Signal;
use xtask::lab::daemon;
use xtask::lab::http;
use xtask::lab::proc;
use xtask::lab::shim::{Shim, private_memory};

use crate::Scene;

/// Of one shim that waits, KiB.
const MOST_PRIVATE_MEMORY: u64 = 150;

#[test]
fn a_namespace_is_served_as_long_as_its_shim_lives() -> Result<()> {
    let mut scene = Scene::create()?;
    scene.assert_not_served();
    let shim = scene.shim()?;
    // At once: the agent calls it active, so it has to be.
    scene.assert_served()?;
    let state = scene.state()?.unwrap_or_default();
    assert_eq!(state["shims"], serde_json::json!([shim.pid()]));
    let start = Instant::now();
    shim.end(Signal::SIGTERM)?;
    assert!(start.elapsed() < Duration::from_secs(5), "agents wait 5 s");
    scene.wait_until_not_served()?;
    scene.assert_not_served();
    // The agent's files are the agent's.
    assert!(shim.place.pidfile().exists() && shim.place.config().exists());
    let again = scene.shim()?;
    scene.assert_served()?;
    again.end(Signal::SIGKILL)?;
    scene.wait_until_not_served()?;
    scene.assert_not_served();
    Ok(())
}

#[test]
fn what_the_watch_would_serve_ends_with_its_shim_and_begins_with_the_next() -> Result<()> {
    let mut scene = Scene::watching(str::to_owned)?;
    let name = scene.namespace().name().to_owned();
    scene.daemon.wait_serving(&name)?;
    scene.assert_served()?;
    let shim = scene.shim()?;
    scene.assert_served()?;
    drop(shim);
    scene.wait_until_not_served()?;
    scene.assert_not_served();
    // Nothing that happens inside brings it back.
    scene.namespace().ip("link add br0 type bridge")?;
    assert_eq!(scene.state()?.unwrap_or_default()["state"], "released");
    let _shim = scene.shim()?;
    scene.assert_served()
}

#[test]
fn a_shim_that_is_restarted_at_once_keeps_the_namespace_served() -> Result<()> {
    let mut scene = Scene::create()?;
    let name = scene.namespace().name().to_owned();
    scene.router.hush(&scene.guest.router_interface)?;
    scene.shim()?.end(Signal::SIGTERM)?;
    let _next = scene.shim()?;
    scene.assert_served()?;
    // Longer than the first one's traces stay.
    thread::sleep(Duration::from_secs(3));
    scene.assert_served()?;
    scene.daemon.wait_serving(&name)
}

#[test]
fn a_request_that_runs_when_the_shim_ends_is_answered() -> Result<()> {
    for mut scene in [Scene::watching(str::to_owned)?, Scene::create()?] {
        let shim = scene.shim()?;
        let mut running = scene.guest.connect()?;
        running.write_all(b"GET /openstack HTTP/1.1\r\n")?;
        // It is accepted.
        thread::sleep(Duration::from_millis(200));
        shim.end(Signal::SIGTERM)?;
        scene.wait_until_not_served()?;
        running.write_all(b"Host: x\r\n\r\n")?;
        assert_eq!(http::read_response(&mut running)?.status, 200);
    }
    Ok(())
}

#[test]
fn a_shim_looks_like_haproxy_and_may_do_nothing() -> Result<()> {
    let scene = Scene::create()?;
    let shim = scene.shim()?;
    let pid = shim.pid();
    let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}"));
    assert_eq!(read("comm")?, "haproxy\n");
    let config = shim.place.config();
    assert_eq!(
        read("cmdline")?,
        format!("haproxy\0-f\0{}\0", config.display())
    );
    let no_privilege = "0".repeat(16);
    for set in ["CapPrm", "CapEff", "CapInh", "CapBnd", "CapAmb"] {
        assert_eq!(proc::status(pid, set)?, no_privilege, "{set}");
    }
    assert_eq!(proc::status(pid, "NoNewPrivs")?, "1");
    // The standard files, and the connection to the daemon.
    assert_eq!(proc::open_files(pid)?, 4);
    assert_eq!(
        fs::read_link(format!("/proc/{pid}/cwd"))?.to_str(),
        Some("/")
    );
    // A report and a reload of haproxy's; neither is ours, neither ends it.
    for signal in [Signal::SIGHUP, Signal::SIGUSR2] {
        daemon::send(pid, signal)?;
    }
    assert!(shim.is_alive());
    scene.assert_served()
}

#[test]
fn a_shim_that_waits_takes_no_memory() -> Result<()> {
    let scene = Scene::create()?;
    let shims: Vec<Shim> = (0..3).map(|_| scene.shim()).collect::<Result<_>>()?;
    for shim in &shims {
        let private = private_memory(shim.pid())?;
        println!("pid {}: {private} KiB", shim.pid());
        assert!(
            (1..=MOST_PRIVATE_MEMORY).contains(&private),
            "{private} KiB"
        );
    }
    Ok(())
}

#[test]
fn the_rate_limits_that_neutron_wrote_down_hold() -> Result<()> {
    let scene = Scene::create()?;
    let wanted = scene.wanted().limited(3, 30);
    let _shim = Shim::start(&scene.daemon, scene.namespace(), &wanted)?;
    let statuses: Vec<u16> = (0..5)
        .map(|_| Ok(scene.guest.get(crate::DOCUMENT)?.status))
        .collect::<Result<_>>()?;
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
    Ok(())
}
