//! The hop to nova-api-metadata: signed requests over pooled connections.

mod answers;
mod connect;
mod credentials;
mod documents;
mod error;
mod evidence;
mod exchange;
mod fetches;
mod hang;
mod health;
mod line;
mod outage;
mod pace;
pub(crate) mod path;
mod question;
mod request;
#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
mod tests;
mod upload;
mod versions;
mod wait;
mod whole;

use std::pin::pin;
use std::sync::Arc;

use hyper::body::Body as _;
use hyper::{Request, Response};

use crate::body::Body;
use crate::config::NovaConfig;
use crate::dependencies::Dependency;
use crate::identity::{Instance, Requester};
use crate::interim::Patience;
use crate::metrics::NovaMetrics;
use crate::turn::Queue;
use crate::upstream::{TlsError, TlsFiles};

pub use connect::read_tls;
pub use error::NovaError;

use crate::within::within;
use answers::Answers;
use evidence::Subject;
use exchange::Exchange;
use question::Question;
use request::Asked;
use upload::Upload;
use wait::Wait;

/// A client of one nova-api-metadata. Clones share connections.
#[derive(Clone)]
pub struct Nova {
    exchange: Arc<Exchange>,
    answers: Arc<Answers>,
}

impl Nova {
    /// `tls` holds the files that the configuration names: the process that
    /// forwards requests may not be able to read them. `dependency` hears how
    /// Nova is doing.
    pub fn new(
        config: &NovaConfig,
        tls: &TlsFiles,
        metrics: NovaMetrics,
        dependency: Dependency,
    ) -> Result<Self, TlsError> {
        let exchange = Arc::new(Exchange::new(config, tls, metrics.clone(), dependency)?);
        Ok(Self {
            answers: Arc::new(Answers::new(config, Arc::clone(&exchange), metrics)),
            exchange,
        })
    }

    /// Asks Nova on behalf of `instance`. Of `request` only the method, the
    /// target and the body count: none of its headers reaches Nova.
    ///
    /// The answer may have any status but 502 and 504; it comes within the deadline after
    /// the body, or later when Nova answers others first and who asks has the patience; the
    /// rest of a long one comes while it is read. One that says `Age` was not given now. In
    /// `queue` the requests of the same guest wait for their turn.
    pub async fn forward(
        &self,
        instance: &Instance,
        requester: &Requester,
        request: Request<Body>,
        queue: &Queue,
        patience: Patience,
    ) -> Result<Response<Body>, Arc<NovaError>> {
        let (guest, body) = request.into_parts();
        let target = path::target(&guest.uri).map_err(|error| Arc::new(error.into()))?;
        let deadline = self.exchange.deadline;
        let mut wait = Wait::new(deadline, patience);
        let Some(mut turn) = within(wait.for_its_turn(), pin!(queue.turn())).await else {
            return Err(Arc::new(NovaError::Queued(wait.limit())));
        };
        let mut upload = Upload::none();
        if !body.is_end_stream() {
            // Boxed, so that the many requests without a body are no larger.
            let received = Box::pin(self.exchange.uploads.receive(body, deadline)).await;
            upload = received.map_err(Arc::new)?;
            // The time before was the guest's.
            wait = Wait::new(deadline, patience);
        }
        let asked = Asked {
            instance,
            address: requester.address,
            method: &guest.method,
            target: &target,
        };
        let answer = match Question::of(asked, &upload) {
            Some(question) => self.answers.to(Arc::new(question), &mut turn, &wait).await,
            None => self.ask(asked, upload, &wait).await.map_err(Arc::new),
        };
        answer.map(outage::worth_another_try)
    }

    /// Of what is nobody else's.
    async fn ask(
        &self,
        asked: Asked<'_>,
        upload: Upload,
        wait: &Wait,
    ) -> Result<Response<Body>, NovaError> {
        let subject = Subject::of(asked.target, !upload.is_empty());
        let answer = self.exchange.ask(asked, upload, wait).await?;
        let health = &self.exchange.health;
        health.answered(subject, answer.status());
        Ok(answer)
    }
}
