//! A boot storm: a thousand guests of a real cloud that boot within some seconds.

mod crawl;
mod figures;
mod lanes;
mod reader;
mod session;
mod table;
mod tally;
mod wave;

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

pub(super) use self::figures::Storm;
pub(super) use self::lanes::Lane;
use self::lanes::Scene;
use self::wave::Wave;
use crate::openstack::RunningCloud;

const NOTES: &[&str] = &[
    "each guest is a namespace with its port's MAC and address, behind routers that the real \
     l3-agent made, and asks for what cloud-init asks for (version of August 2026): 28 requests \
     one after the other, a new connection for each; it gives up when it has heard nothing for \
     10 s, and passes over 100 Continue, as Python's HTTP client does",
    "Neutron: the routers' rules and haproxies, the real neutron-metadata-agent and \
     neutron-rpc-server; metadatad: the neutron-rpc resolver, the defaults of every option",
    "behind both the same nova-api-metadata, started anew for each run, with its own default of \
     how long it remembers an instance (15 s); one process with 4 threads, without memcached",
    "Nova alone: the same requests sent to it by the host, without any proxy; as many guests at \
     once as there are, and 8 at a time",
    "failed: crawls that cloud-init gave up; without: guests that failed twice, as in \
     cloud-init's two stages, and would have booted without their metadata; both try again here",
];

/// How many, and how they come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    routers: usize,
    guests_each: usize,
    spread: Duration,
    limit: Duration,
}

impl Size {
    /// The whole storm, or so small a one that shows that it works.
    pub(super) fn of(is_quick: bool, patience: u64) -> Self {
        let (routers, guests_each, spread) = match is_quick {
            true => (2, 10, 1),
            false => (10, 100, 10),
        };
        Self {
            routers,
            guests_each,
            spread: Duration::from_secs(spread),
            limit: Duration::from_secs(patience),
        }
    }
}

/// metadatad's lane `rounds` times, the others, which are slow, once.
///
/// # Errors
/// When the cloud, the guests or a lane cannot be brought up.
pub(super) fn run(binary: &Path, size: Size, lanes: &[Lane], rounds: usize) -> Result<Storm> {
    let cloud = RunningCloud::ensure()?;
    let _nova = cloud.nova_with_default_cache()?;
    let scene = Scene {
        cloud: &cloud,
        crowd: cloud.crowd(size.routers, size.guests_each)?,
        binary,
        wave: Wave {
            spread: size.spread,
            at_once: None,
            limit: size.limit,
        },
    };
    let mut storm = Storm {
        notes: NOTES,
        routers: size.routers,
        guests: scene.crowd.members.len(),
        spread_seconds: size.spread.as_secs(),
        limit_seconds: size.limit.as_secs(),
        runs: Vec::new(),
    };
    for &lane in lanes {
        let rounds = if lane == Lane::Metadatad { rounds } else { 1 };
        for _ in 0..rounds {
            storm.runs.push(scene.run(lane)?);
        }
    }
    Ok(storm)
}
