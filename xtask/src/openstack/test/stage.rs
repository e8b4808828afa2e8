//! Sets the scene for a combination: which agent runs, which way guests go.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::combination::{Combination, Resolver, Scene};
use super::heartbeat::Heartbeat;
use crate::openstack::agent_list::Agent;
use crate::openstack::cloud::Networks;
use crate::openstack::ours::{self, Hops, Ours};
use crate::openstack::place::Place;
use crate::openstack::record::Record;
use crate::openstack::services::{neutron, ovn};
use crate::openstack::{fabric, stopping};

/// The cloud while combinations are tried; as it was afterwards.
pub(super) struct Stage<'a> {
    place: &'a Place,
    binary: PathBuf,
    ours: Option<Ours>,
    /// Ours, as Neutron's server last saw it.
    pub(super) agent: Option<Agent>,
}

impl<'a> Stage<'a> {
    pub(super) fn new(place: &'a Place, binary: &Path) -> Self {
        Self {
            place,
            binary: binary.to_owned(),
            ours: None,
            agent: None,
        }
    }

    /// Puts a combination in place.
    pub(super) fn set(&mut self, combination: Combination) -> Result<()> {
        self.ours = None;
        self.set_agent(combination)?;
        let heartbeat = match combination.our_agent {
            Some(Resolver::NeutronRpc) => Some(Heartbeat::now()?),
            _ => None,
        };
        if !combination.is_reference() {
            let hops = hops(self.place, combination)?;
            let mut ours = Ours::start(self.place, &self.binary, &hops)?;
            ours.wait_serving(&hops.namespaces)?;
            self.ours = Some(ours);
        }
        if let Some(heartbeat) = heartbeat {
            self.agent = Some(heartbeat.wait_for_next()?);
        }
        fabric::route_metadata(self.place, combination.scene == Scene::Ovn)
    }

    /// Neutron's agent gives way to ours, and comes back.
    fn set_agent(&self, combination: Combination) -> Result<()> {
        let place = self.place;
        let (name, service) = match combination.scene {
            Scene::Routers => (neutron::METADATA_AGENT, neutron::metadata_agent(place)),
            Scene::Ovn => (ovn::METADATA_AGENT, ovn::metadata_agent(place)),
        };
        if combination.our_agent.is_none() {
            service.ensure(place)?;
            return match combination.our_proxy {
                true => ours::admit_worker(&agent_socket(place, combination.scene)),
                false => Ok(()),
            };
        }
        match Record::load(place, name) {
            Some(record) => stopping::stop(place, name, &record),
            None => Ok(()),
        }
    }
}

/// What metadatad does in a combination.
fn hops(place: &Place, combination: Combination) -> Result<Hops> {
    let networks = Networks::load(place)?;
    let (ids, prefix) = match combination.scene {
        Scene::Routers => (&networks.routers, "qrouter"),
        Scene::Ovn => (&networks.networks, "ovnmeta"),
    };
    let served = ids.values().filter(|_| combination.our_proxy);
    let their_agent = agent_socket(place, combination.scene);
    Ok(Hops {
        namespaces: served.map(|id| format!("{prefix}-{id}")).collect(),
        upstream: combination.our_agent.is_none().then_some(their_agent),
        resolver: combination.our_agent.map(Resolver::name),
        in_ovn: combination.scene == Scene::Ovn,
        ..Hops::default()
    })
}

fn agent_socket(place: &Place, scene: Scene) -> PathBuf {
    match scene {
        Scene::Routers => neutron::agent_socket(place),
        Scene::Ovn => ovn::agent_socket(place),
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        self.ours = None;
        if let Err(error) = restore(self.place) {
            eprintln!("warning: the cloud is not as it was: {error:#}");
        }
    }
}

fn restore(place: &Place) -> Result<()> {
    fabric::route_metadata(place, false)?;
    neutron::metadata_agent(place).ensure(place)?;
    super::super::up::start_ovn(place)
}
