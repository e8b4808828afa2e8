//! What Nova is sent.

use std::borrow::Cow;
use std::net::Ipv6Addr;

use hyper::body::Body as _;
use hyper::header::{ACCEPT, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper::http::request::Parts;
use hyper::http::uri::PathAndQuery;
use hyper::{Method, Request};

use super::NovaError;
use super::path;
use super::signatures::Signatures;
use crate::body::Body;
use crate::config::{NovaConfig, NovaProtocol};
use crate::identity::{Instance, Requester};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_INSTANCE_ID: HeaderName = HeaderName::from_static("x-instance-id");
const X_TENANT_ID: HeaderName = HeaderName::from_static("x-tenant-id");
const X_INSTANCE_ID_SIGNATURE: HeaderName = HeaderName::from_static("x-instance-id-signature");

const OUR_NAME: &str = concat!("metadatad/", env!("CARGO_PKG_VERSION"));

/// Makes requests to one Nova.
pub(super) struct RequestMaker {
    host: HeaderValue,
    signatures: Signatures,
}

impl RequestMaker {
    pub(super) fn new(config: &NovaConfig) -> Self {
        Self {
            host: host_header(config),
            signatures: Signatures::new(config.shared_secret.clone()),
        }
    }

    /// The request of a guest, on behalf of `instance`.
    ///
    /// Built from nothing, so that no header of the guest's can be taken for
    /// one of ours; Neutron's agent passes none on either.
    pub(super) fn signed(
        &self,
        instance: &Instance,
        requester: &Requester,
        guest: &Parts,
        body: Body,
    ) -> Result<Request<Body>, NovaError> {
        let mut request = Request::new(body);
        *request.method_mut() = guest.method.clone();
        *request.uri_mut() = target(guest)?.into();
        let bare_post = guest.method == Method::POST && request.body().is_end_stream();
        let headers = request.headers_mut();
        headers.reserve(8);
        if bare_post {
            // Nova answers 500 to a POST that does not tell its length.
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        headers.insert(HOST, self.host.clone());
        headers.insert(USER_AGENT, HeaderValue::from_static(OUR_NAME));
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        headers.insert(
            X_FORWARDED_FOR,
            HeaderValue::try_from(requester.address.to_string())?,
        );
        headers.insert(X_INSTANCE_ID, HeaderValue::from_str(&instance.id)?);
        headers.insert(X_TENANT_ID, HeaderValue::from_str(&instance.project_id)?);
        headers.insert(X_INSTANCE_ID_SIGNATURE, self.signatures.of(&instance.id)?);
        Ok(request)
    }
}

fn target(guest: &Parts) -> Result<PathAndQuery, NovaError> {
    let sent = guest.uri.path_and_query();
    let (path, query) = (guest.uri.path(), guest.uri.query());
    match (path::normalised(path), query, sent) {
        (Cow::Borrowed(_), _, Some(sent)) => Ok(sent.clone()),
        (path, Some(query), _) => {
            Ok(PathAndQuery::try_from(format!("{path}?{query}"))
                .map_err(hyper::http::Error::from)?)
        }
        (path, None, _) => {
            Ok(PathAndQuery::try_from(path.as_ref()).map_err(hyper::http::Error::from)?)
        }
    }
}

/// As HTTP clients write it: without the scheme's own port.
fn host_header(config: &NovaConfig) -> HeaderValue {
    let host = match config.host.parse::<Ipv6Addr>() {
        Ok(address) => format!("[{address}]"),
        Err(_) => config.host.clone(),
    };
    let host = match (config.protocol, config.port) {
        (NovaProtocol::Http, 80) | (NovaProtocol::Https, 443) => host,
        (_, port) => format!("{host}:{port}"),
    };
    // A host that is no header value has no address either: connecting fails.
    HeaderValue::try_from(host).unwrap_or(HeaderValue::from_static(""))
}
