//! Neutron: its API, its RPC server, and the agents of a network node.

use std::path::PathBuf;

use anyhow::Result;

use super::super::place::Place;
use super::super::service::{self, Ready, Service};
use super::super::{addresses, ours, python};
use super::{mariadb, wsgi};
use crate::process;

pub(in super::super) const API: &str = "neutron-api";
pub(in super::super) const RPC: &str = "neutron-rpc-server";
pub(in super::super) const L3_AGENT: &str = "neutron-l3-agent";
pub(in super::super) const DHCP_AGENT: &str = "neutron-dhcp-agent";
pub(in super::super) const METADATA_AGENT: &str = "neutron-metadata-agent";

pub(in super::super) const CONFIGURATION: &str = "conf/neutron.conf";
pub(in super::super) const METADATA_CONFIGURATION: &str = "conf/metadata_agent.ini";
const L3_CONFIGURATION: &str = "conf/l3_agent.ini";
const DHCP_CONFIGURATION: &str = "conf/dhcp_agent.ini";

/// The interface driver, `lab_interface.py`.
const DRIVER: &str = "interface_driver = lab_interface.BridgeDriver";

/// Neutron's `state_path`, where the metadata agent's socket is.
pub(in super::super) const STATE: &str = "neutron/state";

pub(in super::super) fn configure(place: &Place) -> Result<()> {
    place.write(CONFIGURATION, &configuration(place))?;
    // This mode serves routers of every kind; a legacy one as a legacy agent does.
    let l3 = format!("[DEFAULT]\n{DRIVER}\nagent_mode = dvr_snat\nha_vrrp_advert_int = 1\n");
    place.write(L3_CONFIGURATION, &l3)?;
    place.write(DHCP_CONFIGURATION, &dhcp_configuration(""))?;
    let metadata = metadata_configuration(addresses::NOVA_METADATA);
    place.write(METADATA_CONFIGURATION, &metadata).map(drop)
}

/// With further options of `[DEFAULT]`.
fn dhcp_configuration(further: &str) -> String {
    format!("[DEFAULT]\n{DRIVER}\nenable_isolated_metadata = true\n{further}")
}

fn metadata_configuration(nova_port: u16) -> String {
    format!(
        "[DEFAULT]\n\
         nova_metadata_host = 127.0.0.1\n\
         nova_metadata_port = {nova_port}\n\
         metadata_proxy_shared_secret = {}\n\
         metadata_workers = 1\n",
        addresses::SHARED_SECRET,
    )
}

fn configuration(place: &Place) -> String {
    format!(
        "[DEFAULT]\n\
         host = {host}\n\
         core_plugin = ml2\n\
         service_plugins = router\n\
         auth_strategy = keystone\n\
         transport_url = {transport}\n\
         state_path = {state}\n\
         api_paste_config = {paste}\n\
         rpc_workers = 1\n\
         rpc_state_report_workers = 1\n\
         # What stands for Open vSwitch's agent reports once.\n\
         agent_down_time = 3600\n\
         notify_nova_on_port_status_changes = false\n\
         notify_nova_on_port_data_changes = false\n\
         [oslo_concurrency]\n\
         lock_path = {state}/lock\n\
         [database]\n\
         connection = {database}\n\
         [keystone_authtoken]\n\
         www_authenticate_uri = {keystone}\n\
         {credentials}\
         service_token_roles_required = true\n\
         [AGENT]\n\
         # So often they look whether the proxies that they started are there.\n\
         check_child_processes_interval = 2\n\
         root_helper = env PATH={path} PYTHONPATH={helpers} {mark}={root} METADATAD_CONFIG={ours}\n\
         [ml2]\n\
         type_drivers = vxlan\n\
         tenant_network_types = vxlan\n\
         mechanism_drivers = openvswitch\n\
         extension_drivers = port_security\n\
         [ml2_type_vxlan]\n\
         vni_ranges = 1:1000\n",
        host = addresses::HOST,
        transport = addresses::transport_url(),
        state = place.text(STATE),
        paste = place.text("venv/etc/neutron/api-paste.ini"),
        database = mariadb::url(place, "neutron"),
        keystone = addresses::keystone_url(),
        credentials = credentials("neutron"),
        path = service::path(place),
        helpers = place.text("helpers"),
        ours = place.text(ours::CONFIGURATION),
        mark = service::MARK,
        root = place.root().display(),
    )
}

/// How a service proves to Keystone who it is.
pub(in super::super) fn credentials(user: &str) -> String {
    format!(
        "auth_type = password\n\
         auth_url = {}\n\
         username = {user}\n\
         password = {}\n\
         project_name = service\n\
         user_domain_id = default\n\
         project_domain_id = default\n\
         region_name = {}\n",
        addresses::keystone_url(),
        addresses::SERVICE_PASSWORD,
        addresses::REGION,
    )
}

/// The tables.
pub(in super::super) fn prepare(place: &Place) -> Result<()> {
    place.once("neutron", || {
        let mut command = python::program(place, "neutron-db-manage");
        command.arg("--config-file").arg(place.path(CONFIGURATION));
        process::read(command.args(["upgrade", "head"])).map(drop)
    })
}

pub(in super::super) fn api(place: &Place) -> Service {
    let file = place.path(CONFIGURATION);
    wsgi::service(
        place,
        API,
        "neutron.wsgi.api:application",
        addresses::NEUTRON,
        vec![("OS_NEUTRON_CONFIG_FILES", file.display().to_string())],
        vec![file],
    )
}

pub(in super::super) fn rpc_server(place: &Place) -> Service {
    // The last of its queues; a call that comes earlier is lost, and an agent
    // would wait a minute for the answer.
    program(place, RPC, &[CONFIGURATION], Ready::Queue("q-l3-plugin"))
}

pub(in super::super) fn l3_agent(place: &Place) -> Service {
    with_driver(place, L3_AGENT, L3_CONFIGURATION)
}

pub(in super::super) fn dhcp_agent(place: &Place) -> Service {
    with_driver(place, DHCP_AGENT, DHCP_CONFIGURATION)
}

/// An agent that plugs interfaces.
fn with_driver(place: &Place, name: &'static str, file: &str) -> Service {
    let mut service = program(place, name, &[CONFIGURATION, file], Ready::Running);
    let helpers = place.path("helpers");
    service.environment = vec![("PYTHONPATH", helpers.display().to_string())];
    service.files.push(helpers.join("lab_interface.py"));
    service
}

pub(in super::super) fn metadata_agent(place: &Place) -> Service {
    program(
        place,
        METADATA_AGENT,
        &[CONFIGURATION, METADATA_CONFIGURATION],
        Ready::Socket(agent_socket(place)),
    )
}

/// The same agent in front of another Nova.
pub(in super::super) fn metadata_agent_with_nova_at(place: &Place, port: u16) -> Result<Service> {
    let file = "conf/metadata_agent_other_nova.ini";
    place.write(file, &metadata_configuration(port))?;
    Ok(program(
        place,
        METADATA_AGENT,
        &[CONFIGURATION, file],
        Ready::Socket(agent_socket(place)),
    ))
}

/// Where haproxy finds the metadata agent, whoever that is.
pub(in super::super) fn agent_socket(place: &Place) -> PathBuf {
    place.path(STATE).join("metadata_proxy")
}

/// An agent with its configuration files.
pub(super) fn program(place: &Place, name: &'static str, files: &[&str], ready: Ready) -> Service {
    let mut command = vec![place.program(name)];
    for file in files {
        command.extend(["--config-file".to_owned(), place.text(file)]);
    }
    Service {
        name,
        command,
        environment: Vec::new(),
        files: files.iter().map(|file| place.path(file)).collect(),
        ready,
    }
}
