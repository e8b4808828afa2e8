//! What is wrong, and what an agent and an operator see of it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use nix::sys::signal::Signal;
use xtask::lab::daemon;
use xtask::lab::haproxy::Haproxy;
use xtask::lab::running::Running;
use xtask::lab::shim::{Place, Shim, private_memory};
use xtask::lab::wait;
use xtask::process;

use crate::{LIMIT, METADATAD, Scene};

const HAPROXY: &str = "/usr/sbin/haproxy";

/// A configuration of a shim's own that names the daemon's socket and a fallback.
fn settings(scene: &Scene, directory: &Path, fallback: &str) -> Result<std::path::PathBuf> {
    let path = directory.join("shim.conf");
    let socket = scene.daemon.shim_socket();
    let text = format!(
        "[metadatad]\nshim_socket = {}\nshim_fallback = {fallback}\n",
        socket.display()
    );
    fs::write(&path, text)?;
    Ok(path)
}

#[test]
fn a_faulty_configuration_is_named_by_its_line() -> Result<()> {
    let scene = Scene::create()?;
    let place = scene.place()?;
    let text = fs::read_to_string(place.config())?;
    for (from, to, complaint) in [
        ("mode http", "mode tcp", ".conf:14: `mode tcp`"),
        ("set-header", "set-path", "no header names a router"),
        ("global\n", "globe\n", ".conf:2: `globe`"),
    ] {
        fs::write(place.config(), text.replacen(from, to, 1))?;
        let output = process::output(&mut place.haproxy(scene.namespace()))?;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{to}");
        assert!(said.contains(complaint), "{to}: {said}");
        assert!(!place.pidfile().exists());
    }
    fs::remove_file(place.config())?;
    let output = process::output(&mut place.haproxy(scene.namespace()))?;
    assert!(!output.status.success());
    Ok(())
}

#[test]
fn a_configuration_can_be_checked() -> Result<()> {
    let scene = Scene::create()?;
    let place = scene.place()?;
    let mut check = place.haproxy(scene.namespace());
    assert!(process::read(check.arg("-c"))?.contains("valid"));
    assert!(!place.pidfile().exists());
    Ok(())
}

#[test]
fn a_pid_file_that_cannot_be_written_is_a_failure() -> Result<()> {
    let scene = Scene::create()?;
    let place = scene.place()?;
    let target = place.directory().join("precious");
    fs::write(&target, "text")?;
    // The directory is Neutron's; root does not follow its links.
    std::os::unix::fs::symlink(&target, place.pidfile())?;
    let output = process::output(&mut place.haproxy(scene.namespace()))?;
    assert!(!output.status.success());
    assert_eq!(fs::read_to_string(&target)?, "text");
    assert_eq!(scene.state()?, None);
    Ok(())
}

#[test]
fn without_a_daemon_the_real_haproxy_takes_the_place() -> Result<()> {
    let mut scene = Scene::create()?;
    scene.router.add_neutron_rules()?;
    let directory = tempfile::tempdir()?;
    let settings = settings(&scene, directory.path(), HAPROXY)?;
    scene.daemon.stop()?;
    let place = Place::create(Path::new(METADATAD), &settings, &scene.wanted())?;
    let output = process::output(&mut place.haproxy(scene.namespace()))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("running /usr/sbin/haproxy instead"), "{said}");
    wait::until("haproxy is active", Duration::from_secs(10), || {
        Ok(place.is_active())
    })?;
    let pid = place.pid()?;
    let program = fs::read_link(format!("/proc/{pid}/exe"))?;
    let answer = scene.guest.get("/")?.status;
    daemon::send(pid, Signal::SIGTERM)?;
    assert_eq!(program, Path::new(HAPROXY));
    // There is no agent behind it.
    assert_eq!(answer, 503);
    Ok(())
}

#[test]
fn with_a_daemon_no_other_haproxy_is_run() -> Result<()> {
    let scene = Scene::create()?;
    let directory = tempfile::tempdir()?;
    let settings = settings(&scene, directory.path(), HAPROXY)?;
    let place = Place::create(Path::new(METADATAD), &settings, &scene.wanted())?;
    let (shim, said) = Shim::start_at(place, scene.namespace())?;
    assert_eq!(said, "");
    let program = fs::read_link(format!("/proc/{}/exe", shim.pid()))?;
    assert!(
        program.starts_with("/memfd:haproxy (deleted)"),
        "{program:?}"
    );
    scene.assert_served()
}

#[test]
fn a_fallback_that_is_the_shim_itself_is_no_loop() -> Result<()> {
    let mut scene = Scene::create()?;
    scene.daemon.stop()?;
    let directory = tempfile::tempdir()?;
    let settings = settings(&scene, directory.path(), METADATAD)?;
    let place = Place::create(Path::new(METADATAD), &settings, &scene.wanted())?;
    let output = process::output(&mut place.haproxy(scene.namespace()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(said.contains("it is this program"), "{said}");
    Ok(())
}

#[test]
fn what_is_not_neutrons_is_left_to_the_real_haproxy() -> Result<()> {
    let scene = Scene::create()?;
    let directory = tempfile::tempdir()?;
    let settings = settings(&scene, directory.path(), HAPROXY)?;
    let place = Place::create(Path::new(METADATAD), &settings, &scene.wanted())?;
    let text = fs::read_to_string(place.config())?;
    let others = text.replace(
        "    http-request set",
        "    acl here src 127.0.0.1\n    http-request set",
    );
    fs::write(place.config(), others)?;
    let output = process::output(&mut place.haproxy(scene.namespace()))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    wait::until("haproxy is active", Duration::from_secs(10), || {
        Ok(place.is_active())
    })?;
    let pid = place.pid()?;
    let program = fs::read_link(format!("/proc/{pid}/exe"))?;
    daemon::send(pid, Signal::SIGTERM)?;
    assert_eq!(program, Path::new(HAPROXY));
    Ok(())
}

#[test]
fn a_daemon_beside_a_running_haproxy_takes_over_and_gives_back() -> Result<()> {
    let mut scene = Scene::create()?;
    scene.router.add_neutron_rules()?;
    let _haproxy = Haproxy::start(&scene.router, &scene.daemon.agent_socket())?;
    let shim = scene.shim()?;
    scene.assert_served()?;
    let name = scene.namespace().name().to_owned();
    scene.daemon.wait("metadatad answers", |daemon| {
        let state = daemon.namespace(&name)?.unwrap_or_default();
        Ok(state["answers"] == "metadatad")
    })?;
    scene.assert_served()?;
    drop(shim);
    scene.wait_until_not_served()?;
    scene.assert_served()
}

#[test]
fn where_the_kernel_runs_no_memory_files_the_shim_stays_whole() -> Result<()> {
    let Ok(_) = fs::metadata("/proc/sys/vm/memfd_noexec") else {
        eprintln!("this kernel has no vm.memfd_noexec; nothing to see");
        return Ok(());
    };
    let mut scene = Scene::create()?;
    let place = scene.place()?;
    // The sysctl is a pid namespace's (Linux 6.6), so nobody else is concerned.
    let script = format!(
        "echo 2 > /proc/sys/vm/memfd_noexec && exec haproxy -db -f {}",
        place.config().display()
    );
    let mut command = place.command(
        scene.namespace(),
        &[
            "unshare",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "sh",
            "-c",
            &script,
        ],
    );
    process::in_background(&mut command);
    let _whole = Running::start(&mut command)?;
    wait::until("it is served", LIMIT, || scene.is_served())?;
    scene.assert_served()?;
    scene.daemon.stop()?;
    scene.daemon.start_again()?;
    wait::until("it registers again", LIMIT, || scene.is_served())?;
    let shim = scene.state()?.unwrap_or_default()["shims"][0].as_u64();
    let pid = u32::try_from(shim.unwrap_or_default())?;
    let (program, memory) = (
        fs::read_link(format!("/proc/{pid}/exe"))?,
        private_memory(pid)?,
    );
    println!("the whole program: {memory} KiB");
    assert_eq!(program, fs::canonicalize(METADATAD)?);
    Ok(())
}
