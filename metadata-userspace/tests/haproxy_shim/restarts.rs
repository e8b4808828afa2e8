//! What stays when the daemon, or an agent, goes and comes back.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::Result;
use nix::sys::signal::Signal;
use xtask::lab::daemon::send;
use xtask::lab::proc;
use xtask::lab::programs;
use xtask::lab::shim::{Place, Shim, is_waiter, private_memory};
use xtask::lab::wait;

use crate::{LIMIT, METADATAD, Scene};

fn wait_until_served(scene: &Scene) -> Result<()> {
    wait::until("the namespace is served", LIMIT, || scene.is_served())?;
    scene.assert_served()
}

#[test]
fn a_shim_registers_with_the_next_daemon() -> Result<()> {
    let mut scene = Scene::create()?;
    let shim = scene.shim()?;
    for _ in 0..2 {
        scene.daemon.stop()?;
        scene.assert_not_served();
        scene.daemon.start_again()?;
        wait_until_served(&scene)?;
        let state = scene.state()?.unwrap_or_default();
        assert_eq!(state["shims"], serde_json::json!([shim.pid()]));
        // It is small again.
        assert!(private_memory(shim.pid())? < 150);
        assert!(shim.place.is_active());
        assert_eq!(proc::status(shim.pid(), "CapEff")?, "0".repeat(16));
    }
    shim.end(Signal::SIGTERM)?;
    scene.wait_until_not_served()
}

#[test]
fn a_daemon_that_is_killed_is_no_different() -> Result<()> {
    let mut scene = Scene::create()?;
    let shim = scene.shim()?;
    let worker = scene.daemon.worker_pid()?;
    scene.daemon.signal(Signal::SIGKILL)?;
    // Its socket stays behind, and refuses.
    let _ = scene.daemon.stop();
    wait::until("the worker has noticed", LIMIT, || {
        Ok(!proc::is_alive(worker))
    })?;
    scene.daemon.start_again()?;
    wait_until_served(&scene)?;
    assert!(shim.is_alive());
    Ok(())
}

#[test]
fn a_shim_that_was_there_first_says_so_and_waits() -> Result<()> {
    let mut scene = Scene::create()?;
    scene.daemon.stop()?;
    let (shim, said) = Shim::start_at(scene.place()?, scene.namespace())?;
    assert!(said.contains("metadatad does not answer at"), "{said}");
    assert!(shim.place.is_active());
    assert!(private_memory(shim.pid())? < 150);
    // What it needs to know it has read: the agent may take the file away.
    fs::remove_file(shim.place.config())?;
    scene.daemon.start_again()?;
    wait_until_served(&scene)
}

#[test]
fn a_shim_that_ended_while_no_daemon_ran_is_not_missed() -> Result<()> {
    let mut scene = Scene::create()?;
    let shim = scene.shim()?;
    scene.daemon.stop()?;
    shim.end(Signal::SIGTERM)?;
    scene.daemon.start_again()?;
    assert_eq!(scene.state()?, None);
    scene.assert_not_served();
    Ok(())
}

/// A shim finds a daemon that was started anew within two seconds. One that ends before
/// is not missed.
fn wait_until_kept_by(scene: &mut Scene, pid: u32) -> Result<()> {
    let name = scene.namespace().name().to_owned();
    scene
        .daemon
        .wait("the shim has registered again", |daemon| {
            let state = daemon.namespace(&name)?.unwrap_or_default();
            let shims = state["shims"].as_array();
            Ok(shims.is_some_and(|shims| shims.contains(&pid.into())))
        })
}

#[test]
fn a_namespace_whose_last_shim_ended_stays_released() -> Result<()> {
    let mut scene = Scene::watching(str::to_owned)?;
    wait_until_served(&scene)?;
    scene.shim()?.end(Signal::SIGTERM)?;
    scene.wait_until_not_served()?;
    for is_killed in [false, true] {
        if is_killed {
            scene.daemon.kill()?;
        } else {
            scene.daemon.stop()?;
        }
        scene.daemon.start_again()?;
        scene.wait_released()?;
        scene.assert_not_served();
    }
    // The next shim says otherwise, also to daemons to come.
    let shim = scene.shim()?;
    scene.assert_served()?;
    scene.daemon.stop()?;
    scene.daemon.start_again()?;
    wait_until_kept_by(&mut scene, shim.pid())?;
    shim.end(Signal::SIGTERM)?;
    scene.wait_until_not_served()?;
    // So does the operator.
    for note in fs::read_dir(scene.daemon.bpffs().join("shims"))? {
        fs::remove_file(note?.path())?;
    }
    scene.daemon.stop()?;
    scene.daemon.start_again()?;
    wait_until_served(&scene)
}

#[test]
fn sockets_wait_for_their_shim_over_two_reloads() -> Result<()> {
    let mut scene = Scene::create()?;
    let shim = scene.shim()?;
    // It registers with neither of the next two daemons.
    send(shim.pid(), Signal::SIGSTOP)?;
    for _ in 0..2 {
        let before = scene.daemon.worker_pid()?;
        scene.daemon.signal(Signal::SIGHUP)?;
        scene.daemon.wait("another worker serves", |daemon| {
            Ok(daemon.worker_pid().is_ok_and(|pid| pid != before))
        })?;
        scene.assert_served()?;
    }
    send(shim.pid(), Signal::SIGCONT)?;
    wait_until_kept_by(&mut scene, shim.pid())?;
    scene.assert_served()
}

#[test]
fn the_command_line_is_never_gone() -> Result<()> {
    // An agent that looks just then would start a second proxy.
    let mut scene = Scene::create()?;
    let shim = scene.shim()?;
    let program =
        || Ok::<_, std::io::Error>(fs::metadata(format!("/proc/{}/exe", shim.pid()))?.ino());
    let before = program()?;
    scene.daemon.stop()?;
    scene.daemon.start_again()?;
    wait_until_served(&scene)?;
    // The small program registers by itself: none was executed in its place.
    assert_eq!(program()?, before);
    assert!(private_memory(shim.pid())? < 150);
    Ok(())
}

#[test]
fn a_shim_registers_while_its_program_is_replaced() -> Result<()> {
    let mut scene = Scene::create()?;
    let directory = tempfile::tempdir()?;
    let installed = directory.path().join("metadatad");
    programs::copy(METADATAD, &installed)?;
    let place = Place::create(&installed, &scene.daemon.config_file(), &scene.wanted())?;
    let (_shim, _) = Shim::start_at(place, scene.namespace())?;
    scene.daemon.stop()?;
    // Halfway through an upgrade the program is not there at all.
    fs::remove_file(&installed)?;
    scene.daemon.start_again()?;
    wait_until_served(&scene)
}

#[test]
fn a_namespace_that_cannot_be_served_yet_is_registered() -> Result<()> {
    let mut scene = Scene::create()?;
    let inside = scene.namespace();
    inside.ip("address add 169.254.169.254/32 dev lo")?;
    let occupy = || inside.enter(|| std::net::TcpListener::bind("169.254.169.254:9697"));
    let occupied = occupy()??;
    let (shim, said) = Shim::start_at(scene.place()?, inside)?;
    assert!(said.contains("registered, but not served yet"), "{said}");
    drop(occupied);
    wait_until_served(&scene)?;
    // The same with a daemon that comes later: the waiter leaves it to the whole program,
    // which becomes small again.
    scene.daemon.stop()?;
    let occupied = {
        let inside = scene.namespace();
        inside.enter(|| std::net::TcpListener::bind("169.254.169.254:9697"))??
    };
    scene.daemon.start_again()?;
    wait::until("it is registered", LIMIT, || {
        Ok(scene
            .state()?
            .is_some_and(|state| state["state"] == "failed"))
    })?;
    wait::until("it waits again", LIMIT, || is_waiter(shim.pid()))?;
    drop(occupied);
    wait_until_served(&scene)
}

#[test]
fn an_agent_that_comes_back_finds_its_proxy_by_the_pid_file() -> Result<()> {
    let scene = Scene::create()?;
    let shim = scene.shim()?;
    // Whoever started it is gone already; it belongs to init.
    let parent = proc::status(shim.pid(), "PPid")?;
    assert_ne!(parent, std::process::id().to_string());
    assert!(shim.place.is_active());
    // A second start by an agent that does not look: the latest has the word, and
    // guests notice nothing when the other ends.
    let second = scene.shim()?;
    shim.end(Signal::SIGTERM)?;
    scene.assert_served()?;
    wait::until("the other alone is known", LIMIT, || {
        let state = scene.state()?.unwrap_or_default();
        Ok(state["shims"] == serde_json::json!([second.pid()]))
    })
}

#[test]
fn the_binary_needs_no_path() -> Result<()> {
    let scene = Scene::create()?;
    let place = scene.place()?;
    let mut command = place.command(scene.namespace(), &[METADATAD, "haproxy", "-f"]);
    let output = xtask::process::output(command.arg(place.config()))?;
    assert!(output.status.success(), "{output:?}");
    assert!(place.is_active());
    scene.assert_served()?;
    let pid = place.pid()?;
    send(pid, Signal::SIGTERM)?;
    assert!(Path::new(METADATAD).exists());
    Ok(())
}
