//! What neutron-metadata-agent reports of itself (neutron/agent/metadata/agent.py,
//! `_init_state_reporting`; neutron/agent/rpc.py, `PluginReportStateAPI`).

use std::time::SystemTime;

use serde_json::{Value, json};
use uuid::Uuid;

use super::request;
use crate::config::Config;

/// What does not change while we run.
#[derive(Clone, Debug)]
pub(super) struct AgentState {
    host: String,
    configurations: Value,
}

impl AgentState {
    pub(super) fn new(host: &str, log_heartbeats: bool, config: &Config) -> Self {
        Self {
            host: host.to_owned(),
            configurations: json!({
                "metadata_proxy_socket": config.agent.socket,
                "nova_metadata_host": config.nova.host,
                "nova_metadata_port": config.nova.port,
                "log_agent_heartbeats": log_heartbeats,
            }),
        }
    }

    /// Arguments of a report; the first one says that the agent has started.
    pub(super) fn report(&self, first: bool, now: SystemTime) -> Value {
        let mut state = json!({
            "binary": "neutron-metadata-agent",
            "agent_type": "Metadata agent",
            "topic": "N/A",
            "host": self.host,
            "configurations": self.configurations,
            "uuid": Uuid::new_v4(),
        });
        if let Value::Object(state) = &mut state
            && first
        {
            state.insert("start_flag".to_owned(), true.into());
        }
        json!({"agent_state": {"agent_state": state}, "time": request::utc(now, "T")})
    }
}
