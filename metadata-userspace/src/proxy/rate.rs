//! How often guests may ask.

mod passed;
mod recent;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hyper::header::{HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use tokio::time::Instant;

use super::sender::{Counted, Sender};
use crate::body::Body;
use crate::config::{RateLimits, RateWindow};
use crate::reply;
use passed::Passed;
use recent::Recent;

/// Guests of a namespace that are remembered, at least; twice as many at most.
/// As many as Neutron's haproxy has room for.
const GUESTS: usize = 10_000;

/// The requests of a namespace's guests, over whatever address and family.
#[derive(Debug)]
pub(super) struct RateLimiter {
    limits: RateLimits,
    started: Instant,
    guests: Mutex<Recent<Counted, Passed>>,
}

/// A request that may not pass now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooOften {
    /// The window that is full.
    pub(super) window: RateWindow,
    /// When a request passes again, if none is made until then.
    pub(super) wait: Duration,
}

impl RateLimiter {
    pub(super) fn new(limits: RateLimits) -> Self {
        let longest = limits.longest();
        Self {
            limits,
            started: Instant::now(),
            guests: Mutex::new(Recent::new(GUESTS, longest)),
        }
    }

    pub(super) fn limits(&self) -> &RateLimits {
        &self.limits
    }

    /// Counts a request, unless it may not pass: what was refused is not held against
    /// the guest, so that it is let in again as soon as it is slow enough.
    pub(super) fn pass(&self, sender: Sender) -> Result<(), TooOften> {
        if !self.limits.hold_for(sender.address) {
            return Ok(());
        }
        let now = self.started.elapsed();
        let mut guests = self.guests.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = guests.of(sender.counted(), now);
        match passed.full(&self.limits, now) {
            Some(full) => Err(full),
            None => {
                passed.add(&self.limits, now);
                Ok(())
            }
        }
    }
}

impl TooOften {
    pub(super) fn answer(self) -> Response<Body> {
        let RateWindow { duration, requests } = self.window;
        let seconds = self.retry_after();
        let text = format!(
            "Too many requests: a guest may make {requests} within {} s. Try again in {seconds} s.",
            duration.as_secs()
        );
        let mut response = reply::text(StatusCode::TOO_MANY_REQUESTS, text);
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(seconds));
        response
    }

    /// Whole seconds, as Retry-After has them.
    fn retry_after(self) -> u64 {
        let whole = self.wait.as_secs();
        match self.wait.subsec_nanos() {
            0 => whole.max(1),
            _ => whole + 1,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
