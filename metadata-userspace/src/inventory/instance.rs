//! What is known about one instance.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{Blob, Device, InventoryPort};

/// An instance with its defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InventoryInstance {
    pub uuid: Uuid,
    pub project_id: String,
    pub name: String,
    /// Without `dhcp_domain`.
    pub hostname: String,
    pub availability_zone: String,
    pub launch_index: u32,
    pub image_id: Option<Uuid>,
    pub kernel_id: Option<Uuid>,
    pub ramdisk_id: Option<Uuid>,
    pub flavor: String,
    /// The number in the EC2 tree's `instance-id`; no two instances share one.
    pub ec2_id: u32,
    pub reservation_id: String,
    pub security_groups: Vec<String>,
    pub meta: BTreeMap<String, String>,
    pub public_keys: Vec<PublicKey>,
    pub user_data: Option<Blob>,
    /// `vendor_data.json`, and `static` in `vendor_data2.json`.
    pub vendor_data: Map<String, Value>,
    /// What stands beside `static` in `vendor_data2.json`.
    pub vendor_data2: Map<String, Value>,
    /// The EC2 tree's `block-device-mapping/`: `root` to `/dev/vda` and so on.
    pub block_devices: BTreeMap<String, String>,
    pub dedicated_cpus: Vec<u32>,
    pub devices: Vec<Device>,
    pub files: Vec<InjectedFile>,
    pub ports: Vec<InventoryPort>,
}

impl InventoryInstance {
    /// The first IPv4 address of the first port that has one.
    pub fn first_ipv4(&self) -> Option<IpAddr> {
        self.ports
            .iter()
            .flat_map(|port| &port.fixed_ips)
            .map(|fixed_ip| fixed_ip.address)
            .find(IpAddr::is_ipv4)
    }

    pub fn first_floating_ip(&self) -> Option<IpAddr> {
        self.ports
            .iter()
            .find_map(|port| port.floating_ips.first().copied())
    }
}

/// A named key: an SSH key, or an X.509 certificate for Windows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKey {
    pub name: String,
    pub data: String,
}

impl PublicKey {
    /// Nova's key type.
    pub fn kind(&self) -> &'static str {
        if self.data.starts_with("-----BEGIN CERTIFICATE") {
            "x509"
        } else {
            "ssh"
        }
    }
}

/// A file that the guest is asked to write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InjectedFile {
    /// Path in the guest.
    pub path: String,
    pub content: Blob,
}
