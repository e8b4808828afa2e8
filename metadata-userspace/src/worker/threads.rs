//! The threads that serve guests, each with a runtime of its own.
//!
//! Every thread accepts from every listener and keeps what it accepted.
//! Measured against one runtime whose threads share their work: 1.2–1.5 times
//! the requests, because nothing of a request crosses from one thread to another.

use std::future::pending;
use std::io;
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, Handle};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::logging::batch::{Collector, Writer};

/// Running threads.
pub struct Threads {
    running: Vec<(Handle, JoinHandle<()>)>,
    stop: CancellationToken,
    log: Writer,
}

impl Threads {
    /// Starts `count` threads, at least one.
    pub fn start(count: usize) -> io::Result<Self> {
        let (stop, log) = (CancellationToken::new(), Writer::start()?);
        let running = (0..count.max(1)).map(|number| start(number, stop.clone(), log.collector()));
        Ok(Self {
            running: running.collect::<io::Result<_>>()?,
            stop,
            log,
        })
    }

    /// Runs one task on each thread, or none if `make` cannot make all of them.
    pub fn spawn<F>(&self, tasks: &TaskTracker, make: impl Fn() -> io::Result<F>) -> io::Result<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let made = self
            .running
            .iter()
            .map(|(runtime, _)| Ok((make()?, runtime)));
        for (task, runtime) in made.collect::<io::Result<Vec<_>>>()? {
            tasks.spawn_on(task, runtime);
        }
        Ok(())
    }

    /// Runs a task on one of the threads.
    pub fn spawn_once(&self, tasks: &TaskTracker, task: impl Future<Output = ()> + Send + 'static) {
        if let Some((runtime, _)) = self.running.first() {
            tasks.spawn_on(task, runtime);
        }
    }

    /// Comes once each thread has taken a turn.
    pub fn pulse(&self) -> impl Future<Output = ()> + use<> {
        let runtimes = self.running.iter().map(|(runtime, _)| runtime);
        let turns: Vec<_> = runtimes.map(|runtime| runtime.spawn(async {})).collect();
        async {
            for turn in turns {
                // Lost only when the thread is, which must not pass for a pulse.
                if turn.await.is_err() {
                    pending::<()>().await;
                }
            }
        }
    }

    /// Ends the threads, whose tasks should have ended, and writes their last
    /// log lines.
    pub fn finish(self) {
        self.stop.cancel();
        for (_, thread) in self.running {
            // A thread that panicked has nothing left to say.
            let _ = thread.join();
        }
        self.log.finish();
    }
}

fn start(
    number: usize,
    stop: CancellationToken,
    log: Collector,
) -> io::Result<(Handle, JoinHandle<()>)> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    let name = format!("serve-{number}");
    let thread = thread::Builder::new().name(name).spawn(move || {
        log.install();
        runtime.block_on(stop.cancelled());
    })?;
    Ok((handle, thread))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::sync::{Arc, Mutex, mpsc};
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn a_thread_that_waits_for_what_does_not_come_has_no_pulse() {
        let threads = Threads::start(2).unwrap();
        threads.pulse().await;
        let (release, blocked) = mpsc::channel::<()>();
        let blocked = Arc::new(Mutex::new(blocked));
        let wait = || {
            let blocked = blocked.clone();
            Ok(async move { drop(blocked.lock().map(|blocked| blocked.recv())) })
        };
        threads.spawn(&TaskTracker::new(), wait).unwrap();
        let pulse = timeout(Duration::from_millis(50), threads.pulse()).await;
        assert!(pulse.is_err());
        drop(release);
        threads.pulse().await;
        threads.finish();
    }
}
