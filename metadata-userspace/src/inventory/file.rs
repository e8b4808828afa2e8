//! The shape of the TOML file, before anything in it is checked.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Table;

use super::{Assignment, Device};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InventoryFile {
    #[serde(default)]
    pub(super) instance: Vec<InstanceEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InstanceEntry {
    pub(super) uuid: Option<String>,
    pub(super) project_id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) hostname: Option<String>,
    pub(super) availability_zone: Option<String>,
    #[serde(default)]
    pub(super) launch_index: u32,
    pub(super) image_id: Option<String>,
    pub(super) kernel_id: Option<String>,
    pub(super) ramdisk_id: Option<String>,
    pub(super) flavor: Option<String>,
    pub(super) ec2_id: Option<u32>,
    pub(super) reservation_id: Option<String>,
    pub(super) security_groups: Option<Vec<String>>,
    #[serde(default)]
    pub(super) meta: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) public_keys: BTreeMap<String, String>,
    pub(super) user_data: Option<String>,
    pub(super) user_data_file: Option<String>,
    #[serde(default)]
    pub(super) vendor_data: Table,
    #[serde(default)]
    pub(super) vendor_data2: Table,
    pub(super) root_device: Option<String>,
    #[serde(default)]
    pub(super) block_devices: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) dedicated_cpus: Vec<u32>,
    #[serde(default)]
    pub(super) device: Vec<Device>,
    #[serde(default)]
    pub(super) file: Vec<FileEntry>,
    #[serde(default)]
    pub(super) port: Vec<PortEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileEntry {
    pub(super) path: String,
    pub(super) content: Option<String>,
    pub(super) content_file: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PortEntry {
    pub(super) id: Option<String>,
    pub(super) network_id: Option<String>,
    #[serde(default)]
    pub(super) router_ids: Vec<String>,
    pub(super) mac_address: Option<String>,
    pub(super) mtu: Option<u32>,
    #[serde(default)]
    pub(super) fixed_ips: Vec<FixedIpEntry>,
    #[serde(default)]
    pub(super) floating_ips: Vec<String>,
}

/// `"10.0.0.5"` is short for `{ address = "10.0.0.5" }`.
#[derive(Default)]
pub(super) struct FixedIpEntry {
    pub(super) address: Option<String>,
    pub(super) assignment: Option<Assignment>,
    pub(super) cidr: Option<String>,
    pub(super) gateway: Option<String>,
    pub(super) dns: Vec<String>,
    pub(super) routes: Vec<RouteEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RouteEntry {
    pub(super) destination: String,
    pub(super) gateway: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, remote = "FixedIpEntry")]
struct FixedIpTable {
    address: Option<String>,
    assignment: Option<Assignment>,
    cidr: Option<String>,
    gateway: Option<String>,
    #[serde(default)]
    dns: Vec<String>,
    #[serde(default)]
    routes: Vec<RouteEntry>,
}

impl<'de> Deserialize<'de> for FixedIpEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FixedIpVisitor)
    }
}

/// An untagged enum would do too, but its errors name no field.
struct FixedIpVisitor;

impl<'de> Visitor<'de> for FixedIpVisitor {
    type Value = FixedIpEntry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an address, or a table with address, cidr, gateway, dns, routes, assignment")
    }

    fn visit_str<E>(self, address: &str) -> Result<FixedIpEntry, E> {
        Ok(FixedIpEntry {
            address: Some(address.to_owned()),
            ..FixedIpEntry::default()
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<FixedIpEntry, A::Error> {
        FixedIpTable::deserialize(MapAccessDeserializer::new(table))
    }
}
