//! Two routers may serve the same subnet, and two guests have the same address.

#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::net::SocketAddrV4;
use std::thread;

use anyhow::{Result, anyhow};
use xtask::lab::daemon::{Daemon, Setup};
use xtask::lab::http;
use xtask::lab::inventory;
use xtask::lab::tenant::Tenant;

const METADATAD: &str = env!("CARGO_BIN_EXE_metadatad");
const ROUNDS: u16 = 50;

/// Asks from source ports that the other tenant uses at the same time.
fn gets_only_its_own(tenant: &Tenant) -> Result<()> {
    for round in 0..ROUNDS {
        let source = SocketAddrV4::new(tenant.guest.address, 40_000 + round);
        let mut stream = tenant.guest.connect_from(source)?;
        let response = http::get(&mut stream, "/openstack/latest/meta_data.json", "")?;
        let document = response.json()?;
        assert_eq!(document["uuid"], tenant.instance.uuid, "round {round}");
        assert_eq!(document["name"], tenant.instance.name, "round {round}");
    }
    Ok(())
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
            .map(|tenant| scope.spawn(|| gets_only_its_own(tenant)));
        for tenant in running {
            tenant
                .join()
                .map_err(|_| anyhow!("a tenant got another document"))??;
        }
        Ok(())
    })
}
