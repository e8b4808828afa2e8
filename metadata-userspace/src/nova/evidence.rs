//! What becomes of a request, and what that shows of how Nova is doing.
//!
//! Guests choose what is asked. To some of it a web server before Nova has an answer of its
//! own, and some of it makes Nova, or what is before it, fail: that says nothing about Nova.

use hyper::StatusCode;
use hyper::http::uri::PathAndQuery;

/// Far above what clients of Nova ask for. uWSGI takes 4096 bytes of a head, in which the
/// path stands twice, and ends the connection without a word or, behind Apache, has that
/// answer 500 (`buffer-size`).
const LONGEST_TARGET: usize = 1024;

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subject {
    /// What nobody else answers, and nothing but an outage makes fail.
    Novas,
    Anything,
}

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

impl Subject {
    /// Apache answers 503 when uWSGI does not read a body to its end, as of a password that
    /// is too long.
    pub(super) fn of(target: &PathAndQuery, has_body: bool) -> Self {
        let is_short = target.as_str().len() <= LONGEST_TARGET;
        match is_short && !has_body && is_novas(target.path()) {
            true => Self::Novas,
            false => Self::Anything,
        }
    }
}

/// The list of versions, at `/`, Nova gives to anyone (nova/api/metadata/handler.py). Below a
/// version nobody else has anything, as Apache has its `/icons/`; but a NUL is 404 for that
/// before it asks Nova (`unescape_url` in its server/util.c).
fn is_novas(path: &str) -> bool {
    let version = path.split('/').nth(1).unwrap_or_default();
    let is_version = matches!(version, "openstack" | "latest")
        || version.starts_with(|first: char| first.is_ascii_digit());
    is_version && !path.contains("%00")
}

impl Evidence {
    pub(super) fn of(subject: Subject, status: StatusCode) -> Self {
        match (subject, status.as_u16()) {
            (Subject::Anything, _) => Self::None,
            (_, 200..=299 | 404 | 409) => Self::AtWork,
            (_, 403) => Self::Refuses,
            (_, 502..=504) => Self::Away,
            _ => Self::None,
        }
    }
}
