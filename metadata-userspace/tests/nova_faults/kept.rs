//! Answers that are given again: for how long, and to whom.

use std::io::Write;

use anyhow::Result;
use xtask::lab::daemon::{Daemon, Setup};
use xtask::lab::http::{self, Response};
use xtask::lab::inventory::{self, Instance};
use xtask::lab::tenant::Tenant;
use xtask::lab::unique;

use super::{Api, BOOT, Cloud, METADATAD, assert_fresh, assert_stale};

const PASSWORD: &str = "/openstack/latest/password";

fn post_password(cloud: &Cloud, password: &str) -> Result<Response> {
    let mut stream = cloud.site.guest.connect()?;
    let length = password.len();
    let head = format!("POST {PASSWORD} HTTP/1.1\r\nHost: metadata\r\nContent-Length: {length}");
    stream.write_all(format!("{head}\r\n\r\n{password}").as_bytes())?;
    http::read_response(&mut stream)
}

#[test]
fn a_document_is_given_again_and_a_password_never() -> Result<()> {
    let cloud = Cloud::with(&[("response_ttl", "60")])?;
    let api = cloud.api()?;
    let first = cloud.get(BOOT[1])?;
    assert_fresh(&first);
    let again = cloud.get(BOOT[1])?;
    assert_eq!(again.body, first.body);
    assert!(again.header("age").is_some());
    assert_eq!(again.header("warning"), None);
    let cached = "metadatad_nova_cached_answers_total";
    assert_eq!(cloud.site.daemon.metric::<u64>(cached)?, 1);
    let spellings = [
        PASSWORD,
        "/openstack/latest/password/",
        "//openstack/x/../latest/pass%77ord",
    ];
    for spelling in spellings {
        assert_eq!(cloud.get(spelling)?.text(), "");
    }
    assert_eq!(post_password(&cloud, "c2VjcmV0")?.status, 200);
    for spelling in spellings {
        assert_eq!(cloud.get(spelling)?.text(), "c2VjcmV0");
    }
    assert_eq!(post_password(&cloud, "b3RoZXI=")?.status, 409);
    assert_eq!(cloud.site.daemon.metric::<u64>(cached)?, 1);
    drop(api);
    assert_eq!(cloud.get(PASSWORD)?.status, 503);
    Ok(())
}

fn gets_its_own(tenant: &Tenant) -> Result<Response> {
    let response = tenant.guest.get(BOOT[1])?;
    assert_eq!(response.json()?["uuid"], tenant.instance.uuid);
    Ok(response)
}

#[test]
fn nobody_gets_anothers_document_with_the_same_address_or_a_later_owner() -> Result<()> {
    let tenants = [Tenant::create("left")?, Tenant::create("right")?];
    let names = tenants
        .each_ref()
        .map(|tenant| tenant.router.namespace().name());
    let instances = tenants.each_ref().map(|tenant| tenant.instance.clone());
    let port = unique::loopback_port()?;
    let setup = Setup::new(METADATAD, &names, inventory::file(&instances)?)?
        .nova_port(port)
        .option("response_ttl", "60");
    let daemon = Daemon::serving(setup, &names)?;
    let api = Api::start(&daemon.config_file())?;
    for _ in 0..2 {
        for tenant in &tenants {
            gets_its_own(tenant)?;
        }
    }
    drop(api);
    // The left port is deleted, and its address given to a new instance.
    let [left, right] = &tenants;
    let heir = Instance::of(&left.guest, &left.router, "heir")?;
    let changed = inventory::file(&[heir.clone(), right.instance.clone()])?;
    std::fs::write(daemon.inventory_file(), changed)?;
    xtask::lab::wait::until(
        "the heir is known",
        std::time::Duration::from_secs(10),
        || {
            let response = left.guest.get(BOOT[1])?;
            let old = response.status == 200;
            assert!(!old || response.json()?["uuid"] == left.instance.uuid);
            Ok(!old)
        },
    )?;
    gets_its_own(right)?;
    let _api = Api::start(&daemon.config_file())?;
    assert_eq!(left.guest.get(BOOT[1])?.json()?["uuid"], heir.uuid);
    Ok(())
}

#[test]
fn stale_documents_are_ones_own_as_well() -> Result<()> {
    let tenants = [Tenant::create("left")?, Tenant::create("right")?];
    let names = tenants
        .each_ref()
        .map(|tenant| tenant.router.namespace().name());
    let instances = tenants.each_ref().map(|tenant| tenant.instance.clone());
    let setup = Setup::new(METADATAD, &names, inventory::file(&instances)?)?
        .nova_port(unique::loopback_port()?);
    let daemon = Daemon::serving(setup, &names)?;
    let api = Api::start(&daemon.config_file())?;
    for tenant in &tenants {
        gets_its_own(tenant)?;
    }
    drop(api);
    for tenant in &tenants {
        assert_stale(&gets_its_own(tenant)?)?;
    }
    Ok(())
}
