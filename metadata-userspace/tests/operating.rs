//! What an operator changes or switches on while guests are served.

#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::Duration;

use anyhow::Result;
use nix::sys::signal::Signal;
use xtask::lab::inventory;
use xtask::lab::site::Site;
use xtask::lab::unique;
use xtask::lab::wait;

const METADATAD: &str = env!("CARGO_BIN_EXE_metadatad");
const DOCUMENT: &str = "/openstack/latest/meta_data.json";
const LIMIT: Duration = Duration::from_secs(30);

#[test]
fn a_changed_inventory_counts_without_a_restart_and_a_faulty_one_does_not() -> Result<()> {
    let site = Site::create(METADATAD)?;
    let name = || Ok::<_, anyhow::Error>(site.guest.get(DOCUMENT)?.json()?["name"].clone());
    let mut renamed = site.instance.clone();
    renamed.name = "renamed".to_owned();
    fs::write(site.daemon.inventory_file(), inventory::file(&[renamed])?)?;
    wait::until("the new name is served", LIMIT, || Ok(name()? == "renamed"))?;
    fs::write(site.daemon.inventory_file(), "[[instance]]\nuuid = 7\n")?;
    site.daemon.wait_log(&["ERROR", "inventory.toml"])?;
    assert_eq!(name()?, "renamed");
    Ok(())
}

#[test]
fn the_next_worker_knows_the_changed_inventory_too() -> Result<()> {
    let site = Site::create(METADATAD)?;
    let mut renamed = site.instance.clone();
    renamed.name = "renamed".to_owned();
    fs::write(site.daemon.inventory_file(), inventory::file(&[renamed])?)?;
    site.daemon.wait_log(&["inventory read"])?;
    xtask::lab::daemon::send(site.daemon.worker_pid()?, Signal::SIGKILL)?;
    assert_eq!(site.guest.get(DOCUMENT)?.json()?["name"], "renamed");
    Ok(())
}

#[test]
fn verdicts_are_logged_when_they_are_switched_on_and_only_then() -> Result<()> {
    let silent = Site::create(METADATAD)?;
    let talking = Site::with(
        METADATAD,
        |_| {},
        |setup| setup.option("datapath_log", "true"),
    )?;
    for site in [&silent, &talking] {
        assert_eq!(site.guest.get(DOCUMENT)?.status, 200);
    }
    let to = "-> 169.254.169.254:80";
    talking
        .daemon
        .wait_log(&["verdict", "steered 17.17.17.5:", to])?;
    talking
        .daemon
        .wait_log(&["verdict", "restored 169.254.169.254:9697 -> 17.17.17.5:"])?;
    silent.daemon.wait_log(&["access", "status=200"])?;
    assert!(
        !silent.daemon.log().contains("verdict"),
        "{}",
        silent.daemon.log()
    );
    Ok(())
}

#[test]
fn the_agents_socket_has_the_mode_and_the_group_of_the_options() -> Result<()> {
    let options = |setup: xtask::lab::daemon::Setup| {
        setup
            .default_option("metadata_proxy_socket_mode", "group")
            .default_option("metadata_proxy_user", "daemon")
            .default_option("metadata_proxy_group", "nogroup")
    };
    let site = Site::with(METADATAD, |_| {}, options)?;
    let socket = fs::metadata(site.daemon.agent_socket())?;
    assert_eq!(socket.permissions().mode() & 0o777, 0o664);
    // Debian's static ids of `nogroup` and `daemon`.
    assert_eq!(socket.gid(), 65534);
    let worker = xtask::lab::proc::status(site.daemon.worker_pid()?, "Uid")?;
    assert_eq!(worker.split_whitespace().collect::<Vec<_>>(), ["1"; 4]);
    Ok(())
}

#[test]
fn a_state_directory_of_root_matters_to_the_embedded_api_only() -> Result<()> {
    let state = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o700))
        .tempdir()?;
    let path = state.path().display().to_string();
    let nobody = unique::loopback_port()?;
    let site = Site::with(
        METADATAD,
        |_| {},
        |setup| setup.nova_port(nobody).default_option("state_path", &path),
    )?;
    // Nova is away; what answers so is a worker that lives.
    assert_eq!(site.guest.get("/openstack")?.status, 503);
    assert_eq!(site.daemon.status()?["worker"]["restarts"], 0);
    Ok(())
}
