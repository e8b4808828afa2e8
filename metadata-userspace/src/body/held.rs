//! Short bodies, read as a whole before they are passed on.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};

use crate::body::{Body, BodyError};

/// What a body turned out to be.
pub enum Held {
    /// All of it.
    Whole(Bytes),
    /// Longer than the limit; nothing of it is lost.
    Longer(Body),
}

/// Reads `body` until its end or until it is longer than `limit` bytes. Trailers end
/// here.
pub async fn hold(mut body: Body, limit: usize) -> Result<Held, BodyError> {
    let mut held = Bytes::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            held = joined(held, data);
        }
        if held.len() > limit {
            let first = Some(held);
            return Ok(Held::Longer(Resumed { first, rest: body }.boxed_unsync()));
        }
    }
    Ok(Held::Whole(held))
}

/// Copies nothing of a body that came in one piece, as short ones do.
fn joined(held: Bytes, next: Bytes) -> Bytes {
    if held.is_empty() {
        return next;
    }
    let mut bytes = BytesMut::from(held);
    bytes.extend_from_slice(&next);
    bytes.freeze()
}

/// What was read already, then the rest.
struct Resumed {
    first: Option<Bytes>,
    rest: Body,
}

impl hyper::body::Body for Resumed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(Ok(Frame::data(first)))),
            None => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let first = self.first.as_ref().map_or(0, |first| first.len() as u64);
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower() + first);
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper + first);
        }
        hint
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
mod tests {
    use hyper::body::Body as _;

    use super::*;
    use crate::body;

    /// A body of unknown length.
    struct Pieces(Vec<&'static str>);

    impl hyper::body::Body for Pieces {
        type Data = Bytes;
        type Error = BodyError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
            Poll::Ready(match self.0.is_empty() {
                true => None,
                false => Some(Ok(Frame::data(Bytes::from_static(
                    self.0.remove(0).as_bytes(),
                )))),
            })
        }
    }

    fn pieces(pieces: &[&'static str]) -> Body {
        Pieces(pieces.to_vec()).boxed_unsync()
    }

    #[tokio::test]
    async fn a_short_body_is_held_whole() {
        for (body, whole) in [
            (pieces(&["ab", "", "c", "def"]), "abcdef"),
            (pieces(&[]), ""),
            (body::full("abcdef"), "abcdef"),
        ] {
            match hold(body, 6).await.unwrap() {
                Held::Whole(bytes) => assert_eq!(bytes, whole),
                Held::Longer(_) => panic!("{whole} is not longer"),
            }
        }
    }

    #[tokio::test]
    async fn of_a_long_body_nothing_is_lost() {
        for body in [
            pieces(&["ab", "c", "def", "g", "hi"]),
            body::full("abcdefghi"),
        ] {
            match hold(body, 4).await.unwrap() {
                Held::Whole(bytes) => panic!("{bytes:?} is longer"),
                Held::Longer(body) => {
                    assert_eq!(body.collect().await.unwrap().to_bytes(), "abcdefghi");
                }
            }
        }
    }

    #[tokio::test]
    async fn what_is_left_of_a_known_length_stays_known() {
        let first = Some(Bytes::from_static(b"abc"));
        let rest = body::full("de");
        assert_eq!(Resumed { first, rest }.size_hint().exact(), Some(5));
    }
}
