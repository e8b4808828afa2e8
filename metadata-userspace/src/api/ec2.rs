//! The EC2 tree.

use std::collections::BTreeMap;
use std::net::IpAddr;

use bytes::Bytes;

use super::reply::{Refusal, Reply};
use super::{Settings, full_hostname};
use crate::inventory::{InventoryInstance, PublicKey, stable_id};

/// Dates compare as text, and `1.0` comes before them.
const VERSIONS: [&str; 9] = [
    "1.0",
    "2007-01-19",
    "2007-03-01",
    "2007-08-29",
    "2007-10-10",
    "2007-12-15",
    "2008-02-01",
    "2008-09-01",
    NEWEST,
];
const NEWEST: &str = "2009-04-04";

/// What hangs below a version.
enum Node {
    Value(Bytes),
    Directory(BTreeMap<String, Node>),
    /// A directory that its parent lists under another name than its own.
    Named(String, BTreeMap<String, Node>),
}

pub(super) fn versions() -> Reply {
    Reply::listing(VERSIONS.into_iter().chain(["latest"]))
}

/// The answer at `path`, which starts with a version. `address` stands in where
/// the instance has no IPv4 address.
pub(super) fn answer(
    instance: &InventoryInstance,
    settings: &Settings,
    address: &str,
    path: &[&str],
) -> Result<Reply, Refusal> {
    let Some((&version, path)) = path.split_first() else {
        return Ok(versions());
    };
    let version = if version == "latest" { NEWEST } else { version };
    if !VERSIONS.contains(&version) {
        return Err(Refusal::NOT_FOUND);
    }
    let mut node = &root(instance, settings, address, version);
    for &segment in path {
        node = match node {
            Node::Directory(entries) | Node::Named(_, entries) => entries.get(segment),
            Node::Value(_) => None,
        }
        .ok_or(Refusal::NOT_FOUND)?;
    }
    Ok(match node {
        Node::Value(value) => Reply::text(value.clone()),
        Node::Directory(entries) | Node::Named(_, entries) => Reply::text(list(entries)),
    })
}

fn list(entries: &BTreeMap<String, Node>) -> String {
    let line = |(name, node): (&String, &Node)| match node {
        Node::Value(_) => name.clone(),
        Node::Directory(_) => format!("{name}/"),
        Node::Named(listed, _) => listed.clone(),
    };
    entries.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn root(instance: &InventoryInstance, settings: &Settings, address: &str, version: &str) -> Node {
    let meta_data = meta_data(instance, settings, address, version);
    let mut root = BTreeMap::from([("meta-data".to_owned(), Node::Directory(meta_data))]);
    if let Some(user_data) = &instance.user_data {
        root.insert("user-data".to_owned(), Node::Value(user_data.0.clone()));
    }
    Node::Directory(root)
}

fn meta_data(
    instance: &InventoryInstance,
    settings: &Settings,
    address: &str,
    version: &str,
) -> BTreeMap<String, Node> {
    let hostname = full_hostname(instance, &settings.dhcp_domain);
    let text = |address: Option<IpAddr>| address.map(|address| address.to_string());
    let mut entries = BTreeMap::new();
    let mut add = |name: &str, node: Node| {
        entries.insert(name.to_owned(), node);
    };

    let image = instance.image_id.map_or(0, stable_id);
    add("ami-id", value(format!("ami-{image:08x}")));
    add("ami-launch-index", value(instance.launch_index.to_string()));
    // Nova's own word for it.
    add("ami-manifest-path", value("FIXME"));
    add("hostname", value(hostname.clone()));
    add("instance-id", value(format!("i-{:08x}", instance.ec2_id)));
    let local_ipv4 = text(instance.first_ipv4()).unwrap_or_else(|| address.to_owned());
    add("local-ipv4", value(local_ipv4));
    add("reservation-id", value(instance.reservation_id.clone()));
    add(
        "security-groups",
        value(instance.security_groups.join("\n")),
    );
    if !instance.public_keys.is_empty() {
        add("public-keys", public_keys(&instance.public_keys));
    }
    if version >= "2007-01-19" {
        add("local-hostname", value(hostname.clone()));
        add("public-hostname", value(hostname));
        let public_ipv4 = text(instance.first_floating_ip()).unwrap_or_default();
        add("public-ipv4", value(public_ipv4));
    }
    if version >= "2007-08-29" {
        add("instance-type", value(instance.flavor.clone()));
    }
    if version >= "2007-12-15" {
        let devices = instance.block_devices.iter();
        let devices = devices.map(|(name, device)| (name.clone(), value(device.clone())));
        add("block-device-mapping", Node::Directory(devices.collect()));
        if let Some(kernel) = instance.kernel_id {
            add("kernel-id", value(format!("aki-{:08x}", stable_id(kernel))));
        }
        if let Some(ramdisk) = instance.ramdisk_id {
            add(
                "ramdisk-id",
                value(format!("ari-{:08x}", stable_id(ramdisk))),
            );
        }
    }
    if version >= "2008-02-01" {
        let zone = value(instance.availability_zone.clone());
        let placement = BTreeMap::from([("availability-zone".to_owned(), zone)]);
        add("placement", Node::Directory(placement));
    }
    if version >= "2008-09-01" {
        add("instance-action", value("none"));
    }
    entries
}

/// Listed as `0=name`, asked for as `0/openssh-key`.
fn public_keys(keys: &[PublicKey]) -> Node {
    let directory = |(position, key): (usize, &PublicKey)| {
        let entries = BTreeMap::from([("openssh-key".to_owned(), value(key.data.clone()))]);
        let listed = format!("{position}={}", key.name);
        (position.to_string(), Node::Named(listed, entries))
    };
    Node::Directory(keys.iter().enumerate().map(directory).collect())
}

fn value(text: impl Into<Bytes>) -> Node {
    Node::Value(text.into())
}
