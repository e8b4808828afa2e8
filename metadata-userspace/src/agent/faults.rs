//! What a guest is told when Nova gave no answer.

use hyper::{Response, StatusCode};

use crate::body::Body;
use crate::nova::NovaError;
use crate::reply;

/// 503 for whatever is not the guest's fault and may pass, see
/// [`reply::unavailable`]. Behind haproxy a hung Nova shows as 504 after 32 s, and
/// one that answers garbage as 502.
pub(super) fn answer(error: &NovaError) -> Response<Body> {
    match error {
        NovaError::Connect(_) | NovaError::Lost(_) | NovaError::BrokenOff(_) => {
            reply::unavailable("The metadata service is temporarily unavailable.")
        }
        NovaError::Deadline(_) => {
            reply::unavailable("The metadata service did not answer in time.")
        }
        NovaError::Busy(_) => {
            reply::unavailable("The metadata service has more to do than it can.")
        }
        NovaError::Queued(_) => {
            reply::unavailable("Earlier requests of this guest are still not answered.")
        }
        NovaError::Crowded(_) => {
            reply::unavailable("Too many long bodies are being sent to the metadata service.")
        }
        NovaError::Malformed(_) | NovaError::Redirect { .. } => {
            reply::unavailable("The metadata service gave an answer that cannot be passed on.")
        }
        NovaError::RequestBody(fault) => reply::refuse_body(fault),
        NovaError::Path(_) => reply::text(StatusCode::BAD_REQUEST, "The path is not valid."),
        NovaError::Identity(_) => reply::text(
            StatusCode::INTERNAL_SERVER_ERROR,
            "This instance's identity cannot be passed on.",
        ),
    }
}
