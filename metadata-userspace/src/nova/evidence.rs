//! What becomes of a request, and what that shows of how Nova is doing.
//!
//! Guests choose what is asked. To some of it a web server before Nova has an answer of its
//! own, and some of it makes Nova, or what is before it, fail: that says nothing about Nova.

use hyper::StatusCode;
use hyper::http::uri::PathAndQuery;

/// Far above what clients of Nova ask for. uWSGI takes 4096 bytes of a head, in which the
/// path stands three times, and ends the connection without a word or, behind Apache, has
/// that answer 500 (`buffer-size`).
const LONGEST_TARGET: usize = 1024;

/// What was asked, as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subject {
    /// Whether nothing but Nova has an answer.
    is_novas: bool,
    /// Whether nothing but an outage makes it fail.
    is_harmless: bool,
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
        Self {
            is_novas: is_novas(target.path()),
            is_harmless: !has_body && target.as_str().len() <= LONGEST_TARGET,
        }
    }

    pub(super) fn is_harmless(self) -> bool {
        self.is_harmless
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
        match status.as_u16() {
            200..=299 | 404 | 409 if subject.is_novas => Self::AtWork,
            403 if subject.is_novas => Self::Refuses,
            502..=504 if subject.is_harmless => Self::Away,
            _ => Self::None,
        }
    }
}
