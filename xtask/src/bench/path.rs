//! The whole path from a guest to a constant answer: Neutron's and ours.

use std::path::Path;

use anyhow::Result;

use super::load::{Generator, Workload};
use super::nginx::Upstream;
use super::report::{Aim, Part};
use super::rounds::{self, Contender, Plan};
use crate::lab::guest::Guest;
use crate::lab::haproxy::Haproxy;
use crate::lab::router::{Router, Subnet};
use crate::lab::site::Site;

const NEUTRON: &str = "iptables + haproxy";
const OURS: &str = "metadatad";
const QUIET: &str = "metadatad, no access log";

const CONNECTIONS: &[usize] = &[1, 8, 64];

const AIMS: &[Aim] = &[
    Aim::keep_alive(OURS, NEUTRON, Some(1.2)),
    Aim::connection_per_request(OURS, NEUTRON, Some(1.05)),
    Aim::keep_alive(QUIET, NEUTRON, None),
    Aim::connection_per_request(QUIET, NEUTRON, None),
];

const NOTES: &[&str] = &[
    "iptables + haproxy: Neutron's rules, a haproxy of 2 threads with Neutron's configuration, a \
     unix socket, nginx in the place of the agent and Nova",
    "metadatad: TC steering, proxy, look-up in the inventory, signature, HTTP over TCP to the same \
     nginx in the place of Nova",
    "metadatad writes its access log to a file; haproxy writes to /dev/log, and nothing where that \
     does not exist",
];

/// # Errors
/// When a contender cannot be made or fails.
pub(super) fn run(binary: &Path, plan: Plan) -> Result<Part> {
    let upstream = Upstream::start()?;
    let neutron = NeutronLane::new(&upstream)?;
    let ours = our_lane(binary, &upstream, true)?;
    let quiet = our_lane(binary, &upstream, false)?;
    let nginx = ("nginx", upstream.pid());
    let contenders = [
        Contender {
            name: NEUTRON,
            guest: &neutron.guest,
            processes: vec![("proxy", neutron.haproxy.pid()), nginx],
            prepare: Box::new(|| Ok(())),
        },
        contender(OURS, &ours, nginx),
        contender(QUIET, &quiet, nginx),
    ];
    let mut part = Part::new("path", NOTES, AIMS);
    for keep_alive in [true, false] {
        for &connections in CONNECTIONS {
            let workload = Workload {
                connections,
                keep_alive,
                may_fail: false,
            };
            part.add(rounds::compare(&contenders, workload, plan)?);
        }
    }
    Ok(part)
}

/// Fields are dropped in this order: processes before namespaces.
struct NeutronLane {
    haproxy: Haproxy,
    guest: Guest,
    _router: Router,
}

impl NeutronLane {
    fn new(upstream: &Upstream) -> Result<Self> {
        let router = Router::create()?;
        let guest = Guest::behind(&router, Subnet::TUTORIAL)?;
        Generator::prepare(&guest)?;
        router.add_neutron_rules()?;
        Ok(Self {
            haproxy: Haproxy::start(&router, &upstream.agent_socket())?,
            guest,
            _router: router,
        })
    }
}

fn our_lane(binary: &Path, upstream: &Upstream, access_log: bool) -> Result<Site> {
    let site = Site::with(
        binary,
        |_| {},
        |setup| {
            setup
                .nova_port(upstream.nova_port())
                .option("access_log", &access_log.to_string())
                .hardly_limited()
        },
    )?;
    Generator::prepare(&site.guest)?;
    Ok(site)
}

fn contender<'a>(name: &'static str, site: &'a Site, nginx: (&'static str, u32)) -> Contender<'a> {
    Contender {
        name,
        guest: &site.guest,
        processes: vec![("proxy", site.daemon.pid()), nginx],
        prepare: Box::new(|| site.daemon.clear_log()),
    }
}
