//! `devices` in `meta_data.json`, by version.

use serde::Serialize;

use super::openstack::{EPOXY, OCATA, ROCKY, Version};
use crate::identity::MacAddr;
use crate::inventory::{Bus, Device};

#[derive(Serialize)]
pub(super) struct ListedDevice<'a> {
    #[serde(flatten)]
    kind: Kind<'a>,
    bus: Bus,
    address: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<&'a [String]>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Kind<'a> {
    Nic {
        mac: MacAddr,
        #[serde(skip_serializing_if = "Option::is_none")]
        vlan: Option<u16>,
        #[serde(skip_serializing_if = "Option::is_none")]
        vf_trusted: Option<bool>,
    },
    Disk {
        #[serde(skip_serializing_if = "Option::is_none")]
        serial: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        path: Option<&'a str>,
    },
    Share {
        share_id: &'a str,
        tag: &'a str,
    },
}

pub(super) fn list(devices: &[Device], version: Version) -> Vec<ListedDevice<'_>> {
    devices
        .iter()
        .filter_map(|device| listed(device, version))
        .collect()
}

/// None when `version` shows nothing of the device.
fn listed(device: &Device, version: Version) -> Option<ListedDevice<'_>> {
    let (kind, bus, address, tags) = match device {
        Device::Nic {
            bus,
            address,
            tags,
            mac,
            vlan,
            vf_trusted,
        } => {
            let vlan = vlan.filter(|_| version >= OCATA);
            let vf_trusted = (version >= ROCKY).then_some(*vf_trusted);
            if tags.is_none() && vlan.is_none() && vf_trusted.is_none() {
                return None;
            }
            let mac = *mac;
            let kind = Kind::Nic {
                mac,
                vlan,
                vf_trusted,
            };
            (kind, bus, address, tags)
        }
        Device::Disk {
            bus,
            address,
            tags,
            serial,
            path,
        } => {
            let (serial, path) = (serial.as_deref(), path.as_deref());
            (Kind::Disk { serial, path }, bus, address, tags)
        }
        Device::Share {
            bus,
            address,
            tags,
            share_id,
            tag,
        } if version >= EPOXY => (Kind::Share { share_id, tag }, bus, address, tags),
        Device::Share { .. } => return None,
    };
    Some(ListedDevice {
        kind,
        bus: *bus,
        address: address.as_deref().unwrap_or("none"),
        tags: tags.as_deref(),
    })
}
