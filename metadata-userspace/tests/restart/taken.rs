//! A daemon that is to listen where another program does.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixListener;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use xtask::lab::daemon::Setup;
use xtask::lab::site::Site;
use xtask::lab::{http, unique, wait};

use crate::load::during;
use crate::reload::reload;
use crate::{DOCUMENT, LIMIT, METADATAD, configure, guest_of, wait_ended};

pub(crate) fn value(site: &Site, option: &str) -> Result<String> {
    let text = fs::read_to_string(site.daemon.config_file())?;
    let values = text.lines().filter_map(|line| line.split_once(" = "));
    let mut values = values.filter(|(name, _)| *name == option);
    let (_, value) = values.next().context("there is no such option")?;
    Ok(value.to_owned())
}

/// Gives an option that is there another value.
pub(crate) fn change(site: &Site, option: &str, to: &str) -> Result<()> {
    let now = format!("{option} = {}\n", value(site, option)?);
    let text = fs::read_to_string(site.daemon.config_file())?;
    let changed = text.replace(&now, &format!("{option} = {to}\n"));
    Ok(fs::write(site.daemon.config_file(), changed)?)
}

/// SIGHUP changes nothing; the log says why, and the next one is as any other.
fn is_refused(site: &mut Site, why: &[&str]) -> Result<()> {
    let worker = site.daemon.worker_pid()?;
    site.daemon.clear_log()?;
    site.daemon.signal(Signal::SIGHUP)?;
    let said = [&["ERROR", "not reloaded"], why].concat();
    site.daemon.wait_log(&said)?;
    site.daemon.check_running()?;
    assert_eq!(site.daemon.worker_pid()?, worker);
    assert_eq!(site.guest.get(DOCUMENT)?.status, 200);
    Ok(())
}

#[test]
fn a_reload_to_a_port_of_another_program_changes_nothing() -> Result<()> {
    let mut site = Site::create(METADATAD)?;
    let other = TcpListener::bind(("127.0.0.1", unique::loopback_port()?))?;
    let address = other.local_addr()?;
    configure(&site, "metrics_listen", &address.to_string())?;
    let taken = format!("another program already listens at {address}");
    is_refused(&mut site, &["metrics_listen", &taken])?;
    let with_metrics = fs::read_to_string(site.daemon.config_file())?;
    configure(&site, "metrics_listen", "")?;
    change(&site, "nova_metadata_port", &address.port().to_string())?;
    is_refused(&mut site, &["nova_metadata_port", &taken])?;
    fs::write(site.daemon.config_file(), with_metrics)?;
    drop(other);
    reload(&mut site)?;
    assert!(TcpStream::connect(address).is_ok());
    Ok(())
}

#[test]
fn a_reload_to_a_path_of_another_agent_changes_nothing() -> Result<()> {
    let mut site = Site::create(METADATAD)?;
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("metadata_proxy");
    let agent = UnixListener::bind(&path)?;
    change(&site, "metadata_proxy_socket", &path.to_string_lossy())?;
    is_refused(
        &mut site,
        &["metadata_proxy_socket", "another program already answers"],
    )?;
    // Two of its own cannot listen at the same port. Where it could, nothing is left of
    // having tried.
    let free = directory.path().join("free");
    change(&site, "metadata_proxy_socket", &free.to_string_lossy())?;
    let api = format!("127.0.0.1:{}", value(&site, "nova_metadata_port")?);
    configure(&site, "metrics_listen", &api)?;
    is_refused(&mut site, &["another program already listens", &api])?;
    assert!(!free.exists());
    drop(agent);
    Ok(())
}

#[test]
fn two_sockets_can_change_places() -> Result<()> {
    let metrics = unique::loopback_port()?;
    let at = |port: u16| format!("127.0.0.1:{port}");
    let with_metrics = |setup: Setup| setup.option("metrics_listen", &at(metrics));
    let mut site = Site::with(METADATAD, |_| {}, with_metrics)?;
    let api: u16 = value(&site, "nova_metadata_port")?.parse()?;
    change(&site, "nova_metadata_port", &metrics.to_string())?;
    change(&site, "metrics_listen", &at(api))?;
    let guest = guest_of(&site);
    during(&guest, || wait_ended(reload(&mut site)?))?.assert_served("sockets change places");
    // Until the worker of before has left, it needs its API there.
    wait::until("the metrics are served", 2 * LIMIT, || {
        let Ok(mut connection) = TcpStream::connect(at(api)) else {
            return Ok(false);
        };
        let metrics = http::get(&mut connection, "/metrics", "");
        Ok(metrics.is_ok_and(|metrics| metrics.text().contains("metadatad_")))
    })
}

#[test]
fn guests_are_served_without_the_port_for_metrics_which_is_taken_when_it_is_free() -> Result<()> {
    let other = TcpListener::bind(("127.0.0.1", unique::loopback_port()?))?;
    let address = other.local_addr()?.to_string();
    let mut site = Site::with(
        METADATAD,
        |_| {},
        |setup| setup.option("metrics_listen", &address),
    )?;
    assert_eq!(site.guest.get(DOCUMENT)?.status, 200);
    let problem = [
        "metrics_listen",
        "another program already listens",
        &address,
    ];
    site.daemon.wait_log(&[&["ERROR"], &problem[..]].concat())?;
    let said = site.daemon.status()?["problems"].to_string();
    assert!(problem.iter().all(|part| said.contains(part)), "{said}");
    // That is no reason against a reload: it was so before.
    reload(&mut site)?;
    drop(other);
    wait::until("the metrics are served", LIMIT, || {
        Ok(TcpStream::connect(&address).is_ok())
    })?;
    assert!(site.daemon.status()?.get("problems").is_none());
    reload(&mut site)?;
    assert!(TcpStream::connect(&address).is_ok());
    Ok(())
}
