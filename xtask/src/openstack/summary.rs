//! What runs, what it says, and how to use it.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::cloud::{self, Networks};
use super::place::Place;
use super::record::Record;
use super::services::{NAMES, keystone, mariadb, neutron, nova, ovn, rabbitmq};
use super::{addresses, agent_list, fabric};
use crate::lab::namespace::Namespace;
use crate::process;

const DOCUMENT: &str = "http://169.254.169.254/openstack/latest/meta_data.json";

/// A guest's request by the way that guests go, whoever serves them.
pub(super) fn ask(guest: &Namespace) -> Result<String> {
    guest.sh(&format!(
        "curl --silent --show-error --fail --max-time 40 {DOCUMENT}"
    ))
}

/// Prints the cloud.
pub(super) fn print(place: &Place) -> Result<()> {
    print_services(place);
    print_instances(place)?;
    print_agents()?;
    let guest = fabric::guest("web");
    println!("\n== ip netns exec {} curl {DOCUMENT}", guest.name());
    println!("{}", ask(&guest)?);
    print_usage(place);
    Ok(())
}

fn print_services(place: &Place) {
    println!(
        "\n== Services\n   {:<24} {:>8}  {:<44} version",
        "", "pid", "address"
    );
    for name in NAMES {
        let pid = Record::load(place, name)
            .filter(Record::is_alive)
            .map_or_else(|| "ended".to_owned(), |record| record.pid.to_string());
        let (address, version) = (address(place, name), version(name));
        println!("   {name:<24} {pid:>8}  {address:<44} {version}");
    }
}

fn address(place: &Place, name: &str) -> String {
    let port = match name {
        rabbitmq::NAME => addresses::AMQP,
        rabbitmq::EPMD => addresses::EPMD,
        keystone::NAME => addresses::KEYSTONE,
        neutron::API => addresses::NEUTRON,
        nova::NAME => addresses::NOVA_METADATA,
        ovn::SOUTHBOUND => addresses::OVN_SOUTHBOUND,
        mariadb::NAME => return "run/mariadb.sock".to_owned(),
        ovn::SWITCH => return format!("run/{name}.sock"),
        neutron::METADATA_AGENT => return shown(place, &neutron::agent_socket(place)),
        ovn::METADATA_AGENT => return shown(place, &ovn::agent_socket(place)),
        _ => return String::new(),
    };
    format!("127.0.0.1:{port}")
}

fn shown(place: &Place, path: &Path) -> String {
    let shown = path.strip_prefix(place.root()).unwrap_or(path);
    shown.display().to_string()
}

/// The version of the package that a service comes from.
fn version(name: &str) -> String {
    let (debian, python) = match name {
        mariadb::NAME => ("mariadb-server", ""),
        rabbitmq::NAME => ("rabbitmq-server", ""),
        rabbitmq::EPMD => ("erlang-base", ""),
        ovn::SOUTHBOUND => ("ovn-central", ""),
        ovn::SWITCH => ("openvswitch-switch", ""),
        keystone::NAME => ("", "keystone"),
        nova::NAME => ("", "nova"),
        _ => ("", "neutron"),
    };
    if debian.is_empty() {
        return super::python::release(python)
            .unwrap_or_default()
            .to_owned();
    }
    let mut query = Command::new("dpkg-query");
    query.args(["--show", "--showformat=${Version}", debian]);
    process::read(&mut query).unwrap_or_default()
}

fn print_instances(place: &Place) -> Result<()> {
    println!("\n== Instances, each in the namespace lab-<name>");
    for (name, instance) in cloud::instances(place)? {
        println!(
            "   {name:<8} {} of project {}",
            instance.uuid, instance.project_id
        );
        for port in instance.ports {
            let addresses: Vec<String> = port.addresses.iter().map(ToString::to_string).collect();
            println!(
                "            {} {} {}",
                port.network,
                port.mac,
                addresses.join(" ")
            );
        }
    }
    for (name, id) in Networks::load(place)?.routers {
        println!("   {name:<8} qrouter-{id}");
    }
    Ok(())
}

/// As `openstack network agent list` does.
fn print_agents() -> Result<()> {
    println!("\n== Agents, as Neutron's API lists them");
    for agent in agent_list::agents()? {
        println!("   {agent}");
    }
    Ok(())
}

fn print_usage(place: &Place) {
    let root = place.root().display();
    println!(
        "\n== metadatad in the place of neutron-metadata-agent\n\
         kill {agent}    # neutron-metadata-agent; `cargo xtask openstack up` starts it again\n\
         metadatad run --config-file {root}/{} --config-file {root}/{}\n\
         The OVN southbound database is {} and tcp:127.0.0.1:{}.\n\
         \n`cargo xtask openstack down` ends all of it; with --purge, the data in {root} goes too.",
        neutron::CONFIGURATION,
        neutron::METADATA_CONFIGURATION,
        ovn::remote(place, ovn::SOUTHBOUND),
        addresses::OVN_SOUTHBOUND,
        agent = Record::load(place, neutron::METADATA_AGENT).map_or(0, |record| record.pid),
    );
}
