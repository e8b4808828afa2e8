//! An answer that is here to its last byte.

use bytes::Bytes;
use hyper::body::Body as _;
use hyper::header::{HeaderMap, HeaderValue};
use hyper::{Response, StatusCode};

use crate::body::held::{Held, hold};
use crate::body::{self, Body, BodyError};

/// Longer answers are passed on while they come, and neither shared nor kept: a
/// guest that does not read could otherwise make each of its connections hold
/// one. Nova's own documents are far below this; user data has 64 KiB at most.
const LONGEST: usize = 256 * 1024;

/// Status, headers and body. Clones share the body's bytes.
#[derive(Clone, Debug)]
pub(super) struct WholeAnswer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// What an answer turned out to be.
pub(super) enum Read {
    Whole(WholeAnswer),
    Longer(Response<Body>),
}

impl Read {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Whole(answer) => answer.status,
            Self::Longer(answer) => answer.status(),
        }
    }
}

/// Waits for the last byte, or for more bytes than an answer may have. One that says so
/// beforehand is not begun.
pub(super) async fn read(answer: Response<Body>) -> Result<Read, BodyError> {
    let least = usize::try_from(answer.body().size_hint().lower());
    if least.is_ok_and(|least| least > LONGEST) {
        return Ok(Read::Longer(answer));
    }
    let (head, body) = answer.into_parts();
    Ok(match hold(body, LONGEST).await? {
        Held::Longer(body) => Read::Longer(Response::from_parts(head, body)),
        Held::Whole(body) => Read::Whole(WholeAnswer {
            status: head.status,
            headers: head.headers,
            body,
        }),
    })
}

impl WholeAnswer {
    /// Whether it says the same, in the same order.
    pub(super) fn equals(&self, other: &Self) -> bool {
        self.status == other.status
            && self.body == other.body
            && self.headers.iter().eq(other.headers.iter())
    }

    /// A copy that holds on to no more memory than it needs: the bytes of an
    /// answer are parts of the buffer that its connection reads into.
    pub(super) fn compact(&self) -> Self {
        let mut headers = HeaderMap::with_capacity(self.headers.len());
        for (name, value) in &self.headers {
            // What was a value stays one.
            if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
                headers.append(name, value);
            }
        }
        Self {
            status: self.status,
            headers,
            body: Bytes::copy_from_slice(&self.body),
        }
    }

    /// Bytes of memory of a compact answer, roughly.
    pub(super) fn size(&self) -> usize {
        /// A name, a value and their places in the table.
        const HEADER: usize = 96;
        let headers = self.headers.values().map(|value| HEADER + value.len());
        headers.sum::<usize>() + self.body.len()
    }
}

impl From<WholeAnswer> for Response<Body> {
    fn from(answer: WholeAnswer) -> Self {
        let mut response = Response::new(body::full(answer.body));
        *response.status_mut() = answer.status;
        *response.headers_mut() = answer.headers;
        response
    }
}
