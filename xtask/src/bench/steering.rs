//! Steering alone: how a guest's packets come to one and the same nginx.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::load::{Generator, Workload};
use super::nginx::{Nginx, Place};
use super::report::{Aim, Part};
use super::rounds::{self, Contender, Plan};
use crate::lab::daemon::{Daemon, Setup};
use crate::lab::guest::Guest;
use crate::lab::router::{Router, Subnet, VIP};
use crate::process;

const NONE: &str = "no steering";
const IPTABLES: &str = "iptables REDIRECT";
const TC: &str = "TC steering";

const CONNECTIONS: usize = 32;

const AIMS: &[Aim] = &[
    Aim::keep_alive(TC, IPTABLES, Some(1.2)),
    Aim::keep_alive(TC, NONE, Some(0.95)),
    Aim::connection_per_request(TC, IPTABLES, Some(1.0)),
    Aim::connection_per_request(TC, NONE, None),
];

const NOTES: &[&str] = &[
    "a guest, a cable, a router's namespace with one nginx (2 workers) as the proxy",
    "no steering: nginx at 169.254.169.254:80 itself; iptables: the four rules by which Neutron \
     steers metadata, none of its others; TC: the programs that metadatad pinned, attached by tc, \
     and no rule",
];

/// # Errors
/// When a contender cannot be made or fails.
pub(super) fn run(binary: &Path, plan: Plan) -> Result<Part> {
    let programs = Programs::load(binary)?;
    let without = Lane::new(Place::MetadataAddress)?;
    without.add_metadata_address()?;
    let iptables = Lane::new(Place::ProxyPortEverywhere)?;
    iptables.router.add_neutron_rules()?;
    let steered = Lane::new(Place::ProxyPort)?;
    steered.add_metadata_address()?;
    programs.attach(&steered)?;
    let lanes = [(NONE, &without), (IPTABLES, &iptables), (TC, &steered)];
    let lanes = lanes.map(|(name, lane)| Ok((name, lane, lane.start_nginx()?)));
    let lanes: Vec<_> = lanes.into_iter().collect::<Result<_>>()?;
    let contenders: Vec<_> = lanes
        .iter()
        .map(|(name, lane, nginx)| Contender {
            name,
            guest: &lane.guest,
            processes: vec![("nginx", nginx.pid())],
            prepare: Box::new(|| Ok(())),
        })
        .collect();
    let mut part = Part::new("steering", NOTES, AIMS);
    for keep_alive in [true, false] {
        let workload = Workload {
            connections: CONNECTIONS,
            keep_alive,
            may_fail: false,
        };
        part.add(rounds::compare(&contenders, workload, plan)?);
    }
    Ok(part)
}

/// A router with a guest, for one way of steering.
struct Lane {
    guest: Guest,
    router: Router,
    place: Place,
}

impl Lane {
    fn new(place: Place) -> Result<Self> {
        let router = Router::create()?;
        let guest = Guest::behind(&router, Subnet::TUTORIAL)?;
        Generator::prepare(&guest)?;
        Ok(Self {
            guest,
            router,
            place,
        })
    }

    fn add_metadata_address(&self) -> Result<()> {
        let inside = self.router.namespace();
        inside.ip(&format!("address add {VIP}/32 dev lo"))?;
        Ok(())
    }

    fn start_nginx(&self) -> Result<Nginx> {
        Nginx::in_router(&self.router, self.place)
    }
}

/// The programs as a daemon loads and pins them. The daemon serves no namespace
/// here, so that nothing but the steering differs between the lanes.
struct Programs {
    daemon: Daemon,
}

impl Programs {
    fn load(binary: &Path) -> Result<Self> {
        let setup = Setup::new(binary, &["metadatad-bench-serves-none"], String::new())?;
        let setup = setup.hardly_limited();
        let mut daemon = Daemon::start(setup)?;
        daemon.wait("metadatad pins its programs", |daemon| {
            Ok(pinned(daemon.bpffs(), "metadata_restore").is_ok())
        })?;
        Ok(Self { daemon })
    }

    fn attach(&self, lane: &Lane) -> Result<()> {
        let interface = &lane.guest.router_interface;
        tc(lane, &format!("qdisc add dev {interface} clsact"))?;
        for (hook, name) in [
            ("ingress", "metadata_steer"),
            ("egress", "metadata_restore"),
        ] {
            let program = pinned(self.daemon.bpffs(), name)?;
            let program = program.display();
            tc(
                lane,
                &format!(
                    "filter add dev {interface} {hook} bpf direct-action object-pinned {program}"
                ),
            )?;
        }
        Ok(())
    }
}

/// `tc -n` and `ip netns exec` mount /sys anew, without the pins: so a plain tc
/// that is born inside.
fn tc(lane: &Lane, line: &str) -> Result<()> {
    let run = || process::read(Command::new("tc").args(line.split(' ')));
    lane.router.namespace().enter(run)??;
    Ok(())
}

/// The path of a pinned program, whatever the version of the pins.
fn pinned(bpffs: &Path, name: &str) -> Result<PathBuf> {
    fs::read_dir(bpffs)?
        .flatten()
        .map(|version| version.path().join("progs").join(name))
        .find(|program| program.exists())
        .with_context(|| format!("metadatad pinned no {name} below {}", bpffs.display()))
}
