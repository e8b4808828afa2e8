//! Whether Neutron's server believes that the metadata agent is alive.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::lab::wait;
use crate::openstack::addresses;
use crate::openstack::agent_list::{self, Agent};

const AGENT: &str = "neutron-metadata-agent";
const LIMIT: Duration = Duration::from_secs(40);

/// The agent's last heartbeat, read while nobody is that agent.
#[derive(Debug)]
pub(super) struct Heartbeat {
    before: String,
}

impl Heartbeat {
    pub(super) fn now() -> Result<Self> {
        Ok(Self {
            before: agent()?.heartbeat_timestamp,
        })
    }

    /// Waits for the next one, which only who came meanwhile can have sent.
    pub(super) fn wait_for_next(&self) -> Result<Agent> {
        wait::until("Neutron takes our heartbeat", LIMIT, || {
            let now = agent()?;
            Ok(now.alive && now.heartbeat_timestamp != self.before)
        })?;
        agent()
    }
}

fn agent() -> Result<Agent> {
    let mut agents = agent_list::agents()?.into_iter();
    let found = agents.find(|agent| agent.binary == AGENT && agent.host == addresses::HOST);
    found.with_context(|| format!("Neutron knows no {AGENT}"))
}
