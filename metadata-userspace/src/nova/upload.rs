//! What a guest sends with its request: here before Nova hears of it.
//!
//! Sent on while it comes, a body of a byte a second holds one of Nova's connections for
//! as long. And WSGI servers give the application no chunked bodies: Nova answers 500 to
//! a POST without Content-Length (nova/api/metadata/password.py).

use std::pin::pin;
use std::time::Duration;

use hyper::body::Body as _;
use tokio::time::Instant;

use super::NovaError;
use crate::body::held::{Held, hold};
use crate::body::request::RequestFault;
use crate::body::{self, Body};
use crate::turn::{Queue, Turn};
use crate::within::within;

/// Above the 1020 bytes of a password, the only body that Nova reads
/// (nova/api/metadata/password.py).
const SHORT: usize = 4 * 1024;
const HELD_BACK: usize = 64 * 1024;
/// Longer ones than [`SHORT`], of all guests: they take some MiB, however many guests there
/// are. Passwords do not wait for them.
const LONG_AT_ONCE: usize = 64;

/// The body of a request to Nova.
pub(super) enum Upload {
    /// All of it is here; its length is known. A long one has its place until it is dropped.
    Whole(Body, Option<Turn>),
    /// More than is held back: the rest comes from the guest while Nova reads.
    Streamed(Body, Turn),
}

impl Upload {
    pub(super) fn none() -> Self {
        Self::Whole(body::empty(), None)
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Whole(body, _) if body.is_end_stream())
    }
}

/// Where bodies are held.
pub(super) struct Uploads {
    long: Queue,
}

impl Default for Uploads {
    fn default() -> Self {
        Self {
            long: Queue::new(LONG_AT_ONCE),
        }
    }
}

impl Uploads {
    /// Waits for so long until the body is here, or enough of it.
    pub(super) async fn receive(&self, body: Body, limit: Duration) -> Result<Upload, NovaError> {
        let began = Instant::now();
        let left = || limit.saturating_sub(began.elapsed());
        let body = match held(body, SHORT, limit, limit).await? {
            Held::Whole(bytes) => return Ok(Upload::Whole(body::full(bytes), None)),
            Held::Longer(body) => body,
        };
        let turn = within(left(), pin!(self.long.turn())).await;
        let turn = turn.ok_or(NovaError::Crowded(limit))?;
        Ok(match held(body, HELD_BACK, left(), limit).await? {
            Held::Whole(bytes) => Upload::Whole(body::full(bytes), Some(turn)),
            Held::Longer(body) => Upload::Streamed(body, turn),
        })
    }
}

/// What is `left` of `limit` is all the time that the guest has.
async fn held(
    body: Body,
    bytes: usize,
    left: Duration,
    limit: Duration,
) -> Result<Held, NovaError> {
    let held = within(left, pin!(hold(body, bytes))).await;
    let held = held
        .ok_or(RequestFault::Slow(limit))
        .and_then(|held| held.map_err(|error| RequestFault::of_body(&error)));
    held.map_err(NovaError::RequestBody)
}
