//! From nothing to an answered request, or just what is missing.

use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};

use super::cloud::Networks;
use super::place::Place;
use super::record::Record;
use super::services::{NAMES, keystone, mariadb, neutron, nova, ovn, rabbitmq};
use super::{addresses, fabric, python, southbound, summary};
use crate::lab::wait;
use crate::packages;
use crate::progress::Progress;

/// Brings everything up and shows it.
pub(super) fn run(place: &Place) -> Result<()> {
    ensure(place)?;
    summary::print(place)
}

/// Brings up what is not.
pub(super) fn ensure(place: &Place) -> Result<()> {
    let mut progress = Progress::new(10);
    progress.step("looking for the Debian packages that are needed");
    packages::install(packages::OPENSTACK)?;
    place.make()?;
    check_ports(place)?;
    progress.step("installing Neutron, Nova and Keystone from the Python package index");
    python::install(place)?;
    python::write_helpers(place)?;
    progress.step("starting MariaDB, RabbitMQ and the databases of OVN");
    start_foundations(place)?;
    progress.step("making the tables of Keystone, Neutron and Nova");
    make_tables(place)?;
    progress.step("starting Keystone, Neutron and nova-api-metadata");
    start_servers(place)?;
    progress.step("making networks and routers");
    place.once("networks", || make_networks(place))?;
    progress.step("starting Neutron's agents");
    start_agents(place)?;
    progress.step("making ports and instances");
    place.once("instances", || make_instances(place))?;
    fabric::make_guests(place)?;
    progress.step("making the same networks in OVN, and starting its agent");
    start_ovn(place)?;
    progress.step("waiting for the guests' metadata");
    wait_answer()
}

/// Another cloud, of another clone perhaps, has the same ports.
fn check_ports(place: &Place) -> Result<()> {
    let ours = NAMES.iter().any(|name| {
        let record = Record::load(place, name);
        record.is_some_and(|record| record.is_alive())
    });
    if ours {
        return Ok(());
    }
    for port in addresses::ALL {
        if TcpListener::bind(("127.0.0.1", port)).is_err() {
            bail!(
                "port {port} of 127.0.0.1 is in use, perhaps by the cloud of another clone of \
                 this repository: end it there with `cargo xtask openstack down`"
            );
        }
    }
    Ok(())
}

fn start_foundations(place: &Place) -> Result<()> {
    mariadb::prepare(place)?;
    mariadb::service(place).ensure(place)?;
    mariadb::create_databases(place)?;
    rabbitmq::prepare(place)?;
    rabbitmq::port_mapper().ensure(place)?;
    rabbitmq::service(place).ensure(place)?;
    ovn::prepare(place)?;
    ovn::southbound(place).ensure(place)?;
    ovn::switch(place).ensure(place)
}

/// All at once: each waits for the database most of the time.
fn make_tables(place: &Place) -> Result<()> {
    keystone::configure(place)?;
    neutron::configure(place)?;
    nova::configure(place)?;
    let work: [fn(&Place) -> Result<()>; 3] = [keystone::prepare, neutron::prepare, nova::prepare];
    at_once(place, &work)
}

fn start_servers(place: &Place) -> Result<()> {
    at_once(
        place,
        &[
            |place| {
                keystone::service(place).ensure(place)?;
                place.once("identity", || {
                    python::helper(place, "identity", &[]).map(drop)
                })
            },
            |place| neutron::api(place).ensure(place),
            |place| neutron::rpc_server(place).ensure(place),
            |place| nova::service(place).ensure(place),
        ],
    )
}

fn start_agents(place: &Place) -> Result<()> {
    fabric::make_switch(&Networks::load(place)?)?;
    neutron::l3_agent(place).ensure(place)?;
    neutron::dhcp_agent(place).ensure(place)?;
    neutron::metadata_agent(place).ensure(place)
}

/// Routers' ports are bound when they are made, so the switch comes first.
fn make_networks(place: &Place) -> Result<()> {
    report_switch(place)?;
    python::helper(place, "networks", &[]).map(drop)
}

fn make_instances(place: &Place) -> Result<()> {
    report_switch(place)?;
    python::helper(place, "ports", &[])?;
    python::helper(place, "instances", &[&place.text(nova::CONFIGURATION)]).map(drop)
}

/// Its namespaces are remade with it: it expects their cables where it left them.
pub(super) fn start_ovn(place: &Place) -> Result<()> {
    place.once("southbound", || southbound::fill(place))?;
    let networks = Networks::load(place)?;
    let runs = Record::load(place, ovn::METADATA_AGENT).is_some_and(|record| record.is_alive());
    if !runs {
        fabric::remove_ovn(place, &networks)?;
    }
    ovn::configure(place)?;
    ovn::metadata_agent(place).ensure(place)?;
    fabric::plug_ovn(place, &networks)
}

/// Ports are bound to hosts whose switch has an agent.
pub(super) fn report_switch(place: &Place) -> Result<()> {
    let configuration = place.text(neutron::CONFIGURATION);
    python::helper(place, "report_switch", &[&configuration])
        .context("Neutron does not take an agent's report")
        .map(drop)
}

fn at_once(place: &Place, work: &[fn(&Place) -> Result<()>]) -> Result<()> {
    thread::scope(|scope| {
        let started: Vec<_> = work
            .iter()
            .map(|work| scope.spawn(move || work(place)))
            .collect();
        let mut outcomes = started.into_iter().map(|thread| {
            let outcome = thread.join();
            outcome.unwrap_or_else(|_| Err(anyhow!("a thread panicked")))
        });
        // Every thread is waited for, and the first error told.
        outcomes.by_ref().fold(Ok(()), Result::and)
    })
}

/// The l3-agent needs a moment for its routers and their proxies.
pub(super) fn wait_answer() -> Result<()> {
    let guest = fabric::guest("web");
    let what = "a guest's request is answered";
    wait::until(what, Duration::from_secs(120), || {
        Ok(summary::ask(&guest).is_ok())
    })
    .with_context(|| match summary::ask(&guest) {
        Ok(_) => "only now".to_owned(),
        Err(error) => format!("{error:#}"),
    })
}
