//! What is in a namespace, by the kernel's tools and by the daemon's word.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use serde_json::Value;
use xtask::lab::namespace::Namespace;
use xtask::lab::router::VIP;

const VIP6: &str = "fe80::a9fe:a9fe";
const LOOPBACK: &str = "lo";

/// An interface, as far as it concerns us.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Interface {
    /// Programs at ingress and egress.
    filters: Vec<String>,
    /// Lines of `ip` about the IPv6 metadata address.
    addresses: Vec<String>,
}

/// A namespace; nothing is in one that has gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Space {
    interfaces: BTreeMap<String, Interface>,
    /// Interfaces that have the IPv4 metadata address; ours is on `lo`.
    owners: BTreeSet<String>,
    /// How answers find guests over IPv6: our routes.
    ways_out: Vec<String>,
    /// Addresses of TCP listeners.
    listeners: Vec<String>,
    /// What the daemon says of it.
    state: Option<Value>,
}

impl Space {
    fn is(&self, word: &str) -> bool {
        let state = self.state.as_ref().and_then(|state| state.get("state"));
        state.is_some_and(|state| state == word)
    }

    pub(crate) fn is_released(&self) -> bool {
        self.is("released")
    }

    /// Without what history may decide: while we serve, our address stays when others put it
    /// on an interface too, and none is added when they were first.
    pub(crate) fn without_history(mut self) -> Self {
        if self.is("serving") && self.owners.len() > 1 {
            self.owners.remove(LOOPBACK);
        }
        self
    }

    /// Nothing is steered, added, or listened on.
    pub(crate) fn is_clean(&self) -> bool {
        let is_bare = |one: &Interface| one.filters.is_empty() && one.addresses.is_empty();
        self.interfaces.values().all(is_bare)
            && !self.owners.contains(LOOPBACK)
            && self.ways_out.is_empty()
            && self.listeners.is_empty()
    }

    /// Guests behind one interface at least are served over both families, and nobody but us
    /// has the address.
    pub(crate) fn is_served_by_us_alone(&self) -> bool {
        let is_steered = |one: &Interface| !one.filters.is_empty() && !one.addresses.is_empty();
        self.interfaces.values().any(is_steered)
            && self.owners == [LOOPBACK.to_owned()].into()
            && !self.ways_out.is_empty()
            && !self.listeners.is_empty()
    }
}

pub(crate) fn of(namespace: &Namespace, mut state: Option<Value>) -> Result<Space> {
    // They register again in any order.
    let shims = state.as_mut().and_then(|state| state.get_mut("shims"));
    if let Some(shims) = shims.and_then(Value::as_array_mut) {
        shims.sort_by_key(Value::as_u64);
    }
    if !namespace.exists() {
        return Ok(Space {
            state,
            ..Space::default()
        });
    }
    let mut interfaces = BTreeMap::new();
    for line in namespace.ip("-o link show")?.lines() {
        let name = line.split([':', '@']).nth(1).unwrap_or_default().trim();
        interfaces.insert(name.to_owned(), interface(namespace, name)?);
    }
    let mut listeners: Vec<String> = words(&namespace.sh("ss -Hltn")?, 3).collect();
    listeners.sort();
    let routes = namespace.ip("-6 route show table all proto 169")?;
    let mut ways_out: Vec<String> = routes.lines().map(str::to_owned).collect();
    ways_out.sort();
    let owners = namespace.ip(&format!("-o -4 address show to {VIP}"))?;
    Ok(Space {
        interfaces,
        owners: words(&owners, 1).collect(),
        ways_out,
        listeners,
        state,
    })
}

/// One column of a table without a head.
fn words(table: &str, column: usize) -> impl Iterator<Item = String> {
    let words = move |line: &str| Some(line.split_whitespace().nth(column)?.to_owned());
    table.lines().filter_map(words)
}

fn interface(namespace: &Namespace, name: &str) -> Result<Interface> {
    let mut filters = Vec::new();
    for side in ["ingress", "egress"] {
        // A device may have gone, or have no hook.
        let shown = namespace.sh(&format!("tc filter show dev {name} {side}"));
        for line in shown.unwrap_or_default().lines() {
            let program = line
                .split_whitespace()
                .find(|word| word.starts_with("metadata_"));
            filters.extend(program.map(|program| format!("{side} {program}")));
        }
    }
    let addresses = namespace
        .ip(&format!("-o -6 addr show dev {name}"))
        .unwrap_or_default();
    let is_ours = |line: &&str| line.contains(VIP6);
    Ok(Interface {
        filters,
        addresses: addresses
            .lines()
            .filter(is_ours)
            .map(str::to_owned)
            .collect(),
    })
}
