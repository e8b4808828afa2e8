//! The ways in which a southbound database is served.

use std::mem::swap;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use xtask::lab::ovsdb::pki::{Pems, Pki};
use xtask::lab::ovsdb::{Database, OvsdbServer};
use xtask::lab::{unique, wait};

use crate::cloud::Cloud;

const LIMIT: Duration = Duration::from_secs(30);

#[test]
fn a_socket_that_only_root_may_open() -> Result<()> {
    let southbound = OvsdbServer::start(Database::Southbound)?;
    let directory = std::fs::metadata(southbound.directory())?;
    assert_eq!((directory.uid(), directory.mode() & 0o077), (0, 0));
    let sections = format!("[ovn]\novn_sb_connection = {}\n", southbound.unix());
    let mut cloud = Cloud::on(southbound, &sections, |setup| setup)?.connected()?;
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
    let cloud = Cloud::on(southbound, &text, |setup| setup)?.connected()?;
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
    let mut others = [member(&rafts[1])?, member(&rafts[2])?];
    let sections = format!(
        "[ovn]\novn_sb_connection = {},{},{}\novsdb_probe_interval = 1000\n",
        first.inet(),
        others[0].inet(),
        others[1].inet()
    );
    let mut cloud = Cloud::on(first, &sections, |setup| setup)?.connected()?;
    cloud.port("10.0.0.5", &cloud.instances[0])?;
    cloud.assert_is("10.0.0.5", &cloud.instances[0])?;
    // The leader dies; the others agree on a new one.
    pick_leader(&mut cloud, &mut others)?;
    cloud.southbound.stop()?;
    wait_leader(&[&others[0], &others[1]])?;
    cloud.wait_dependency("ovsdb", true)?;
    cloud.assert_is("10.0.0.5", &cloud.instances[0])?;
    // A member without a majority is of no use, and says so.
    cloud.southbound.start_again()?;
    pick_leader(&mut cloud, &mut others)?;
    cloud.southbound.signal(Signal::SIGSTOP)?;
    cloud.wait_dependency("ovsdb", true)?;
    wait_leader(&[&others[0], &others[1]])?;
    wait::until("a new port is found", LIMIT, || {
        Ok(cloud.get("10.0.0.5")?.status == 200)
    })?;
    cloud.southbound.signal(Signal::SIGCONT)?;
    Ok(())
}

/// Makes the leader the cloud's own: a member that stood still for a moment lost the lead.
fn pick_leader(cloud: &mut Cloud, others: &mut [OvsdbServer; 2]) -> Result<()> {
    match wait_leader(&[&cloud.southbound, &others[0], &others[1]])? {
        0 => {}
        other => swap(&mut cloud.southbound, &mut others[other - 1]),
    }
    Ok(())
}

/// Which of them leads, once one does.
fn wait_leader(servers: &[&OvsdbServer]) -> Result<usize> {
    let mut leader = None;
    wait::until("a leader", LIMIT, || {
        for (number, server) in servers.iter().enumerate() {
            if server.leads()? {
                leader = Some(number);
            }
        }
        Ok(leader.is_some())
    })?;
    leader.context("nobody leads")
}
