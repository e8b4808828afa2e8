//! metadatad in haproxy's place, as Neutron's agents and the wrappers of its deployments
//! start and end it.

#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod door;
mod faults;
mod life;
mod places;
mod restarts;
mod successors;
mod wrappers;

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;
use xtask::lab::daemon::{Daemon, Setup};
use xtask::lab::guest::{Guest, METADATA};
use xtask::lab::inventory::{self, Instance};
use xtask::lab::namespace::Namespace;
use xtask::lab::router::{Router, Subnet};
use xtask::lab::shim::{Place, Shim, Wanted};
use xtask::lab::wait;

const METADATAD: &str = env!("CARGO_BIN_EXE_metadatad");
const DOCUMENT: &str = "/openstack/latest/meta_data.json";
const LIMIT: Duration = Duration::from_secs(20);

/// A router and its guest, and a daemon that watches no namespace: only shims make it
/// serve one. Dropped in this order.
struct Scene {
    daemon: Daemon,
    guest: Guest,
    instance: Instance,
    router: Router,
}

impl Scene {
    fn create() -> Result<Self> {
        Self::watching(|_| "none".to_owned())
    }

    /// With a daemon that watches a namespace of this name.
    fn watching(name: impl FnOnce(&str) -> String) -> Result<Self> {
        let router = Router::create()?;
        let guest = Guest::behind(&router, Subnet::TUTORIAL)?;
        let instance = Instance::of(&guest, &router, "c1")?;
        let inventory = inventory::file(std::slice::from_ref(&instance))?;
        let watched = name(router.namespace().name());
        let setup = Setup::new(METADATAD, &[&watched], inventory)?;
        Ok(Self {
            daemon: Daemon::start(setup)?,
            guest,
            instance,
            router,
        })
    }

    fn wanted(&self) -> Wanted {
        Wanted::for_router(self.router.id())
    }

    fn place(&self) -> Result<Place> {
        Place::create(
            Path::new(METADATAD),
            &self.daemon.config_file(),
            &self.wanted(),
        )
    }

    fn shim(&self) -> Result<Shim> {
        Shim::start(&self.daemon, self.namespace(), &self.wanted())
    }

    fn namespace(&self) -> &Namespace {
        self.router.namespace()
    }

    fn state(&self) -> Result<Option<Value>> {
        self.daemon.namespace(self.namespace().name())
    }

    fn is_served(&self) -> Result<bool> {
        let state = self.state()?;
        Ok(state.is_some_and(|state| state["state"] == "serving"))
    }

    /// The guest gets its own document.
    fn assert_served(&self) -> Result<()> {
        let answer = self.guest.get(DOCUMENT)?;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json()?["uuid"], self.instance.uuid);
        Ok(())
    }

    /// Nobody accepts the guest's connection, once the worker has heard of it too.
    fn assert_not_served(&self) {
        let limit = Duration::from_millis(400);
        let connect = || self.guest.connect_within(METADATA.into(), limit);
        let turned_away = wait::until("nobody answers", limit, || Ok(connect().is_err()));
        assert!(turned_away.is_ok(), "somebody answers");
    }

    /// It is known, and what keeps it does not want it served.
    fn wait_released(&mut self) -> Result<()> {
        let name = self.namespace().name().to_owned();
        self.daemon.wait("the namespace is released", |daemon| {
            let state = daemon.namespace(&name)?;
            Ok(state.is_some_and(|state| state["state"] == "released"))
        })
    }

    fn wait_until_not_served(&mut self) -> Result<()> {
        let name = self.namespace().name().to_owned();
        self.daemon.wait("the namespace is let go", |daemon| {
            let state = daemon.namespace(&name)?;
            Ok(state.is_none_or(|state| state["state"] == "released"))
        })
    }
}
