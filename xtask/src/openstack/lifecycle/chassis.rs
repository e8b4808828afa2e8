//! The namespaces of OVN's metadata agent.

use anyhow::{Context, Result};

use super::super::cloud::{self, Networks};
use super::super::ours::{self, Hops, Ours};
use super::super::services::ovn;
use super::super::{fabric, southbound};
use super::actors::{by_us, by_us_over_ipv6, running, wait_gone};
use super::beside::leave_and_return;
use super::lab::Lab;
use super::ledger::Column::Ovn;
use super::ledger::Ledger;
use super::link::{self, Link, check_shim};
use super::visitor::Visitor;

/// The only instance of its network.
const INSTANCE: &str = "lonely";

/// A network whose only port leaves and comes.
pub(super) fn beside(lab: &Lab<'_>, ledger: &mut Ledger) -> Result<()> {
    with_guest(lab, |host| {
        let served = [host.namespace.clone()];
        let mut ours = start(lab, &served, String::new())?;
        ours.wait_serving(&served)?;
        by_us(&ours, &host.visitor)?;
        ledger.show(
            "IPv4 169.254.169.254:80",
            Ovn,
            "ours, beside the haproxy on :80",
        );
        by_us_over_ipv6(&ours, &host.visitor)?;
        ledger.show("IPv6 fe80::a9fe:a9fe", Ovn, "ours, beside haproxy");
        leave_and_return(&mut ours, &host.visitor, &served, "network", Ovn, ledger)?;
        host.leave_and_come(lab)?;
        ours.wait_serving(&served)?;
        by_us(&ours, &host.visitor)?;
        ledger.show(
            "netns",
            Ovn,
            "the network's last port leaves the host: ovnmeta-… goes",
        );
        ledger.show(
            "live migration pre-provision",
            Ovn,
            "a port is about to come (additional_chassis): ovnmeta-… appears and is served",
        );
        Ok(())
    })
}

/// The same with a shim, which OVN's agent starts; it goes on answering behind it.
pub(super) fn in_haproxys_place(lab: &Lab<'_>, ledger: &mut Ledger) -> Result<()> {
    with_guest(lab, |host| {
        let _linked = Link::make(lab)?;
        let ours = start(lab, &[], link::door(lab))?;
        host.leave_and_come(lab)?;
        host.visitor.wait_answer()?;
        by_us(&ours, &host.visitor)?;
        let shim = running(&ovn::proxy_pid_file(lab.place, &host.network));
        check_shim(shim.context("OVN's agent started no shim")?)?;
        ledger.show(
            "netns",
            Ovn,
            "OVN's agent makes ovnmeta-… and starts a shim: served",
        );
        Ok(())
    })
}

/// Our proxy in front of OVN's agent.
fn start(lab: &Lab<'_>, namespaces: &[String], options: String) -> Result<Ours> {
    let socket = ovn::agent_socket(lab.place);
    ours::admit_worker(&socket)?;
    let hops = Hops {
        namespaces: namespaces.into(),
        upstream: Some(socket),
        in_ovn: true,
        options,
        ..Hops::default()
    };
    Ours::start(lab.place, &lab.binary, &hops)
}

/// This host as a chassis with the only port of a network.
struct Host {
    network: String,
    namespace: String,
    port: String,
    visitor: Visitor,
}

fn with_guest(lab: &Lab<'_>, play: impl FnOnce(&Host) -> Result<()>) -> Result<()> {
    let lonely = cloud::instances(lab.place)?.remove(INSTANCE);
    let lonely = lonely.context("no such instance")?;
    let port = lonely.ports.first().context("no port")?;
    let networks = Networks::load(lab.place)?;
    let network = networks.network(&port.network)?;
    let host = Host {
        network: network.to_owned(),
        namespace: format!("ovnmeta-{network}"),
        port: port.id.clone(),
        visitor: Visitor::of_plan(lab, INSTANCE)?,
    };
    fabric::route_metadata(lab.place, true)?;
    let outcome = play(&host);
    let back = fabric::route_metadata(lab.place, false);
    outcome.and(back)
}

impl Host {
    /// The port leaves the host, is about to come, and is there.
    fn leave_and_come(&self, lab: &Lab<'_>) -> Result<()> {
        let (place, port) = (lab.place, &self.port);
        let outcome = fabric::unplug_ovn(&self.network)
            .and_then(|()| southbound::move_port(place, port, false, false))
            .and_then(|()| wait_gone(&self.namespace))
            .and_then(|()| southbound::move_port(place, port, false, true))
            .and_then(|()| fabric::plug_ovn(place, &Networks::load(place)?));
        // Whatever happened, the port is where it was.
        let back = southbound::move_port(place, port, true, false);
        outcome.and(back)
    }
}
