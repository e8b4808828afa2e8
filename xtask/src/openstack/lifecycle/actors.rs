//! Who answers a guest, and the agents and proxies of Neutron that may.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::super::ours::Ours;
use super::super::place::Place;
use super::super::record::Record;
use super::super::service::Service;
use super::super::services::neutron;
use super::super::stopping;
use super::visitor::Visitor;
use crate::lab::namespace::Namespace;
use crate::lab::{proc, wait};

const LIMIT: Duration = Duration::from_secs(120);

/// Has a guest ask; metadatad's proxy must be who answers.
pub(super) fn by_us(ours: &Ours, visitor: &Visitor) -> Result<()> {
    let before = ours.answers()?;
    visitor.wait_answer()?;
    ensure!(ours.answers()? > before, "somebody else answered");
    Ok(())
}

/// The same over IPv6.
pub(super) fn by_us_over_ipv6(ours: &Ours, visitor: &Visitor) -> Result<()> {
    let before = ours.answers()?;
    let mut last = None;
    let outcome = wait::until("a guest is answered over IPv6", LIMIT, || {
        last = visitor.ask_ipv6().err();
        Ok(last.is_none())
    });
    outcome.with_context(|| last.map_or_else(String::new, |error| format!("{error:#}")))?;
    ensure!(ours.answers()? > before, "somebody else answered");
    Ok(())
}

/// Ends an agent and starts it again.
pub(super) fn restart(place: &Place, service: &Service) -> Result<()> {
    if let Some(record) = Record::load(place, service.name) {
        stopping::stop(place, service.name, &record)?;
    }
    service.ensure(place)
}

/// The process that an agent started for a router or network, if it runs.
pub(super) fn proxy(place: &Place, id: &str) -> Option<u32> {
    running(&pid_file(place, id))
}

fn pid_file(place: &Place, id: &str) -> PathBuf {
    let pids = place.path(neutron::STATE).join("external/pids");
    pids.join(format!("{id}.pid.haproxy"))
}

/// The process of a pid file, if it runs.
pub(super) fn running(file: &PathBuf) -> Option<u32> {
    let pid = fs::read_to_string(file).ok()?.trim().parse().ok()?;
    proc::is_alive(pid).then_some(pid)
}

/// Waits until an agent's proxy runs; its process.
pub(super) fn wait_proxy(place: &Place, id: &str) -> Result<u32> {
    let mut found = None;
    wait::until("an agent starts its proxy", LIMIT, || {
        found = proxy(place, id);
        Ok(found.is_some())
    })?;
    Ok(found.unwrap_or_default())
}

pub(super) fn wait_no_proxy(place: &Place, id: &str) -> Result<()> {
    wait::until("an agent ends its proxy", LIMIT, || {
        Ok(proxy(place, id).is_none())
    })
}

/// Waits until there is no namespace of this name.
pub(super) fn wait_gone(namespace: &str) -> Result<()> {
    wait::until(&format!("{namespace} goes"), LIMIT, || {
        Ok(!Namespace::of_somebody(namespace).exists())
    })
}

/// Whether Neutron's rules that redirect to haproxy are there.
pub(super) fn has_rules(namespace: &Namespace) -> Result<bool> {
    let rules = namespace.sh("iptables -w -t nat -S")?;
    Ok(rules.contains("REDIRECT"))
}

pub(super) fn wait_rules(namespace: &Namespace) -> Result<()> {
    wait::until("the l3-agent applies its rules", LIMIT, || {
        has_rules(namespace)
    })
}

/// Removes all of Neutron's rules.
pub(super) fn flush_rules(namespace: &Namespace) -> Result<()> {
    for table in ["mangle", "nat", "filter"] {
        namespace.sh(&format!("iptables -w -t {table} -F"))?;
    }
    Ok(())
}
