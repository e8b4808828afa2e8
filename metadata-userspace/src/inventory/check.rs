//! From what the file says to what can be relied on, with every fault at once.

mod distinct;
mod faults;
mod json;
mod ports;

use std::collections::BTreeMap;

use super::beside::Beside;
use super::file::{FileEntry, InstanceEntry, InventoryFile};
use super::{Blob, Fault, InjectedFile, InventoryInstance, PublicKey, stable_id};
use faults::Faults;

const DEFAULT_ROOT_DEVICE: &str = "/dev/vda";

/// # Errors
/// All that is wrong, never an empty list.
pub(super) fn check(
    file: InventoryFile,
    beside: &Beside<'_>,
) -> Result<Vec<InventoryInstance>, Vec<Fault>> {
    let mut all_faults = Vec::new();
    let mut sound = Vec::new();
    for (position, entry) in file.instance.into_iter().enumerate() {
        let label = label(position, &entry);
        let mut faults = Faults::of(label.clone());
        let instance = instance(entry, beside, &mut faults);
        if faults.is_empty() {
            sound.push((label, instance));
        }
        all_faults.extend(faults.into_list());
    }
    all_faults.extend(distinct::check(&sound));
    if all_faults.is_empty() {
        Ok(sound.into_iter().map(|(_, instance)| instance).collect())
    } else {
        Err(all_faults)
    }
}

fn label(position: usize, entry: &InstanceEntry) -> String {
    let name = [&entry.name, &entry.hostname, &entry.uuid]
        .into_iter()
        .find_map(Option::as_deref)
        .unwrap_or("no name");
    format!("instance {} ({name})", position.saturating_add(1))
}

/// Fields with faults get a placeholder: such an instance is thrown away.
fn instance(entry: InstanceEntry, beside: &Beside<'_>, faults: &mut Faults) -> InventoryInstance {
    let uuid = faults.uuid("uuid", entry.uuid);
    let name = faults.required("name", "the display name", entry.name);
    InventoryInstance {
        uuid,
        project_id: project_id(entry.project_id, faults),
        hostname: hostname(entry.hostname, &name, faults),
        name,
        availability_zone: entry.availability_zone.unwrap_or("nova".to_owned()),
        launch_index: entry.launch_index,
        image_id: faults.optional_uuid("image_id", entry.image_id),
        kernel_id: faults.optional_uuid("kernel_id", entry.kernel_id),
        ramdisk_id: faults.optional_uuid("ramdisk_id", entry.ramdisk_id),
        flavor: entry.flavor.unwrap_or("custom".to_owned()),
        ec2_id: entry.ec2_id.unwrap_or_else(|| stable_id(uuid)),
        reservation_id: entry
            .reservation_id
            .unwrap_or_else(|| format!("r-{:08x}", stable_id(uuid))),
        security_groups: entry.security_groups.unwrap_or(vec!["default".to_owned()]),
        meta: entry.meta,
        public_keys: public_keys(entry.public_keys, faults),
        user_data: bytes(
            "user_data",
            entry.user_data,
            entry.user_data_file,
            beside,
            faults,
        ),
        vendor_data: json::object("vendor_data", entry.vendor_data, faults),
        vendor_data2: vendor_data2(entry.vendor_data2, faults),
        block_devices: block_devices(entry.block_devices, entry.root_device, faults),
        dedicated_cpus: entry.dedicated_cpus,
        devices: entry.device,
        files: files(entry.file, beside, faults),
        ports: ports::check(entry.port, uuid, faults),
    }
}

/// It travels in `X-Tenant-ID`.
fn project_id(text: Option<String>, faults: &mut Faults) -> String {
    let project_id = faults.required("project_id", "the project's id", text);
    if !project_id.bytes().all(|byte| byte.is_ascii_graphic()) {
        faults.add(
            "project_id",
            format!(
                "`{}` is not allowed: visible ASCII characters are",
                project_id.escape_debug()
            ),
        );
    }
    project_id
}

fn hostname(given: Option<String>, name: &str, faults: &mut Faults) -> String {
    let hostname = given.unwrap_or_else(|| name.to_owned());
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if !name.is_empty() && (hostname.len() > 253 || !hostname.split('.').all(is_label)) {
        faults.add(
            "hostname",
            format!(
                "`{}` is not a host name: letters, digits and `-`, parted by dots (without this field the name is taken)",
                hostname.escape_debug()
            ),
        );
    }
    hostname
}

fn public_keys(keys: BTreeMap<String, String>, faults: &mut Faults) -> Vec<PublicKey> {
    for name in keys.keys() {
        // The EC2 tree lists `0=<name>`, a line a key.
        if name.is_empty() || name.contains(|c: char| c == '=' || c.is_control()) {
            faults.add(
                "public_keys",
                format!("the name `{}` is not allowed: at least one character, no `=` and no control characters", name.escape_debug()),
            );
        }
    }
    let named = |(name, data)| PublicKey { name, data };
    keys.into_iter().map(named).collect()
}

/// With `root` and `ami`, the root device under its two EC2 names.
fn block_devices(
    mut devices: BTreeMap<String, String>,
    root: Option<String>,
    faults: &mut Faults,
) -> BTreeMap<String, String> {
    let root = root.unwrap_or(DEFAULT_ROOT_DEVICE.to_owned());
    let ami = root.trim_start_matches("/dev/").to_owned();
    devices.entry("ami".to_owned()).or_insert(ami);
    devices.entry("root".to_owned()).or_insert(root);
    for name in devices.keys() {
        let is_segment = !["", ".", ".."].contains(&name.as_str());
        if !is_segment || name.contains(|c: char| c == '/' || c.is_control()) {
            faults.add(
                "block_devices",
                format!(
                    "`{}` cannot be asked for: no `/` and no control characters",
                    name.escape_debug()
                ),
            );
        }
    }
    devices
}

fn vendor_data2(
    table: toml::Table,
    faults: &mut Faults,
) -> serde_json::Map<String, serde_json::Value> {
    if table.contains_key("static") {
        faults.add(
            "vendor_data2",
            "`static` is where vendor_data goes: use another name".to_owned(),
        );
    }
    json::object("vendor_data2", table, faults)
}

fn files(entries: Vec<FileEntry>, beside: &Beside<'_>, faults: &mut Faults) -> Vec<InjectedFile> {
    let mut files = Vec::new();
    for (position, entry) in entries.into_iter().enumerate() {
        let field = format!("file {}: content", position.saturating_add(1));
        match bytes(&field, entry.content, entry.content_file, beside, faults) {
            Some(content) => files.push(InjectedFile {
                path: entry.path,
                content,
            }),
            None => faults.add(
                &field,
                "missing, and so is content_file: give one of the two".to_owned(),
            ),
        }
    }
    files
}

/// `FIELD` holds the text itself, `FIELD_file` names a file of any bytes.
fn bytes(
    field: &str,
    inline: Option<String>,
    file: Option<String>,
    beside: &Beside<'_>,
    faults: &mut Faults,
) -> Option<Blob> {
    match (inline, file) {
        (Some(_), Some(_)) => {
            faults.add(
                field,
                "given twice, here and as a file: give one".to_owned(),
            );
            Some(Blob::default())
        }
        (Some(text), None) => Some(Blob(text.into())),
        (None, Some(file)) => {
            let path = beside.path(&file);
            let content = beside.read(&path).unwrap_or_else(|error| {
                faults.add(
                    &format!("{field}_file"),
                    format!(
                        "{path:?} cannot be read: {error} (relative to the inventory's directory)"
                    ),
                );
                Vec::new()
            });
            Some(Blob(content.into()))
        }
        (None, None) => None,
    }
}
