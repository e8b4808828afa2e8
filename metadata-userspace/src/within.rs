//! Waiting with an end.

mod alarm;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;

use alarm::Alarm;

/// What `future` comes to, or `None` after `limit`, which begins when it has to be waited
/// for. It stays where it was pinned; `tokio::time::timeout` moves what it is given, and the
/// futures here are large.
pub(crate) async fn within<F: Future>(
    limit: Duration,
    mut future: Pin<&mut F>,
) -> Option<F::Output> {
    let mut alarm = None;
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => alarm
            .get_or_insert_with(|| Alarm::at(Instant::now() + limit))
            .poll(cx)
            .map(|()| None),
    })
    .await
}
