//! What an answer shows of how Nova is doing.
//!
//! Guests choose the paths, and some paths make Nova, or a web server before it,
//! answer 4xx or 500: such an answer says nothing about Nova.

use hyper::StatusCode;

/// What an answer shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Evidence {
    /// Nova took the signature, and looked for the instance.
    AtWork,
    Refuses,
    /// A web server or load balancer before Nova gets no answer of it either.
    Away,
    None,
}

impl Evidence {
    /// `path`: what was asked for.
    pub(super) fn of(path: &str, status: StatusCode) -> Self {
        match status.as_u16() {
            // Nova lists its versions for anyone (nova/api/metadata/handler.py).
            200..=299 | 404 if path == "/" => Self::None,
            200..=299 | 404 | 409 => Self::AtWork,
            403 => Self::Refuses,
            502..=504 => Self::Away,
            _ => Self::None,
        }
    }
}
