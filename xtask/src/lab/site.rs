//! The smallest whole installation: a router, a guest behind it that owns an
//! instance, and a metadatad that serves both.

use std::path::Path;

use anyhow::Result;

use super::daemon::{Daemon, Setup};
use super::guest::Guest;
use super::inventory::{self, Instance};
use super::router::{Router, Subnet};

/// Fields are dropped in this order: the daemon first.
#[derive(Debug)]
pub struct Site {
    pub daemon: Daemon,
    pub guest: Guest,
    pub instance: Instance,
    pub router: Router,
}

impl Site {
    /// A site whose guest is served.
    ///
    /// # Errors
    /// When any part of it cannot be made.
    pub fn create(metadatad: impl AsRef<Path>) -> Result<Self> {
        Self::with(metadatad, |_| {}, |setup| setup)
    }

    /// A site with a changed instance and further options.
    ///
    /// # Errors
    /// As [`Site::create`].
    pub fn with(
        metadatad: impl AsRef<Path>,
        change_instance: impl FnOnce(&mut Instance),
        change_setup: impl FnOnce(Setup) -> Setup,
    ) -> Result<Self> {
        let router = Router::create()?;
        let guest = Guest::behind(&router, Subnet::TUTORIAL)?;
        let mut instance = Instance::of(&guest, &router, "c1")?;
        change_instance(&mut instance);
        let inventory = inventory::file(std::slice::from_ref(&instance))?;
        let namespace = router.namespace().name().to_owned();
        let setup = Setup::new(metadatad.as_ref(), &[&namespace], inventory)?;
        let daemon = Daemon::serving(change_setup(setup), &[&namespace])?;
        Ok(Self {
            daemon,
            guest,
            instance,
            router,
        })
    }
}
