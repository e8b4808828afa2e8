//! Scripts named haproxy that start it in a container beside the agent's, as kolla and
//! EDPM have them, and the scripts that end it. The containers are left out: what
//! matters of them is that haproxy is in the foreground, of another parent, in the
//! namespace by its name.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use nix::sys::signal::Signal;
use xtask::lab::daemon::send;
use xtask::lab::running::Running;
use xtask::lab::shim::{Place, Shim, is_waiter};
use xtask::lab::{proc, wait};
use xtask::process;

use crate::{LIMIT, METADATAD, Scene};

/// EDPM: the namespace is that of the caller, and the container runtime enters it.
const EDPM: &str = r#"#!/bin/bash
ARGS="$@"
NETNS=$(ip netns identify)
CMD=(/bin/bash -c "exec PROGRAM -Ws $ARGS")
setsid nsenter --net=/run/netns/${NETNS} "${CMD[@]}" </dev/null >/dev/null 2>&1 &
"#;

/// kolla with Docker: the container is on the host's network, and enters the namespace
/// itself.
const KOLLA: &str = r#"#!/bin/bash
ARGS="$@"
NETNS=$(ip netns identify)
HAPROXY_CMD='$(if [ -f /usr/sbin/haproxy-systemd-wrapper ]; then echo "PROGRAM -Ds"; else echo "PROGRAM -Ws"; fi)'
CMD="ip netns exec ${NETNS} "'$HAPROXY'
setsid nsenter --net=HOST /bin/bash -c "HAPROXY=\"$HAPROXY_CMD\"; exec $CMD $ARGS" </dev/null >/dev/null 2>&1 &
"#;

/// As `haproxy-kill` does: the signal and the pid are its arguments.
const KILL: &str = r#"#!/bin/bash
SIG=$1
PID=$2
NETNS=$(ip netns identify ${PID})
if [ "x${NETNS}" == "x" ]; then SIG=9; fi
if [ -f /proc/$PID/cgroup ]; then
  case $SIG in
    9|15) kill -$SIG $PID ;;
    *) exit 1 ;;
  esac
else
  exit 1
fi
"#;

fn script(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text)?;
    Ok(fs::set_permissions(path, Permissions::from_mode(0o755))?)
}

/// A wrapper on the agent's PATH, and the shim elsewhere.
fn wrapped(scene: &Scene, wrapper: &str, directory: &Path) -> Result<Place> {
    let program = directory.join("haproxy");
    std::os::unix::fs::symlink(METADATAD, &program)?;
    let place = scene.place()?;
    fs::remove_file(place.program())?;
    let host = format!("/proc/{}/ns/net", std::process::id());
    let text = wrapper.replace("PROGRAM", &program.display().to_string());
    let text = text.replace("HOST", &host);
    script(&place.program(), &text)?;
    Ok(place)
}

/// A shim that no agent ends if a test fails.
struct Waiting(u32);

impl Drop for Waiting {
    fn drop(&mut self) {
        let line = fs::read_to_string(format!("/proc/{}/cmdline", self.0));
        if line.is_ok_and(|line| line.contains("haproxy\0-Ws")) {
            // It may end meanwhile.
            let _ = send(self.0, Signal::SIGKILL);
        }
    }
}

fn lives_by(wrapper: &str, signal: &str) -> Result<()> {
    let mut scene = Scene::create()?;
    let directory = tempfile::tempdir()?;
    let place = wrapped(&scene, wrapper, directory.path())?;
    process::read(&mut place.haproxy(scene.namespace()))?;
    wait::until("the agent calls it active", LIMIT, || Ok(place.is_active()))?;
    wait::until("it is served", LIMIT, || scene.is_served())?;
    scene.assert_served()?;
    let pid = place.pid()?;
    let _gone_at_the_end = Waiting(pid);
    wait::until("it waits", LIMIT, || is_waiter(pid))?;
    let line = fs::read_to_string(format!("/proc/{pid}/cmdline"))?;
    assert!(line.contains("haproxy\0-Ws\0-f"), "{line}");
    // It does as haproxy does there: a second start finds it active, a restarted
    // daemon is registered with again.
    scene.daemon.stop()?;
    scene.daemon.start_again()?;
    wait::until("it is served again", LIMIT, || scene.is_served())?;
    assert!(place.is_active());
    let kill = directory.path().join("haproxy-kill");
    script(&kill, KILL)?;
    // Who is started meanwhile may have it open for writing still: it cannot be executed then.
    let mut bash = Command::new("bash");
    process::read(bash.arg(&kill).args([signal, &pid.to_string()]))?;
    wait::until("it ends", LIMIT, || Ok(!proc::is_alive(pid)))?;
    scene.wait_until_not_served()
}

#[test]
fn in_edpms_side_container() -> Result<()> {
    lives_by(EDPM, "15")
}

#[test]
fn in_kollas_side_container() -> Result<()> {
    lives_by(KOLLA, "9")
}

/// What Neutron lets its agents run in namespaces (etc/neutron/rootwrap.d).
const FILTERS: &str = "[Filters]
ip_exec: IpNetnsExecFilter, ip, root
haproxy: RegExpFilter, haproxy, root, haproxy, -f, .*
haproxy_env: EnvFilter, env, root, PROCESS_TAG=, haproxy, -f, .*
";

/// rootwrap, in whose directories there is the haproxy of the package only.
fn rootwrap(directory: &Path) -> Result<PathBuf> {
    let filters = directory.join("rootwrap.d");
    fs::create_dir(&filters)?;
    fs::write(filters.join("rootwrap.filters"), FILTERS)?;
    let config = directory.join("rootwrap.conf");
    let text = format!(
        "[DEFAULT]\nfilters_path = {}\nexec_dirs = /sbin,/usr/sbin,/bin,/usr/bin\n",
        filters.display()
    );
    fs::write(&config, text)?;
    Ok(config)
}

#[test]
fn under_rootwrap_the_one_that_comes_first_on_the_path_is_run() -> Result<()> {
    let mut scene = Scene::create()?;
    let directory = tempfile::tempdir()?;
    let config = rootwrap(directory.path())?;
    let place = scene.place()?;
    let path = std::env::var("PATH")?;
    let mut command = Command::new("oslo-rootwrap");
    command
        .arg(&config)
        .args(["ip", "netns", "exec", scene.namespace().name(), "env"])
        .arg(format!("PROCESS_TAG=haproxy-{}", scene.router.id()))
        .args(["haproxy", "-f"])
        .arg(place.config())
        .env("PATH", format!("{}:{path}", place.directory().display()))
        .env("METADATAD_CONFIG", scene.daemon.config_file());
    process::read(&mut command)?;
    let shim = Shim::found_at(place)?;
    scene.assert_served()?;
    shim.end(Signal::SIGTERM)?;
    scene.wait_until_not_served()
}

#[test]
fn in_the_foreground_a_signal_ends_it_with_success() -> Result<()> {
    for mode in ["-db", "-Ws"] {
        let scene = Scene::create()?;
        let place = scene.place()?;
        let mut command = place.haproxy(scene.namespace());
        command.arg(mode);
        process::in_background(&mut command);
        let mut child = Running::start(&mut command)?;
        wait::until("it is served", LIMIT, || scene.is_served())?;
        assert_eq!(place.pid()?, child.id(), "the process itself");
        wait::until("it waits", LIMIT, || is_waiter(child.id()))?;
        send(child.id(), Signal::SIGTERM)?;
        let status = child.wait()?;
        assert!(status.success(), "{mode}: {status}");
    }
    Ok(())
}

#[test]
fn the_first_process_of_a_container_can_be_ended() -> Result<()> {
    let scene = Scene::create()?;
    let place = scene.place()?;
    let config = place.config();
    let config = config.display().to_string();
    let mut command = place.command(
        scene.namespace(),
        &[
            "unshare",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "haproxy",
            "-Ws",
            "-f",
            &config,
        ],
    );
    process::in_background(&mut command);
    let mut container = Running::start(&mut command)?;
    wait::until("it is served", LIMIT, || scene.is_served())?;
    assert_eq!(place.pid()?, 1);
    let shim = scene.state()?.unwrap_or_default()["shims"][0].as_u64();
    let pid = u32::try_from(shim.unwrap_or_default())?;
    assert!(pid > 1, "the daemon knows it by its own number");
    wait::until("it waits", LIMIT, || is_waiter(pid))?;
    // There are no default actions for the first process of a pid namespace.
    send(pid, Signal::SIGTERM)?;
    wait::until("it ends", LIMIT, || Ok(container.try_wait()?.is_some()))
}
