//! Real cloud-init, unpacked from Debian's package, in the guest.

#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;
use xtask::lab::site::Site;
use xtask::{packages, process};

const METADATAD: &str = env!("CARGO_BIN_EXE_metadatad");
const USER_DATA: &str = "#cloud-config\nhostname: from-user-data\n";

/// Crawls the metadata with one of cloud-init's sources and returns what it
/// found, as JSON.
fn crawl(site: &Site, source: &str) -> Result<Value> {
    let modules = packages::unpacked(packages::CLOUD_INIT).join("usr/lib/python3/dist-packages");
    anyhow::ensure!(
        modules.is_dir(),
        "{} is missing: `cargo xtask test` unpacks it",
        modules.display()
    );
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cloud_init/crawl.py");
    // Its own directory: cloud-init caches what it found.
    let run = tempfile::tempdir()?;
    let mut command = site.guest.namespace().command("/usr/bin/python3");
    command.arg(script).arg(source).arg(run.path());
    command.env("PYTHONPATH", modules);
    let output = process::read(&mut command)?;
    serde_json::from_str(&output).with_context(|| format!("not JSON: {output}"))
}

fn site() -> Result<Site> {
    Site::with(
        METADATAD,
        |instance| {
            instance.user_data = Some(USER_DATA.to_owned());
            instance.meta = vec![("role".to_owned(), "web".to_owned())];
            instance.public_keys = vec![("mine".to_owned(), "ssh-ed25519 AAAA me".to_owned())];
        },
        |setup| setup,
    )
}

#[test]
fn the_openstack_source_finds_everything() -> Result<()> {
    let site = site()?;
    let found = crawl(&site, "openstack")?;
    assert_eq!(found["instance_id"], site.instance.uuid);
    assert_eq!(found["user_data"], USER_DATA);
    assert_eq!(found["public_keys"][0], "ssh-ed25519 AAAA me");
    assert_eq!(found["metadata"]["meta"]["role"], "web");
    assert_eq!(found["metadata"]["project_id"], site.instance.project_id);
    assert_eq!(
        found["network"]["links"][0]["ethernet_mac_address"],
        site.guest.mac
    );
    // The OpenStack source crawls the EC2 tree afterwards.
    assert_eq!(found["ec2"]["local-ipv4"], "17.17.17.5");
    Ok(())
}

#[test]
fn the_ec2_source_finds_everything() -> Result<()> {
    let site = site()?;
    let found = crawl(&site, "ec2")?;
    assert_eq!(found["user_data"], USER_DATA);
    assert_eq!(found["metadata"]["local-ipv4"], "17.17.17.5");
    assert!(
        found["metadata"]["instance-id"]
            .as_str()
            .is_some_and(|id| id.starts_with("i-"))
    );
    assert_eq!(found["public_keys"][0], "ssh-ed25519 AAAA me");
    Ok(())
}
