//! nova-api-metadata, with real rows behind it.

use std::path::PathBuf;

use anyhow::Result;

use super::super::place::Place;
use super::super::service::Service;
use super::super::{addresses, python};
use super::{mariadb, neutron, wsgi};
use crate::process;

pub(in super::super) const NAME: &str = "nova-api-metadata";

pub(in super::super) const CONFIGURATION: &str = "conf/nova.conf";
const VENDOR_DATA: &str = "conf/vendor_data.json";

pub(in super::super) fn configure(place: &Place) -> Result<()> {
    place.write(
        VENDOR_DATA,
        r##"{"cloud-init": "#cloud-config\nmanage_etc_hosts: false\n", "lab": {"built": "by hand"}}"##,
    )?;
    let text = format!(
        "[DEFAULT]\n\
         host = {host}\n\
         state_path = {state}\n\
         transport_url = {transport}\n\
         [oslo_concurrency]\n\
         lock_path = {state}/lock\n\
         [database]\n\
         connection = {database}\n\
         [api_database]\n\
         connection = {api_database}\n\
         [api]\n\
         # A password that was posted is seen after this many seconds.\n\
         metadata_cache_expiration = 1\n\
         vendordata_providers = StaticJSON,DynamicJSON\n\
         vendordata_jsonfile_path = {vendor_data}\n\
         [neutron]\n\
         {credentials}\
         service_metadata_proxy = true\n\
         metadata_proxy_shared_secret = {secret}\n",
        host = addresses::HOST,
        state = place.text("nova"),
        transport = addresses::transport_url(),
        database = mariadb::url(place, "nova"),
        api_database = mariadb::url(place, "nova_api"),
        vendor_data = place.text(VENDOR_DATA),
        credentials = neutron::credentials("nova"),
        secret = addresses::SHARED_SECRET,
    );
    place.write(CONFIGURATION, &text).map(drop)
}

/// The tables of both databases, and one cell.
pub(in super::super) fn prepare(place: &Place) -> Result<()> {
    place.once("nova", || {
        manage(place, &["api_db", "sync"])?;
        let cell0 = mariadb::url(place, "nova_cell0");
        manage(
            place,
            &["cell_v2", "map_cell0", "--database_connection", &cell0],
        )?;
        manage(place, &["db", "sync"])?;
        let cells = manage(place, &["cell_v2", "list_cells"])?;
        if !cells.contains(" lab ") {
            manage(place, &["cell_v2", "create_cell", "--name", "lab"])?;
        }
        Ok(())
    })
}

fn manage(place: &Place, arguments: &[&str]) -> Result<String> {
    let mut command = python::program(place, "nova-manage");
    command.arg("--config-file").arg(place.path(CONFIGURATION));
    process::read(command.args(arguments))
}

pub(in super::super) fn service(place: &Place) -> Service {
    with_files(place, vec![place.path(CONFIGURATION)])
}

/// The same Nova with its own default of how long it remembers an instance: 15 s.
pub(in super::super) fn with_default_cache(place: &Place) -> Result<Service> {
    let text = "[api]\nmetadata_cache_expiration = 15\n";
    let further = place.write("conf/nova_default_cache.conf", text)?;
    // Of an option that is set twice, the last one holds.
    Ok(with_files(place, vec![place.path(CONFIGURATION), further]))
}

fn with_files(place: &Place, configuration: Vec<PathBuf>) -> Service {
    // The first of these files is the pipeline's.
    let mut files = vec![place.path("venv/etc/nova/api-paste.ini")];
    files.extend(configuration);
    let list: Vec<_> = files
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    wsgi::service(
        place,
        NAME,
        "nova.wsgi.metadata:application",
        addresses::NOVA_METADATA,
        vec![("OS_NOVA_CONFIG_FILES", list.join(";"))],
        files,
    )
}
