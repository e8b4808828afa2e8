//! What a guest is told when a web server or load balancer before Nova says that Nova
//! is away.

use hyper::{Response, StatusCode};

use crate::body::Body;
use crate::reply;

/// 502, 504, and 503 without `Retry-After` would end some guests' boot, see
/// [`reply::unavailable`].
pub(super) fn worth_another_try(answer: Response<Body>) -> Response<Body> {
    match answer.status() {
        StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => {
            reply::unavailable("The metadata service is temporarily unavailable.")
        }
        StatusCode::SERVICE_UNAVAILABLE => reply::retry_after(answer),
        _ => answer,
    }
}
