//! A guest of a scenario: a port of Neutron's, bound to the instance `web`, and a
//! namespace with its MAC.

use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV6, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::net::if_::if_nametoindex;
use serde_json::{Value, json};

use super::super::{addresses, cloud, fabric};
use super::estate::{Network, items, text};
use super::lab::Lab;
use crate::lab::guest::{Guest, METADATA};
use crate::lab::http;
use crate::lab::namespace::Namespace;
use crate::lab::{unique, wait};
use crate::process;

const METADATA_IPV6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe);
const DOCUMENT: &str = "/openstack/latest/meta_data.json";
/// A connection is made at once or not at all.
const CONNECT: Duration = Duration::from_millis(300);
const LIMIT: Duration = Duration::from_secs(120);

/// What udhcpc does with its lease: address and routes, those of option 121 first.
const LEASE: &str = r#"#!/bin/sh
case "$1" in bound | renew) ;; *) exit 0 ;; esac
ip address replace "$ip/$mask" dev "$interface"
ip route flush dev "$interface" proto static
set -- $staticroutes
while [ $# -ge 2 ]; do
  ip route replace "$1" via "$2" dev "$interface" proto static
  shift 2
done
"#;

/// It and its namespace go on drop; the port goes with the network.
#[derive(Debug)]
pub(super) struct Visitor {
    guest: Guest,
    instance: String,
}

impl Visitor {
    /// Plugs a guest into a network. It has no address yet.
    pub(super) fn plug(lab: &Lab<'_>, network: &Network) -> Result<Self> {
        let port = lab.api.create(
            "port",
            &json!({
                "network_id": network.id, "project_id": lab.project, "device_id": lab.instance,
                "device_owner": "compute:nova", "binding:host_id": addresses::HOST,
            }),
        )?;
        let (id, mac) = (text(&port, "id")?, text(&port, "mac_address")?);
        let address = items(&port, "fixed_ips").iter().find_map(|address| {
            let address = address.get("ip_address").and_then(Value::as_str)?;
            address.parse::<Ipv4Addr>().ok()
        });
        let address = address.context("a port without an IPv4 address")?;
        let inside = Namespace::create(&format!("lab-guest-{}", unique::tag()?))?;
        // Nobody else has its address.
        inside.sysctl("ipv6/conf/default/accept_dad", "0")?;
        fabric::plug(&inside, 0, &id, &mac, &fabric::bridge(&network.id))?;
        Ok(Self {
            guest: Guest::of_somebody(inside, address, &mac),
            instance: lab.instance.clone(),
        })
    }

    /// An instance of the plan, whose namespace stays.
    pub(super) fn of_plan(lab: &Lab<'_>, name: &str) -> Result<Self> {
        let instance = cloud::instances(lab.place)?.remove(name);
        let instance = instance.with_context(|| format!("no instance {name}"))?;
        let port = instance
            .ports
            .first()
            .context("an instance without a port")?;
        Ok(Self {
            guest: Guest::of_somebody(fabric::guest(name), Ipv4Addr::UNSPECIFIED, &port.mac),
            instance: instance.uuid,
        })
    }

    /// Gives it its address and a gateway, without asking anybody.
    pub(super) fn configure(self, gateway: &str) -> Result<Self> {
        let (inside, address) = (self.namespace(), self.guest.address);
        inside.ip(&format!("address replace {address}/24 dev eth0"))?;
        inside.ip(&format!("route replace default via {gateway}"))?;
        Ok(self)
    }

    pub(super) fn namespace(&self) -> &Namespace {
        self.guest.namespace()
    }

    /// Asks the network's DHCP server, as at boot; returns the way to the metadata
    /// address that it was told.
    pub(super) fn lease(&self, lab: &Lab<'_>) -> Result<String> {
        let script = lab.place.write("helpers/lease.sh", LEASE)?;
        fs::set_permissions(&script, Permissions::from_mode(0o755))?;
        wait::until("a guest gets a DHCP lease", LIMIT, || {
            let mut client = self.namespace().command("udhcpc");
            client.args(["-f", "-q", "-n", "-t", "3", "-T", "1", "-i", "eth0"]);
            client.args(["-O", "staticroutes", "-s"]).arg(&script);
            Ok(process::read(&mut client).is_ok())
        })?;
        let route = self.namespace().ip("route get 169.254.169.254")?;
        let via = route.split(" via ").nth(1).unwrap_or_default();
        Ok(via.split(' ').next().unwrap_or_default().to_owned())
    }

    /// Its own document, or why it did not get it at once.
    pub(super) fn ask(&self) -> Result<()> {
        self.ask_within(CONNECT)
    }

    /// The same with another limit for the connection.
    pub(super) fn ask_within(&self, limit: Duration) -> Result<()> {
        self.read(self.guest.connect_within(METADATA.into(), limit)?)
    }

    /// Asks over IPv6.
    pub(super) fn ask_ipv6(&self) -> Result<()> {
        let inside = self.namespace();
        let interface = inside.enter(|| if_nametoindex("eth0"))??;
        let to = SocketAddrV6::new(METADATA_IPV6, 80, 0, interface);
        self.read(self.guest.connect_within(to.into(), CONNECT)?)
    }

    fn read(&self, mut stream: TcpStream) -> Result<()> {
        let answer = http::get(&mut stream, DOCUMENT, "Connection: close\r\n")?;
        ensure!(answer.status == 200, "{} {}", answer.status, answer.text());
        ensure!(answer.text().contains(&self.instance), "another's document");
        Ok(())
    }

    /// Asks until it is answered; after how long.
    pub(super) fn wait_answer(&self) -> Result<Duration> {
        let start = Instant::now();
        let mut last = None;
        let outcome = wait::until("a guest is answered", LIMIT, || {
            last = self.ask().err();
            Ok(last.is_none())
        });
        match last {
            Some(error) => outcome.with_context(|| format!("at last: {error:#}"))?,
            None => outcome?,
        }
        Ok(start.elapsed())
    }

    /// Asks until nobody answers any more.
    pub(super) fn wait_silence(&self) -> Result<()> {
        wait::until("nobody answers a guest", LIMIT, || Ok(self.ask().is_err()))
    }
}
