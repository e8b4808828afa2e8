//! The whole path with real Neutron: haproxy, agent and RPC behind one router,
//! metadatad behind another of the same cloud, one constant Nova behind both.

use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::Result;

use super::load::{Generator, Workload};
use super::nginx::Upstream;
use super::report::{Aim, Part};
use super::rounds::{self, Contender, Plan};
use crate::lab::daemon::{Daemon, Setup};
use crate::openstack::RunningCloud;

const NEUTRON: &str = "haproxy + Neutron's agent";
const OURS: &str = "metadatad";

const CONNECTIONS: &[usize] = &[1, 8, 64];

/// Keep-alive, because Neutron's path does not get faster by it and ours is not
/// to be measured by how fast a guest opens connections.
const AIMS: &[Aim] = &[Aim::keep_alive(OURS, NEUTRON, Some(300.0))];

const NOTES: &[&str] = &[
    "haproxy + Neutron's agent: a router that the real l3-agent made, its rules and its haproxy, \
     the real neutron-metadata-agent, RabbitMQ, neutron-rpc-server, MariaDB",
    "metadatad: another router of the same l3-agent, the neutron-rpc resolver with the same \
     RabbitMQ and neutron-rpc-server, the defaults of every option",
    "behind both the same nginx in the place of Nova; failed requests are not counted into req/s, \
     but into the latencies",
];

/// # Errors
/// When the cloud cannot be brought up or a contender gives no answer.
pub(super) fn run(binary: &Path, plan: Plan) -> Result<Part> {
    let cloud = RunningCloud::ensure()?;
    let upstream = Upstream::start()?;
    let _other_nova = cloud.with_nova_at(upstream.nova_port())?;
    let neutrons_guest = cloud.guest("web")?;
    let our_guest = cloud.guest("twin")?;
    Generator::prepare(&neutrons_guest)?;
    Generator::prepare(&our_guest)?;
    let daemon = metadatad(binary, &cloud, &upstream)?;
    let contenders = [
        Contender {
            name: NEUTRON,
            guest: &neutrons_guest,
            processes: cloud.path_processes("router-a")?,
            prepare: Box::new(|| {
                rest();
                Ok(())
            }),
        },
        Contender {
            name: OURS,
            guest: &our_guest,
            processes: vec![("metadatad", daemon.pid())]
                .into_iter()
                .chain(cloud.path_processes("router-c")?.into_iter().skip(2))
                .collect(),
            prepare: Box::new(|| {
                rest();
                daemon.clear_log()
            }),
        },
    ];
    let mut part = Part::new("openstack", NOTES, AIMS);
    for &connections in CONNECTIONS {
        let workload = Workload {
            connections,
            keep_alive: true,
            may_fail: true,
        };
        part.add(rounds::compare(&contenders, workload, plan)?);
    }
    Ok(part)
}

/// Requests that the load generator gave up on are worked off meanwhile: both
/// contenders ask the same neutron-rpc-server.
fn rest() {
    thread::sleep(Duration::from_secs(3));
}

fn metadatad(binary: &Path, cloud: &RunningCloud, upstream: &Upstream) -> Result<Daemon> {
    let namespace = cloud.router_namespace("router-c")?;
    let setup = Setup::new(binary, &[&namespace], String::new())?
        .nova_port(upstream.nova_port())
        .default_option("transport_url", &RunningCloud::transport_url())
        .default_option("host", "bench")
        .option("resolver", "neutron-rpc");
    Daemon::serving(setup, &[&namespace])
}
