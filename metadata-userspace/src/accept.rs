//! What an accept loop does when `accept(2)` fails.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use nix::errno::Errno;

use crate::logging::occasionally::Occasionally;

/// Long enough for other connections to end, short enough for a guest to wait.
const PAUSE: Duration = Duration::from_millis(100);

/// Tells passing faults from lasting ones, and keeps the log readable.
#[derive(Debug, Default)]
pub struct AcceptFaults {
    log: Occasionally,
}

impl AcceptFaults {
    /// Waits as long as the fault asks for; `listener` names it in the log.
    pub async fn survive(&self, listener: &str, error: &io::Error) {
        if is_one_connections_fault(error) {
            return;
        }
        if let Some(suppressed) = self.log.now() {
            tracing::warn!(
                listener,
                %error,
                suppressed,
                "cannot accept connections; raise the limit of open files if this lasts"
            );
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The next connection that waits in a listener's queue already: whoever closes the
/// listener would reset it.
pub async fn queued<T>(
    mut poll_accept: impl FnMut(&mut Context<'_>) -> Poll<io::Result<T>>,
) -> Option<T> {
    // So that the runtime hears of what came last.
    tokio::task::yield_now().await;
    poll_fn(|cx| {
        Poll::Ready(match poll_accept(cx) {
            Poll::Ready(Ok(accepted)) => Some(accepted),
            Poll::Ready(Err(_)) | Poll::Pending => None,
        })
    })
    .await
}

/// accept(2): errors of the new connection itself are passed on by Linux.
fn is_one_connections_fault(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error().map(Errno::from_raw),
        Some(
            Errno::ECONNABORTED
                | Errno::ECONNRESET
                | Errno::EINTR
                | Errno::EAGAIN
                | Errno::EPERM
                | Errno::EPROTO
                | Errno::ENETDOWN
                | Errno::ENOPROTOOPT
                | Errno::EHOSTDOWN
                | Errno::ENONET
                | Errno::EHOSTUNREACH
                | Errno::EOPNOTSUPP
                | Errno::ENETUNREACH
        )
    )
}
