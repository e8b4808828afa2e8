//! metadatad in haproxy's place: Neutron's agents start, watch and end its shims.

use std::thread::sleep;

use anyhow::{Result, ensure};
use nix::sys::signal::Signal;
use serde_json::json;

use super::super::ours::Ours;
use super::super::services::neutron;
use super::actors::{by_us, proxy, restart, wait_gone, wait_no_proxy, wait_proxy};
use super::asker::while_asking;
use super::estate::{Network, Router};
use super::lab::Lab;
use super::ledger::Column::{Dhcp, L3};
use super::ledger::Ledger;
use super::link::{self, Link, check_shim};
use super::peer::Peer;
use super::visitor::Visitor;
use crate::lab::{daemon, wait};

/// A router's life.
pub(super) fn router(lab: &Lab<'_>, ledger: &mut Ledger) -> Result<()> {
    in_haproxys_place(lab, |ours| {
        let network = Network::make(lab, "shim")?;
        let subnet = network.address(lab, "10.56.0.0/24", false)?;
        let visitor = Visitor::plug(lab, &network)?.configure("10.56.0.1")?;
        let router = Router::make(lab, "shim", &json!({}))?;
        router.connect(lab, &subnet)?;
        visitor.wait_answer()?;
        let shim = wait_proxy(lab.place, &router.id)?;
        check_shim(shim)?;
        by_us(ours, &visitor)?;
        ledger.show(
            "netns",
            L3,
            "the l3-agent makes a router and starts a shim: served",
        );

        let asked = while_asking(&visitor, || {
            restart(lab.place, &neutron::l3_agent(lab.place))?;
            sleep(super::SETTLED);
            ensure!(
                proxy(lab.place, &router.id) == Some(shim),
                "the shim was replaced"
            );
            Ok(())
        })?;
        ledger.show(
            "cfg change detection",
            L3,
            format!("the l3-agent restarts and keeps the shim: {asked}"),
        );

        ours.stop()?;
        ours.start_again()?;
        visitor.wait_answer()?;
        by_us(ours, &visitor)?;
        ensure!(
            proxy(lab.place, &router.id) == Some(shim),
            "the shim was replaced"
        );
        ledger.show(
            "process supervision",
            L3,
            "metadatad restarts, the shim comes back to it",
        );

        daemon::send(shim, Signal::SIGKILL)?;
        wait::until("the l3-agent starts another shim", super::LIMIT, || {
            Ok(proxy(lab.place, &router.id).is_some_and(|pid| pid != shim))
        })?;
        visitor.wait_answer()?;
        ledger.show(
            "process supervision",
            L3,
            "a shim is killed, the l3-agent starts another",
        );

        let shim = wait_proxy(lab.place, &router.id)?;
        router.disconnect(lab, &subnet)?;
        router.delete(lab)?;
        wait_gone(&router.namespace())?;
        wait_no_proxy(lab.place, &router.id)?;
        wait::until("the shim ends", super::LIMIT, || {
            Ok(check_shim(shim).is_err())
        })?;
        forgotten(ours, &router.id)?;
        ledger.show(
            "netns",
            L3,
            "the router is deleted: its shim ends, nothing is served",
        );
        Ok(())
    })
}

/// An isolated network, which gets a router and loses it.
pub(super) fn isolated(lab: &Lab<'_>, ledger: &mut Ledger) -> Result<()> {
    in_haproxys_place(lab, |ours| {
        let network = Network::make(lab, "shim-isolated")?;
        let subnet = network.address(lab, "10.57.0.0/24", true)?;
        let visitor = Visitor::plug(lab, &network)?;
        let by_dhcp = visitor.lease(lab)?;
        visitor.wait_answer()?;
        let shim = wait_proxy(lab.place, &network.id)?;
        check_shim(shim)?;
        by_us(ours, &visitor)?;
        ledger.show(
            "netns",
            Dhcp,
            "the dhcp-agent makes an isolated network and starts a shim: served",
        );

        restart(lab.place, &neutron::dhcp_agent(lab.place))?;
        wait::until("the dhcp-agent starts another shim", super::LIMIT, || {
            Ok(proxy(lab.place, &network.id).is_some_and(|pid| pid != shim))
        })?;
        visitor.wait_answer()?;
        by_us(ours, &visitor)?;
        ledger.show(
            "cfg change detection",
            Dhcp,
            "the dhcp-agent restarts, and every shim with it: served",
        );

        let router = Router::make(lab, "shim-isolated", &json!({}))?;
        router.connect(lab, &subnet)?;
        wait_no_proxy(lab.place, &network.id)?;
        ours.wait("the dhcp-agent's namespace is let go", |ours| {
            Ok(!ours.serves(&network.dhcp_namespace())?)
        })?;
        visitor.wait_silence()?;
        wait::until("DHCP leads to the router", super::LIMIT, || {
            Ok(visitor.lease(lab)? == "10.57.0.1")
        })?;
        visitor.wait_answer()?;
        by_us(ours, &visitor)?;
        ledger.show(
            "netns",
            Dhcp,
            "it gets a router: the shim ends, qdhcp-… is not served, the router answers",
        );

        router.disconnect(lab, &subnet)?;
        wait_proxy(lab.place, &network.id)?;
        wait::until("DHCP leads to its own port", super::LIMIT, || {
            Ok(visitor.lease(lab)? == by_dhcp)
        })?;
        visitor.wait_answer()?;
        by_us(ours, &visitor)?;
        ledger.show("netns", Dhcp, "it is isolated again: served again");
        Ok(())
    })
}

/// A highly available router: shims of primaries only.
pub(super) fn keepalived(lab: &Lab<'_>, ledger: &mut Ledger) -> Result<()> {
    in_haproxys_place(lab, |ours| {
        let network = Network::make(lab, "shim-ha")?;
        let subnet = network.address(lab, "10.58.0.0/24", false)?;
        let visitor = Visitor::plug(lab, &network)?.configure("10.58.0.1")?;
        let router = Router::make(lab, "shim-ha", &json!({ "ha": true }))?;
        router.connect(lab, &subnet)?;
        visitor.wait_answer()?;
        check_shim(wait_proxy(lab.place, &router.id)?)?;
        by_us(ours, &visitor)?;
        let peer = Peer::of(lab, &router)?;
        wait_no_proxy(lab.place, &router.id)?;
        ours.wait("the standby is not served", |ours| {
            Ok(!ours.serves(&router.namespace())?)
        })?;
        drop(peer);
        visitor.wait_answer()?;
        check_shim(wait_proxy(lab.place, &router.id)?)?;
        by_us(ours, &visitor)?;
        ledger.show(
            "HA",
            L3,
            "primary, standby, primary: the l3-agent starts, ends and starts the shim",
        );
        Ok(())
    })
}

/// What a scenario does while shims stand for haproxies.
fn in_haproxys_place(lab: &Lab<'_>, play: impl FnOnce(&mut Ours) -> Result<()>) -> Result<()> {
    let linked = Link::make(lab)?;
    let mut ours = link::start(lab, &[])?;
    let outcome = play(&mut ours);
    drop(linked);
    drop(ours);
    let back = link::give_back(lab);
    outcome.and(back)
}

fn forgotten(ours: &mut Ours, id: &str) -> Result<()> {
    ours.wait("the namespace is forgotten", |ours| {
        Ok(!ours.status()?.to_string().contains(id))
    })
}
