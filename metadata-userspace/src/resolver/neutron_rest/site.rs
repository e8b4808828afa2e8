//! Requests to one HTTP API, over connections that are kept.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, USER_AGENT};
use hyper::{Method, Request, Response, StatusCode};

use super::error::Cause;
use crate::body::{self, Body};
use crate::http_url::HttpUrl;
use crate::upstream::{Connector, Link, OptionNames, Pool, TlsError, TlsFiles, answer};

/// A page of ports has about 300 bytes for each.
const LONGEST_ANSWER: usize = 16 << 20;

const AGENT: &str = concat!("metadatad/", env!("CARGO_PKG_VERSION"));

/// What TLS towards all sites is made of.
#[derive(Clone, Debug)]
pub(super) struct Trust {
    pub(super) files: TlsFiles,
    pub(super) insecure: bool,
}

pub(super) struct Site {
    url: HttpUrl,
    connector: Connector,
    pool: Arc<Pool>,
    /// For a whole request, from connecting to the answer's last byte.
    patience: Duration,
}

/// One request; may be sent twice, as a kept connection may be dead.
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    /// Below the site's URL; begins with `/`.
    pub(super) target: &'a str,
    pub(super) token: Option<&'a HeaderValue>,
    /// JSON, or empty.
    pub(super) body: Bytes,
}

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Site {
    pub(super) fn new(
        url: HttpUrl,
        trust: &Trust,
        options: &'static OptionNames,
        patience: Duration,
    ) -> Result<Self, TlsError> {
        let connector = match url.tls {
            false => Connector::plain(&url.host, url.port, options),
            true => {
                let (files, insecure) = (&trust.files, trust.insecure);
                Connector::tls(&url.host, url.port, files, insecure, options)?
            }
        };
        Ok(Self {
            url,
            connector,
            pool: Arc::default(),
            patience,
        })
    }

    pub(super) fn url(&self) -> &HttpUrl {
        &self.url
    }

    /// An answer of any status, within the site's patience.
    pub(super) async fn send(&self, ask: &Ask<'_>) -> Result<Answer, Cause> {
        let answer = tokio::time::timeout(self.patience, self.converse(ask)).await;
        answer.unwrap_or(Err(Cause::Deadline(self.patience)))
    }

    async fn converse(&self, ask: &Ask<'_>) -> Result<Answer, Cause> {
        if let Some(mut link) = self.pool.take().await {
            match link.exchange(self.request(ask)?).await {
                Ok(answer) => return self.read(ask, answer, link).await,
                // The server closed it meanwhile.
                Err(error) if !error.is_parse() => {}
                Err(error) => return Err(self.cause(&error)),
            }
        }
        let mut link = self.connector.link().await?;
        let answer = link.exchange(self.request(ask)?).await;
        let answer = answer.map_err(|error| self.cause(&error))?;
        self.read(ask, answer, link).await
    }

    fn request(&self, ask: &Ask<'_>) -> Result<Request<Body>, Cause> {
        let mut request = Request::builder()
            .method(&ask.method)
            .uri(format!("{}{}", self.url.path, ask.target))
            .header(HOST, self.url.authority())
            .header(USER_AGENT, AGENT)
            .header(ACCEPT, "application/json");
        if let Some(token) = ask.token {
            request = request.header("X-Auth-Token", token);
        }
        if ask.body.is_empty() {
            return request.body(body::empty()).map_err(Cause::garbage);
        }
        request
            .header(CONTENT_TYPE, "application/json")
            .body(body::full(ask.body.clone()))
            .map_err(Cause::garbage)
    }

    async fn read(
        &self,
        ask: &Ask<'_>,
        answer: Response<Incoming>,
        link: Link,
    ) -> Result<Answer, Cause> {
        let pool = Some(Arc::clone(&self.pool));
        let answer = answer::for_guest(&ask.method, answer, link, pool, self.patience);
        let (head, body) = answer.into_parts();
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body: whole(body).await?,
        })
    }

    fn cause(&self, error: &hyper::Error) -> Cause {
        match self.connector.tls_fault(error) {
            Some(fault) => fault.into(),
            None if error.is_parse() => Cause::NotHttp,
            None => Cause::Lost,
        }
    }
}

async fn whole(mut body: Body) -> Result<Bytes, Cause> {
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Cause::Lost)?;
        if let Some(data) = frame.data_ref() {
            bytes.extend_from_slice(data);
        }
        if bytes.len() > LONGEST_ANSWER {
            return Err(Cause::TooLong(LONGEST_ANSWER));
        }
    }
    Ok(bytes.freeze())
}
