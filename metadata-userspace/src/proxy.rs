//! Takes guests' requests in every namespace and passes on who asked.
//!
//! One [`Proxy`] serves any number of listeners, each with its [`Origin`], and needs no
//! particular runtime: several threads may each serve all of them on a runtime of their
//! own.

mod accepting;
mod connection;
mod exchange;
mod guest;
pub(crate) mod headers;
mod limits;
mod listeners;
mod on_call;
mod rate;
pub mod retire;
mod rota;
pub mod saved_syn;
mod sender;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
mod turns;
mod unix_upstream;
mod watchdog;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use hyper::server::conn::http1;
use nix::sys::socket::{setsockopt, sockopt};
use tokio_util::sync::CancellationToken;

use crate::agent::Agent;
use crate::body::request::BodyLimits;
use crate::config::{ProxyConfig, ProxyTimeouts, RateLimits};
use crate::identity::Realm;
use crate::logging::occasionally::Occasionally;
use crate::metrics::ProxyMetrics;

use limits::GuestConnections;
use listeners::Listeners;
use rate::RateLimiter;

pub use unix_upstream::UnixUpstream;

/// hyper cannot do with less (`MINIMUM_MAX_BUFFER_SIZE`).
const SMALLEST_BUFFER: usize = 8192;

/// Who answers.
#[derive(Clone)]
pub enum Upstream {
    /// Our agent, called directly.
    Agent(Arc<Agent>),
    /// Another agent's unix socket, such as neutron-metadata-agent's.
    Unix(Arc<UnixUpstream>),
}

/// Where the connections of a listener come from.
#[derive(Debug)]
pub struct Origin {
    realm: Realm,
    namespace: Arc<str>,
    connections: GuestConnections,
    /// Most have none.
    rate: Option<Box<RateLimiter>>,
    log: Occasionally,
    rate_log: Occasionally,
}

impl Origin {
    /// `namespace` is its name, for the logs; `limits` hold for each of its guests.
    pub fn new(realm: Realm, namespace: impl Into<Arc<str>>, limits: Option<RateLimits>) -> Self {
        Self {
            realm,
            namespace: namespace.into(),
            connections: GuestConnections::default(),
            rate: limits.map(RateLimiter::new).map(Box::new),
            log: Occasionally::default(),
            rate_log: Occasionally::default(),
        }
    }

    fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Whether it is this realm's, with these limits.
    pub fn is_of(&self, realm: &Realm, limits: Option<&RateLimits>) -> bool {
        self.realm == *realm && self.rate.as_ref().map(|rate| rate.limits()) == limits
    }
}

/// The HTTP server that guests meet.
pub struct Proxy {
    http: http1::Builder,
    upstream: Upstream,
    timeouts: ProxyTimeouts,
    body_limits: BodyLimits,
    connections_per_guest: usize,
    metrics: ProxyMetrics,
    unanswered_log: Occasionally,
    listeners: Listeners,
}

impl Proxy {
    /// Serves guests until `drain`.
    pub fn new(
        config: &ProxyConfig,
        upstream: Upstream,
        metrics: ProxyMetrics,
        drain: &CancellationToken,
    ) -> io::Result<Self> {
        let mut http = http1::Builder::new();
        // One write(2) of head and body: their copy is cheaper than writev(2).
        http.half_close(true)
            .writev(false)
            .max_buf_size(config.max_head_size.max(SMALLEST_BUFFER))
            .max_header_size(config.max_head_size);
        Ok(Self {
            http,
            upstream,
            timeouts: config.timeouts.clone(),
            body_limits: BodyLimits {
                size: config.max_body_size,
                silence: config.timeouts.client,
            },
            connections_per_guest: config.max_connections_per_guest,
            metrics,
            unanswered_log: Occasionally::default(),
            listeners: Listeners::new(drain)?,
        })
    }

    /// Serves a listener on every thread that [serves](Self::serve). One whose number is
    /// known already is closed.
    pub fn open(&self, id: u64, socket: OwnedFd, origin: Arc<Origin>) -> io::Result<()> {
        self.prepare(&socket, &origin);
        self.listeners.open(id, socket, origin)
    }

    /// All listeners in one set, which is readable while somebody waits at one of them.
    pub fn listening(&self) -> BorrowedFd<'_> {
        self.listeners.as_fd()
    }

    /// Takes no more connections there, and ends those that run: the namespace is gone.
    pub fn close(&self, id: u64) {
        self.listeners.close(id);
    }

    /// Takes no more connections there, and lets those that run end. Whoever says so has
    /// turned new ones away. What is left to do is returned, for one of the threads.
    pub fn retire(self: &Arc<Self>, id: u64) -> Option<impl Future<Output = ()> + Send + 'static> {
        let listener = self.listeners.retire(id)?;
        Some(Arc::clone(self).take_the_last(id, listener))
    }

    /// From now on, listeners are left as they are when they are drained: another process
    /// serves them too.
    pub fn leave_the_sockets(&self) {
        self.listeners.leave();
    }

    /// Has new connections go elsewhere, to be called before all are drained.
    pub fn turn_away(&self) {
        if !self.listeners.are_left() {
            self.listeners.turn_away();
        }
    }

    /// Options that accepted sockets inherit from their listener, which saves
    /// setting them on each.
    fn prepare(&self, listener: &OwnedFd, origin: &Origin) {
        // A guest that vanished acknowledges nothing; without this the kernel
        // keeps what it was being sent for a quarter of an hour (tcp(7)).
        let patience = u32::try_from(self.timeouts.client.as_millis()).unwrap_or(u32::MAX);
        let set = setsockopt(listener, sockopt::TcpUserTimeout, &patience)
            .and_then(|()| setsockopt(listener, sockopt::TcpNoDelay, &true));
        if let Err(error) = set {
            tracing::warn!(namespace = &*origin.namespace, %error, "cannot set options of the listener");
        }
    }
}
