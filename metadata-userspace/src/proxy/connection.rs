//! A guest's connection from accept to close.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper::service::service_fn;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::exchange;
use super::guest::Guest;
use super::limits::Ticket;
use super::on_call::OnCall;
use super::watchdog::{Expired, WatchedIo};

/// 503, not 429: Ignition gives up for good on every 4xx, and cloud-init's
/// first probe retries nothing but 503.
const TOO_MANY_CONNECTIONS: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    content-type: text/plain; charset=UTF-8\r\n\
    content-length: 42\r\n\
    retry-after: 1\r\n\
    connection: close\r\n\r\n\
    This guest has too many open connections.\n";

const HEAD_TOO_SLOW: &[u8] = b"HTTP/1.1 408 Request Timeout\r\n\
    content-length: 0\r\n\
    connection: close\r\n\r\n";

/// How long, and how many bytes, a guest may go on sending after the last answer.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 256 * 1024;

enum End {
    /// By HTTP, by either side.
    Closed(Result<(), hyper::Error>),
    Expired(Expired),
}

/// Serves the connection's requests until it closes, a deadline passes, or,
/// after `drain`, the request in flight is answered.
pub(super) async fn serve(guest: Arc<Guest>, stream: TcpStream, drain: CancellationToken) {
    let io = WatchedIo::new(stream, Arc::clone(&guest));
    let service = service_fn(|request| exchange::answer(Arc::clone(&guest), request));
    let mut connection = guest.proxy.http.serve_connection(io, service);
    let mut timer = pin!(guest.watchdog.timer());
    let mut drain = OnCall::new(guest.first_request.may_end(&drain));
    let mut draining = false;
    let end = poll_fn(|cx| {
        if !draining && drain.poll(cx).is_ready() {
            draining = true;
            Pin::new(&mut connection).graceful_shutdown();
        }
        if let Poll::Ready(result) = Pin::new(&mut connection).poll(cx) {
            return Poll::Ready(End::Closed(result));
        }
        guest
            .watchdog
            .poll_expired(timer.as_mut(), cx)
            .map(End::Expired)
    })
    .await;
    let mut parts = connection.into_parts();
    let stream = parts.io.finish();
    match end {
        End::Closed(Ok(())) if !guest.may_be_sending() => {}
        End::Closed(Ok(())) => linger(stream).await,
        End::Closed(Err(error)) => {
            exchange::record_refused_head(&guest, &error);
            linger(stream).await;
        }
        End::Expired(Expired::Head) => {
            tracing::debug!(client = %guest.requester().address, "a request's head took too long");
            // Without waiting: a guest that takes nothing is not worth it.
            if !parts.read_buf.is_empty() {
                // The connection is over either way.
                let _ = stream.try_write(HEAD_TOO_SLOW);
            }
        }
        End::Expired(Expired::Idle | Expired::Write) => {}
    }
}

/// Tells a guest with too many connections so, without reading its request.
pub(super) async fn refuse(ticket: Ticket, mut stream: TcpStream) {
    if let Some(suppressed) = ticket.origin.log.now() {
        tracing::warn!(
            namespace = &*ticket.origin.namespace,
            client = %ticket.sender.address,
            suppressed,
            "a guest has too many open connections; see max_connections_per_guest"
        );
    }
    // The runtime does not know yet that it can be written to.
    if stream.writable().await.is_ok() && stream.try_write(TOO_MANY_CONNECTIONS).is_ok() {
        linger(&mut stream).await;
    }
}

/// Says that nothing more comes, and reads on for a while. Closing a socket with
/// unread bytes resets the connection, and the reset can overtake the answer
/// (RFC 9112 section 9.6).
async fn linger(stream: &mut TcpStream) {
    if stream.shutdown().await.is_err() {
        return;
    }
    // Not in the future, which is as large for all who do not linger.
    let mut buffer = vec![0; 4096];
    let discard = async {
        let mut left = LINGER_BYTES;
        while left > 0 && stream.readable().await.is_ok() {
            match stream.try_read(&mut buffer) {
                Ok(0) => return,
                Ok(count) => left = left.saturating_sub(count),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    };
    // When time is up the guest has had its chance.
    let _ = tokio::time::timeout(LINGER, discard).await;
}
