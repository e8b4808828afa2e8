//! The whole path from a guest to a constant answer: Neutron's, ours, and none.

mod lanes;
mod latency;
mod pace;

use std::fmt::{self, Display, Formatter};
use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use self::lanes::Lanes;
use self::latency::Latency;
use super::load::Workload;
use super::nginx::Upstream;
use super::report::{Aim, Part};
use super::rounds::{self, Plan};

const NEUTRON: &str = "iptables + haproxy";
const OURS: &str = "metadatad";
const QUIET: &str = "metadatad, no access log";
const CACHED: &str = "metadatad, from cache";
const NGINX: &str = "nginx alone";

const CONNECTIONS: &[usize] = &[1, 8, 64];

const AIMS: &[Aim] = &[
    Aim::keep_alive(OURS, NEUTRON, Some(1.5)),
    Aim::keep_alive(OURS, NGINX, Some(0.5)),
    Aim::keep_alive(CACHED, NGINX, Some(1.0)),
    Aim::keep_alive(QUIET, NEUTRON, None),
    Aim::connection_per_request(OURS, NEUTRON, Some(1.5)),
    Aim::connection_per_request(OURS, NGINX, Some(0.5)),
    Aim::connection_per_request(CACHED, NGINX, Some(1.0)),
    Aim::connection_per_request(QUIET, NEUTRON, None),
];

const NOTES: &[&str] = &[
    "iptables + haproxy: Neutron's rules, a haproxy of 2 threads with Neutron's configuration, a \
     unix socket, nginx in the place of the agent and Nova",
    "metadatad: TC steering, proxy, look-up in the inventory, signature, HTTP over TCP to the same \
     nginx in the place of Nova; from cache: response_ttl, Nova is not asked",
    "nginx alone: one of 2 workers gives the answer itself, at 169.254.169.254:80 in the router: no \
     rule, no program, no log, the least that a server can do there",
    "metadatad writes its access log to a file; haproxy writes to /dev/log, and nothing where that \
     does not exist",
];

/// # Errors
/// When a contender cannot be made or fails.
pub(super) fn run(binary: &Path, plan: Plan) -> Result<PathReport> {
    let upstream = Upstream::start()?;
    let lanes = Lanes::new(binary, &upstream)?;
    let contenders = lanes.contenders(upstream.pid());
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
    let latency = latency::compare(&contenders, plan)?;
    Ok(PathReport { part, latency })
}

/// Rates, and latencies at a part of them.
#[derive(Debug, Serialize)]
pub(super) struct PathReport {
    #[serde(flatten)]
    part: Part,
    latency: Latency,
}

impl Display for PathReport {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.part, self.latency)
    }
}
