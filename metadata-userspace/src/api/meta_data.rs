//! `meta_data.json`.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use uuid::Uuid;

use super::devices::{self, ListedDevice};
use super::openstack::{GRIZZLY, LIBERTY, NEWTON_ONE, VICTORIA, Version};
use super::reply::{Refusal, Reply};
use super::{Settings, full_hostname};
use crate::inventory::{InjectedFile, InventoryInstance};

/// Bytes of entropy a request gets: enough to seed any guest's generator.
const SEED_SIZE: usize = 512;

#[derive(Serialize)]
struct MetaData<'a> {
    uuid: Uuid,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    meta: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    files: Vec<ListedFile<'a>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    public_keys: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    keys: Vec<ListedKey<'a>>,
    hostname: String,
    name: &'a str,
    launch_index: u32,
    availability_zone: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    random_seed: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    project_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    devices: Option<Vec<ListedDevice<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dedicated_cpus: Option<&'a [u32]>,
}

#[derive(Serialize)]
struct ListedFile<'a> {
    path: &'a str,
    content_path: String,
}

#[derive(Serialize)]
struct ListedKey<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    data: &'a str,
}

/// The last segment of `/openstack/content/…` for the file at `position`.
pub(super) fn content_number(position: usize) -> String {
    format!("{position:04}")
}

pub(super) fn reply(
    instance: &InventoryInstance,
    settings: &Settings,
    version: Version,
) -> Result<Reply, Refusal> {
    let seed = (version >= GRIZZLY).then(random_seed).transpose()?;
    let keys = instance.public_keys.iter();
    Ok(Reply::json(&MetaData {
        uuid: instance.uuid,
        meta: &instance.meta,
        files: files(instance),
        public_keys: keys
            .clone()
            .map(|key| (key.name.as_str(), key.data.as_str()))
            .collect(),
        keys: keys
            .map(|key| ListedKey {
                name: &key.name,
                kind: key.kind(),
                data: &key.data,
            })
            .collect(),
        hostname: full_hostname(instance, &settings.dhcp_domain),
        name: &instance.name,
        launch_index: instance.launch_index,
        availability_zone: &instance.availability_zone,
        random_seed: seed,
        project_id: (version >= LIBERTY).then_some(&instance.project_id),
        devices: (version >= NEWTON_ONE).then(|| devices::list(&instance.devices, version)),
        dedicated_cpus: (version >= VICTORIA).then_some(&instance.dedicated_cpus),
    }))
}

fn files(instance: &InventoryInstance) -> Vec<ListedFile<'_>> {
    instance.files.iter().enumerate().map(listed_file).collect()
}

fn listed_file((position, file): (usize, &InjectedFile)) -> ListedFile<'_> {
    ListedFile {
        path: &file.path,
        content_path: format!("/content/{}", content_number(position)),
    }
}

/// Fresh each time: two guests with one seed would draw the same keys.
fn random_seed() -> Result<String, Refusal> {
    let mut seed = [0; SEED_SIZE];
    getrandom::fill(&mut seed).map_err(|error| {
        tracing::error!(%error, "the kernel gave no random bytes");
        Refusal::INTERNAL
    })?;
    Ok(STANDARD.encode(seed))
}
