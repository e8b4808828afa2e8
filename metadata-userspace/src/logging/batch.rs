//! Writing many log lines at once where there are many.
//!
//! A thread that serves guests collects its lines, and a thread of its own writes what
//! all of them have collected: neither write(2) nor a slow reader of the log holds up a
//! guest. Every other thread writes each line at once. A process that is killed loses
//! what was collected.

use std::cell::RefCell;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// How long a line is kept back.
const DELAY: Duration = Duration::from_millis(10);

/// Bytes that a busy thread collects meanwhile.
const USUAL: usize = 64 * 1024;

/// When nobody reads the log, it is collected up to here.
const MOST: usize = 1 << 20;

thread_local! {
    static COLLECTED: RefCell<Option<Collector>> = const { RefCell::new(None) };
}

/// The thread that writes.
pub struct Writer {
    thread: JoinHandle<()>,
    shared: Arc<Shared>,
}

/// Where one thread's lines are collected.
pub struct Collector {
    lines: Arc<Mutex<Vec<u8>>>,
    shared: Arc<Shared>,
    writer: Thread,
}

struct Shared {
    output: Output,
    collections: Mutex<Vec<Arc<Mutex<Vec<u8>>>>>,
    /// Whether the writer waits to be told of the next line.
    rests: AtomicBool,
    stop: AtomicBool,
}

/// Takes whole lines.
type Output = fn(&[u8]);

impl Writer {
    /// Starts the thread, which writes to standard error.
    pub fn start() -> io::Result<Self> {
        Self::to(|lines| {
            // There is nowhere to report that the log cannot be written.
            let _ = io::stderr().write_all(lines);
        })
    }

    fn to(output: Output) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            output,
            collections: Mutex::default(),
            rests: AtomicBool::default(),
            stop: AtomicBool::default(),
        });
        let writing = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || writing.write_regularly())?;
        Ok(Self { thread, shared })
    }

    /// For one thread.
    pub fn collector(&self) -> Collector {
        let lines = Arc::<Mutex<_>>::default();
        lock(&self.shared.collections).push(Arc::clone(&lines));
        Collector {
            lines,
            shared: Arc::clone(&self.shared),
            writer: self.thread.thread().clone(),
        }
    }

    /// Writes what is left, once the threads that collect have ended.
    pub fn finish(self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.thread.thread().unpark();
        // If it panicked it has nothing left to say.
        let _ = self.thread.join();
    }
}

impl Shared {
    fn write_regularly(&self) {
        let mut taken = Vec::with_capacity(USUAL);
        loop {
            let stop = self.stop.load(Ordering::SeqCst);
            let wrote = self.write_collected(&mut taken);
            if stop {
                return;
            }
            if wrote {
                self.rests.store(false, Ordering::SeqCst);
                thread::park_timeout(DELAY);
            } else if self.rests.swap(true, Ordering::SeqCst) {
                // Said before the look that found nothing, so no line was missed.
                thread::park();
            }
        }
    }

    fn write_collected(&self, taken: &mut Vec<u8>) -> bool {
        let mut wrote = false;
        for lines in lock(&self.collections).iter() {
            std::mem::swap(&mut *lock(lines), taken);
            wrote |= !taken.is_empty();
            self.write(taken);
        }
        wrote
    }

    fn write(&self, lines: &mut Vec<u8>) {
        if !lines.is_empty() {
            (self.output)(lines);
            lines.clear();
            lines.shrink_to(4 * USUAL);
        }
    }
}

impl Collector {
    /// Has this thread's lines collected from now on.
    pub fn install(self) {
        lock(&self.lines).reserve(USUAL);
        COLLECTED.set(Some(self));
    }

    fn push(&self, line: &[u8]) {
        let mut lines = lock(&self.lines);
        lines.extend_from_slice(line);
        if lines.len() >= MOST {
            // Nobody takes them: now this thread waits for whoever reads the log.
            self.shared.write(&mut lines);
        }
        drop(lines);
        if self.shared.rests.load(Ordering::SeqCst)
            && self.shared.rests.swap(false, Ordering::SeqCst)
        {
            self.writer.unpark();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
        COLLECTED.with_borrow(|collector| match collector {
            Some(collector) => {
                collector.push(line);
                Ok(line.len())
            }
            None => io::stderr().write(line),
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::time::Instant;

    use super::*;

    static WRITTEN: Mutex<String> = Mutex::new(String::new());

    fn keep(lines: &[u8]) {
        let lines = str::from_utf8(lines).unwrap();
        WRITTEN.lock().unwrap().push_str(lines);
    }

    fn log(line: &str) {
        Stderr.write_all(line.as_bytes()).unwrap();
    }

    fn is_written(line: &str) -> bool {
        WRITTEN.lock().unwrap().contains(line)
    }

    #[test]
    fn all_lines_of_all_threads_are_written_and_a_lonely_one_too() {
        let writer = Writer::to(keep).unwrap();
        let threads = ["a", "b"].map(|name| {
            let collector = writer.collector();
            thread::spawn(move || {
                collector.install();
                for number in 0..10_000 {
                    log(&format!("{name} {number}\n"));
                }
                let begun = Instant::now();
                while !is_written(&format!("{name} 9999\n")) {
                    assert!(
                        begun.elapsed() < Duration::from_secs(30),
                        "it waits for another"
                    );
                    thread::sleep(DELAY);
                }
                log(&format!("{name} last\n"));
            })
        });
        for thread in threads {
            thread.join().unwrap();
        }
        writer.finish();
        for name in ["a", "b"] {
            let numbers = (0..10_000).map(|number| format!("{name} {number}"));
            let expected: Vec<_> = numbers.chain([format!("{name} last")]).collect();
            let written = WRITTEN.lock().unwrap();
            let lines = written.lines().filter(|line| line.starts_with(name));
            assert_eq!(lines.collect::<Vec<_>>(), expected);
        }
    }
}
