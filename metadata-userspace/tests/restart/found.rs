//! What a daemon finds that another one left, and the host changed meanwhile.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::Result;
use xtask::lab::daemon::Setup;
use xtask::lab::namespace;
use xtask::lab::site::Site;
use xtask::lab::wait;
use xtask::process;

use crate::{DOCUMENT, LIMIT, METADATAD};

/// All of ours that is in a router's namespace.
fn traces(site: &Site) -> Result<String> {
    let (inside, interface) = (site.router.namespace(), &site.guest.router_interface);
    Ok([
        inside.sh(&format!("tc filter show dev {interface} ingress"))?,
        inside.sh(&format!("tc filter show dev {interface} egress"))?,
        inside.ip("route show table local 169.254.169.254")?,
        inside.ip("-6 address show to fe80::a9fe:a9fe")?,
        inside.ip("-6 route show table all proto 169")?,
    ]
    .concat())
}

#[test]
fn what_is_not_wanted_any_more_is_swept() -> Result<()> {
    let mut site = Site::create(METADATAD)?;
    site.daemon.stop()?;
    let left = traces(&site)?;
    assert!(
        left.contains("metadata_steer") && left.contains("169.254.169.254"),
        "{left}"
    );
    // The router became a standby: keepalived has taken its addresses.
    let inside = site.router.namespace();
    inside.ip("link add ha-7d5e955b-99 type bridge")?;
    inside.ip(&format!(
        "address flush dev {}",
        site.guest.router_interface
    ))?;
    site.daemon.start_again()?;
    let name = inside.name().to_owned();
    site.daemon.wait("the replica stands by", |daemon| {
        let state = daemon.namespace(&name)?;
        Ok(state.is_some_and(|state| state["state"] == "standby"))
    })?;
    assert_eq!(traces(&site)?, "");
    Ok(())
}

#[test]
fn what_is_still_wanted_is_adopted() -> Result<()> {
    let mut site = Site::create(METADATAD)?;
    site.daemon.stop()?;
    // Somebody took away half of it.
    let interface = site.guest.router_interface.clone();
    let inside = site.router.namespace();
    inside.sh(&format!("tc filter del dev {interface} ingress"))?;
    inside.ip("address delete 169.254.169.254/32 dev lo")?;
    site.daemon.start_again()?;
    site.daemon.wait_serving(site.router.namespace().name())?;
    assert_eq!(
        site.guest.get(DOCUMENT)?.json()?["uuid"],
        site.instance.uuid
    );
    let now = traces(&site)?;
    for program in ["0x29 metadata_steer", "0x29 metadata_restore"] {
        assert_eq!(now.matches(program).count(), 1, "{now}");
    }
    Ok(())
}

/// Somebody else's qdisc: only TCX is left, whose links live by their pins.
fn leave_tcx_alone(site: &Site) -> Result<()> {
    let interface = &site.guest.router_interface;
    let inside = site.router.namespace();
    inside.sh(&format!("tc qdisc del dev {interface} clsact"))?;
    inside.sh(&format!("tc qdisc add dev {interface} ingress"))?;
    Ok(())
}

fn pins(bpffs: &Path) -> Result<usize> {
    Ok(fs::read_dir(bpffs.join("links"))?.count())
}

/// A site as it is then.
fn served_by_links() -> Result<Site> {
    let mut site = Site::create(METADATAD)?;
    site.daemon.stop()?;
    leave_tcx_alone(&site)?;
    site.daemon.start_again()?;
    site.daemon.wait_serving(site.router.namespace().name())?;
    assert_eq!(pins(site.daemon.bpffs())?, 2);
    assert_eq!(site.guest.get(DOCUMENT)?.status, 200);
    Ok(site)
}

#[test]
fn links_serve_on_across_a_restart_when_the_foreign_qdisc_is_gone() -> Result<()> {
    let mut site = served_by_links()?;
    let interface = site.guest.router_interface.clone();
    let inside = site.router.namespace();
    inside.sh(&format!("tc qdisc del dev {interface} ingress"))?;
    site.daemon.stop()?;
    site.daemon.start_again()?;
    site.daemon.wait_serving(site.router.namespace().name())?;
    assert_eq!(site.guest.get(DOCUMENT)?.status, 200);
    let shown = process::read(&mut site.daemon.command("status"))?;
    assert!(!shown.contains("beside ours"), "{shown}");
    Ok(())
}

#[test]
fn pins_go_with_their_interface_while_a_daemon_runs() -> Result<()> {
    let site = served_by_links()?;
    let interface = &site.guest.router_interface;
    let inside = site.router.namespace();
    inside.ip(&format!("link delete {interface}"))?;
    wait::until("no pin is left", LIMIT, || {
        Ok(pins(site.daemon.bpffs())? == 0)
    })
}

#[test]
fn pins_of_namespaces_that_went_are_swept() -> Result<()> {
    let mut site = served_by_links()?;
    let name = site.router.namespace().name().to_owned();
    site.daemon.stop()?;
    namespace::remove(&name);
    site.daemon.start_again()?;
    wait::until("no pin is left", LIMIT, || {
        Ok(pins(site.daemon.bpffs())? == 0)
    })
}

#[test]
fn what_cannot_be_opened_is_not_gone() -> Result<()> {
    let names = tempfile::tempdir()?;
    let name_in = |setup: &Setup| names.path().join(&setup.namespaces[0]);
    let mut site = Site::with(
        METADATAD,
        |_| {},
        |setup| {
            let _ = symlink(
                Path::new("/run/netns").join(&setup.namespaces[0]),
                name_in(&setup),
            );
            setup.option("netns_dir", &names.path().to_string_lossy())
        },
    )?;
    let namespace = site.router.namespace().name().to_owned();
    let name = names.path().join(&namespace);
    site.daemon.stop()?;
    leave_tcx_alone(&site)?;
    site.daemon.start_again()?;
    site.daemon.wait_serving(&namespace)?;
    site.daemon.stop()?;
    let another_version = site.daemon.bpffs().join("v999");
    fs::create_dir(&another_version)?;
    // A link to itself cannot be opened, and is not missing.
    fs::remove_file(&name)?;
    symlink(&name, &name)?;
    site.daemon.start_again()?;
    site.daemon
        .wait_log(&["ERROR", &namespace, "cannot be served"])?;
    assert_eq!(pins(site.daemon.bpffs())?, 2);
    assert!(another_version.exists());
    fs::remove_file(&name)?;
    symlink(Path::new("/run/netns").join(&namespace), &name)?;
    site.daemon.wait_serving(&namespace)?;
    wait::until("another version's pins are swept", LIMIT, || {
        Ok(!another_version.exists())
    })?;
    assert_eq!(pins(site.daemon.bpffs())?, 2);
    Ok(())
}
