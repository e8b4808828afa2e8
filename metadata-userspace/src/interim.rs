//! Interim answers: a guest whose request waits hears that somebody is there.
//!
//! cloud-init gives up a request when it has heard nothing for 10 s. Python's HTTP client,
//! by which it asks, begins these anew with each `100 Continue`, and passes over it (`begin`
//! in Lib/http/client.py; of the other 1xx it takes each for the answer). RFC 9110 section
//! 15.2: a client is to understand 1xx that it did not ask for, unless it speaks HTTP/1.0.

mod io;
#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
mod tests;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use hyper::body::Body;
use hyper::header::USER_AGENT;
use hyper::{Method, Request, Version};
use prometheus_client::metrics::counter::Counter;

use crate::within::within;

pub use io::InterimIo;

/// Some seconds before cloud-init gives up, on a busy machine too.
const AFTER: Duration = Duration::from_secs(6);

/// How clients name themselves that give up in silence and pass over `100 Continue`. Not
/// all do: Node's `fetch` ends the connection (`onHeadersComplete` in undici's
/// lib/dispatcher/client-h1.js), Go's client counts them, at most 5 before Go 1.24.
const CLIENTS: [&str; 4] = ["Cloud-Init/", "python-requests/", "Python-urllib/", "Wget"];

/// How long somebody waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Until it gives up in silence.
    Ordinary,
    /// For as long as it hears that somebody is there.
    Told,
}

impl Patience {
    pub fn of<B: Body>(request: &Request<B>) -> Self {
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        let may_be_told = reads
            && request.version() == Version::HTTP_11
            && request.body().is_end_stream()
            && names_itself(request);
        match may_be_told {
            true => Self::Told,
            false => Self::Ordinary,
        }
    }
}

fn names_itself<B>(request: &Request<B>) -> bool {
    let agent = request.headers().get(USER_AGENT);
    let agent = agent.and_then(|agent| agent.to_str().ok());
    agent.is_some_and(|agent| CLIENTS.iter().any(|client| agent.starts_with(client)))
}

/// Whether the client of a connection is to hear an interim answer now.
///
/// Who works on the request and who writes to the socket are polled by the connection's
/// one task, so nothing comes in between; the atomics only make it `Sync`.
#[derive(Debug)]
pub struct Interim {
    is_due: AtomicBool,
    after: Duration,
    sent: Counter,
}

impl Interim {
    /// `sent` counts them.
    pub fn counted_by(sent: &Counter) -> Arc<Self> {
        Arc::new(Self {
            is_due: AtomicBool::new(false),
            after: AFTER,
            sent: sent.clone(),
        })
    }

    /// What `answer` comes to. Who has such patience hears meanwhile that it will come.
    pub async fn until<F: Future>(&self, patience: Patience, mut answer: Pin<&mut F>) -> F::Output {
        if patience == Patience::Ordinary {
            return answer.await;
        }
        loop {
            if let Some(answer) = within(self.after, answer.as_mut()).await {
                self.is_due.store(false, Relaxed);
                return answer;
            }
            self.is_due.store(true, Relaxed);
        }
    }

    fn take(&self) -> bool {
        let is_due = self.is_due.load(Relaxed);
        if is_due {
            self.is_due.store(false, Relaxed);
            self.sent.inc();
        }
        is_due
    }
}
