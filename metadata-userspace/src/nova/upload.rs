//! What a guest sends with its request: here before Nova hears of it.
//!
//! Sent on while it comes, a body of a byte a second holds one of Nova's connections for
//! as long. And WSGI servers give the application no chunked bodies: Nova answers 500 to
//! a POST without Content-Length (nova/api/metadata/password.py).

use std::pin::pin;
use std::time::Duration;

use hyper::body::Body as _;

use crate::body::held::{Held, hold};
use crate::body::request::RequestFault;
use crate::body::{self, Body};
use crate::within::within;

/// Far above the 1020 bytes of a password, the only body that Nova reads.
const HELD_BACK: usize = 64 * 1024;

/// The body of a request to Nova.
pub(super) enum Upload {
    /// All of it is here; its length is known.
    Whole(Body),
    /// More than is held back: the rest comes from the guest while Nova reads.
    Streamed(Body),
}

impl Upload {
    pub(super) fn none() -> Self {
        Self::Whole(body::empty())
    }

    /// Waits for so long until the body is here, or enough of it.
    pub(super) async fn held(body: Body, limit: Duration) -> Result<Self, RequestFault> {
        match within(limit, pin!(hold(body, HELD_BACK))).await {
            Some(Ok(Held::Whole(bytes))) => Ok(Self::Whole(body::full(bytes))),
            Some(Ok(Held::Longer(body))) => Ok(Self::Streamed(body)),
            Some(Err(error)) => Err(RequestFault::of_body(&error)),
            None => Err(RequestFault::Slow(limit)),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Whole(body) if body.is_end_stream())
    }
}
