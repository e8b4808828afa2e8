//! Guests identified by Neutron's API, with Keystone before it.

#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod api;
#[path = "../support/authority.rs"]
mod authority;
mod cloud;
mod faults;
mod leaks;
mod reuse;
mod tls;

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use xtask::lab::daemon::{Daemon, Setup};
use xtask::lab::guest::Guest;
use xtask::lab::http::Response;
use xtask::lab::inventory::{self, Instance};
use xtask::lab::router::{Router, Subnet};
use xtask::lab::{unique, wait};

use api::PASSWORD;
use cloud::Cloud;

const METADATAD: &str = env!("CARGO_BIN_EXE_metadatad");
const DOCUMENT: &str = "/openstack/latest/meta_data.json";

/// What began before a fault's end fails after it, and is not tried again at once.
const RECOVERY: Duration = Duration::from_secs(20);

/// A router with one guest, both of which Neutron knows.
struct Corner {
    guest: Guest,
    instance: Instance,
    router: Router,
    network: String,
}

/// A daemon that serves corners of a cloud; the embedded API answers for Nova.
struct Region {
    daemon: Daemon,
    corners: Vec<Corner>,
    cloud: Cloud,
}

/// As an operator would copy it from nova.conf.
fn service_user(setup: Setup, auth_url: &str) -> Setup {
    [
        ("auth_type", "password"),
        ("auth_url", auth_url),
        ("username", "metadatad"),
        ("user_domain_name", "Default"),
        ("password", PASSWORD),
        ("project_name", "service"),
        ("project_domain_name", "Default"),
        ("region_name", "One"),
    ]
    .iter()
    .fold(setup, |setup, (name, value)| {
        setup.group_option("neutron", name, value)
    })
}

impl Region {
    fn with(cloud: Cloud, corners: usize, change: impl FnOnce(Setup) -> Setup) -> Result<Self> {
        let corners = (0..corners).map(|_| Corner::create(&cloud));
        let corners: Vec<_> = corners.collect::<Result<_>>()?;
        let instances: Vec<_> = corners
            .iter()
            .map(|corner| corner.instance.clone())
            .collect();
        let names = corners
            .iter()
            .map(|corner| corner.router.namespace().name().to_owned());
        let names: Vec<_> = names.collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let setup = Setup::new(METADATAD, &names, inventory::file(&instances)?)?
            .option("resolver", "neutron-rest")
            .option("identity_timeout", "3")
            .group_option("neutron", "timeout", "1.5");
        let daemon = Daemon::serving(change(setup), &names)?;
        Ok(Self {
            daemon,
            corners,
            cloud,
        })
    }

    /// With a service user and plain HTTP.
    fn create(corners: usize) -> Result<Self> {
        Self::after(Cloud::start()?, corners)
    }

    /// What it knows does not grow old in a test's time, and it waits as long as need be.
    fn unhurried(corners: usize) -> Result<Self> {
        let cloud = Cloud::start()?;
        let auth_url = cloud.auth_url("http");
        Self::with(cloud, corners, |setup| {
            service_user(setup, &auth_url)
                .option("identity_timeout", "30")
                .group_option("neutron", "timeout", "10")
                .group_option("cache", "enabled", "true")
                .group_option("cache", "expiration_time", "600")
        })
    }

    fn after(cloud: Cloud, corners: usize) -> Result<Self> {
        let auth_url = cloud.auth_url("http");
        Self::with(cloud, corners, |setup| service_user(setup, &auth_url))
    }

    fn dependency(&self, name: &str) -> Result<Value> {
        let status = self.daemon.status()?;
        let state = status.pointer(&format!("/dependencies/{name}"));
        Ok(state
            .with_context(|| format!("no {name} in {status}"))?
            .clone())
    }

    fn wait_for(&mut self, name: &str, up: bool) -> Result<Value> {
        let path = format!("/dependencies/{name}/up");
        self.daemon.wait(&format!("{name} is up: {up}"), |daemon| {
            Ok(daemon.status()?.pointer(&path) == Some(&json!(up)))
        })?;
        self.dependency(name)
    }
}

impl Corner {
    fn create(cloud: &Cloud) -> Result<Self> {
        let router = Router::create()?;
        let guest = Guest::behind(&router, Subnet::TUTORIAL)?;
        let instance = Instance::of(&guest, &router, "c1")?;
        let corner = Self {
            guest,
            instance,
            router,
            network: unique::uuid()?,
        };
        let mut neutron = cloud.state.neutron();
        neutron.ports.push(corner.interface()?);
        neutron
            .ports
            .push(corner.port(&corner.guest.address, &corner.guest.mac)?);
        drop(neutron);
        Ok(corner)
    }

    /// The guest's port, or another of the instance's on its network.
    fn port(&self, address: &Ipv4Addr, mac: &str) -> Result<Value> {
        Ok(json!({
            "id": unique::uuid()?,
            "network_id": self.network,
            "mac_address": mac,
            "fixed_ips": [{"subnet_id": self.network, "ip_address": address.to_string()}],
            "device_id": self.instance.uuid,
            "device_owner": "compute:nova",
            "project_id": self.instance.project_id,
            "tenant_id": self.instance.project_id,
        }))
    }

    fn interface(&self) -> Result<Value> {
        let mut port = self.port(&Subnet::TUTORIAL.gateway, "fa:16:3e:ff:ff:01")?;
        port["device_id"] = json!(self.router.id());
        port["device_owner"] = json!("network:ha_router_replicated_interface");
        Ok(port)
    }

    /// Asks, and expects the guest's own document.
    fn is_served(&self) -> Result<()> {
        let answer = self.guest.get(DOCUMENT)?;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json()?["uuid"], self.instance.uuid);
        Ok(())
    }

    /// Asks, and expects to be told to try again, after a while.
    fn is_put_off(&self) -> Result<()> {
        assert_puts_off(&self.guest.get(DOCUMENT)?);
        Ok(())
    }

    /// Asks until it is served, and expects to be put off until then.
    fn comes_to_be_served(&self) -> Result<()> {
        wait::until("a guest is served", RECOVERY, || {
            let answer = self.guest.get(DOCUMENT)?;
            let is_answer = answer.status == 200;
            if !is_answer {
                assert_puts_off(&answer);
            }
            Ok(is_answer)
        })
    }
}

fn assert_puts_off(answer: &Response) {
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.header("retry-after").is_some());
}

#[test]
fn a_boot_costs_one_login_and_two_lists() -> Result<()> {
    let mut region = Region::unhurried(1)?;
    region.wait_for("neutron", true)?;
    for _ in 0..30 {
        region.corners[0].is_served()?;
    }
    assert_eq!(region.cloud.state.keystone().logins, 1);
    let lists = region.cloud.state.neutron().lists.clone();
    assert_eq!(lists.len(), 2, "{lists:#?}");
    assert_eq!(region.dependency("keystone")?["up"], true);
    assert!(!region.daemon.log().contains(PASSWORD));
    Ok(())
}

#[test]
fn a_port_on_the_third_page_is_found() -> Result<()> {
    let region = Region::unhurried(1)?;
    {
        let corner = &region.corners[0];
        let mut neutron = region.cloud.state.neutron();
        neutron.most = Some(400);
        for number in 0..1200u16 {
            let [high, low] = number.to_be_bytes();
            let address = Ipv4Addr::new(17, 18, high, low);
            let mut port = corner.port(&address, &format!("fa:16:3e:01:{high:02x}:{low:02x}"))?;
            port["id"] = json!(format!("0{number:07}"));
            neutron.ports.push(port);
        }
        let own = neutron.ports.iter_mut().find(|port| {
            port["device_id"] == corner.instance.uuid && port["mac_address"] == corner.guest.mac
        });
        own.context("no port")?["id"] = json!("f");
    }
    region.corners[0].is_served()?;
    let lists = region.cloud.state.neutron().lists.clone();
    assert_eq!(lists.len(), 1 + 4, "{lists:#?}");
    assert!(lists[4].contains("marker=00001199"), "{lists:#?}");
    Ok(())
}

#[test]
fn tokens_are_renewed_in_time_and_when_they_are_revoked() -> Result<()> {
    let cloud = Cloud::start()?;
    cloud.state.keystone().lifetime = Duration::from_secs(10);
    let region = Region::after(cloud, 3)?;
    region.corners[0].is_served()?;
    std::thread::sleep(Duration::from_millis(9500));
    region.corners[1].is_served()?;
    assert_eq!(region.cloud.state.neutron().refused, 0);
    let logins = region.cloud.state.keystone().logins;
    assert!((2..=3).contains(&logins), "{logins}");
    region.cloud.state.keystone().lifetime = Duration::from_secs(3600);
    region.cloud.state.keystone().revoke_all();
    region.corners[2].is_served()?;
    assert_eq!(region.cloud.state.neutron().refused, 1);
    assert_eq!(region.cloud.state.keystone().logins, logins + 1);
    Ok(())
}

#[test]
fn an_application_credential_will_do() -> Result<()> {
    let cloud = Cloud::start()?;
    let auth_url = cloud.auth_url("http");
    let region = Region::with(cloud, 1, |setup| {
        [
            ("auth_type", "v3applicationcredential"),
            ("auth_url", &auth_url),
            (
                "application_credential_id",
                "21dced0fd20347869b93710d2b98aae0",
            ),
            ("application_credential_secret", PASSWORD),
            ("region_name", "One"),
        ]
        .iter()
        .fold(setup, |setup, (name, value)| {
            setup.group_option("neutron", name, value)
        })
    })?;
    region.corners[0].is_served()
}
