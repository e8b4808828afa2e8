//! Telling Neutron's server that the agent is alive.

use std::time::{Duration, SystemTime};

use tokio::time::{MissedTickBehavior, interval};

use super::agent_state::AgentState;
use super::client::Client;
use super::faults::CallError;
use super::request::Method;

/// `AgentExtRpcCallback` of neutron/db/agents_db.py has had it since its first
/// version.
const REPORT_STATE: Method = Method {
    topic: "q-reports-plugin",
    name: "report_state",
    version: "1.0",
};

/// Reports at once, then every `every`; after a report that failed, also as soon as
/// there is a connection again.
pub(super) async fn report(mut client: Client, state: AgentState, every: Duration) {
    let mut due = interval(every);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut reporter = Reporter {
        state,
        every,
        started: false,
        failed: false,
    };
    loop {
        tokio::select! {
            _ = due.tick() => {}
            () = client.reconnected(), if reporter.failed => {}
        }
        let result = reporter.report(&client).await;
        reporter.note(result);
    }
}

struct Reporter {
    state: AgentState,
    every: Duration,
    /// The server knows that we have started.
    started: bool,
    /// The last report did.
    failed: bool,
}

impl Reporter {
    /// neutron-metadata-agent waits for an answer until it has had one. Here a
    /// failed report is answered too: that tells that the server is back.
    async fn report(&self, client: &Client) -> Result<(), CallError> {
        let arguments = self.state.report(!self.started, SystemTime::now());
        if self.started && !self.failed {
            client.cast(REPORT_STATE, arguments).await
        } else {
            let answer = client.call_within(self.every, REPORT_STATE, arguments);
            answer.await?;
            client.neutron().up();
            Ok(())
        }
    }

    fn note(&mut self, result: Result<(), CallError>) {
        match result {
            Ok(()) => {
                if self.failed {
                    tracing::info!("Neutron's server has our report again");
                }
                (self.started, self.failed) = (true, false);
            }
            Err(error) => {
                if !self.failed {
                    tracing::warn!(
                        "cannot report to Neutron's server, which will take this agent for dead: {error}"
                    );
                }
                self.failed = true;
            }
        }
    }
}
