//! What the next daemon knows of shims before these have registered with it.

use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow};
use nix::sys::signal::Signal;
use xtask::lab::daemon::{Daemon, send};
use xtask::lab::guest::Guest;
use xtask::lab::namespace;
use xtask::lab::shim::{Shim, Wanted};
use xtask::lab::wait;

use crate::places::OnNetwork;
use crate::{DOCUMENT, LIMIT, Scene};

/// SIGHUP; returns once another worker serves.
fn reload(daemon: &mut Daemon) -> Result<()> {
    let before = daemon.worker_pid()?;
    daemon.signal(Signal::SIGHUP)?;
    daemon.wait("another worker serves", |daemon| {
        Ok(daemon.worker_pid().is_ok_and(|pid| pid != before))
    })
}

/// Has a shim register a second later than another daemon comes.
fn late(shim: &Shim, another_comes: impl FnOnce() -> Result<()>) -> Result<()> {
    send(shim.pid(), Signal::SIGSTOP)?;
    another_comes()?;
    thread::sleep(Duration::from_secs(1));
    send(shim.pid(), Signal::SIGCONT)
}

fn wait_until_kept(daemon: &mut Daemon, name: &str, shim: &Shim) -> Result<()> {
    daemon.wait("the shim has registered again", |daemon| {
        let state = daemon.namespace(name)?.unwrap_or_default();
        Ok(state["shims"] == serde_json::json!([shim.pid()]))
    })
}

/// What a guest that goes on asking meets, but for its document, while `act` runs.
fn amiss_during(guest: &Guest, act: impl FnOnce() -> Result<()>) -> Result<BTreeSet<String>> {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut amiss = BTreeSet::new();
            while !done.load(Relaxed) {
                match guest.get(DOCUMENT) {
                    Ok(answer) if answer.status == 200 => false,
                    Ok(answer) => amiss.insert(answer.status.to_string()),
                    Err(error) => amiss.insert(format!("{error:#}")),
                };
                thread::sleep(Duration::from_millis(10));
            }
            amiss
        });
        let acted = act();
        done.store(true, Relaxed);
        let amiss = asking.join().map_err(|_| anyhow!("the guest panicked"))?;
        acted.map(|()| amiss)
    })
}

fn notes(daemon: &Daemon) -> Result<usize> {
    let directory = daemon.bpffs().join("shims");
    if !directory.exists() {
        return Ok(0);
    }
    Ok(fs::read_dir(directory)?.count())
}

#[test]
fn no_guest_of_a_router_on_a_network_meets_a_404_in_a_reload() -> Result<()> {
    let mut site = OnNetwork::create("qdhcp-", true)?;
    let name = site.namespace.name().to_owned();
    let wanted = Wanted::for_router_on_a_network(&site.router_id).limited(100_000, 30);
    let shim = Shim::start(&site.daemon, &site.namespace, &wanted)?;
    wait::until("guests are the router's", LIMIT, || {
        // Whoever is connected while a namespace changes hands is cut off.
        let answer = site.guest.get(DOCUMENT);
        Ok(answer.is_ok_and(|answer| answer.status == 200))
    })?;
    let (guest, daemon) = (&site.guest, &mut site.daemon);
    let amiss = amiss_during(guest, || {
        late(&shim, || reload(daemon))?;
        wait_until_kept(daemon, &name, &shim)
    })?;
    assert_eq!(amiss, BTreeSet::new());
    Ok(())
}

#[test]
fn a_daemon_that_was_started_anew_knows_whose_a_namespace_is() -> Result<()> {
    let mut site = OnNetwork::create("qdhcp-", true)?;
    let name = site.namespace.name().to_owned();
    let wanted = Wanted::for_router_on_a_network(&site.router_id);
    let shim = Shim::start(&site.daemon, &site.namespace, &wanted)?;
    site.daemon.kill()?;
    let (guest, daemon) = (&site.guest, &mut site.daemon);
    let amiss = amiss_during(guest, || {
        late(&shim, || daemon.start_again())?;
        wait_until_kept(daemon, &name, &shim)
    })?;
    assert!(!amiss.contains("404"), "{amiss:?}");
    assert_eq!(guest.get(DOCUMENT)?.json()?["uuid"], site.instance.uuid);
    Ok(())
}

#[test]
fn a_shim_that_does_not_come_back_has_ended() -> Result<()> {
    let mut scene = Scene::watching(str::to_owned)?;
    let shim = scene.shim()?;
    scene.daemon.stop()?;
    shim.end(Signal::SIGTERM)?;
    scene.daemon.start_again()?;
    scene.wait_until_not_served()?;
    scene.daemon.stop()?;
    scene.daemon.start_again()?;
    scene.wait_released()?;
    scene.assert_not_served();
    Ok(())
}

#[test]
fn nothing_is_noted_of_a_namespace_that_went() -> Result<()> {
    for does_shim_end_first in [true, false] {
        let mut scene = Scene::watching(str::to_owned)?;
        let shim = scene.shim()?;
        assert_eq!(notes(&scene.daemon)?, 1);
        if does_shim_end_first {
            shim.end(Signal::SIGTERM)?;
            scene.wait_until_not_served()?;
            assert_eq!(notes(&scene.daemon)?, 1);
        }
        namespace::remove(scene.namespace().name());
        drop(shim);
        scene.daemon.wait(
            "nothing is noted any more",
            |daemon| Ok(notes(daemon)? == 0),
        )?;
    }
    Ok(())
}

#[test]
fn links_of_a_namespace_that_a_shim_alone_keeps_outlive_a_reload() -> Result<()> {
    let mut scene = Scene::create()?;
    // Somebody else's qdisc: only TCX is left, whose links live by their pins.
    let interface = scene.guest.router_interface.clone();
    let inside = scene.namespace();
    inside.sh(&format!("tc qdisc add dev {interface} ingress"))?;
    let shim = scene.shim()?;
    let name = scene.namespace().name().to_owned();
    let links = scene.daemon.bpffs().join("links");
    let pinned = || Ok::<_, anyhow::Error>(fs::read_dir(&links)?.count());
    assert_eq!(pinned()?, 2);
    let (guest, daemon) = (&scene.guest, &mut scene.daemon);
    let amiss = amiss_during(guest, || {
        late(&shim, || reload(daemon))?;
        wait_until_kept(daemon, &name, &shim)
    })?;
    assert_eq!(amiss, BTreeSet::new());
    assert_eq!(pinned()?, 2);
    Ok(())
}
