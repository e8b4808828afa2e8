//! One connection of a guest, as its requests see it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use hyper::Response;

use super::Proxy;
use super::limits::Ticket;
use super::watchdog::Watchdog;
use crate::body::Body;
use crate::first_request::FirstRequest;
use crate::identity::Requester;
use crate::interim::Interim;
use crate::logging::access::Client;
use crate::metrics::Refusal;
use crate::turn::Queue;

/// Everything that the requests of a connection share.
pub(super) struct Guest {
    pub(super) proxy: Arc<Proxy>,
    pub(super) client: Arc<Client>,
    pub(super) watchdog: Watchdog,
    pub(super) first_request: FirstRequest,
    pub(super) interim: Arc<Interim>,
    /// Of all its connections on this thread.
    pub(super) queue: Arc<Queue>,
    ticket: Ticket,
    body_unread: AtomicBool,
}

impl Guest {
    /// The identity is the socket's: the listener's realm, the peer's address and
    /// the MAC of its SYN.
    pub(super) fn new(proxy: &Arc<Proxy>, ticket: Ticket, queue: Arc<Queue>) -> Arc<Self> {
        proxy.metrics.connections.inc();
        let requester = Requester {
            realm: ticket.origin.realm.clone(),
            address: ticket.sender.address,
            mac: ticket.sender.mac,
        };
        let namespace = Arc::clone(&ticket.origin.namespace);
        Arc::new(Self {
            proxy: Arc::clone(proxy),
            client: Client::new(Some(namespace), requester),
            watchdog: Watchdog::new(&proxy.timeouts),
            first_request: FirstRequest::default(),
            interim: Interim::counted_by(&proxy.metrics.interim),
            queue,
            ticket,
            body_unread: AtomicBool::new(false),
        })
    }

    /// A request with a body was answered, perhaps before the body's end.
    pub(super) fn answered_with_body(&self) {
        self.body_unread.store(true, Relaxed);
    }

    /// Whether the guest may still be sending when the connection closes.
    pub(super) fn may_be_sending(&self) -> bool {
        self.body_unread.load(Relaxed)
    }

    /// Whether it may make a request now; the answer when it may not.
    pub(super) fn too_often(&self) -> Option<Response<Body>> {
        let origin = &self.ticket.origin;
        let full = origin.rate.as_ref()?.pass(self.ticket.sender).err()?;
        self.proxy.metrics.refused.count(Refusal::Rate);
        if let Some(suppressed) = origin.rate_log.now() {
            tracing::warn!(
                namespace = &*origin.namespace,
                client = %self.requester().address,
                mac = self.requester().mac.map(tracing::field::display),
                suppressed,
                "a guest asks too often; see [metadata_rate_limiting]"
            );
        }
        Some(full.answer())
    }

    pub(super) fn requester(&self) -> &Requester {
        &self.client.requester
    }

    pub(super) fn namespace(&self) -> &str {
        &self.ticket.origin.namespace
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.proxy.metrics.connections.dec();
    }
}
