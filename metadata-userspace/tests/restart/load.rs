//! Guests that go on asking, and what became of it.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use xtask::lab::client::Client;
use xtask::lab::guest::Guest;

use crate::{DOCUMENT, LIMIT};

/// Half of them with a connection for each request.
const CLIENTS: usize = 4;
const PAUSE: Duration = Duration::from_millis(2);

/// What guests met.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) answered: usize,
    /// Of those that were answered: on a new connection, as the kept one had been closed.
    sent_again: usize,
    failed: Vec<String>,
    slowest: Duration,
}

impl Tally {
    /// Prints it; nobody may have failed, or been kept waiting for as long as nothing else
    /// here may take.
    pub(crate) fn assert_served(&self, what: &str) {
        let Self {
            answered,
            sent_again,
            failed,
            slowest,
        } = self;
        println!(
            "{what}: {answered} answered ({sent_again} sent again), {} failed, the slowest \
             after {slowest:?}",
            failed.len()
        );
        assert_eq!(*failed, [""; 0], "{what}");
        assert!(*slowest < LIMIT, "{what}: a guest waited {slowest:?}");
    }
}

/// Has a guest ask while `act` runs.
pub(crate) fn during(guest: &Guest, act: impl FnOnce() -> Result<()>) -> Result<Tally> {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let done = &done;
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| scope.spawn(move || ask_until(done, guest, number % 2 == 0)))
            .collect();
        let acted = {
            let _done = SetOnDrop(done);
            act()
        };
        let mut all = Tally::default();
        for client in clients {
            let tally = client.join().map_err(|_| anyhow!("a client panicked"))?;
            all.answered += tally.answered;
            all.sent_again += tally.sent_again;
            all.failed.extend(tally.failed);
            all.slowest = all.slowest.max(tally.slowest);
        }
        acted.map(|()| all)
    })
}

/// Also when what happens meanwhile panics.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

fn ask_until(done: &AtomicBool, guest: &Guest, keep_alive: bool) -> Tally {
    let mut tally = Tally::default();
    let mut client = Client::default();
    while !done.load(Relaxed) {
        let start = Instant::now();
        match client.get(DOCUMENT, || guest.connect()) {
            Ok(answer) => {
                tally.answered += 1;
                tally.sent_again += usize::from(answer.sent_again.is_some());
            }
            Err(error) => tally.failed.push(format!("{error:#}")),
        }
        tally.slowest = tally.slowest.max(start.elapsed());
        if !keep_alive {
            client.close();
        }
        thread::sleep(PAUSE);
    }
    tally
}
