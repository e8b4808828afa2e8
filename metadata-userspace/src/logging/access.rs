//! The access log: one record a request, written when its last byte is out.

mod line;

use std::fmt::{self, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::OnceLock;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::{Buf, Bytes};
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{HeaderValue, USER_AGENT};
use hyper::{Method, Request, StatusCode, Uri};

use crate::identity::{Instance, Requester};

pub(super) use line::enable;

/// More of a target or user agent than this is cut off: a guest must not be
/// able to fill the disk.
const LONGEST_FIELD: usize = 512;

/// One request, from its head to the last byte of the answer. Writes itself
/// when dropped, so a request that is cut off is recorded too.
#[derive(Debug)]
pub struct Record {
    /// `None` when it could not be told.
    client: Option<Arc<Client>>,
    instance: Option<Instance>,
    request: Option<Requested>,
    status: Option<StatusCode>,
    bytes: u64,
    complete: bool,
    started: Instant,
}

/// Who sends the requests of a connection.
#[derive(Debug)]
pub struct Client {
    /// Name of the namespace; `None` behind the agent's unix socket.
    namespace: Option<Arc<str>>,
    pub requester: Requester,
    /// What all its records say of it.
    described: OnceLock<String>,
}

impl Client {
    pub fn new(namespace: Option<Arc<str>>, requester: Requester) -> Arc<Self> {
        Arc::new(Self {
            namespace,
            requester,
            described: OnceLock::new(),
        })
    }

    fn described(&self) -> &str {
        self.described.get_or_init(|| {
            let mut text = String::new();
            // Writing to a string cannot fail.
            let _ = self.describe(&mut text);
            text
        })
    }

    fn describe(&self, text: &mut String) -> fmt::Result {
        if let Some(namespace) = &self.namespace {
            write!(text, "namespace={namespace} ")?;
        }
        let Requester {
            realm,
            address,
            mac,
        } = &self.requester;
        write!(text, "realm=\"{realm}\" client={address} ")?;
        match mac {
            Some(mac) => write!(text, "mac={mac} "),
            None => Ok(()),
        }
    }
}

#[derive(Debug)]
struct Requested {
    method: Method,
    uri: Uri,
    user_agent: Option<HeaderValue>,
}

impl Record {
    /// Nothing here copies bytes: the fields share the request's own buffer.
    pub fn start<B>(client: Option<Arc<Client>>, request: &Request<B>) -> Self {
        Self {
            client,
            instance: None,
            request: Some(Requested {
                method: request.method().clone(),
                uri: request.uri().clone(),
                user_agent: request.headers().get(USER_AGENT).cloned(),
            }),
            status: None,
            bytes: 0,
            complete: false,
            started: Instant::now(),
        }
    }

    /// A head that could not be taken: nothing of it is known.
    pub fn of_refused_head(client: Arc<Client>, status: StatusCode) -> Self {
        Self {
            client: Some(client),
            instance: None,
            request: None,
            status: Some(status),
            bytes: 0,
            complete: true,
            started: Instant::now(),
        }
    }

    /// When the request's head had been read.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// The answer's head is decided.
    pub fn answered(&mut self, status: StatusCode, instance: Option<Instance>) {
        self.status = Some(status);
        self.instance = instance;
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        line::write(|line| self.describe(line));
    }
}

impl Record {
    fn describe(&self, line: &mut String) -> fmt::Result {
        if let Some(client) = &self.client {
            line.push_str(client.described());
        }
        if let Some(instance) = &self.instance {
            write!(line, "instance={} ", Escaped(instance.id.as_bytes()))?;
        }
        if let Some(Requested { method, uri, .. }) = &self.request {
            write!(line, "method={method} target={} ", Target(uri))?;
        }
        if let Some(status) = self.status {
            write!(line, "status={} ", status.as_str())?;
        }
        write!(line, "bytes={} ", self.bytes)?;
        if !self.complete {
            line.push_str("cut_off=true ");
        }
        write!(line, "ms={}", Milliseconds(self.started))?;
        let agent = self
            .request
            .as_ref()
            .and_then(|request| request.user_agent.as_ref());
        match agent {
            Some(agent) => write!(line, " agent={}", Escaped(agent.as_bytes())),
            None => Ok(()),
        }
    }
}

/// Bytes of a guest's choice, quoted so that they can neither end the line nor
/// look like another field.
struct Escaped<'a>(&'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.get(..LONGEST_FIELD).unwrap_or(self.0);
        if let Some(plain) = plain(self.0) {
            return write!(f, "\"{plain}\"");
        }
        let cut = if shown.len() < self.0.len() {
            "…"
        } else {
            ""
        };
        write!(f, "\"{}{cut}\"", shown.escape_ascii())
    }
}

/// What needs no escape and no cut, which is nearly everything: escaping goes
/// byte by byte.
fn plain(bytes: &[u8]) -> Option<&str> {
    let is_plain = |&byte: &u8| {
        (byte.is_ascii_graphic() || byte == b' ') && !matches!(byte, b'"' | b'\'' | b'\\')
    };
    let needs_nothing = bytes.len() <= LONGEST_FIELD && bytes.iter().all(is_plain);
    if needs_nothing {
        str::from_utf8(bytes).ok()
    } else {
        None
    }
}

struct Target<'a>(&'a Uri);

impl fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = match self.0.path_and_query() {
            Some(path) => path.as_str(),
            None => self
                .0
                .authority()
                .map_or("", |authority| authority.as_str()),
        };
        Escaped(target.as_bytes()).fmt(f)
    }
}

struct Milliseconds(Instant);

impl fmt::Display for Milliseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.elapsed().as_micros();
        write!(f, "{}.{:03}", micros / 1000, micros % 1000)
    }
}

/// A response body that fills in its record, and keeps `guard` until the last
/// byte is handed over or the connection is gone.
#[derive(Debug)]
pub struct Recorded<B, G> {
    body: B,
    record: Record,
    _guard: G,
}

impl<B: Body, G> Recorded<B, G> {
    pub fn new(body: B, mut record: Record, guard: G) -> Self {
        record.complete = body.is_end_stream();
        Self {
            body,
            record,
            _guard: guard,
        }
    }
}

impl<B, G> Body for Recorded<B, G>
where
    B: Body<Data = Bytes> + Unpin,
    G: Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, Buf::remaining);
                self.record.bytes += u64::try_from(bytes).unwrap_or(u64::MAX);
                self.record.complete = self.body.is_end_stream();
            }
            Some(Err(_)) => self.record.complete = false,
            None => self.record.complete = true,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_cannot_forge_a_line_or_a_field() {
        let agent = Escaped(b"x\"\n2026 INFO access: status=200\x1b[2J\xff");
        assert_eq!(
            agent.to_string(),
            r#""x\"\n2026 INFO access: status=200\x1b[2J\xff""#
        );
    }

    #[test]
    fn long_fields_are_cut() {
        let long = vec![b'a'; LONGEST_FIELD * 2];
        assert_eq!(
            Escaped(&long).to_string().len(),
            LONGEST_FIELD + "\"…\"".len()
        );
    }
}
