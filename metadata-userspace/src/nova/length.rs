//! Giving short bodies of unknown length a length.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Frame};

use crate::body::request::RequestFault;
use crate::body::{self, Body, BodyError};

/// Far above the 1020 bytes of a password, the only body that Nova reads.
const HELD_BACK: usize = 64 * 1024;

/// WSGI servers give the application no chunked bodies, and Nova answers 500 to
/// a POST without Content-Length (nova/api/metadata/password.py): a body of
/// unknown length is read first, when it is short, and sent with its length. A
/// longer one is streamed.
pub(super) async fn measured(mut body: Body) -> Result<Body, RequestFault> {
    if body.size_hint().exact().is_some() {
        return Ok(body);
    }
    let mut held = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame
            .map_err(|error| RequestFault::of_body(&error))?
            .into_data()
        {
            held.extend_from_slice(&data);
        }
        if held.len() > HELD_BACK {
            let first = Some(held.freeze());
            return Ok(Resumed { first, rest: body }.boxed_unsync());
        }
    }
    Ok(body::full(held.freeze()))
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
}
