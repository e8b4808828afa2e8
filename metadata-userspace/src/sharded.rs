//! One of something for each thread, so that threads do not wait for each other, nor
//! for the memory that another processor has written to.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Threads beyond this many share: more than ever serve guests, as connections that one
/// thread has opened are no use to another.
const SHARDS: usize = 32;
const _: () = assert!(SHARDS > crate::config::MOST_THREADS);

/// What each thread has one of.
#[derive(Debug)]
pub struct Sharded<T> {
    shards: [Apart<T>; SHARDS],
}

/// Two cache lines, because processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Apart<T>(T);

impl<T: Default> Default for Sharded<T> {
    fn default() -> Self {
        Self {
            shards: std::array::from_fn(|_| Apart::default()),
        }
    }
}

impl<T> Sharded<T> {
    /// This thread's, and where others find it.
    pub fn own(&self) -> Option<(usize, &T)> {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static SHARD: usize = THREADS.fetch_add(1, Ordering::Relaxed) % SHARDS;
        }
        let index = SHARD.with(|shard| *shard);
        Some((index, self.get(index)?))
    }

    pub fn get(&self, index: usize) -> Option<&T> {
        self.shards.get(index).map(|Apart(shard)| shard)
    }
}
