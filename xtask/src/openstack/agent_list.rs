//! Neutron's agents, as its API lists them.

use std::fmt;

use anyhow::Result;
use serde::Deserialize;

use super::api::Api;

/// An agent as Neutron's agents API shows it.
#[derive(Debug, Deserialize)]
pub(super) struct Agent {
    pub(super) agent_type: String,
    pub(super) binary: String,
    pub(super) host: String,
    pub(super) alive: bool,
    pub(super) heartbeat_timestamp: String,
}

/// As a line of that list.
impl fmt::Display for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.alive { ":-)" } else { "XXX" };
        let Self {
            agent_type,
            binary,
            host,
            heartbeat_timestamp,
            ..
        } = self;
        write!(
            f,
            "{state} {agent_type:<20} {binary:<26} {host:<6} {heartbeat_timestamp}"
        )
    }
}

/// What `openstack network agent list` would show.
pub(super) fn agents() -> Result<Vec<Agent>> {
    #[derive(Deserialize)]
    struct Agents {
        agents: Vec<Agent>,
    }
    let answer = Api::login()?.get("/agents")?;
    Ok(serde_json::from_value::<Agents>(answer)?.agents)
}
