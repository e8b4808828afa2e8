//! Why Keystone or Neutron did not say what was asked.

use std::fmt;
use std::time::Duration;

use hyper::StatusCode;

use crate::upstream::ConnectError;

/// A failed request, as an operator reads it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{service} at {url}: {cause}")]
pub(super) struct RestError {
    pub(super) service: Service,
    pub(super) url: String,
    pub(super) cause: Cause,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    Keystone,
    Neutron,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keystone => "Keystone",
            Self::Neutron => "Neutron",
        })
    }
}

/// What went wrong. Cloned for everyone who waited for the same request, so
/// what is behind it is text already.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Cause {
    #[error("{0}")]
    Connect(String),
    #[error("no answer within {0:?}")]
    Deadline(Duration),
    #[error("the connection ended before the answer")]
    Lost,
    #[error("the answer is not HTTP")]
    NotHttp,
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
    #[error("it answered {status}; {advice}")]
    Refused { status: StatusCode, advice: String },
    #[error("the answer makes no sense ({what}); check that the URL is that of the API")]
    Garbage { what: String },
    #[error("{0}")]
    NoEndpoint(String),
}

impl Cause {
    pub(super) fn of(self, service: Service, url: impl fmt::Display) -> RestError {
        RestError {
            service,
            url: url.to_string(),
            cause: self,
        }
    }

    pub(super) fn garbage(what: impl fmt::Display) -> Self {
        Self::Garbage {
            what: what.to_string(),
        }
    }
}

impl From<ConnectError> for Cause {
    fn from(error: ConnectError) -> Self {
        // Its source, if it has one, is what an operator can act upon.
        let behind = std::error::Error::source(&error).map(ToString::to_string);
        let text = error.to_string();
        Self::Connect(match behind {
            Some(behind) if !text.contains(&behind) => format!("{text}: {behind}"),
            _ => text,
        })
    }
}
