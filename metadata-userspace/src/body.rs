//! The one body type that messages have between the hops of this daemon.

pub mod held;
pub mod request;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full, combinators::UnsyncBoxBody};

/// Why a body ended early: a broken upstream, a guest that went away, a limit.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// A streamed message body.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

/// A body whose bytes are all here.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// A body without bytes.
pub fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}
