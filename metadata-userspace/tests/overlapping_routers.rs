//! Two routers may serve the same subnet, and two guests have the same address.

#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::net::SocketAddrV4;
use std::thread;

use anyhow::{Result, anyhow};
use xtask::lab::daemon::{Daemon, Setup};
use xtask::lab::guest::Guest;
use xtask::lab::http;
use xtask::lab::inventory::{self, Instance};
use xtask::lab::router::{Router, Subnet};

const METADATAD: &str = env!("CARGO_BIN_EXE_metadatad");
const ROUNDS: u16 = 50;

struct Tenant {
    guest: Guest,
    instance: Instance,
    router: Router,
}

impl Tenant {
    fn create(name: &str) -> Result<Self> {
        let router = Router::create()?;
        let guest = Guest::behind(&router, Subnet::TUTORIAL)?;
        let instance = Instance::of(&guest, &router, name)?;
        Ok(Self {
            guest,
            instance,
            router,
        })
    }

    /// Asks from source ports that the other tenant uses at the same time.
    fn gets_only_its_own(&self) -> Result<()> {
        for round in 0..ROUNDS {
            let source = SocketAddrV4::new(self.guest.address, 40_000 + round);
            let mut stream = self.guest.connect_from(source)?;
            let response = http::get(&mut stream, "/openstack/latest/meta_data.json", "")?;
            let document = response.json()?;
            assert_eq!(document["uuid"], self.instance.uuid, "round {round}");
            assert_eq!(document["name"], self.instance.name, "round {round}");
        }
        Ok(())
    }
}

#[test]
fn guests_with_one_address_behind_two_routers_get_their_own() -> Result<()> {
    let tenants = [Tenant::create("left")?, Tenant::create("right")?];
    let names = tenants
        .each_ref()
        .map(|tenant| tenant.router.namespace().name());
    let instances = tenants.each_ref().map(|tenant| tenant.instance.clone());
    let setup = Setup::new(METADATAD, &names, inventory::file(&instances)?)?;
    let _daemon = Daemon::serving(setup, &names)?;
    thread::scope(|scope| {
        let running = tenants
            .each_ref()
            .map(|tenant| scope.spawn(|| tenant.gets_only_its_own()));
        for tenant in running {
            tenant
                .join()
                .map_err(|_| anyhow!("a tenant got another document"))??;
        }
        Ok(())
    })
}
