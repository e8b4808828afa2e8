//! Two guests on one network behind a router, who own an instance each, and a metadatad
//! that serves both.

use std::path::Path;

use anyhow::Result;

use super::daemon::{Daemon, Setup};
use super::guest::Guest;
use super::inventory::{self, Instance};
use super::network::Network;
use super::router::{Router, Subnet};

/// Fields are dropped in this order: the daemon first.
#[derive(Debug)]
pub struct Neighbours {
    pub daemon: Daemon,
    pub guest: Guest,
    pub neighbour: Guest,
    /// Kept for the guests' sake.
    _network: Network,
    pub router: Router,
}

impl Neighbours {
    /// Both are served.
    ///
    /// # Errors
    /// When any part of it cannot be made.
    pub fn with(
        metadatad: impl AsRef<Path>,
        change_setup: impl FnOnce(Setup) -> Setup,
    ) -> Result<Self> {
        let router = Router::create()?;
        let network = Network::behind(&router, Subnet::TUTORIAL)?;
        let guest = network.guest(Subnet::TUTORIAL.guest)?;
        let neighbour = network.guest([17, 17, 17, 6].into())?;
        let instances = [
            Instance::of(&guest, &router, "guest")?.on(&network),
            Instance::of(&neighbour, &router, "neighbour")?.on(&network),
        ];
        let name = router.namespace().name();
        let setup = Setup::new(metadatad.as_ref(), &[name], inventory::file(&instances)?)?;
        let daemon = Daemon::serving(change_setup(setup), &[name])?;
        Ok(Self {
            daemon,
            guest,
            neighbour,
            _network: network,
            router,
        })
    }
}
