//! The contenders: a router between two guests, with whatever it holds for metadata.

use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::Result;

use super::rules;
use crate::lab::daemon::{Daemon, Setup};
use crate::lab::guest::Guest;
use crate::lab::inventory::{self, Instance};
use crate::lab::router::{Router, Subnet};
use crate::stop;

pub(super) const NOTHING: &str = "nothing";

/// What a router's namespace holds besides its interfaces.
#[derive(Clone, Copy, Debug)]
enum Equipment {
    Nothing,
    MetadataRules,
    AllRules,
    /// What a metadatad with these options of `[metadatad]` puts there.
    Metadatad(&'static [(&'static str, &'static str)]),
}

const CONTENDERS: &[(&str, Equipment)] = &[
    (NOTHING, Equipment::Nothing),
    // How far two lanes differ that are the same.
    ("nothing, once more", Equipment::Nothing),
    ("Neutron's metadata rules", Equipment::MetadataRules),
    ("all of Neutron's rules", Equipment::AllRules),
    ("metadatad", Equipment::Metadatad(&[])),
    (
        "metadatad with XDP guard",
        Equipment::Metadatad(&[("xdp_guard", "qr-*")]),
    ),
];

const FAR: Subnet = Subnet {
    guest: Ipv4Addr::new(17, 17, 18, 5),
    gateway: Ipv4Addr::new(17, 17, 18, 1),
    prefix: 24,
};

/// Fields are dropped in this order: the daemon before its namespaces.
pub(super) struct Lane {
    pub(super) name: &'static str,
    pub(super) is_ours: bool,
    _daemon: Option<Daemon>,
    pub(super) near: Guest,
    pub(super) far: Guest,
    pub(super) router: Router,
}

/// One of each, the one with nothing first.
///
/// # Errors
/// When one cannot be made.
pub(super) fn all(binary: &Path) -> Result<Vec<Lane>> {
    let lane = |(name, equipment): &(&'static str, Equipment)| {
        stop::check()?;
        Lane::new(binary, name, *equipment)
    };
    CONTENDERS.iter().map(lane).collect()
}

impl Lane {
    fn new(binary: &Path, name: &'static str, equipment: Equipment) -> Result<Self> {
        let router = Router::create()?;
        let near = Guest::behind(&router, Subnet::TUTORIAL)?;
        let far = Guest::behind(&router, FAR)?;
        let daemon = match equipment {
            Equipment::Nothing => None,
            Equipment::MetadataRules => {
                rules::add_those_for_metadata(&router)?;
                None
            }
            Equipment::AllRules => {
                rules::add_all(&router, [&near, &far])?;
                None
            }
            Equipment::Metadatad(options) => Some(serve(binary, &router, [&near, &far], options)?),
        };
        Ok(Self {
            name,
            is_ours: daemon.is_some(),
            _daemon: daemon,
            near,
            far,
            router,
        })
    }
}

fn serve(
    binary: &Path,
    router: &Router,
    guests: [&Guest; 2],
    options: &[(&str, &str)],
) -> Result<Daemon> {
    let instances = guests.map(|guest| Instance::of(guest, router, "neighbour"));
    let instances: Vec<_> = instances.into_iter().collect::<Result<_>>()?;
    let name = router.namespace().name();
    let setup = Setup::new(binary, &[name], inventory::file(&instances)?)?;
    let setup = options
        .iter()
        .fold(setup, |setup, (name, value)| setup.option(name, value));
    Daemon::serving(setup, &[name])
}
