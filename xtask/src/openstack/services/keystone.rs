//! Keystone: real tokens, which Neutron's middleware asks it about.

use std::fs;

use anyhow::Result;

use super::super::place::Place;
use super::super::service::Service;
use super::super::{addresses, python};
use super::{mariadb, wsgi};
use crate::process;

pub(in super::super) const NAME: &str = "keystone";

const CONFIGURATION: &str = "conf/keystone.conf";

pub(in super::super) fn configure(place: &Place) -> Result<()> {
    let text = format!(
        "[database]\n\
         connection = {database}\n\
         [fernet_tokens]\n\
         key_repository = {home}/fernet\n\
         [credential]\n\
         key_repository = {home}/credential\n",
        database = mariadb::url(place, "keystone"),
        home = place.text("keystone"),
    );
    place.write(CONFIGURATION, &text).map(drop)
}

/// Tables, keys, and the administrator.
pub(in super::super) fn prepare(place: &Place) -> Result<()> {
    let url = addresses::keystone_url();
    place.once("keystone", || {
        fs::create_dir_all(place.path("keystone"))?;
        manage(place, &["db_sync"])?;
        let owner = ["--keystone-user", "root", "--keystone-group", "root"];
        for command in ["fernet_setup", "credential_setup"] {
            manage(place, &[&[command], owner.as_slice()].concat())?;
        }
        manage(
            place,
            &[
                "bootstrap",
                "--bootstrap-password",
                addresses::ADMIN_PASSWORD,
                "--bootstrap-region-id",
                addresses::REGION,
                "--bootstrap-admin-url",
                &url,
                "--bootstrap-internal-url",
                &url,
                "--bootstrap-public-url",
                &url,
            ],
        )
    })
}

fn manage(place: &Place, arguments: &[&str]) -> Result<()> {
    let mut command = python::program(place, "keystone-manage");
    command.arg("--config-file").arg(place.path(CONFIGURATION));
    process::read(command.args(arguments)).map(drop)
}

pub(in super::super) fn service(place: &Place) -> Service {
    let file = place.path(CONFIGURATION);
    wsgi::service(
        place,
        NAME,
        "keystone.wsgi.api:application",
        addresses::KEYSTONE,
        vec![("OS_KEYSTONE_CONFIG_FILES", file.display().to_string())],
        vec![file],
    )
}
