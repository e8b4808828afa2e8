//! Writing many log lines at once where there are many.
//!
//! A thread that serves guests collects its lines until it has nothing else to
//! do; then, or when they are many, they are written. An idle thread so writes
//! each line at once, and a busy one does not pay a write(2) for each.

use std::cell::RefCell;
use std::io::{self, Write};

use tracing_subscriber::fmt::MakeWriter;

/// Bytes that are not kept back any longer.
const ENOUGH: usize = 16 * 1024;

thread_local! {
    static LINES: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// From now on this thread's lines are collected; it calls [`flush`].
pub fn begin() {
    LINES.with_borrow_mut(|lines| *lines = Some(Vec::with_capacity(2 * ENOUGH)));
}

/// Writes what this thread collected.
pub fn flush() {
    LINES.with_borrow_mut(|lines| {
        if let Some(lines) = lines.as_mut().filter(|lines| !lines.is_empty()) {
            // There is nowhere to report that the log cannot be written.
            let _ = io::stderr().write_all(lines);
            lines.clear();
        }
    });
}

/// Standard error, by way of the thread's collection where there is one.
pub(super) struct Stderr;

impl<'a> MakeWriter<'a> for Stderr {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        Self
    }
}

impl Write for Stderr {
    /// Takes one whole line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let collected = LINES.with_borrow_mut(|lines| {
            let lines = lines.as_mut()?;
            lines.extend_from_slice(line);
            Some(lines.len())
        });
        match collected {
            None => io::stderr().write(line),
            Some(length) => {
                if length >= ENOUGH {
                    flush();
                }
                Ok(line.len())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
