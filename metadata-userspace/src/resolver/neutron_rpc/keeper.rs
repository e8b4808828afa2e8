//! Keeps one connection to RabbitMQ, whatever happens.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::backoff::Backoff;
use super::faults::Fault;
use super::node::Nodes;
use super::reply::{News, NoReply, Reply};
use super::request::unique;
use super::session::{Declared, Incoming, Session};
use crate::config::ReconnectConfig;
use crate::dependencies::Dependency;

/// For everything from the first packet to the queue of replies.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);

/// What there is to send over at the moment.
#[derive(Clone)]
pub(super) enum Link {
    /// The first attempt has not ended yet.
    Beginning,
    Up(Arc<Session>),
    /// With the reason.
    Down(Arc<str>),
}

/// Connects, listens, and connects again.
pub(super) struct Keeper {
    pub nodes: Nodes,
    pub declared: Declared,
    pub reconnect: ReconnectConfig,
    pub link: watch::Sender<Link>,
    pub rabbitmq: Dependency,
    pub neutron: Dependency,
}

impl Keeper {
    pub(super) async fn keep(mut self) {
        let mut backoff = Backoff::new(&self.reconnect, self.nodes.count());
        // Of one name for all connections, so that not each leaves a queue behind.
        let mut reply_queue = reply_queue_name();
        loop {
            match self.open(&reply_queue).await {
                Ok((session, incoming)) => {
                    backoff.succeeded();
                    let fault = self.serve(session, incoming).await;
                    self.down(fault);
                    sleep(self.reconnect.delay + self.splay()).await;
                }
                Err((fault, refused)) => {
                    // A queue on a node that is down can neither be used nor be
                    // declared anew (https://bugs.launchpad.net/oslo.messaging/+bug/2068630).
                    if refused {
                        reply_queue = reply_queue_name();
                    }
                    self.down(fault);
                    sleep(backoff.after_failure()).await;
                }
            }
        }
    }

    /// Tries the next node. The error tells whether our queue was refused.
    async fn open(&mut self, reply_queue: &str) -> Result<(Session, Incoming), (String, bool)> {
        let Some(node) = self.nodes.next() else {
            return Err(("transport_url names no node".to_owned(), false));
        };
        let opening = Session::open(node, &self.declared, reply_queue);
        let opened = timeout(CONNECT_PATIENCE, opening).await;
        opened
            .unwrap_or(Err(Fault::Slow(CONNECT_PATIENCE)))
            .map_err(|fault| {
                let refused = matches!(fault, Fault::Declare(_));
                (format!("{node}: {fault}"), refused)
            })
    }

    /// Serves a connection until it ends; tells why it did.
    async fn serve(&self, session: Session, mut incoming: Incoming) -> String {
        let session = Arc::new(session);
        self.rabbitmq.up();
        self.link.send_replace(Link::Up(session.clone()));
        let mut garbage = 0_u64;
        let fault = loop {
            match incoming.next().await {
                Ok(message) => match Reply::parse(&message) {
                    Ok(reply) => self.hand_over(&session, reply),
                    Err(no_reply) => {
                        garbage += 1;
                        self.complain(&no_reply, garbage);
                    }
                },
                Err(fault) => break fault,
            }
        };
        session.pending().end();
        fault.to_string()
    }

    fn hand_over(&self, session: &Session, reply: Reply) {
        if let News::Raised(error) = &reply.news {
            self.neutron.down(error);
        }
        let returned = matches!(reply.news, News::Returned(_));
        // Whoever waits for it judges it; a late one is a sign of life at least.
        if !session.pending().deliver(reply) && returned {
            self.neutron.up();
        }
    }

    fn complain(&self, no_reply: &NoReply, garbage: u64) {
        let reason = format!(
            "sends what cannot be read, {garbage} times on this connection; at last {no_reply}"
        );
        self.neutron.down(&reason);
    }

    fn down(&self, reason: String) {
        self.rabbitmq.down(&reason);
        self.link.send_replace(Link::Down(reason.into()));
    }

    fn splay(&self) -> Duration {
        let share = getrandom::u32().unwrap_or_default();
        self.reconnect
            .splay
            .mul_f64(f64::from(share) / f64::from(u32::MAX))
    }
}

fn reply_queue_name() -> String {
    format!("reply_{}", unique())
}
