//! Finds out which instance asked and asks Nova on its behalf.

mod door;
mod faults;
pub mod socket;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;

pub use door::Proxies;

use std::sync::Arc;

use hyper::{Request, Response, StatusCode};

use crate::body::Body;
use crate::config::MacCheck;
use crate::identity::{Instance, Port, Requester};
use crate::interim::Patience;
use crate::logging::{self, occasionally::Occasionally};
use crate::metrics::{AgentMetrics, Outcome};
use crate::nova::Nova;
use crate::reply;
use crate::resolver::{Resolution, Resolver};
use crate::turn::Queue;

/// Answers requests, whoever brought them.
pub struct Agent {
    resolver: Arc<dyn Resolver>,
    nova: Nova,
    metrics: AgentMetrics,
    mac_check: MacCheck,
    /// Guests cause these lines, so they are rationed.
    log: Occasionally,
    /// Of those whom other proxies bring.
    others: Queue,
    /// Apart, so that no flood of other lines hides these.
    pretender_log: Occasionally,
}

/// An answer, and on whose behalf Nova was asked for it.
pub struct Answer {
    pub response: Response<Body>,
    /// `None` when the instance is not known.
    pub instance: Option<Instance>,
    /// No instance could be found that it would be for.
    pub is_for_nobody: bool,
}

impl From<Response<Body>> for Answer {
    fn from(response: Response<Body>) -> Self {
        Self {
            response,
            instance: None,
            is_for_nobody: false,
        }
    }
}

impl Agent {
    pub fn new(
        resolver: Arc<dyn Resolver>,
        nova: Nova,
        mac_check: MacCheck,
        metrics: AgentMetrics,
    ) -> Self {
        Self {
            resolver,
            nova,
            metrics,
            mac_check,
            log: Occasionally::default(),
            others: Queue::unlimited(),
            pretender_log: Occasionally::default(),
        }
    }

    /// Exactly one port with the requester's address: Nova's answer. None or
    /// several: 404. Another port's MAC: 403. Whatever fails for a while: 503. In
    /// `queue` the requests of the same guest wait.
    pub async fn answer(
        &self,
        requester: &Requester,
        request: Request<Body>,
        queue: &Queue,
        patience: Patience,
    ) -> Answer {
        if let Some(refusal) = reply::refuse(&request) {
            return refusal.into();
        }
        let instance = match self.who(requester).await {
            Ok(instance) => instance,
            Err(refusal) => return *refusal,
        };
        let nova = &self.nova;
        let forwarded = nova.forward(&instance, requester, request, queue, patience);
        let response = match forwarded.await {
            Ok(response) => response,
            Err(error) => {
                self.warn(
                    requester,
                    &format!("nova-api-metadata: {}", logging::chain(&error)),
                );
                faults::answer(&error)
            }
        };
        Answer {
            response,
            instance: Some(instance),
            is_for_nobody: false,
        }
    }

    /// The instance to ask for, or the answer that says why there is none.
    async fn who(&self, requester: &Requester) -> Result<Instance, Box<Answer>> {
        let resolution = match self.resolver.known(requester) {
            Some(resolution) => Ok(resolution),
            None => self.resolver.resolve(requester).await,
        };
        let refusal = match resolution {
            Ok(Resolution::Found(port)) => {
                self.metrics.count(Outcome::Found);
                return Ok(port.instance());
            }
            Ok(Resolution::Pretender { claimed, real }) => {
                match self.pretender(requester, &claimed, &real) {
                    Some(refusal) => refusal.into(),
                    None => return Ok(claimed.instance()),
                }
            }
            Ok(Resolution::Unknown) => {
                self.metrics.count(Outcome::Unknown);
                self.no_instance(requester, "no port has this address")
            }
            Ok(Resolution::Ambiguous(ports)) => {
                self.metrics.count(Outcome::Ambiguous);
                self.no_instance(requester, &format!("{ports} ports have this address"))
            }
            Err(error) => {
                self.metrics.count(Outcome::Error);
                self.warn(requester, &error.to_string());
                reply::unavailable("It cannot be found out now which instance asks.").into()
            }
        };
        Err(Box::new(refusal))
    }

    /// Neutron looks at the address alone: there a guest with port security off
    /// reads its neighbour's metadata.
    fn pretender(
        &self,
        requester: &Requester,
        claimed: &Port,
        real: &Port,
    ) -> Option<Response<Body>> {
        if self.mac_check == MacCheck::Off {
            self.metrics.count(Outcome::Found);
            return None;
        }
        self.metrics.count(Outcome::Pretender);
        if let Some(suppressed) = self.pretender_log.now() {
            tracing::warn!(
                realm = %requester.realm,
                client = %requester.address,
                mac = requester.mac.map(tracing::field::display),
                port = real.id,
                instance = &*real.device_id,
                claimed_port = claimed.id,
                claimed_instance = &*claimed.device_id,
                refused = self.mac_check == MacCheck::Enforce,
                suppressed,
                "a port asks with the address of another"
            );
        }
        (self.mac_check == MacCheck::Enforce).then(|| {
            let text = "The address of this request belongs to another port.".to_owned();
            reply::text(StatusCode::FORBIDDEN, text)
        })
    }

    fn no_instance(&self, requester: &Requester, why: &str) -> Answer {
        self.warn(requester, why);
        let text = format!("Instance was not found on {}.", requester.realm);
        Answer {
            is_for_nobody: true,
            ..reply::text(StatusCode::NOT_FOUND, text).into()
        }
    }

    fn warn(&self, requester: &Requester, why: &str) {
        if let Some(suppressed) = self.log.now() {
            tracing::warn!(
                realm = %requester.realm,
                client = %requester.address,
                mac = requester.mac.map(tracing::field::display),
                suppressed,
                "{why}"
            );
        }
    }
}
