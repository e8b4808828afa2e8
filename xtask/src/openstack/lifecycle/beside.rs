//! metadatad finds namespaces by itself, beside the haproxies that Neutron's agents
//! go on starting.

use anyhow::{Result, ensure};
use serde_json::json;

use super::super::ours::{self, Hops, Ours};
use super::super::services::neutron;
use super::actors::{
    by_us, by_us_over_ipv6, flush_rules, has_rules, proxy, restart, wait_gone, wait_proxy,
    wait_rules,
};
use super::asker::while_asking;
use super::estate::{Network, Router};
use super::lab::Lab;
use super::ledger::Column::{self, Dhcp, L3};
use super::ledger::Ledger;
use super::visitor::Visitor;
use crate::lab::namespace::Namespace;
use crate::lab::wait;

/// Our proxy in front of Neutron's agent, in these namespaces.
pub(super) fn start(lab: &Lab<'_>, namespaces: &[String]) -> Result<Ours> {
    let socket = neutron::agent_socket(lab.place);
    ours::admit_worker(&socket)?;
    let hops = Hops {
        namespaces: namespaces.into(),
        upstream: Some(socket),
        ..Hops::default()
    };
    Ours::start(lab.place, &lab.binary, &hops)
}

/// A legacy router.
pub(super) fn router(lab: &Lab<'_>, ledger: &mut Ledger) -> Result<()> {
    let network = Network::make(lab, "beside")?;
    let second = Network::make(lab, "beside-2")?;
    let subnet = network.address(lab, "10.50.0.0/24", false)?;
    let second_subnet = second.address(lab, "10.51.0.0/24", false)?;
    let visitor = Visitor::plug(lab, &network)?.configure("10.50.0.1")?;
    let neighbour = Visitor::plug(lab, &second)?.configure("10.51.0.1")?;
    let router = Router::make(lab, "beside", &json!({}))?;
    let served = [router.namespace()];
    let mut ours = start(lab, &served)?;
    router.connect(lab, &subnet)?;
    visitor.wait_answer()?;
    wait_proxy(lab.place, &router.id)?;
    ours.wait_serving(&served)?;
    by_us(&ours, &visitor)?;
    by_us_over_ipv6(&ours, &visitor)?;
    ledger.show("IPv6 fe80::a9fe:a9fe", L3, "ours, beside haproxy");
    ledger.show(
        "IPv4 169.254.169.254:80",
        L3,
        "ours, beside haproxy and Neutron's rules",
    );
    ledger.show("netns", L3, "qrouter-… appears and is served");

    router.connect(lab, &second_subnet)?;
    neighbour.wait_answer()?;
    ours.wait_interfaces(&router.namespace(), 2)?;
    by_us(&ours, &neighbour)?;
    ledger.show("netns", L3, "a second interface comes and is served");

    let inside = Namespace::of_somebody(&router.namespace());
    let asked = while_asking(&visitor, || {
        flush_rules(&inside)?;
        ensure!(!has_rules(&inside)?, "the rules stay");
        by_us(&ours, &visitor)?;
        restart(lab.place, &neutron::l3_agent(lab.place))?;
        wait_rules(&inside)?;
        by_us(&ours, &visitor)
    })?;
    ledger.show(
        "process supervision",
        L3,
        format!("Neutron's rules go, the l3-agent restarts, they come back: {asked}"),
    );
    leave_and_return(&mut ours, &visitor, &served, "router", L3, ledger)?;

    router.disconnect(lab, &second_subnet)?;
    router.disconnect(lab, &subnet)?;
    router.delete(lab)?;
    wait_gone(&router.namespace())?;
    ours.wait("the namespace is forgotten", |ours| {
        Ok(!ours.status()?.to_string().contains(&router.id))
    })?;
    ledger.show(
        "netns",
        L3,
        "the router is deleted: its namespace is let go",
    );
    Ok(())
}

/// metadatad ends and comes back under a guest that asks.
pub(super) fn leave_and_return(
    ours: &mut Ours,
    visitor: &Visitor,
    served: &[String],
    what: &str,
    column: Column,
    ledger: &mut Ledger,
) -> Result<()> {
    let asked = while_asking(visitor, || {
        ours.stop()?;
        visitor.wait_answer()?;
        ours.unload()?;
        visitor.wait_answer().map(drop)
    })?;
    ledger.show(
        "process supervision",
        column,
        format!("metadatad stops and is unloaded, haproxy answers: {asked}"),
    );
    let asked = while_asking(visitor, || {
        ours.start_again()?;
        ours.wait_serving(served)?;
        by_us(ours, visitor)
    })?;
    ledger.show(
        "process supervision",
        column,
        format!("it comes back to the {what} and answers: {asked}"),
    );
    Ok(())
}

/// An isolated network, which gets a router and loses it.
pub(super) fn isolated(lab: &Lab<'_>, ledger: &mut Ledger) -> Result<()> {
    let network = Network::make(lab, "isolated")?;
    let router = Router::make(lab, "isolated", &json!({}))?;
    let served = [network.dhcp_namespace()];
    let mut ours = start(lab, &[served.as_slice(), &[router.namespace()]].concat())?;
    let subnets = [
        network.address(lab, "10.52.0.0/24", true)?,
        network.address(lab, "fd00:52::/64", true)?,
    ];
    let visitor = Visitor::plug(lab, &network)?;
    let by_dhcp = visitor.lease(lab)?;
    visitor.wait_answer()?;
    wait_proxy(lab.place, &network.id)?;
    ours.wait_serving(&served)?;
    by_us(&ours, &visitor)?;
    by_us_over_ipv6(&ours, &visitor)?;
    ledger.show("IPv6 fe80::a9fe:a9fe", Dhcp, "ours, beside haproxy");
    ledger.show(
        "IPv4 169.254.169.254:80",
        Dhcp,
        "ours, beside the haproxy on :80",
    );
    ledger.show("netns", Dhcp, "qdhcp-… appears and is served");
    ledger.show(
        "guest route",
        Dhcp,
        format!("option 121 leads to {by_dhcp}"),
    );

    let asked = while_asking(&visitor, || {
        let before = wait_proxy(lab.place, &network.id)?;
        restart(lab.place, &neutron::dhcp_agent(lab.place))?;
        wait::until("the dhcp-agent restarts its proxy", super::LIMIT, || {
            Ok(proxy(lab.place, &network.id).is_some_and(|pid| pid != before))
        })?;
        by_us(&ours, &visitor)
    })?;
    ledger.show(
        "process supervision",
        Dhcp,
        format!("the dhcp-agent restarts: {asked}"),
    );
    leave_and_return(&mut ours, &visitor, &served, "network", Dhcp, ledger)?;

    subnets
        .iter()
        .try_for_each(|subnet| router.connect(lab, subnet))?;
    wait::until("DHCP leads to the router", super::LIMIT, || {
        Ok(visitor.lease(lab)? == "10.52.0.1")
    })?;
    visitor.wait_answer()?;
    // Until then haproxy answers, which need not wait for an interface's programs.
    ours.wait_serving(&[router.namespace()])?;
    by_us(&ours, &visitor)?;
    ledger.show(
        "guest route",
        L3,
        "the network gets a router: option 121 leads to it, and it answers",
    );
    subnets
        .iter()
        .try_for_each(|subnet| router.disconnect(lab, subnet))?;
    wait::until("DHCP leads to its own port", super::LIMIT, || {
        Ok(visitor.lease(lab)? == by_dhcp)
    })?;
    ours.wait_serving(&served)?;
    by_us(&ours, &visitor)?;
    ledger.show(
        "guest route",
        Dhcp,
        "the network loses its router: option 121 leads back",
    );
    Ok(())
}
