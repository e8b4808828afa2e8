use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::statuses::StatusCounters;

/// How the question "which instance is this?" ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Found,
    Unknown,
    Ambiguous,
    /// The MAC was another port's.
    Pretender,
    /// The resolver could not be asked.
    Error,
}

/// What the agent found out.
#[derive(Clone, Debug)]
pub struct AgentMetrics {
    /// Answers on the unix socket.
    pub socket_requests: StatusCounters,
    /// `100 Continue` there.
    pub socket_interim: Counter,
    found: Counter,
    unknown: Counter,
    ambiguous: Counter,
    pretender: Counter,
    error: Counter,
}

impl AgentMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let resolutions = Family::<[(&str, &str); 1], Counter>::default();
        let outcome = |outcome| resolutions.get_or_create_owned(&[("outcome", outcome)]);
        let metrics = Self {
            socket_requests: StatusCounters::new(),
            socket_interim: Counter::default(),
            found: outcome("found"),
            unknown: outcome("unknown"),
            ambiguous: outcome("ambiguous"),
            pretender: outcome("pretender"),
            error: outcome("error"),
        };
        registry.register(
            "agent_resolutions",
            "How the search for the instance behind a request ended",
            resolutions,
        );
        registry.register(
            "agent_socket_requests",
            "Answers on the agent's unix socket by status",
            metrics.socket_requests.family(),
        );
        registry.register(
            "agent_socket_interim_answers",
            "Interim answers (100 Continue) on the agent's unix socket while requests wait",
            metrics.socket_interim.clone(),
        );
        metrics
    }

    pub fn count(&self, outcome: Outcome) {
        match outcome {
            Outcome::Found => &self.found,
            Outcome::Unknown => &self.unknown,
            Outcome::Ambiguous => &self.ambiguous,
            Outcome::Pretender => &self.pretender,
            Outcome::Error => &self.error,
        }
        .inc();
    }
}
