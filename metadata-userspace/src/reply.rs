//! Short plain-text answers that this daemon gives itself.

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, TRANSFER_ENCODING};
use hyper::{Method, Request, Response, StatusCode};

use crate::body::request::RequestFault;
use crate::body::{self, Body};

/// A text answer. `message` is a whole sentence without a line end.
pub fn text(status: StatusCode, message: impl Into<String>) -> Response<Body> {
    let mut message = message.into();
    message.push('\n');
    let mut response = Response::new(body::full(Bytes::from(message)));
    *response.status_mut() = status;
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=UTF-8"),
    );
    response
}

/// For every fault that may pass: 503 with `Retry-After`.
///
/// Of all statuses cloud-init's first probe retries 503 alone: with 404, 429,
/// 500, 502 or 504 the guest boots without metadata (`wait_for_url` in
/// cloudinit/url_helper.py), and Ignition gives up on every 4xx, 429 included.
pub fn unavailable(message: impl Into<String>) -> Response<Body> {
    retry_after(text(StatusCode::SERVICE_UNAVAILABLE, message))
}

/// Says when to ask again, if `response` does not yet.
pub fn retry_after(mut response: Response<Body>) -> Response<Body> {
    response
        .headers_mut()
        .entry(RETRY_AFTER)
        .or_insert(HeaderValue::from_static("1"));
    response
}

/// To requests that no hop behind this one should see.
pub fn refuse<B>(request: &Request<B>) -> Option<Response<Body>> {
    refuse_method(request.method()).or_else(|| refuse_coding(request.headers()))
}

/// What no metadata service is asked with. A server that echoes a TRACE, as Apache does by
/// default, would give the guest the signature that Nova trusts (RFC 9110, 9.3.8); what
/// follows an answered CONNECT is no HTTP any more to a proxy in between (9.3.6).
fn refuse_method(method: &Method) -> Option<Response<Body>> {
    let message = match *method {
        Method::CONNECT => "This is no proxy to elsewhere.",
        Method::TRACE => "Requests are not echoed here.",
        _ => return None,
    };
    Some(text(StatusCode::METHOD_NOT_ALLOWED, message))
}

/// A body that is encoded otherwise than in chunks: the next hop would get it as it is, and
/// nothing would say so any more (RFC 9112, 6.1).
fn refuse_coding(headers: &HeaderMap) -> Option<Response<Body>> {
    let mut lines = headers.get_all(TRANSFER_ENCODING).iter();
    let coding = lines.next()?;
    let is_chunked = coding.as_bytes().eq_ignore_ascii_case(b"chunked");
    let message = "Of transfer codings only chunked is known here.";
    (!is_chunked || lines.next().is_some()).then(|| text(StatusCode::NOT_IMPLEMENTED, message))
}

/// To a sender who failed to send its body.
pub fn refuse_body(fault: &RequestFault) -> Response<Body> {
    let status = match fault {
        RequestFault::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        RequestFault::Silent(_) | RequestFault::Slow(_) => StatusCode::REQUEST_TIMEOUT,
        RequestFault::Broken { .. } => StatusCode::BAD_REQUEST,
    };
    text(status, sentence(fault))
}

fn sentence(fault: &RequestFault) -> String {
    let mut text = fault.to_string();
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text.push('.');
    text
}
