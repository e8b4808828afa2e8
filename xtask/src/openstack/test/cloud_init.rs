//! What real cloud-init finds in a guest.

use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::lab::namespace::Namespace;
use crate::{packages, process, repository};

/// Cloud-init's crawl of its OpenStack source, the EC2 tree included, without what is
/// fresh in each answer.
pub(super) fn crawl(guest: &Namespace) -> Result<Value> {
    let modules = packages::unpacked(packages::CLOUD_INIT).join("usr/lib/python3/dist-packages");
    let script = repository::root().join("metadata-userspace/tests/cloud_init/crawl.py");
    // Its own directory: cloud-init caches what it found.
    let run = tempfile::tempdir()?;
    let mut command: Command = guest.command("/usr/bin/python3");
    command.arg(script).arg("openstack").arg(run.path());
    command.env("PYTHONPATH", modules);
    let output = process::read(&mut command)?;
    let mut found = serde_json::from_str(&output).with_context(|| format!("not JSON: {output}"))?;
    forget_seeds(&mut found);
    Ok(found)
}

fn forget_seeds(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("random_seed");
            fields.values_mut().for_each(forget_seeds);
        }
        Value::Array(items) => items.iter_mut().for_each(forget_seeds),
        _ => {}
    }
}

/// What is found by one and not, or otherwise, by the other.
pub(super) fn differences(theirs: &Value, ours: &Value) -> Vec<String> {
    let empty = serde_json::Map::new();
    let (theirs, ours) = (
        theirs.as_object().unwrap_or(&empty),
        ours.as_object().unwrap_or(&empty),
    );
    theirs
        .keys()
        .chain(ours.keys().filter(|key| !theirs.contains_key(*key)))
        .filter(|key| theirs.get(*key) != ours.get(*key))
        .map(|key| {
            format!(
                "{key}: {:?} instead of {:?}",
                ours.get(key),
                theirs.get(key)
            )
        })
        .collect()
}
