//! Writing many log lines at once where there are many.
//!
//! A thread that serves guests collects its lines for some milliseconds: a busy
//! one does not pay a write(2) for each. Every other thread writes each line at
//! once. A process that is killed loses what was collected.

use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;
use tracing_subscriber::fmt::MakeWriter;

/// How long a line is kept back.
const DELAY: Duration = Duration::from_millis(10);
/// Bytes that are not kept back any longer.
const ENOUGH: usize = 16 * 1024;

struct Lines {
    bytes: Vec<u8>,
    /// Told when the first line is there.
    begun: Rc<Notify>,
}

thread_local! {
    static COLLECTED: RefCell<Option<Lines>> = const { RefCell::new(None) };
}

/// Collects this thread's lines while `work` runs on it, and writes the rest
/// when it is done.
pub async fn while_running(work: impl Future<Output = ()>) {
    let begun = Rc::new(Notify::new());
    let lines = Lines {
        bytes: Vec::with_capacity(2 * ENOUGH),
        begun: Rc::clone(&begun),
    };
    COLLECTED.set(Some(lines));
    tokio::select! {
        () = work => {}
        () = write_regularly(&begun) => {}
    }
    write_collected();
    COLLECTED.set(None);
}

async fn write_regularly(begun: &Notify) {
    loop {
        begun.notified().await;
        tokio::time::sleep(DELAY).await;
        write_collected();
    }
}

fn write_collected() {
    COLLECTED.with_borrow_mut(|lines| {
        if let Some(Lines { bytes, .. }) = lines {
            // There is nowhere to report that the log cannot be written.
            let _ = io::stderr().write_all(bytes);
            bytes.clear();
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
        let collected = COLLECTED.with_borrow_mut(|lines| {
            let Lines { bytes, begun } = lines.as_mut()?;
            if bytes.is_empty() {
                begun.notify_one();
            }
            bytes.extend_from_slice(line);
            Some(bytes.len())
        });
        match collected {
            None => io::stderr().write(line),
            Some(length) => {
                if length >= ENOUGH {
                    write_collected();
                }
                Ok(line.len())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
