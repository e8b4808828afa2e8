//! What the cloud holds, as the helpers wrote it down.

use std::collections::BTreeMap;
use std::net::IpAddr;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::place::Place;
use super::python::PLAN;

/// Ids by name.
pub(super) type Ids = BTreeMap<String, String>;

/// Networks and routers.
#[derive(Debug, Deserialize)]
pub(super) struct Networks {
    pub(super) networks: Ids,
    pub(super) routers: Ids,
}

impl Networks {
    /// What `networks.py` made.
    pub(super) fn load(place: &Place) -> Result<Self> {
        place.read_json("networks.json")
    }

    pub(super) fn network(&self, name: &str) -> Result<&str> {
        let id = self.networks.get(name);
        Ok(id.with_context(|| format!("no network {name}"))?)
    }
}

/// An instance with its ports.
#[derive(Debug, Deserialize)]
pub(super) struct Instance {
    pub(super) uuid: String,
    pub(super) project_id: String,
    pub(super) ports: Vec<Port>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Port {
    pub(super) id: String,
    /// The network's name.
    pub(super) network: String,
    pub(super) mac: String,
    pub(super) addresses: Vec<IpAddr>,
}

/// The instances that `instances.py` wrote into Nova's database.
pub(super) fn instances(place: &Place) -> Result<BTreeMap<String, Instance>> {
    #[derive(Deserialize)]
    struct Cloud {
        instances: BTreeMap<String, Instance>,
    }
    Ok(place.read_json::<Cloud>("cloud.json")?.instances)
}

/// A network as it is planned.
#[derive(Debug, Deserialize)]
pub(super) struct PlannedNetwork {
    pub(super) name: String,
    /// The address of OVN's metadata port.
    pub(super) metadata: IpAddr,
    pub(super) subnets: Vec<PlannedSubnet>,
}

#[derive(Debug, Deserialize)]
pub(super) struct PlannedSubnet {
    pub(super) cidr: String,
    pub(super) gateway: IpAddr,
}

/// The networks of the plan.
pub(super) fn planned_networks() -> Result<Vec<PlannedNetwork>> {
    #[derive(Deserialize)]
    struct Plan {
        networks: Vec<PlannedNetwork>,
    }
    Ok(serde_json::from_str::<Plan>(PLAN)?.networks)
}
