//! An address that goes to another instance takes nothing of the first along,
//! however long anything is kept.

use std::os::unix::net::UnixStream;

use anyhow::Result;
use serde_json::json;
use xtask::lab::daemon::Setup;
use xtask::lab::http::{self, Response};
use xtask::lab::router::Subnet;
use xtask::lab::unique;

use super::{DOCUMENT, Region, service_user};
use crate::cloud::Cloud;

/// Everything is kept for as long as it can be.
fn long_lived(setup: Setup) -> Setup {
    setup
        .option("response_ttl", "60")
        .group_option("cache", "enabled", "true")
        .group_option("cache", "expiration_time", "3600")
}

impl Region {
    /// The first corner's guest asks; the other corner only lends its instance.
    fn first_of_two(change: fn(Setup) -> Setup) -> Result<Self> {
        let cloud = Cloud::start()?;
        let auth_url = cloud.auth_url("http");
        Self::with(cloud, 2, |setup| change(service_user(setup, &auth_url)))
    }

    /// Neutron deletes the guest's port and gives its address to a new port of
    /// the other corner's instance; returns the new port's MAC.
    fn reassign(&self) -> Result<String> {
        let [corner, other] = self.corners.as_slice() else {
            anyhow::bail!("two corners are needed");
        };
        let mac = unique::mac()?;
        let mut port = corner.port(&corner.guest.address, &mac)?;
        port["device_id"] = json!(other.instance.uuid);
        port["project_id"] = json!(other.instance.project_id);
        let mut neutron = self.cloud.state.neutron();
        neutron
            .ports
            .retain(|port| port["mac_address"] != corner.guest.mac);
        neutron.ports.push(port);
        Ok(mac)
    }

    /// The new instance boots where the old one was.
    fn boot(&self, mac: &str) -> Result<()> {
        let inside = self.corners[0].guest.namespace();
        inside.ip(&format!("link set eth0 address {mac}"))?;
        let gateway = Subnet::TUTORIAL.gateway;
        inside.ip(&format!("route replace default via {gateway}"))?;
        let router = self.corners[0].router.namespace();
        router.ip("neighbour flush all").map(drop)
    }

    /// As Neutron's haproxy asks for the guest.
    fn ask_as_haproxy(&self) -> Result<Response> {
        let corner = &self.corners[0];
        let headers = format!(
            "X-Forwarded-For: {}\r\nX-Neutron-Router-ID: {}\r\nConnection: close\r\n",
            corner.guest.address,
            corner.router.id()
        );
        let mut stream = UnixStream::connect(self.daemon.agent_socket())?;
        http::get(&mut stream, DOCUMENT, &headers)
    }
}

#[test]
fn the_first_request_of_the_new_instance_gets_its_own_document() -> Result<()> {
    for setting in [std::convert::identity, long_lived] {
        let region = Region::first_of_two(setting)?;
        for _ in 0..3 {
            region.corners[0].is_served()?;
        }
        region.boot(&region.reassign()?)?;
        let answer = region.corners[0].guest.get(DOCUMENT)?;
        assert_eq!(answer.json()?["uuid"], region.corners[1].instance.uuid);
    }
    Ok(())
}

#[test]
fn while_neutron_is_away_the_new_instance_waits_and_gets_nothing_of_the_old() -> Result<()> {
    let mut region = Region::first_of_two(long_lived)?;
    region.corners[0].is_served()?;
    let mac = region.reassign()?;
    region.cloud.neutron.stop();
    region.boot(&mac)?;
    region.corners[0].is_put_off()?;
    region.cloud.start_neutron()?;
    region.wait_for("neutron", true)?;
    let answer = region.corners[0].guest.get(DOCUMENT)?;
    assert_eq!(answer.json()?["uuid"], region.corners[1].instance.uuid);
    Ok(())
}

#[test]
fn through_haproxy_too_the_new_instance_gets_its_own_document() -> Result<()> {
    let region = Region::first_of_two(long_lived)?;
    for _ in 0..3 {
        let answer = region.ask_as_haproxy()?;
        assert_eq!(answer.json()?["uuid"], region.corners[0].instance.uuid);
    }
    region.reassign()?;
    let answer = region.ask_as_haproxy()?;
    assert_eq!(answer.json()?["uuid"], region.corners[1].instance.uuid);
    Ok(())
}
