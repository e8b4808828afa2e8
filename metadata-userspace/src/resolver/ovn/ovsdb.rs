//! A client of ovsdb-server: RFC 7047, and the extensions that ovsdb-server(7)
//! describes.
//!
//! It keeps copies of the wanted columns of the wanted rows, and knows nothing of
//! what is in them.

mod backoff;
pub mod client;
mod connection;
pub mod datum;
mod handshake;
pub(crate) mod message;
pub mod replica;
pub(crate) mod schema;
mod server;
mod session;
pub(crate) mod splitter;
pub mod watcher;
mod wire;

pub use client::{Client, Reach};
pub use connection::{OPTIONS, UnixSockets};
pub use datum::{Atom, Datum};
#[cfg(test)]
pub use replica::replica_of;
pub use replica::{Replica, Row, TableSpec, Touched};
pub use watcher::{Conditions, Outcome, Watcher};

use thiserror::Error;

/// Why a connection is of no more use.
#[derive(Debug, Error)]
pub enum Failure {
    #[error("{0}")]
    Connect(String),
    #[error("the connection broke: {0}")]
    Io(std::io::Error),
    /// In TLS 1.3 a server refuses a client's certificate after the handshake.
    #[error("TLS failed: {0}; check {ca}, {cert} and {key}", ca = OPTIONS.ca, cert = OPTIONS.cert, key = OPTIONS.key)]
    Tls(rustls::Error),
    #[error("the server closed the connection")]
    Closed,
    #[error("the server does not speak OVSDB: {0}")]
    Garbage(#[from] splitter::Garbage),
    #[error("the server sent what this client does not understand: {0}")]
    Unexpected(String),
    #[error("the server refuses {method}: {error}")]
    Refused { method: &'static str, error: String },
    #[error("the server was silent for {0:?}")]
    Silent(std::time::Duration),
    #[error("the server did not answer {what} within {limit:?}")]
    Late {
        what: &'static str,
        limit: std::time::Duration,
    },
    #[error("{0}")]
    Unfit(#[from] server::Unfit),
    #[error(
        "the database {database} has no {missing}; is it the right one, and is its schema not too old?"
    )]
    Schema {
        database: &'static str,
        missing: String,
    },
    #[error("the server converted or removed the database")]
    Cancelled,
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        let fault = error.get_ref().and_then(|inner| inner.downcast_ref());
        match fault.cloned() {
            Some(fault) => Self::Tls(fault),
            None => Self::Io(error),
        }
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
mod tests;
