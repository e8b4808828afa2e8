//! Calling methods of Neutron's server.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::faults::{CallError, Fault};
use super::keeper::Link;
use super::patience::Patience;
use super::request::{self, Method, Return};
use super::session::{Outgoing, Session};
use crate::dependencies::Dependency;

/// Silence that lasts longer than this is worth a word to the operator, even when
/// the caller does not wait for the end of it.
const LONG: Duration = Duration::from_secs(2);

/// Sends over whatever connection there is.
#[derive(Clone)]
pub(super) struct Client {
    link: watch::Receiver<Link>,
    patience: Arc<Patience>,
    rabbitmq: Dependency,
    neutron: Dependency,
}

/// What a call waits for.
#[derive(Clone, Copy, PartialEq)]
enum Awaited {
    Connection,
    Rabbit,
    Neutron,
    Nothing,
}

/// A call that is under way; when it ends without an answer, whoever was silent is
/// blamed.
struct Call<'a> {
    client: &'a Client,
    method: Method,
    began: Instant,
    awaited: Awaited,
}

impl Client {
    pub(super) fn new(
        link: watch::Receiver<Link>,
        patience: Patience,
        rabbitmq: Dependency,
        neutron: Dependency,
    ) -> Self {
        Self {
            link,
            patience: Arc::new(patience),
            rabbitmq,
            neutron,
        }
    }

    /// What `method` returns; null when there is nothing to return.
    pub(super) async fn call(&self, method: Method, arguments: Value) -> Result<Value, CallError> {
        let patience = self.patience.with(method.name);
        let call = self.call_within(patience, method, arguments);
        let began = Instant::now();
        let result = call.await;
        match &result {
            Err(CallError::NoAnswer { .. }) => self.patience.too_short(method.name, patience),
            Ok(_) => self.patience.answered(method.name, began.elapsed()),
            Err(_) => {}
        }
        result
    }

    /// The same with a limit that stays.
    pub(super) async fn call_within(
        &self,
        patience: Duration,
        method: Method,
        arguments: Value,
    ) -> Result<Value, CallError> {
        let mut call = Call {
            client: self,
            method,
            began: Instant::now(),
            awaited: Awaited::Connection,
        };
        let deadline = call.began + patience;
        let result = timeout_at(deadline, call.carry_out(patience, arguments)).await;
        result.unwrap_or_else(|_| Err(call.timed_out(patience)))
    }

    /// Has `method` called; nobody waits for what comes of it.
    pub(super) async fn cast(&self, method: Method, arguments: Value) -> Result<(), CallError> {
        let session = self.session().await?;
        let message = Outgoing {
            topic: method.topic,
            body: request::body(method, arguments, None, SystemTime::now()),
            expires: None,
        };
        Ok(session.send(message).await?)
    }

    /// Returns when another connection has come up.
    pub(super) async fn reconnected(&mut self) {
        self.link.mark_unchanged();
        loop {
            if self.link.changed().await.is_err() {
                // The keeper is gone: the process ends.
                return std::future::pending().await;
            }
            if matches!(*self.link.borrow(), Link::Up(_)) {
                return;
            }
        }
    }

    /// Neutron's server, whose answers the caller can judge.
    pub(super) fn neutron(&self) -> &Dependency {
        &self.neutron
    }

    async fn session(&self) -> Result<Arc<Session>, CallError> {
        let mut link = self.link.clone();
        let begun = link.wait_for(|link| !matches!(link, Link::Beginning)).await;
        match begun.as_deref() {
            Ok(Link::Up(session)) => Ok(session.clone()),
            Ok(Link::Down(reason)) => Err(CallError::NoConnection(reason.to_string())),
            Ok(Link::Beginning) | Err(_) => {
                Err(CallError::NoConnection("the daemon is stopping".to_owned()))
            }
        }
    }
}

impl Call<'_> {
    async fn carry_out(
        &mut self,
        patience: Duration,
        arguments: Value,
    ) -> Result<Value, CallError> {
        let session = self.client.session().await?;
        self.awaited = Awaited::Rabbit;
        let expected = session.expect_reply();
        let answer = Return {
            queue: session.reply_queue(),
            message_id: expected.message_id(),
        };
        let message = Outgoing {
            topic: self.method.topic,
            body: request::body(self.method, arguments, Some(answer), SystemTime::now()),
            expires: Some(patience),
        };
        let sent = self.send(session, message).await;
        self.awaited = match &sent {
            Ok(()) => Awaited::Neutron,
            Err(_) => Awaited::Nothing,
        };
        sent?;
        let outcome = expected.outcome().await;
        self.awaited = Awaited::Nothing;
        let method = self.method.name;
        outcome
            .ok_or(CallError::Interrupted)?
            .map_err(|error| CallError::Remote { method, error })
    }

    /// Goes on when the call does not, so that RabbitMQ's word is heard in any case.
    async fn send(&self, session: Arc<Session>, message: Outgoing) -> Result<(), CallError> {
        let (rabbitmq, neutron) = (self.client.rabbitmq.clone(), self.client.neutron.clone());
        let sending = tokio::spawn(async move {
            let sent = session.send(message).await;
            match &sent {
                Ok(()) => rabbitmq.up(),
                Err(fault @ Fault::NobodyListens(_)) => {
                    rabbitmq.up();
                    neutron.down(&format!("RabbitMQ {fault}"));
                }
                Err(_) => {}
            }
            sent
        });
        let sent = sending.await;
        Ok(sent.map_err(|_| CallError::Interrupted)??)
    }

    fn timed_out(&self, waited: Duration) -> CallError {
        match self.awaited {
            Awaited::Connection => {
                CallError::NoConnection(format!("no connection within {waited:.1?}"))
            }
            Awaited::Rabbit => CallError::Rabbit(Fault::Slow(waited)),
            Awaited::Neutron | Awaited::Nothing => CallError::NoAnswer {
                method: self.method.name,
                waited,
            },
        }
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let waited = self.began.elapsed();
        if waited < LONG {
            return;
        }
        match self.awaited {
            Awaited::Rabbit => self.client.rabbitmq.down(&Fault::Slow(waited)),
            Awaited::Neutron => self.client.neutron.down(&CallError::NoAnswer {
                method: self.method.name,
                waited,
            }),
            Awaited::Connection | Awaited::Nothing => {}
        }
    }
}
