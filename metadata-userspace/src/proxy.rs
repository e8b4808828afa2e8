//! Takes guests' requests in every namespace and passes on who asked.
//!
//! One [`Proxy`] serves any number of listeners, each with its [`Origin`]. It
//! needs no particular runtime: several threads may each serve a duplicate of
//! the same listener on a runtime of their own.

mod connection;
mod exchange;
mod guest;
pub(crate) mod headers;
mod limits;
mod on_call;
mod rate;
pub mod retire;
pub mod saved_syn;
mod sender;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
mod turns;
mod unix_upstream;
mod watchdog;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use hyper::server::conn::http1;
use nix::sys::socket::{setsockopt, sockopt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinSet, yield_now};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::accept::{self, AcceptFaults};
use crate::agent::Agent;
use crate::body::request::BodyLimits;
use crate::config::{ProxyConfig, ProxyTimeouts, RateLimits};
use crate::identity::Realm;
use crate::logging::occasionally::Occasionally;
use crate::metrics::{ProxyMetrics, Refusal};

use guest::Guest;
use limits::{Admission, GuestConnections};
use rate::RateLimiter;
use retire::Retirement;
use sender::Sender;
use turns::Turns;

pub use unix_upstream::UnixUpstream;

/// hyper cannot do with less (`MINIMUM_MAX_BUFFER_SIZE`).
const SMALLEST_BUFFER: usize = 8192;

/// Connections that are accepted before those that are open get their turn.
const ACCEPTED_AT_ONCE: usize = 4;

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
    rate: Option<RateLimiter>,
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
            rate: limits.map(RateLimiter::new),
            log: Occasionally::default(),
            rate_log: Occasionally::default(),
        }
    }
}

/// What came from one listener, on one thread.
#[derive(Default)]
struct Open {
    connections: JoinSet<()>,
    turns: Turns,
    accepted: usize,
}

impl Open {
    /// A flood of connections must not keep the thread from those that it has.
    async fn let_others_in(&mut self) {
        self.accepted = self.accepted.wrapping_add(1);
        if self.accepted.is_multiple_of(ACCEPTED_AT_ONCE) {
            yield_now().await;
        }
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
    /// Whether another process serves the same listeners.
    others_serve: AtomicBool,
}

impl Proxy {
    pub fn new(config: &ProxyConfig, upstream: Upstream, metrics: ProxyMetrics) -> Self {
        let mut http = http1::Builder::new();
        // One write(2) of head and body: their copy is cheaper than writev(2).
        http.half_close(true)
            .writev(false)
            .max_buf_size(config.max_head_size.max(SMALLEST_BUFFER))
            .max_header_size(config.max_head_size);
        Self {
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
            others_serve: AtomicBool::new(false),
        }
    }

    /// Serves until `retirement` comes; then stops listening, lets requests in flight end
    /// and returns. Dropping the future ends all its connections at once, for a
    /// namespace that is gone: no task outlives it.
    pub async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        origin: Arc<Origin>,
        retirement: Retirement,
    ) {
        let drain = retirement.comes();
        self.prepare(&listener, &origin);
        let faults = AcceptFaults::default();
        let mut open = Open::default();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => {
                        self.admit(&origin, stream, peer, drain, &mut open);
                        open.let_others_in().await;
                    }
                    Err(error) => faults.survive(&origin.namespace, &error).await,
                },
                Some(_) = open.connections.join_next() => {}
                () = drain.cancelled() => break,
            }
        }
        if !self.others_serve.load(Relaxed) {
            self.take_the_last(&listener, &origin, &retirement, &mut open)
                .await;
        }
        drop(listener);
        while open.connections.join_next().await.is_some() {}
    }

    /// From now on, listeners are left as they are when they are drained: another process
    /// serves them too.
    pub fn leave_the_sockets(&self) {
        self.others_serve.store(true, Relaxed);
    }

    /// Takes those who have begun to connect before the listener closes.
    async fn take_the_last(
        self: &Arc<Self>,
        listener: &TcpListener,
        origin: &Arc<Origin>,
        retirement: &Retirement,
        open: &mut Open,
    ) {
        let drain = retirement.comes();
        if !retirement.is_turned_away()
            && let Err(error) = retire::turn_away(listener)
        {
            tracing::warn!(
                namespace = &*origin.namespace,
                %error,
                "cannot turn new connections away; one may be lost"
            );
        }
        let handshakes_end = sleep(retire::LAST_HANDSHAKES);
        tokio::pin!(handshakes_end);
        loop {
            tokio::select! {
                Ok((stream, peer)) = listener.accept() => {
                    self.admit(origin, stream, peer, drain, open);
                }
                () = &mut handshakes_end => break,
                else => break,
            }
        }
        while let Some((stream, peer)) = accept::queued(|cx| listener.poll_accept(cx)).await {
            self.admit(origin, stream, peer, drain, open);
        }
    }

    fn admit(
        self: &Arc<Self>,
        origin: &Arc<Origin>,
        stream: TcpStream,
        peer: SocketAddr,
        drain: &CancellationToken,
        open: &mut Open,
    ) {
        let sender = Sender::of(&stream, peer);
        match GuestConnections::admit(origin, sender, self.connections_per_guest) {
            Admission::Welcome(ticket) => {
                let queue = open.turns.of(sender.counted());
                let guest = Guest::new(self, ticket, queue);
                open.connections
                    .spawn(connection::serve(guest, stream, drain.clone()));
            }
            Admission::TooMany(ticket) => {
                self.metrics.refused.count(Refusal::Connections);
                open.connections.spawn(connection::refuse(ticket, stream));
            }
            Admission::Flood => self.metrics.refused.count(Refusal::Flood),
        }
    }

    /// Options that accepted sockets inherit from their listener, which saves
    /// setting them on each.
    fn prepare(&self, listener: &TcpListener, origin: &Origin) {
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
