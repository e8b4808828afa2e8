//! Sets the scene for a combination: which agent runs, which way guests go.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::combination::{Combination, Resolver, Scene};
use super::heartbeat::Heartbeat;
use super::ours::Ours;
use crate::openstack::place::Place;
use crate::openstack::record::Record;
use crate::openstack::rest::Agent;
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
            self.ours = Some(Ours::start(self.place, &self.binary, combination)?);
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
                true => admit_worker(place),
                false => Ok(()),
            };
        }
        match Record::load(place, name) {
            Some(record) => stopping::stop(place, name, &record),
            None => Ok(()),
        }
    }
}

/// What `metadata_proxy_socket_mode = all` would do, which Neutron's agent reads and
/// does not apply since 2025.1: let another user's proxy connect.
fn admit_worker(place: &Place) -> Result<()> {
    let socket = neutron::agent_socket(place);
    Ok(fs::set_permissions(socket, Permissions::from_mode(0o666))?)
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
