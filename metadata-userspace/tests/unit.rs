//! The systemd unit: as systemd judges it, as README says it is installed, and a daemon
//! under its filters.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use xtask::lab::daemon::{Setup, send};
use xtask::lab::proc;
use xtask::lab::service_manager::ServiceManager;
use xtask::lab::shim::{Shim, Wanted};
use xtask::lab::site::Site;
use xtask::lab::unit_filters::UnitFilters;

const METADATAD: &str = env!("CARGO_BIN_EXE_metadatad");
const DOCUMENT: &str = "/openstack/latest/meta_data.json";

/// Ten times what ARCHITECTURE.md says, of which it also says what it is made of.
const EXPOSURE: u32 = 26;
const UNIT: &str = include_str!("../../dist/metadatad.service");
const README: &str = include_str!("../../README.md");
/// Of the command line, without any other file named.
const SOURCES: &str = include_str!("../src/config/oslo/sources.rs");

/// All values of one setting.
fn settings(name: &str) -> Vec<&'static str> {
    let lines = UNIT.lines();
    lines
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix('='))
        .collect()
}

#[test]
fn the_unit_exposes_no_more_than_is_said() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let unit = root.context("no workspace")?.join("dist/metadatad.service");
    let judged = Command::new("systemd-analyze")
        .args(["security", "--offline=yes", "--no-pager"])
        .arg(format!("--threshold={EXPOSURE}"))
        .arg(unit)
        .output()
        .context("systemd-analyze, of the package systemd, rates the unit")?;
    let said = String::from_utf8_lossy(&judged.stdout);
    assert!(judged.status.success(), "{said}");
    assert!(said.contains("Overall exposure level"), "{said}");
    Ok(())
}

#[test]
fn the_program_is_executed_where_it_is_installed() -> Result<()> {
    let line = *settings("ExecStart").first().context("no ExecStart=")?;
    let program = line.split(' ').next().context("no program")?;
    let installed = README.lines().filter_map(|line| {
        let line = line.trim().strip_prefix("install -m 0755 ")?;
        line.split(' ').nth(1)
    });
    let installed: Vec<_> = installed.collect();
    assert!(!installed.is_empty());
    assert!(
        installed.iter().all(|path| *path == program),
        "{installed:?}"
    );
    let reload = settings("ExecReload");
    assert!(
        reload.iter().any(|line| line.starts_with(program)),
        "{reload:?}"
    );
    Ok(())
}

#[test]
fn readme_names_the_files_that_are_read_and_how_to_name_others() {
    // The unit names none, so that these are read, by every command.
    assert_eq!(settings("Environment"), ["METADATAD_ARGUMENTS="]);
    let start = settings("ExecStart");
    assert!(
        start
            .iter()
            .all(|line| line.ends_with(" run $METADATAD_ARGUMENTS"))
    );
    assert!(README.contains("Environment=\"METADATAD_ARGUMENTS=--config-file "));
    let files = SOURCES.split('"').filter(|text| text.starts_with("etc/"));
    let files: Vec<_> = files.collect();
    assert!(files.len() >= 5, "{files:?}");
    for file in files {
        assert!(README.contains(&format!("`/{file}")), "{file}");
    }
}

#[test]
fn it_starts_after_what_it_takes_the_place_of_has_stopped() {
    let after = settings("After");
    for other in settings("Conflicts") {
        assert!(after.iter().any(|names| names.contains(other)), "{other}");
    }
}

#[test]
fn what_ip_netns_shares_is_made_for_everybody_to_look_into() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let made = directory.path().join("netns");
    let lines = settings("ExecStartPre");
    let line = lines.iter().find(|line| line.ends_with(" /run/netns"));
    let line = line
        .context("/run/netns is not made")?
        .trim_start_matches('+');
    let line = line.replace("/run/netns", &made.to_string_lossy());
    let umask = *settings("UMask").first().context("no UMask=")?;
    let script = format!("umask {umask} && {line}");
    let status = Command::new("sh").args(["-c", &script]).status()?;
    assert!(status.success(), "{status}");
    assert_eq!(fs::metadata(made)?.permissions().mode() & 0o777, 0o755);
    Ok(())
}

#[test]
fn containers_that_have_its_directory_keep_it() {
    assert_eq!(settings("RuntimeDirectory"), ["metadatad"]);
    assert_eq!(settings("RuntimeDirectoryPreserve"), ["yes"]);
    assert!(README.contains("`RuntimeDirectoryPreserve=yes`"));
}

fn another_worker_serves(site: &mut Site, than: u32) -> Result<()> {
    site.daemon.wait("another worker serves", |daemon| {
        Ok(daemon.worker_pid().is_ok_and(|pid| pid != than))
    })?;
    assert_eq!(site.guest.get(DOCUMENT)?.status, 200);
    assert_eq!(site.guest.get_ipv6(DOCUMENT)?.status, 200);
    Ok(())
}

#[test]
fn whatever_the_daemon_does_the_unit_lets_it() -> Result<()> {
    let manager = Arc::new(ServiceManager::start()?);
    let filters = Arc::new(UnitFilters::of_the_unit()?);
    let confined = |setup: Setup| {
        let guarded = setup.option("xdp_guard", "qr-*").hardly_limited();
        guarded.service_of(&manager).inside(filters)
    };
    let mut site = Site::with(METADATAD, |_| {}, confined)?;
    // The worker's filters are its own.
    assert_eq!(proc::status(site.daemon.pid(), "Seccomp")?, "2");
    another_worker_serves(&mut site, 0)?;
    let shim = Shim::start(
        &site.daemon,
        site.router.namespace(),
        &Wanted::for_router(site.router.id()),
    )?;
    let worker = site.daemon.worker_pid()?;
    send(worker, Signal::SIGKILL)?;
    another_worker_serves(&mut site, worker)?;
    let worker = site.daemon.worker_pid()?;
    site.daemon.signal(Signal::SIGHUP)?;
    another_worker_serves(&mut site, worker)?;
    let worker = site.daemon.worker_pid()?;
    site.daemon.stop()?;
    site.daemon.start_again()?;
    another_worker_serves(&mut site, worker)?;
    shim.end(Signal::SIGTERM)
}
