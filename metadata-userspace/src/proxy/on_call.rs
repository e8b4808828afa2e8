//! Something that hardly ever happens, looked at only when it has.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// A future that is polled only after it has asked to be.
///
/// A task polls all that it waits for whenever it runs. For the drain of a listener that
/// is two locks, which all its connections on all threads share, several times a request.
pub(super) struct OnCall<F> {
    future: Pin<Box<F>>,
    bell: Arc<Bell>,
    waker: Waker,
}

/// Runs `future` until it is through, or `end` comes.
pub(super) async fn run_until(end: impl Future<Output = ()>, future: impl Future<Output = ()>) {
    let (mut end, mut future) = (OnCall::new(end), pin!(future));
    poll_fn(|cx| match end.poll(cx) {
        Poll::Ready(()) => Poll::Ready(()),
        Poll::Pending => future.as_mut().poll(cx),
    })
    .await;
}

struct Bell {
    has_rung: AtomicBool,
    task: Mutex<Waker>,
}

impl<F: Future> OnCall<F> {
    pub(super) fn new(future: F) -> Self {
        let bell = Arc::new(Bell {
            // It has to be polled once, or it will never ask.
            has_rung: AtomicBool::new(true),
            task: Mutex::new(Waker::noop().clone()),
        });
        Self {
            future: Box::pin(future),
            waker: Waker::from(Arc::clone(&bell)),
            bell,
        }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.bell.is_for(cx.waker());
        if !self.bell.has_rung.swap(false, Ordering::AcqRel) {
            return Poll::Pending;
        }
        let mut cx = Context::from_waker(&self.waker);
        self.future.as_mut().poll(&mut cx)
    }
}

impl Bell {
    fn is_for(&self, waker: &Waker) {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        task.clone_from(waker);
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.has_rung.store(true, Ordering::Release);
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        task.wake_by_ref();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::time::Duration;

    use tokio::sync::Notify;
    use tokio::time::{sleep, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_heard_and_not_asked_in_between() {
        let (event, polls) = (Arc::new(Notify::new()), AtomicUsize::new(0));
        let mut happens = Box::pin(event.notified());
        let counted = poll_fn(|cx| {
            polls.fetch_add(1, Ordering::Relaxed);
            happens.as_mut().poll(cx)
        });
        let mut on_call = OnCall::new(counted);
        for _ in 0..10 {
            assert!(poll_fn(|cx| Poll::Ready(on_call.poll(cx).is_pending())).await);
        }
        assert_eq!(polls.load(Ordering::Relaxed), 1);
        let later = Arc::clone(&event);
        tokio::spawn(async move {
            sleep(Duration::from_secs(1)).await;
            later.notify_one();
        });
        let heard = timeout(Duration::from_secs(2), poll_fn(|cx| on_call.poll(cx)));
        heard.await.unwrap();
        assert_eq!(polls.load(Ordering::Relaxed), 2);
    }
}
