//! Neutron's real agents make, change and delete routers and networks, and guests
//! are answered all along.

mod actors;
mod asker;
mod beside;
mod chassis;
mod estate;
mod lab;
mod ledger;
mod link;
mod peer;
mod replicas;
mod shims;
mod times;
mod visitor;

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use self::lab::Lab;
use self::ledger::Ledger;
use super::place::Place;
use super::up;
use crate::{packages, stop};

/// Agents take their time on two busy processors.
const LIMIT: Duration = Duration::from_secs(120);

/// So long an agent that restarted may look at what runs already.
const SETTLED: Duration = Duration::from_secs(8);

type Scenario = fn(&Lab<'_>, &mut Ledger) -> Result<()>;

const SCENARIOS: [(&str, Scenario); 10] = [
    ("beside haproxy: a router", beside::router),
    ("beside haproxy: an isolated network", beside::isolated),
    (
        "beside haproxy: a highly available router",
        replicas::keepalived,
    ),
    ("beside haproxy: distributed routers", replicas::distributed),
    ("beside haproxy: OVN's networks", chassis::beside),
    ("in haproxy's place: a router", shims::router),
    ("in haproxy's place: an isolated network", shims::isolated),
    (
        "in haproxy's place: a highly available router",
        shims::keepalived,
    ),
    (
        "in haproxy's place: OVN's networks",
        chassis::in_haproxys_place,
    ),
    ("a new router's first answer", times::appearing),
];

/// Options of `cargo xtask openstack agents`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Arguments {
    /// Take target/release/metadatad as it is
    #[arg(long)]
    pub(super) no_build: bool,
    /// Only scenarios whose name has this in it
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
}

impl Arguments {
    /// The same again for the process that is root.
    pub(super) fn as_root(&self) -> Vec<String> {
        let mut arguments = vec!["agents".to_owned(), "--no-build".to_owned()];
        arguments.extend(self.only.iter().map(|text| format!("--only={text}")));
        arguments
    }
}

/// Plays all scenarios, and prints what they showed.
pub(super) fn run(place: &Place, binary: &Path, arguments: &Arguments) -> Result<()> {
    stop::remember_signals()?;
    packages::install(packages::LIFECYCLE)?;
    up::report_switch(place)?;
    let lab = Lab::new(place, binary)?;
    estate::sweep(&lab.api)?;
    let mut ledger = Ledger::default();
    for (name, scenario) in SCENARIOS {
        let only = arguments.only.as_deref();
        if only.is_some_and(|only| !name.contains(only)) {
            continue;
        }
        stop::check()?;
        ledger.run(name, |ledger| {
            let outcome = scenario(&lab, ledger);
            let swept = estate::sweep(&lab.api);
            outcome.and(swept)
        });
    }
    ledger.print();
    ledger.write(place)?;
    ledger.judge()
}
