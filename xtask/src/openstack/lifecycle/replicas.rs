//! Routers of which there are several: keepalived's pairs, and those of DVR.

use std::time::Instant;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::super::ours::Ours;
use super::actors::{by_us, by_us_over_ipv6};
use super::beside::start;
use super::estate::{Network, Router};
use super::lab::Lab;
use super::ledger::Column::L3;
use super::ledger::Ledger;
use super::peer::Peer;
use super::visitor::Visitor;
use crate::lab::wait;

/// A highly available router whose other replica comes and goes.
pub(super) fn keepalived(lab: &Lab<'_>, ledger: &mut Ledger) -> Result<()> {
    let network = Network::make(lab, "ha")?;
    let subnet = network.address(lab, "10.53.0.0/24", false)?;
    let visitor = Visitor::plug(lab, &network)?.configure("10.53.0.1")?;
    let router = Router::make(lab, "ha", &json!({ "ha": true }))?;
    let mut ours = start(lab, &[router.namespace()])?;
    router.connect(lab, &subnet)?;
    visitor.wait_answer()?;
    ours.wait_serving(&[router.namespace()])?;
    by_us(&ours, &visitor)?;
    by_us_over_ipv6(&ours, &visitor)?;
    ledger.show("HA", L3, "the primary answers");

    let peer = Peer::of(lab, &router)?;
    ours.wait("the router is a standby", |ours| {
        Ok(state(ours, &router)? == "standby")
    })?;
    wait::until("nobody answers", super::LIMIT, || {
        Ok(visitor.ask().is_err() && visitor.ask_ipv6().is_err())
    })?;
    ledger.show("HA", L3, "a standby does not, over IPv6 neither");

    let start = Instant::now();
    drop(peer);
    visitor.wait_answer()?;
    let gap = start.elapsed();
    ours.wait_serving(&[router.namespace()])?;
    by_us(&ours, &visitor)?;
    by_us_over_ipv6(&ours, &visitor)?;
    ledger.show(
        "HA",
        L3,
        format!("it does when it is primary again, after {gap:.1?}"),
    );
    Ok(())
}

/// Distributed routers: here the host's own replica, as the l3-agent makes it.
pub(super) fn distributed(lab: &Lab<'_>, ledger: &mut Ledger) -> Result<()> {
    for (name, cidr, gateway, kind) in [
        (
            "dvr",
            "10.54.0.0/24",
            "10.54.0.1",
            json!({ "distributed": true }),
        ),
        (
            "dvr-ha",
            "10.55.0.0/24",
            "10.55.0.1",
            json!({ "distributed": true, "ha": true }),
        ),
    ] {
        let network = Network::make(lab, name)?;
        let subnet = network.address(lab, cidr, false)?;
        let visitor = Visitor::plug(lab, &network)?.configure(gateway)?;
        let router = Router::make(lab, name, &kind)?;
        let mut ours = start(lab, &[router.namespace()])?;
        router.connect(lab, &subnet)?;
        visitor.wait_answer()?;
        ours.wait_serving(&[router.namespace()])?;
        by_us(&ours, &visitor)?;
        by_us_over_ipv6(&ours, &visitor)?;
        ledger.show("DVR", L3, format!("the replica of a {name} router answers"));
    }
    Ok(())
}

/// What metadatad says of a router's namespace.
fn state(ours: &Ours, router: &Router) -> Result<String> {
    let status = ours.status()?;
    let namespaces = status.get("namespaces").and_then(Value::as_array);
    let mut namespaces = namespaces.into_iter().flatten();
    let name = router.namespace();
    let found = namespaces.find(|one| one.get("name").and_then(Value::as_str) == Some(&name));
    ensure!(found.is_some(), "metadatad does not know {name}");
    let state = found
        .and_then(|one| one.get("state"))
        .and_then(Value::as_str);
    Ok(state.unwrap_or_default().to_owned())
}
