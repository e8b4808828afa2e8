//! The ways in which a southbound database is served.

use std::os::unix::fs::MetadataExt;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use xtask::lab::ovsdb::pki::{Pems, Pki};
use xtask::lab::ovsdb::{Database, OvsdbServer};
use xtask::lab::{unique, wait};

use crate::cloud::Cloud;

#[test]
fn a_socket_that_only_root_may_open() -> Result<()> {
    let southbound = OvsdbServer::start(Database::Southbound)?;
    let directory = std::fs::metadata(southbound.directory())?;
    assert_eq!((directory.uid(), directory.mode() & 0o077), (0, 0));
    let sections = format!("[ovn]\novn_sb_connection = {}\n", southbound.unix());
    let mut cloud = Cloud::on(southbound, &sections, |setup| setup)?;
    cloud.port("10.0.0.5", &cloud.instances[0])?;
    cloud.assert_is("10.0.0.5", &cloud.instances[0])?;
    cloud.southbound.stop()?;
    cloud.wait_dependency("ovsdb", false)?;
    cloud.southbound.start_again()?;
    cloud.wait_dependency("ovsdb", true)
}

fn sections(southbound: &OvsdbServer, client: &Pems) -> String {
    format!(
        "[ovn]\novn_sb_connection = {}\novn_sb_private_key = {}\novn_sb_certificate = {}\n\
         ovn_sb_ca_cert = {}\n",
        southbound.inet(),
        client.key.display(),
        client.certificate.display(),
        client.ca.display()
    )
}

#[test]
fn tls_with_certificates_of_our_authority_whatever_their_names() -> Result<()> {
    let pki = Pki::create()?;
    let southbound = OvsdbServer::start_tls(Database::Southbound, pki.issue("server")?)?;
    let text = sections(&southbound, &pki.issue("client")?);
    let cloud = Cloud::on(southbound, &text, |setup| setup)?;
    cloud.port("10.0.0.5", &cloud.instances[0])?;
    cloud.assert_is("10.0.0.5", &cloud.instances[0])
}

#[test]
fn tls_with_a_stranger_is_refused() -> Result<()> {
    let (ours, theirs) = (Pki::create()?, Pki::create()?);
    let southbound = OvsdbServer::start_tls(Database::Southbound, theirs.issue("server")?)?;
    let text = sections(&southbound, &ours.issue("client")?);
    let mut cloud = Cloud::on(southbound, &text, |setup| setup)?;
    cloud.wait_dependency("ovsdb", false)?;
    let problem = cloud.dependency("ovsdb")?["problem"].to_string();
    assert!(problem.contains("ovn_sb_ca_cert"), "{problem}");
    assert_eq!(cloud.get("10.0.0.5")?.status, 503);
    Ok(())
}

#[test]
fn a_cluster_whose_members_die_and_come_back() -> Result<()> {
    let rafts: Vec<String> = (0..3)
        .map(|_| Ok(format!("tcp:127.0.0.1:{}", unique::loopback_port()?)))
        .collect::<Result<_>>()?;
    let first = OvsdbServer::start_member(Database::Southbound, &rafts[0], None)?;
    let member = |raft| OvsdbServer::start_member(Database::Southbound, raft, Some(&rafts[0]));
    let others = [member(&rafts[1])?, member(&rafts[2])?];
    let sections = format!(
        "[ovn]\novn_sb_connection = {},{},{}\novsdb_probe_interval = 1000\n",
        first.inet(),
        others[0].inet(),
        others[1].inet()
    );
    let mut cloud = Cloud::on(first, &sections, |setup| setup)?;
    cloud.port("10.0.0.5", &cloud.instances[0])?;
    cloud.assert_is("10.0.0.5", &cloud.instances[0])?;
    assert!(cloud.southbound.leads()?);
    // The leader dies; the others agree on a new one.
    cloud.southbound.stop()?;
    let limit = std::time::Duration::from_secs(20);
    wait::until("another leads", limit, || {
        Ok(others[0].leads()? || others[1].leads()?)
    })?;
    cloud.wait_dependency("ovsdb", true)?;
    cloud.assert_is("10.0.0.5", &cloud.instances[0])?;
    // A member without a majority is of no use, and says so.
    cloud.southbound.start_again()?;
    let leader = others
        .iter()
        .position(|server| server.leads().unwrap_or(false));
    let leader = leader.context("nobody leads")?;
    others[leader].signal(Signal::SIGSTOP)?;
    cloud.wait_dependency("ovsdb", true)?;
    wait::until("the rest agree", limit, || {
        Ok(cloud.southbound.leads()? || others[1 - leader].leads()?)
    })?;
    wait::until("a new port is found", limit, || {
        Ok(cloud.get("10.0.0.5")?.status == 200)
    })?;
    others[leader].signal(Signal::SIGCONT)?;
    Ok(())
}
