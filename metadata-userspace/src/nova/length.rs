//! Giving short bodies of unknown length a length.

use hyper::body::Body as _;

use crate::body::held::{Held, hold};
use crate::body::request::RequestFault;
use crate::body::{self, Body};

/// Far above the 1020 bytes of a password, the only body that Nova reads.
const HELD_BACK: usize = 64 * 1024;

/// WSGI servers give the application no chunked bodies, and Nova answers 500 to
/// a POST without Content-Length (nova/api/metadata/password.py): a body of
/// unknown length is read first, when it is short, and sent with its length. A
/// longer one is streamed.
pub(super) async fn measured(body: Body) -> Result<Body, RequestFault> {
    if body.size_hint().exact().is_some() {
        return Ok(body);
    }
    let held = hold(body, HELD_BACK).await;
    match held.map_err(|error| RequestFault::of_body(&error))? {
        Held::Whole(bytes) => Ok(body::full(bytes)),
        Held::Longer(body) => Ok(body),
    }
}
