//! Finds out which instance asked and asks Nova on its behalf.

mod door;
mod faults;
pub mod socket;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;

use std::sync::Arc;

use hyper::{Request, Response, StatusCode};

use crate::body::Body;
use crate::identity::{Instance, Requester};
use crate::logging::{self, occasionally::Occasionally};
use crate::metrics::{AgentMetrics, Outcome};
use crate::nova::Nova;
use crate::reply;
use crate::resolver::{Resolution, Resolver};

/// Answers requests, whoever brought them.
pub struct Agent {
    resolver: Arc<dyn Resolver>,
    nova: Nova,
    metrics: AgentMetrics,
    /// Guests cause these lines, so they are rationed.
    log: Occasionally,
}

/// An answer, and on whose behalf Nova was asked for it.
pub struct Answer {
    pub response: Response<Body>,
    /// `None` when the instance is not known.
    pub instance: Option<Instance>,
}

impl From<Response<Body>> for Answer {
    fn from(response: Response<Body>) -> Self {
        Self {
            response,
            instance: None,
        }
    }
}

impl Agent {
    pub fn new(resolver: Arc<dyn Resolver>, nova: Nova, metrics: AgentMetrics) -> Self {
        Self {
            resolver,
            nova,
            metrics,
            log: Occasionally::default(),
        }
    }

    /// Exactly one port with the requester's address: Nova's answer. None or
    /// several: 404. Whatever fails for a while: 503.
    pub async fn answer(&self, requester: &Requester, request: Request<Body>) -> Answer {
        let resolution = self.resolver.resolve(requester).await;
        let instance = match resolution {
            Ok(Resolution::Found(instance)) => instance,
            Ok(Resolution::Unknown) => {
                self.metrics.count(Outcome::Unknown);
                return self
                    .no_instance(requester, "no port has this address")
                    .into();
            }
            Ok(Resolution::Ambiguous(ports)) => {
                self.metrics.count(Outcome::Ambiguous);
                let why = format!("{ports} ports have this address");
                return self.no_instance(requester, &why).into();
            }
            Err(error) => {
                self.metrics.count(Outcome::Error);
                self.warn(requester, &error.to_string());
                return reply::unavailable("It cannot be found out now which instance asks.")
                    .into();
            }
        };
        self.metrics.count(Outcome::Found);
        let response = match self.nova.forward(&instance, requester, request).await {
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
        }
    }

    fn no_instance(&self, requester: &Requester, why: &str) -> Response<Body> {
        self.warn(requester, why);
        reply::text(
            StatusCode::NOT_FOUND,
            format!("Instance was not found on {}.", requester.realm),
        )
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
