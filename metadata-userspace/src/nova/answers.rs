//! Answers to questions: Nova's, shared by all who ask at the same time, or,
//! when it gives none, its last one.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::{Method, Response, StatusCode};
use tokio::time::Instant;

use super::NovaError;
use super::documents::{Document, Documents, Lifetimes};
use super::evidence::Subject;
use super::exchange::Exchange;
use super::fetches::{Brought, Duty, Fetch, Fetches};
use super::question::Question;
use super::request::Asked;
use super::upload::Upload;
use super::versions::Versions;
use super::wait::Wait;
use super::whole::{self, Read};
use crate::body::Body;
use crate::config::NovaConfig;
use crate::interim::Patience;
use crate::logging::{self, occasionally::Occasionally};
use crate::metrics::NovaMetrics;
use crate::turn::{Queue, Turn};
use crate::within::within;

/// How long the guest waits on whose behalf a hanging Nova is asked again.
const PROBE: Duration = Duration::from_secs(1);

type Outcome = Result<Response<Body>, Arc<NovaError>>;

/// Knows what Nova answers to a [`Question`].
pub(super) struct Answers {
    exchange: Arc<Exchange>,
    fetches: Arc<Fetches>,
    documents: Documents,
    versions: Versions,
    metrics: NovaMetrics,
    log: Occasionally,
}

impl Answers {
    pub(super) fn new(config: &NovaConfig, exchange: Arc<Exchange>, metrics: NovaMetrics) -> Self {
        Self {
            exchange,
            fetches: Arc::default(),
            documents: Documents::new(Lifetimes {
                fresh: config.response_ttl,
                stale: config.stale_if_error,
            }),
            versions: Versions::default(),
            metrics,
            log: Occasionally::default(),
        }
    }

    /// Within the deadline. `turn` is lent to others of the same guest while another
    /// request fetches the same.
    pub(super) async fn to(
        self: &Arc<Self>,
        question: Arc<Question>,
        turn: &mut Turn,
        wait: &Wait,
    ) -> Outcome {
        let now = Instant::now();
        if let Some(document) = self.documents.fresh(&question, now) {
            self.metrics.cached.inc();
            return Ok(document.response(now));
        }
        if self.exchange.hang.is_on()
            && let Some(document) = self.documents.last_good(&question, now)
        {
            return Ok(match self.probed(&question).await {
                Some(answer) => answer,
                None => self.stale(&question, &document, "it hangs"),
            });
        }
        if self.exchange.line.is_busy()
            && let Some(list) = self.versions.last(&question, now)
        {
            self.metrics.cached.inc();
            return Ok(list.response(now));
        }
        let outcome = self.fetched(&question, turn, wait).await;
        let Some(reason) = failure(&outcome) else {
            return outcome;
        };
        match self.documents.last_good(&question, Instant::now()) {
            Some(document) => Ok(self.stale(&question, &document, &reason)),
            None => outcome,
        }
    }

    /// What a hanging Nova says after all, if it is time to ask and it is quick.
    /// The request goes on until its deadline, without the guest.
    async fn probed(self: &Arc<Self>, question: &Arc<Question>) -> Option<Response<Body>> {
        let probe = self.exchange.hang.probe()?;
        let (answers, question) = (Arc::clone(self), Arc::clone(question));
        let asking = tokio::spawn(async move {
            let mut turn = Queue::unlimited().turn().await;
            let wait = Wait::new(answers.exchange.deadline, Patience::Ordinary);
            let outcome = answers.fetched(&question, &mut turn, &wait).await;
            drop(probe);
            outcome
        });
        let outcome = within(PROBE, pin!(asking)).await?.ok()?;
        match failure(&outcome) {
            None => outcome.ok(),
            Some(_) => None,
        }
    }

    /// What Nova says, whoever asked it.
    async fn fetched(&self, question: &Arc<Question>, turn: &mut Turn, wait: &Wait) -> Outcome {
        loop {
            let brought = match self.fetches.join(question) {
                Fetch::Own(duty) => return self.fetch(question, duty, wait).await,
                Fetch::Others(brought) => {
                    let left = wait.for_its_turn();
                    turn.lend(within(left, pin!(brought))).await
                }
            };
            let is_over = wait.for_its_turn().is_zero();
            match brought {
                Some(Ok(Brought::Answer(answer))) => {
                    self.metrics.shared.inc();
                    return Ok(answer.into());
                }
                // Another began to wait earlier, and has waited too long.
                Some(Ok(Brought::Failure(error)))
                    if matches!(*error, NovaError::Busy(_)) && !is_over =>
                {
                    resume(turn, wait).await?;
                }
                Some(Ok(Brought::Failure(error))) => return Err(error),
                Some(Ok(Brought::TooMuch)) => {
                    resume(turn, wait).await?;
                    return self.ask(question, wait).await.map_err(Arc::new);
                }
                // The guest hung up for whom it was fetched.
                Some(Err(_)) if !is_over => resume(turn, wait).await?,
                Some(Err(_)) | None => return Err(Arc::new(NovaError::Deadline(wait.limit()))),
            }
        }
    }

    async fn fetch(&self, question: &Question, duty: Duty, wait: &Wait) -> Outcome {
        match self.read(question, wait).await {
            Ok(Read::Whole(answer)) => {
                let now = Instant::now();
                self.documents.learn(question, &answer, now);
                self.versions.learn(question, &answer, now);
                duty.done(|| Brought::Answer(answer.clone()));
                Ok(answer.into())
            }
            Ok(Read::Longer(answer)) => {
                self.documents.forget(question);
                duty.done(|| Brought::TooMuch);
                Ok(answer)
            }
            Err(error) => {
                let error = Arc::new(error);
                duty.done(|| Brought::Failure(Arc::clone(&error)));
                Err(error)
            }
        }
    }

    async fn read(&self, question: &Question, wait: &Wait) -> Result<Read, NovaError> {
        let answer = self.ask(question, wait).await?;
        let read = match within(wait.for_nova(), pin!(whole::read(answer))).await {
            Some(read) => read.map_err(NovaError::BrokenOff),
            None => Err(NovaError::Deadline(self.exchange.deadline)),
        };
        let health = &self.exchange.health;
        let subject = Subject::of(&question.page.target, false);
        match &read {
            Ok(answer) => health.answered(subject, answer.status()),
            Err(error) => health.failed(subject, error),
        }
        read
    }

    async fn ask(&self, question: &Question, wait: &Wait) -> Result<Response<Body>, NovaError> {
        let asked = Asked {
            instance: &question.instance,
            address: question.page.address,
            method: &Method::GET,
            target: &question.page.target,
        };
        self.exchange.ask(asked, Upload::none(), wait).await
    }

    fn stale(&self, question: &Question, document: &Document, reason: &str) -> Response<Body> {
        self.metrics.stale.inc();
        let now = Instant::now();
        if let Some(suppressed) = self.log.now() {
            tracing::warn!(
                instance = %question.instance.id,
                target = %question.page.target,
                age = document.age(now).as_secs(),
                suppressed,
                "nova-api-metadata: {reason}; a guest gets its last good answer"
            );
        }
        document.stale_response(now)
    }
}

/// Waits for a turn that was lent, no longer than for the first.
async fn resume(turn: &mut Turn, wait: &Wait) -> Result<(), Arc<NovaError>> {
    let resumed = within(wait.for_its_turn(), pin!(turn.resume())).await;
    resumed.ok_or_else(|| Arc::new(NovaError::Queued(wait.limit())))
}

/// Why an outcome is none: Nova gave no answer, or said that it cannot.
fn failure(outcome: &Outcome) -> Option<String> {
    match outcome {
        Ok(answer) if is_outage(answer.status()) => {
            Some(format!("it answered {}", answer.status()))
        }
        Ok(_) => None,
        Err(error) => Some(logging::chain(error)),
    }
}

fn is_outage(status: StatusCode) -> bool {
    matches!(status.as_u16(), 500 | 502 | 503 | 504)
}
