//! Tagged devices, which `meta_data.json` lists so that a guest can tell them apart.

use serde::{Deserialize, Serialize};

use crate::identity::MacAddr;

/// Where in the guest a device hangs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bus {
    Pci,
    Usb,
    Scsi,
    Ide,
    Xen,
    #[default]
    None,
}

/// What Nova keeps as device metadata.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub enum Device {
    Nic {
        #[serde(default)]
        bus: Bus,
        address: Option<String>,
        tags: Option<Vec<String>>,
        mac: MacAddr,
        vlan: Option<u16>,
        #[serde(default)]
        vf_trusted: bool,
    },
    Disk {
        #[serde(default)]
        bus: Bus,
        address: Option<String>,
        tags: Option<Vec<String>>,
        serial: Option<String>,
        path: Option<String>,
    },
    Share {
        #[serde(default)]
        bus: Bus,
        address: Option<String>,
        tags: Option<Vec<String>>,
        share_id: String,
        tag: String,
    },
}
