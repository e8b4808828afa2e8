//! Idle connections.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;

use super::Link;
use crate::sharded::Sharded;

/// Idle connections a thread keeps.
const MOST_IDLE: usize = 128;

/// Longest idle time. Servers close idle connections themselves, Apache after
/// 5 s; the sweep finds those early.
const LONGEST_IDLE: Duration = Duration::from_secs(15);

/// A stack of idle connections for each thread: threads do not contend, and
/// where each thread runs its own runtime a connection stays with the runtime
/// that watches its socket.
#[derive(Default)]
pub struct Pool {
    shards: Sharded<Mutex<Shard>>,
}

/// Oldest first.
#[derive(Default)]
struct Shard {
    idle: VecDeque<Idle>,
    swept: bool,
}

struct Idle {
    link: Link,
    since: Instant,
}

impl Pool {
    /// The connection that was used last, if it still lives.
    pub async fn take(&self) -> Option<Link> {
        let (_, shard) = self.shards.own()?;
        std::future::poll_fn(|cx| Poll::Ready(take_usable(shard, cx))).await
    }

    /// Keeps a connection whose answer was read to the end.
    pub(super) fn put(self: &Arc<Self>, link: Link) {
        // Outside a runtime nothing would ever close it.
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let Some((index, shard)) = self.shards.own() else {
            return;
        };
        let mut shard = lock(shard);
        let oldest = match shard.idle.len() {
            MOST_IDLE.. => shard.idle.pop_front(),
            _ => None,
        };
        shard.idle.push_back(Idle {
            link,
            since: Instant::now(),
        });
        if !std::mem::replace(&mut shard.swept, true) {
            runtime.spawn(sweep(Sweeping {
                pool: Arc::downgrade(self),
                index,
            }));
        }
        drop(shard);
        drop(oldest);
    }
}

fn take_usable(shard: &Mutex<Shard>, cx: &mut Context<'_>) -> Option<Link> {
    loop {
        let mut newest = lock(shard).idle.pop_back()?;
        if newest.since.elapsed() < LONGEST_IDLE && newest.link.poll_usable(cx) {
            return Some(newest.link);
        }
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The duty of a shard's sweep; given back when its runtime ends.
struct Sweeping {
    pool: Weak<Pool>,
    index: usize,
}

impl Drop for Sweeping {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.upgrade()
            && let Some(shard) = pool.shards.get(self.index)
        {
            lock(shard).swept = false;
        }
    }
}

/// Closes what grew old or was closed by the other side; nobody else polls idle
/// connections. Ends with the last of them.
async fn sweep(duty: Sweeping) {
    loop {
        tokio::time::sleep(LONGEST_IDLE / 3).await;
        let Some(pool) = duty.pool.upgrade() else {
            return;
        };
        let Some(shard) = pool.shards.get(duty.index) else {
            return;
        };
        let mut shard = lock(shard);
        let mut cx = Context::from_waker(Waker::noop());
        shard.idle.retain_mut(|idle| {
            idle.since.elapsed() < LONGEST_IDLE && idle.link.poll_usable(&mut cx)
        });
        if shard.idle.is_empty() {
            shard.swept = false;
            drop(shard);
            std::mem::forget(duty);
            return;
        }
    }
}
