//! The OpenStack tree.

use serde_json::Value;

use super::reply::{Refusal, Reply};
use super::respond::Answer;
use super::{Settings, meta_data, network_data};
use crate::inventory::InventoryInstance;

/// A known version. Dates compare as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(&'static str);

pub(super) const GRIZZLY: Version = Version("2013-04-04");
pub(super) const HAVANA: Version = Version("2013-10-17");
pub(super) const LIBERTY: Version = Version("2015-10-15");
pub(super) const NEWTON_ONE: Version = Version("2016-06-30");
pub(super) const NEWTON_TWO: Version = Version("2016-10-06");
pub(super) const OCATA: Version = Version("2017-02-22");
pub(super) const ROCKY: Version = Version("2018-08-27");
pub(super) const VICTORIA: Version = Version("2020-10-14");
pub(super) const EPOXY: Version = Version("2025-04-04");

const VERSIONS: [Version; 10] = [
    Version("2012-08-10"),
    GRIZZLY,
    HAVANA,
    LIBERTY,
    NEWTON_ONE,
    NEWTON_TWO,
    OCATA,
    ROCKY,
    VICTORIA,
    EPOXY,
];

/// The answer at `path`, which starts with a version.
pub(super) fn answer(
    instance: &InventoryInstance,
    settings: &Settings,
    path: &[&str],
) -> Result<Answer, Refusal> {
    let (version, path) = match path {
        [] => return Ok(Answer::Ready(versions())),
        ["content", number] => return content(instance, number).map(Answer::Ready),
        ["content", ..] => return Err(Refusal::NOT_FOUND),
        [version, path @ ..] => (known(version)?, path),
    };
    let reply = match path {
        // Nova has a handler for listings that can be asked for by its name.
        [] | ["version"] => listing(instance, version),
        ["meta_data.json"] => meta_data::reply(instance, settings, version)?,
        ["user_data"] => user_data(instance)?,
        ["password"] if version >= GRIZZLY => return Ok(Answer::Password(instance.uuid)),
        ["vendor_data.json"] if version >= HAVANA => Reply::json(&instance.vendor_data),
        // Nova answers this for versions that do not list it, too.
        ["network_data.json"] => Reply::json_as_text(&network_data::of(&instance.ports)),
        ["vendor_data2.json"] if version >= NEWTON_TWO => vendor_data2(instance),
        _ => return Err(Refusal::NOT_FOUND),
    };
    Ok(Answer::Ready(reply))
}

fn versions() -> Reply {
    let versions = VERSIONS.iter().map(|version| version.0);
    Reply::listing(versions.chain(["latest"]))
}

fn known(name: &str) -> Result<Version, Refusal> {
    if name == "latest" {
        return Ok(EPOXY);
    }
    let version = VERSIONS.into_iter().find(|version| version.0 == name);
    version.ok_or(Refusal::NOT_FOUND)
}

fn listing(instance: &InventoryInstance, version: Version) -> Reply {
    let entries = [
        ("meta_data.json", true),
        ("user_data", instance.user_data.is_some()),
        ("password", version >= GRIZZLY),
        ("vendor_data.json", version >= HAVANA),
        ("network_data.json", version >= LIBERTY),
        ("vendor_data2.json", version >= NEWTON_TWO),
    ];
    let listed = entries.into_iter().filter(|(_, listed)| *listed);
    Reply::listing(listed.map(|(name, _)| name))
}

fn user_data(instance: &InventoryInstance) -> Result<Reply, Refusal> {
    let user_data = instance.user_data.as_ref().ok_or(Refusal::NOT_FOUND)?;
    Ok(Reply::text(user_data.0.clone()))
}

fn vendor_data2(instance: &InventoryInstance) -> Reply {
    let mut whole = instance.vendor_data2.clone();
    whole.insert(
        "static".to_owned(),
        Value::Object(instance.vendor_data.clone()),
    );
    Reply::json(&whole)
}

/// Injected files, under the numbers that `meta_data.json` gives them.
fn content(instance: &InventoryInstance, number: &str) -> Result<Reply, Refusal> {
    let mut files = instance.files.iter().enumerate();
    let (_, file) = files
        .find(|(position, _)| meta_data::content_number(*position) == number)
        .ok_or(Refusal::NOT_FOUND)?;
    Ok(Reply::text(file.content.0.clone()))
}
