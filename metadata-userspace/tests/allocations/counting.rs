//! The system's allocator, which counts what some threads ask it for.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ops::Sub;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(crate) struct Counting;

/// Of one thread or several.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    count: AtomicUsize,
    bytes: AtomicUsize,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Allocations {
    pub(crate) count: usize,
    pub(crate) bytes: usize,
}

thread_local! {
    static COUNTED: Cell<Option<&'static Counters>> = const { Cell::new(None) };
}

impl Counters {
    /// Counts this thread's from now on.
    pub(crate) fn count_here(&'static self) {
        COUNTED.set(Some(self));
    }

    pub(crate) fn read(&self) -> Allocations {
        Allocations {
            count: self.count.load(Ordering::SeqCst),
            bytes: self.bytes.load(Ordering::SeqCst),
        }
    }
}

impl Sub for Allocations {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            count: self.count - before.count,
            bytes: self.bytes - before.bytes,
        }
    }
}

fn count(bytes: usize) {
    // A thread that ends has no thread-locals any more.
    if let Ok(Some(counters)) = COUNTED.try_with(Cell::get) {
        counters.count.fetch_add(1, Ordering::SeqCst);
        counters.bytes.fetch_add(bytes, Ordering::SeqCst);
    }
}

// SAFETY: all that is asked for is asked of the system's allocator as it was asked.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}
