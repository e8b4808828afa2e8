//! Timers that hardly ever fire, used again and again.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::{Handle, Id};
use tokio::time::{Instant, Sleep, sleep_until};

/// That a thread keeps; as many as requests wait at a time.
const MOST: usize = 128;

thread_local! {
    static SPARE: RefCell<Vec<Timer>> = const { RefCell::new(Vec::new()) };
}

/// A timer and the runtime that it belongs to.
struct Timer {
    sleep: Pin<Box<Sleep>>,
    runtime: Id,
}

/// A point in time.
///
/// To set a timer for each request and to cancel it takes the runtime's lock twice. A
/// spare one is set already, to a time that lies before: when it rings too early, it is
/// set to the right time. That happens once in a while, and not for each request.
pub(super) struct Alarm {
    end: Instant,
    /// Until dropped.
    timer: Option<Timer>,
}

impl Alarm {
    pub(super) fn at(end: Instant) -> Self {
        let runtime = Handle::current().id();
        let spare = SPARE.with_borrow_mut(Vec::pop);
        let timer = match spare.filter(|timer| timer.runtime == runtime) {
            Some(mut timer) => {
                if timer.sleep.deadline() > end {
                    timer.sleep.as_mut().reset(end);
                }
                timer
            }
            None => Timer {
                sleep: Box::pin(sleep_until(end)),
                runtime,
            },
        };
        Self {
            end,
            timer: Some(timer),
        }
    }

    /// Ready at that time.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(Timer { sleep, .. }) = &mut self.timer else {
            return Poll::Ready(());
        };
        while sleep.as_mut().poll(cx).is_ready() {
            if Instant::now() >= self.end {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(self.end);
        }
        Poll::Pending
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        let kept = self.timer.take().filter(|timer| !timer.sleep.is_elapsed());
        // A thread that ends has no thread-locals any more.
        let _ = SPARE.try_with(|spare| {
            let mut spare = spare.borrow_mut();
            if spare.len() < MOST {
                spare.extend(kept);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    async fn rings_after(limit: Duration) -> Duration {
        let start = Instant::now();
        let mut alarm = Alarm::at(start + limit);
        poll_fn(|cx| alarm.poll(cx)).await;
        start.elapsed()
    }

    /// As a request does that is answered in time.
    async fn is_not_needed(limit: Duration) {
        let mut alarm = Alarm::at(Instant::now() + limit);
        poll_fn(|cx| Poll::Ready(alarm.poll(cx).is_pending())).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_that_was_set_for_another_time_rings_at_the_right_one() {
        for (before, limit) in [(3, 5), (5, 3), (4, 4)] {
            is_not_needed(before * SECOND).await;
            let took = rings_after(limit * SECOND).await;
            assert!(
                took >= limit * SECOND && took < limit * SECOND + SECOND / 2,
                "{took:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn requests_share_one_timer_and_none_that_rang_is_kept() {
        for _ in 0..10 {
            is_not_needed(SECOND).await;
        }
        assert_eq!(SPARE.with_borrow(Vec::len), 1);
        rings_after(SECOND).await;
        assert_eq!(SPARE.with_borrow(Vec::len), 0);
    }
}
