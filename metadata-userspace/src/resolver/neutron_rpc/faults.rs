//! What can go wrong between us, RabbitMQ and Neutron's server.

use std::io;
use std::time::Duration;

use lapin::ErrorKind;

use super::ports::NotPorts;
use super::reply::RemoteError;
use crate::upstream::ConnectError;

/// Of RabbitMQ.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the connection cannot be set up: {0}")]
    Socket(#[from] io::Error),
    #[error("did not answer within {0:.1?}; check whether it is overloaded or stopped")]
    Slow(Duration),
    #[error(
        "does not accept user `{user}` at virtual host `{virtual_host}`: {reason}; check \
         transport_url, and whether that port speaks AMQP, with ssl or without"
    )]
    Refused {
        user: String,
        virtual_host: String,
        reason: String,
    },
    #[error(
        "refused the exchange or the queue of replies: {0}; check the account's permissions and \
         the durable, auto_delete and quorum options of [oslo_messaging_rabbit]"
    )]
    Declare(String),
    #[error("ended the connection: {0}")]
    Lost(String),
    #[error("did not take a message: {0}")]
    Send(String),
    #[error("has no queue `{0}`: no neutron-server with RPC workers has been started on it")]
    NobodyListens(&'static str),
}

/// Of a call.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    #[error("RabbitMQ: {0}")]
    NoConnection(String),
    #[error("RabbitMQ {0}")]
    Rabbit(#[from] Fault),
    #[error("the connection to RabbitMQ was lost before the answer came")]
    Interrupted,
    #[error("neutron-server did not answer {method} within {waited:.1?}")]
    NoAnswer {
        method: &'static str,
        waited: Duration,
    },
    #[error("neutron-server failed at {method}: {error}")]
    Remote {
        method: &'static str,
        error: RemoteError,
    },
    #[error("neutron-server did not understand {method}: {error}")]
    NotPorts {
        method: &'static str,
        error: NotPorts,
    },
}

/// A lapin error without the words that are the same in each.
pub(super) fn told(error: &lapin::Error) -> String {
    match error.kind() {
        ErrorKind::ProtocolError(error) => error.get_message().to_string(),
        ErrorKind::IOError(error) if error.kind() == io::ErrorKind::ConnectionAborted => {
            "it hung up".to_owned()
        }
        ErrorKind::IOError(error) => error.to_string(),
        ErrorKind::MissingHeartbeatError => "it gave no sign of life for too long".to_owned(),
        _ => error.to_string(),
    }
}
