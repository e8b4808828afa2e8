//! Nova's last answers, for as long as they are of use.
//!
//! A document holds for its instance and the address that asked, so no other
//! instance ever sees it, whoever gets that address next.

mod shelves;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::header::{AGE, HeaderValue, WARNING};
use hyper::{Response, StatusCode};
use tokio::time::Instant;

use super::question::Question;
use super::whole::WholeAnswer;
use crate::body::Body;
use shelves::Shelves;

/// RFC 9111 section 5.5 obsoletes the header, but no other tells a person who
/// looks with curl what happened; RFC 7234 has the codes.
const STALE: HeaderValue = HeaderValue::from_static(
    "110 metadatad \"Response is Stale\", 111 metadatad \"Revalidation Failed\"",
);

/// How long a document is of use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lifetimes {
    /// `response_ttl`: in place of Nova's answer.
    pub(super) fresh: Duration,
    /// `stale_if_error`: after that, when Nova gives none.
    pub(super) stale: Duration,
}

/// One answer and when it came.
#[derive(Clone, Debug)]
pub(super) struct Document {
    answer: Arc<WholeAnswer>,
    since: Instant,
}

/// The last answer to each question.
pub(super) struct Documents {
    lifetimes: Lifetimes,
    shelves: Mutex<Shelves>,
}

impl Documents {
    pub(super) fn new(lifetimes: Lifetimes) -> Self {
        Self {
            lifetimes,
            shelves: Mutex::default(),
        }
    }

    /// Keeps what Nova answered, if it says how things are: 200, or 404, which
    /// is what a guest without user data relies on. Other answers tell nothing
    /// about the document.
    pub(super) fn learn(&self, question: &Question, answer: &WholeAnswer, now: Instant) {
        let Lifetimes { fresh, stale } = self.lifetimes;
        let life = fresh + stale;
        let tells = matches!(answer.status, StatusCode::OK | StatusCode::NOT_FOUND);
        if life.is_zero() || !tells {
            return;
        }
        let mut shelves = self.lock();
        // Most answers are the last one again, and copying one costs as much as asking.
        if !shelves.renew(question, answer, now) {
            shelves.put(question, Document::of(answer, now));
        }
        if let Some(born) = now.checked_sub(life) {
            shelves.drop_older_than(born);
        }
    }

    /// The document has become one that is not kept.
    pub(super) fn forget(&self, question: &Question) {
        self.lock().remove(question);
    }

    /// What may be given instead of asking Nova.
    pub(super) fn fresh(&self, question: &Question, now: Instant) -> Option<Document> {
        let fresh = self.lifetimes.fresh;
        if fresh.is_zero() {
            return None;
        }
        let document = self.lock().get(question)?;
        let is_fresh = document.answer.status == StatusCode::OK && document.age(now) < fresh;
        is_fresh.then_some(document)
    }

    /// What may be given when Nova gives no answer.
    pub(super) fn last_good(&self, question: &Question, now: Instant) -> Option<Document> {
        let Lifetimes { fresh, stale } = self.lifetimes;
        if stale.is_zero() {
            return None;
        }
        let document = self.lock().get(question)?;
        (document.age(now) < fresh + stale).then_some(document)
    }

    fn lock(&self) -> MutexGuard<'_, Shelves> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Document {
    pub(super) fn of(answer: &WholeAnswer, now: Instant) -> Self {
        Self {
            answer: Arc::new(answer.compact()),
            since: now,
        }
    }

    pub(super) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.since)
    }

    /// In place of Nova's answer.
    pub(super) fn response(&self, now: Instant) -> Response<Body> {
        let mut response = Response::from(WholeAnswer::clone(&self.answer));
        let age = self.age(now).as_secs();
        response.headers_mut().insert(AGE, HeaderValue::from(age));
        response
    }

    /// For want of Nova's answer.
    pub(super) fn stale_response(&self, now: Instant) -> Response<Body> {
        let mut response = self.response(now);
        response.headers_mut().insert(WARNING, STALE);
        response
    }
}
