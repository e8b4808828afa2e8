//! One request to Nova and its answer.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::body::{Body as _, Incoming};
use hyper::header::LOCATION;
use hyper::{Method, Response, StatusCode};

use super::NovaError;
use super::connect;
use super::evidence::{Evidence, Subject};
use super::hang::Hang;
use super::health::Health;
use super::line::{Line, Place};
use super::pace::paced;
use super::request::{Asked, RequestMaker};
use super::upload::{Upload, Uploads};
use super::wait::Wait;
use crate::body::request::RequestFault;
use crate::body::{self, Body};
use crate::config::NovaConfig;
use crate::dependencies::Dependency;
use crate::logging::occasionally::Occasionally;
use crate::metrics::NovaMetrics;
use crate::turn::Queue;
use crate::upstream::{Connector, Link, Pool, TlsError, TlsFiles, answer};
use crate::within::within;

/// Guests that Nova may wait for at once, each with one of its connections.
const STREAMS: usize = 4;

/// Asks Nova, over pooled connections.
pub(super) struct Exchange {
    requests: RequestMaker,
    connector: Connector,
    pool: Arc<Pool>,
    /// For whoever asks; here it is the longest silence in an answer.
    pub(super) deadline: Duration,
    pub(super) hang: Hang,
    pub(super) health: Health,
    pub(super) line: Arc<Line>,
    pub(super) uploads: Uploads,
    streams: Queue,
    metrics: NovaMetrics,
    refusals: Occasionally,
}

impl Exchange {
    pub(super) fn new(
        config: &NovaConfig,
        tls: &TlsFiles,
        metrics: NovaMetrics,
        dependency: Dependency,
    ) -> Result<Self, TlsError> {
        Ok(Self {
            requests: RequestMaker::new(config),
            connector: connect::connector(config, tls)?,
            pool: Arc::new(Pool::default()),
            deadline: config.deadline,
            hang: Hang::new(config.deadline),
            health: Health::new(dependency),
            line: Arc::default(),
            uploads: Uploads::default(),
            streams: Queue::new(STREAMS),
            metrics,
            refusals: Occasionally::default(),
        })
    }

    /// Until the head of the answer is there; its body comes while it is read. How Nova
    /// is doing is the caller's to tell then.
    pub(super) async fn ask(
        &self,
        asked: Asked<'_>,
        upload: Upload,
        wait: &Wait,
    ) -> Result<Response<Body>, NovaError> {
        let subject = Subject::of(asked.target, !upload.is_empty());
        let answer = match upload {
            Upload::Whole(body, _room) => self.in_line(asked, subject, body, wait).await?,
            Upload::Streamed(body, _room) => self.streamed(asked, body, wait).await?,
        };
        if Evidence::of(subject, answer.status()) == Evidence::AtWork {
            self.hang.answered();
        }
        if answer.status() == StatusCode::FORBIDDEN
            && let Some(suppressed) = self.refusals.now()
        {
            tracing::warn!(
                instance = %asked.instance.id,
                suppressed,
                "nova-api-metadata refused the signature: the shared secrets do not match; compare metadata_proxy_shared_secret here and in [neutron] of nova.conf"
            );
        }
        Ok(answer)
    }

    async fn in_line(
        &self,
        asked: Asked<'_>,
        subject: Subject,
        body: Body,
        wait: &Wait,
    ) -> Result<Response<Body>, NovaError> {
        let instance = &asked.instance.id;
        let place = self.place(instance, wait).await?;
        let started = Instant::now();
        let limit = wait.for_nova();
        let answer = self.watched(asked, body, limit).await;
        let answer = answer.unwrap_or_else(|| Err(self.too_late(limit)));
        let answer = answer.inspect_err(|error| self.health.failed(subject, error))?;
        place.answered(instance);
        self.count(answer.status(), started);
        Ok(answer)
    }

    /// A guest that sends slowly takes nobody's place in the line, and when it takes too
    /// long, that says nothing about Nova. One that stalls lets others have its turn.
    async fn streamed(
        &self,
        asked: Asked<'_>,
        body: Body,
        wait: &Wait,
    ) -> Result<Response<Body>, NovaError> {
        let turn = within(wait.for_its_turn(), pin!(self.streams.turn())).await;
        let _turn = turn.ok_or_else(|| NovaError::Busy(wait.limit()))?;
        let started = Instant::now();
        let (body, awaited) = paced(body, self.deadline);
        let limit = wait.for_nova();
        let answer = within(limit, pin!(self.send(asked, body))).await;
        let answer = answer.unwrap_or_else(|| {
            Err(match awaited.is_guest() {
                true => NovaError::RequestBody(RequestFault::Slow(limit)),
                false => NovaError::Deadline(self.deadline),
            })
        })?;
        self.count(answer.status(), started);
        Ok(answer)
    }

    fn count(&self, status: StatusCode, started: Instant) {
        self.metrics.requests.count(status);
        self.metrics.latency.observe(started.elapsed());
    }

    /// Beyond the deadline only while Nova answers others.
    async fn place(&self, instance: &str, wait: &Wait) -> Result<Place, NovaError> {
        let mut place = pin!(self.line.place(instance));
        let mut round = wait.for_its_turn().min(self.deadline);
        loop {
            if let Some(place) = within(round, place.as_mut()).await {
                return Ok(place);
            }
            round = wait.for_its_turn().min(self.hang.sign);
            if round.is_zero() || self.hang.is_on() {
                return Err(NovaError::Busy(wait.so_far()));
            }
        }
    }

    /// No answer came in the time that was left after the line.
    fn too_late(&self, left: Duration) -> NovaError {
        match left > self.deadline / 2 {
            true => NovaError::Deadline(self.deadline),
            false => NovaError::Busy(self.deadline),
        }
    }

    /// A request that needs nothing more of the guest, by whose waiting a hang is noticed.
    async fn watched(
        &self,
        asked: Asked<'_>,
        body: Body,
        limit: Duration,
    ) -> Option<Result<Response<Body>, NovaError>> {
        let wait = self.hang.wait();
        let mut answer = pin!(self.send(asked, body));
        let sign = self.hang.sign.min(limit);
        let early = within(sign, answer.as_mut()).await;
        if early.is_some() {
            return early;
        }
        if wait.is_in_vain() {
            self.health.hangs(sign);
        }
        within(limit.saturating_sub(sign), answer).await
    }

    async fn send(&self, asked: Asked<'_>, body: Body) -> Result<Response<Body>, NovaError> {
        let signed = |body| self.requests.signed(asked, body);
        // Only what may be sent twice goes over a connection that may be dead.
        let repeatable =
            matches!(*asked.method, Method::GET | Method::HEAD) && body.is_end_stream();
        if repeatable && let Some(mut link) = self.pool.take().await {
            match link.exchange(signed(body::empty())?).await {
                Ok(answer) => return self.deliver(asked.method, answer, link, true),
                Err(error) if is_connection_dead(&error) => {
                    self.metrics.retries.inc();
                }
                Err(error) => return Err(self.fault(error)),
            }
        }
        let request = signed(body)?;
        let mut link = self.connect().await?;
        let answer = link.exchange(request).await;
        let answer = answer.map_err(|error| self.fault(error))?;
        self.deliver(asked.method, answer, link, repeatable)
    }

    async fn connect(&self) -> Result<Link, NovaError> {
        let connected = self.connector.link().await;
        if connected.is_err() {
            self.metrics.connect_errors.inc();
        }
        Ok(connected?)
    }

    fn fault(&self, error: hyper::Error) -> NovaError {
        if let Some(fault) = RequestFault::behind(&error) {
            return NovaError::RequestBody(fault);
        }
        if let Some(fault) = self.connector.tls_fault(&error) {
            return NovaError::Connect(fault);
        }
        if error.is_parse() {
            NovaError::Malformed(error)
        } else {
            NovaError::Lost(error)
        }
    }

    /// Passes on every status: upstream's agent drops the connection at 201, 204,
    /// 304, 401, 405, 413, 429 and 501, so that its guests see 502, and it unpacks
    /// gzip; both are faults.
    fn deliver(
        &self,
        method: &Method,
        answer: Response<Incoming>,
        link: Link,
        reusable: bool,
    ) -> Result<Response<Body>, NovaError> {
        refuse_redirection(&answer)?;
        // Some servers send a body all the same: it would be the next guest's answer.
        let reusable = reusable && *method != Method::HEAD;
        let pool = reusable.then(|| Arc::clone(&self.pool));
        Ok(answer::for_guest(method, answer, link, pool, self.deadline))
    }
}

/// Nova's metadata API has no redirections; one comes from something else at
/// its address, such as a port that wants HTTPS. Following it could lead the
/// signed request anywhere, and the guest cannot reach such a place.
fn refuse_redirection(answer: &Response<Incoming>) -> Result<(), NovaError> {
    let status = answer.status();
    if !matches!(status.as_u16(), 300..=303 | 305..=308) {
        return Ok(());
    }
    let location = answer.headers().get(LOCATION);
    Err(NovaError::Redirect {
        status,
        location: location.map(|to| to.as_bytes().escape_ascii().to_string()),
    })
}

/// Closed while it was idle, most likely: nothing of an answer was understood.
fn is_connection_dead(error: &hyper::Error) -> bool {
    !error.is_parse() && !error.is_user()
}
