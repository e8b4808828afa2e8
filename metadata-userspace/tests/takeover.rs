//! What outlives the daemon, and how it is removed.

#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs::File;
use std::io::Write;

use anyhow::Result;
use nix::sys::signal::Signal;
use xtask::lab::bpffs::{MountPoint, is_mounted};
use xtask::lab::daemon::{Daemon, Setup, send};
use xtask::lab::http;
use xtask::lab::namespace::Namespace;
use xtask::lab::netns_directory::NetnsDirectory;
use xtask::lab::router::Router;
use xtask::lab::site::Site;
use xtask::lab::unique;
use xtask::process;

const METADATAD: &str = env!("CARGO_BIN_EXE_metadatad");
const DOCUMENT: &str = "/openstack/latest/meta_data.json";

fn steering(router: &Router, interface: &str) -> Result<String> {
    let inside = router.namespace();
    let qdiscs = inside.sh(&format!("tc qdisc show dev {interface} clsact"))?;
    let ingress = inside.sh(&format!("tc filter show dev {interface} ingress"))?;
    let egress = inside.sh(&format!("tc filter show dev {interface} egress"))?;
    let route = inside.ip("route show table local 169.254.169.254")?;
    let ipv6 = [
        inside.ip("-6 address show to fe80::a9fe:a9fe")?,
        inside.ip("-6 route show table all proto 169")?,
    ];
    Ok([qdiscs, ingress, egress, route, ipv6.concat()].concat())
}

#[test]
fn unload_leaves_no_trace() -> Result<()> {
    let mut site = Site::create(METADATAD)?;
    let (router, interface) = (&site.router, &site.guest.router_interface);
    let refused = process::output(&mut site.daemon.command("unload"))?;
    assert!(!refused.status.success(), "a daemon runs");
    assert!(site.daemon.stop()?.success());
    assert!(steering(router, interface)?.contains("metadata_steer"));
    assert!(site.daemon.bpffs().exists());
    for _ in 0..2 {
        process::read(&mut site.daemon.command("unload"))?;
        assert_eq!(steering(router, interface)?, "");
        assert!(!site.daemon.bpffs().exists());
    }
    Ok(())
}

/// As agents' containers leave them, or an `ip netns` that was killed.
#[test]
fn unload_passes_over_names_without_a_namespace() -> Result<()> {
    let names = NetnsDirectory::create()?;
    let stale = format!("qrouter-{}", unique::uuid()?);
    File::create(names.path().join(&stale))?;
    let change = |mut setup: Setup| {
        let served = &setup.namespaces[0];
        // Unless it has its name, it is not served.
        let _ = names.name(&Namespace::of_somebody(served), served);
        setup.namespaces.push(stale.clone());
        setup.option("netns_dir", &names.path().to_string_lossy())
    };
    let mut site = Site::with(METADATAD, |_| {}, change)?;
    site.daemon.stop()?;
    let said = process::read(&mut site.daemon.command("unload"))?;
    assert!(said.contains("from 1 namespaces"), "{said}");
    assert_eq!(steering(&site.router, &site.guest.router_interface)?, "");
    assert!(!site.daemon.bpffs().exists());
    Ok(())
}

/// A supervisor that hangs, or may open no files, does not answer; its worker does.
#[test]
fn unload_does_nothing_while_a_daemon_runs_that_does_not_answer() -> Result<()> {
    let site = Site::create(METADATAD)?;
    unload_does_nothing(&site, "a daemon answers")
}

/// A worker to which the supervisor has not said anything yet has no last word to give.
#[test]
fn nor_while_one_runs_that_never_answered() -> Result<()> {
    let site = Site::create(METADATAD)?;
    send(site.daemon.worker_pid()?, Signal::SIGKILL)?;
    assert_eq!(site.guest.get(DOCUMENT)?.status, 200);
    unload_does_nothing(&site, "a daemon runs; stop it first")
}

fn unload_does_nothing(site: &Site, because: &str) -> Result<()> {
    send(site.daemon.pid(), Signal::SIGSTOP)?;
    let refused = process::output(&mut site.daemon.command("unload"));
    send(site.daemon.pid(), Signal::SIGCONT)?;
    let refused = refused?;
    assert!(!refused.status.success());
    let why = String::from_utf8_lossy(&refused.stderr);
    assert!(
        why.contains(because) && why.contains("stop it first"),
        "{why}"
    );
    assert_eq!(site.guest.get(DOCUMENT)?.status, 200);
    let steering = steering(&site.router, &site.guest.router_interface)?;
    assert!(steering.contains("metadata_steer"), "{steering}");
    Ok(())
}

#[test]
fn a_bpffs_that_is_not_mounted_is_mounted_and_unmounted() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let bpffs = directory.path().join("bpf");
    let _unmounted = MountPoint(bpffs.clone());
    let mut site = Site::with(
        METADATAD,
        |_| {},
        |mut setup| {
            setup.bpffs = bpffs.clone();
            setup
        },
    )?;
    assert_eq!(site.guest.get(DOCUMENT)?.status, 200);
    assert!(is_mounted(&bpffs)?);
    site.daemon.stop()?;
    process::read(&mut site.daemon.command("unload"))?;
    assert!(!is_mounted(&bpffs)?);
    assert!(!bpffs.exists());
    Ok(())
}

#[test]
fn the_datapath_outlives_the_daemon_and_the_next_one_takes_it_over() -> Result<()> {
    let mut site = Site::create(METADATAD)?;
    assert_eq!(site.guest.get(DOCUMENT)?.status, 200);
    let steered = |daemon: &Daemon| -> Result<Option<u64>> {
        Ok(daemon.status()?["verdicts"]["steered"]["packets"].as_u64())
    };
    let before = steered(&site.daemon)?;
    site.daemon.stop()?;
    let while_stopped = steering(&site.router, &site.guest.router_interface)?;
    assert!(while_stopped.contains("metadata_steer"), "{while_stopped}");
    site.daemon.start_again()?;
    site.daemon.wait_serving(site.router.namespace().name())?;
    assert!(steered(&site.daemon)? >= before);
    assert_eq!(
        site.guest.get(DOCUMENT)?.json()?["uuid"],
        site.instance.uuid
    );
    let after = steering(&site.router, &site.guest.router_interface)?;
    assert_eq!(after.matches("0x29 metadata_steer").count(), 1, "{after}");
    Ok(())
}

#[test]
fn a_password_outlives_the_daemon() -> Result<()> {
    let mut site = Site::create(METADATAD)?;
    let path = "/openstack/latest/password";
    let mut stream = site.guest.connect()?;
    let post =
        format!("POST {path} HTTP/1.1\r\nHost: metadata\r\nContent-Length: 8\r\n\r\nc2VjcmV0");
    stream.write_all(post.as_bytes())?;
    assert_eq!(http::read_response(&mut stream)?.status, 200);
    site.daemon.stop()?;
    site.daemon.start_again()?;
    site.daemon.wait_serving(site.router.namespace().name())?;
    assert_eq!(site.guest.get(path)?.text(), "c2VjcmV0");
    Ok(())
}

#[test]
fn two_daemons_serve_their_own_namespaces_side_by_side() -> Result<()> {
    let first = Site::create(METADATAD)?;
    let second = Site::create(METADATAD)?;
    for (site, other) in [(&first, &second), (&second, &first)] {
        assert_eq!(
            site.guest.get(DOCUMENT)?.json()?["uuid"],
            site.instance.uuid
        );
        let foreign = site.daemon.namespace(other.router.namespace().name())?;
        assert_eq!(foreign, None);
    }
    let Site { daemon, .. } = second;
    drop(daemon);
    assert_eq!(
        first.guest.get(DOCUMENT)?.json()?["uuid"],
        first.instance.uuid
    );
    Ok(())
}
