//! Why Nova gave no answer that a guest may see.

use std::time::Duration;

use hyper::StatusCode;
use hyper::header::InvalidHeaderValue;

use crate::body::BodyError;
use crate::body::request::RequestFault;
use crate::upstream::ConnectError;

/// Why Nova gave no answer that a guest may see.
#[derive(Debug, thiserror::Error)]
pub enum NovaError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("no answer within {0:?}")]
    Deadline(Duration),
    #[error("it had more to do than it could, and the request's turn did not come within {0:?}")]
    Busy(Duration),
    #[error("earlier requests of the same guest were not answered within {0:?}")]
    Queued(Duration),
    #[error("too many guests send long bodies; the request's was not read within {0:?}")]
    Crowded(Duration),
    #[error("the connection ended before the answer")]
    Lost(#[source] hyper::Error),
    #[error("the answer broke off")]
    BrokenOff(#[source] BodyError),
    #[error("the answer is not HTTP")]
    Malformed(#[source] hyper::Error),
    #[error(
        "it answered {status}, a redirection{}; check nova_metadata_protocol, nova_metadata_host and nova_metadata_port",
        .location.as_ref().map(|to| format!(" to {to}")).unwrap_or_default()
    )]
    Redirect {
        status: StatusCode,
        location: Option<String>,
    },
    #[error("the request's body failed: {0}")]
    RequestBody(RequestFault),
    #[error("the instance's id or project cannot be sent in a header")]
    Identity(#[from] InvalidHeaderValue),
    #[error("the request's path cannot be sent")]
    Path(#[from] hyper::http::Error),
}
