//! What Nova is sent.

use std::net::{IpAddr, Ipv6Addr};

use hyper::body::Body as _;
use hyper::header::{ACCEPT, CONTENT_LENGTH, HOST, HeaderMap, HeaderValue, USER_AGENT};
use hyper::http::uri::PathAndQuery;
use hyper::{Method, Request};

use super::NovaError;
use super::credentials::Signer;
use crate::body::Body;
use crate::config::{NovaConfig, NovaProtocol};
use crate::identity::Instance;

const OUR_NAME: &str = concat!("metadatad/", env!("CARGO_PKG_VERSION"));

/// All of a guest's request that Nova hears of, beside the body.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) instance: &'a Instance,
    pub(super) address: IpAddr,
    pub(super) method: &'a Method,
    /// As [`path::target`](super::path::target) makes it.
    pub(super) target: &'a PathAndQuery,
}

/// Makes requests to one Nova.
pub(super) struct RequestMaker {
    signer: Signer,
}

impl RequestMaker {
    pub(super) fn new(config: &NovaConfig) -> Self {
        Self {
            signer: Signer::new(config.shared_secret.clone(), common_headers(config)),
        }
    }

    /// The request of a guest, on behalf of its instance.
    ///
    /// Built from nothing, so that no header of the guest's can be taken for
    /// one of ours; Neutron's agent passes none on either.
    pub(super) fn signed(&self, asked: Asked<'_>, body: Body) -> Result<Request<Body>, NovaError> {
        let Asked {
            instance,
            address,
            method,
            target,
        } = asked;
        let mut request = Request::new(body);
        *request.method_mut() = method.clone();
        *request.uri_mut() = target.clone().into();
        *request.headers_mut() = self.signer.headers(instance, address)?;
        if *method == Method::POST && request.body().is_end_stream() {
            // Nova answers 500 to a POST that does not tell its length.
            let headers = request.headers_mut();
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        Ok(request)
    }
}

fn common_headers(config: &NovaConfig) -> HeaderMap {
    [
        (HOST, host_header(config)),
        (USER_AGENT, HeaderValue::from_static(OUR_NAME)),
        (ACCEPT, HeaderValue::from_static("*/*")),
    ]
    .into_iter()
    .collect()
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
