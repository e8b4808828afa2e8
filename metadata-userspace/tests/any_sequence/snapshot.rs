//! What is in a namespace, by the kernel's tools and by the daemon's word.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::Value;
use xtask::lab::namespace::Namespace;

const VIP6: &str = "fe80::a9fe:a9fe";

/// An interface, as far as it concerns us.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Interface {
    /// Programs at ingress and egress.
    filters: Vec<String>,
    /// Lines of `ip` about the IPv6 metadata address.
    addresses: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Space {
    interfaces: BTreeMap<String, Interface>,
    /// Our routes.
    routes: String,
    /// Addresses of TCP listeners.
    listeners: Vec<String>,
    /// What the daemon says of it.
    state: Option<Value>,
}

impl Space {
    pub(crate) fn is_released(&self) -> bool {
        let state = self.state.as_ref();
        state.is_some_and(|state| state.get("state").is_some_and(|word| word == "released"))
    }

    /// Nothing is steered, added, or listened on.
    pub(crate) fn is_clean(&self) -> bool {
        let is_bare = |one: &Interface| one.filters.is_empty() && one.addresses.is_empty();
        self.interfaces.values().all(is_bare) && self.routes.is_empty() && self.listeners.is_empty()
    }
}

pub(crate) fn of(namespace: &Namespace, mut state: Option<Value>) -> Result<Space> {
    // They register again in any order.
    let shims = state.as_mut().and_then(|state| state.get_mut("shims"));
    if let Some(shims) = shims.and_then(Value::as_array_mut) {
        shims.sort_by_key(Value::as_u64);
    }
    let mut interfaces = BTreeMap::new();
    for line in namespace.ip("-o link show")?.lines() {
        let name = line.split([':', '@']).nth(1).unwrap_or_default().trim();
        interfaces.insert(name.to_owned(), interface(namespace, name)?);
    }
    let mut listeners: Vec<String> = namespace
        .sh("ss -Hltn")?
        .lines()
        .filter_map(|line| line.split_whitespace().nth(3))
        .map(str::to_owned)
        .collect();
    listeners.sort();
    Ok(Space {
        interfaces,
        routes: namespace.ip("route show table local proto 169")?,
        listeners,
        state,
    })
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
