//! Asks until there is an answer, or no more time.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::identify::{Doubt, Judgement, Sighting, judge};
use super::{Asking, Resolution, ResolveError, Resolver};
use crate::identity::{Realm, Requester};

mod unknown;

use unknown::RecentlyUnknown;

/// How long the refreshing of what is known may hold up a request that could be
/// answered without.
const HOLD_UP: Duration = Duration::from_secs(1);

/// Between two looks, should a source report news without pause.
const BREATH: Duration = Duration::from_millis(50);

/// What one source of truth knows of ports.
pub trait Ports: Send + Sync + 'static {
    /// For errors and logs, for example `neutron-rpc`.
    fn name(&self) -> &'static str;

    /// What is known without asking anyone; `None`: nothing about that realm yet.
    fn sight(&self, requester: &Requester) -> Option<Sighting>;

    /// Returns when more is known than at the time of the call. What was begun on
    /// behalf of a caller goes on when the caller stops waiting.
    fn renew<'a>(&'a self, requester: &'a Requester) -> Asking<'a, ()>;

    /// The host saw something change that what is known may not show yet.
    fn distrust(&self, _realm: &Realm) {}
}

/// Names the port behind a request.
pub struct Identifier {
    ports: Arc<dyn Ports>,
    patience: Duration,
    unknown: RecentlyUnknown,
}

impl Identifier {
    /// `patience` is the longest wait for a port to become known.
    pub fn new(ports: Arc<dyn Ports>, patience: Duration) -> Self {
        Self {
            ports,
            patience,
            unknown: RecentlyUnknown::default(),
        }
    }

    async fn identify(&self, requester: &Requester) -> Result<Resolution, ResolveError> {
        let deadline = Instant::now() + self.patience;
        let mut last_attempt = None;
        // What the first attempt brought is looked at without delay.
        let mut breath = Duration::ZERO;
        loop {
            let sighting = self.ports.sight(requester);
            let judgement = sighting.as_ref().map(|sighting| judge(requester, sighting));
            if let Some(answer) = self.settled(requester, judgement.as_ref(), &last_attempt) {
                return Ok(answer);
            }
            if Instant::now() >= deadline {
                return self.give_up(requester, judgement, last_attempt);
            }
            let failing = sighting.is_some_and(|sighting| sighting.failing);
            let until = deadline.min(self.wait_until(judgement.as_ref(), failing));
            let attempt = timeout_at(until, self.ports.renew(requester)).await;
            match (attempt, judgement) {
                (Ok(Ok(())), _) => last_attempt = Some(Ok(())),
                (_, Some(judgement)) if can_do_without(&judgement) => {
                    return Ok(judgement.resolution);
                }
                (Ok(failed), _) => last_attempt = Some(failed),
                (Err(_), _) => {}
            }
            sleep(breath).await;
            breath = BREATH;
        }
    }

    /// The answer, if waiting could not change it.
    fn settled(
        &self,
        requester: &Requester,
        judgement: Option<&Judgement>,
        last_attempt: &Option<Result<(), ResolveError>>,
    ) -> Option<Resolution> {
        let judgement = judgement?;
        let renewed = matches!(last_attempt, Some(Ok(())));
        let settled = match judgement.doubt {
            None => true,
            Some(Doubt::NotFound) => self.unknown.contains(requester),
            Some(Doubt::OtherMac | Doubt::Unproven | Doubt::Expired) => renewed,
        };
        settled.then(|| judgement.resolution.clone())
    }

    fn wait_until(&self, judgement: Option<&Judgement>, failing: bool) -> Instant {
        let patience = match judgement {
            // The attempt is begun all the same, for those who come later.
            Some(judgement) if failing && can_do_without(judgement) => Duration::ZERO,
            Some(judgement) if judgement.doubt == Some(Doubt::Expired) => HOLD_UP,
            _ => self.patience,
        };
        Instant::now() + patience
    }

    fn give_up(
        &self,
        requester: &Requester,
        judgement: Option<Judgement>,
        last_attempt: Option<Result<(), ResolveError>>,
    ) -> Result<Resolution, ResolveError> {
        match (judgement, last_attempt) {
            (Some(judgement), Some(Ok(()))) if judgement.doubt == Some(Doubt::NotFound) => {
                self.unknown.insert(requester);
                Ok(judgement.resolution)
            }
            (_, Some(Err(error))) => Err(error),
            _ => Err(ResolveError {
                source_name: self.ports.name(),
                reason: format!("no answer within {:?}", self.patience),
            }),
        }
    }
}

/// Whether the answer stands when nothing newer can be had: a guest that was
/// known is served while Neutron is away. A wrong MAC is reason enough not to.
fn can_do_without(judgement: &Judgement) -> bool {
    matches!(
        judgement.doubt,
        Some(Doubt::Unproven | Doubt::Expired) | None
    )
}

impl Resolver for Identifier {
    fn known(&self, requester: &Requester) -> Option<Resolution> {
        let judgement = judge(requester, &self.ports.sight(requester)?);
        self.settled(requester, Some(&judgement), &None)
    }

    fn resolve<'a>(&'a self, requester: &'a Requester) -> Asking<'a, Resolution> {
        Box::pin(self.identify(requester))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
