//! Guests that go on asking, and what became of it.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::lab::client::{Answered, Client};
use crate::lab::guest::Guest;
use crate::lab::http;
use crate::lab::kills::Kills;

pub(super) const DOCUMENT: &str = "/openstack/latest/meta_data.json";
const PAUSE: Duration = Duration::from_millis(100);
/// Reasons that are remembered.
const ENOUGH: usize = 20;

/// What guests and whoever disturbs them tell each other.
#[derive(Debug, Default)]
pub(super) struct Line {
    pub(super) kills: Kills,
    pub(super) is_over: AtomicBool,
    connections: RwLock<()>,
}

impl Line {
    /// Until it is dropped, no guest has a connection.
    pub(super) fn hush(&self) -> RwLockWriteGuard<'_, ()> {
        let lock = self.connections.write();
        lock.unwrap_or_else(PoisonError::into_inner)
    }

    fn speak(&self) -> RwLockReadGuard<'_, ()> {
        let lock = self.connections.read();
        lock.unwrap_or_else(PoisonError::into_inner)
    }
}

/// What guests met: each request is answered, lost, or failed.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) answered: u64,
    /// Of those that were answered: sent again, as their kept connection had been closed.
    pub(super) sent_again: u64,
    /// Cut off by the end of a worker that was killed.
    pub(super) lost: u64,
    pub(super) failed: u64,
    pub(super) reasons: Vec<String>,
    pub(super) slowest: Duration,
}

impl Tally {
    pub(super) fn add(&mut self, other: Self) {
        self.answered += other.answered;
        self.sent_again += other.sent_again;
        self.lost += other.lost;
        self.failed += other.failed;
        self.reasons.extend(other.reasons);
        self.reasons.truncate(ENOUGH);
        self.slowest = self.slowest.max(other.slowest);
    }

    /// Of a request that was sent at that time.
    fn count(&mut self, sent: Instant, asked: Result<Answered>, kills: &Kills) {
        match asked {
            Ok(Answered {
                sent_again: Some(noticed),
            }) if kills.hit(sent, noticed) => self.lost += 1,
            Ok(answer) => {
                self.answered += 1;
                self.sent_again += u64::from(answer.sent_again.is_some());
            }
            Err(error) if http::is_cut_off(&error) && kills.hit(sent, Instant::now()) => {
                self.lost += 1;
            }
            Err(error) => {
                self.failed += 1;
                self.reasons.push(format!("{error:#}"));
                self.reasons.truncate(ENOUGH);
            }
        }
        self.slowest = self.slowest.max(sent.elapsed());
    }
}

/// Asks until it is over, somewhat less than ten times a second; every other request on a
/// new connection, of these every other over IPv6.
pub(super) fn ask(guest: &Guest, line: &Line) -> Tally {
    let mut tally = Tally::default();
    for connect in [Guest::connect, Guest::connect_ipv6].into_iter().cycle() {
        if line.is_over.load(SeqCst) {
            break;
        }
        let _speaking = line.speak();
        let mut client = Client::default();
        for _ in 0..2 {
            let sent = Instant::now();
            let asked = client.get(DOCUMENT, || connect(guest));
            tally.count(sent, asked, &line.kills);
            thread::sleep(PAUSE);
        }
    }
    tally
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::io;

    use anyhow::anyhow;

    use super::*;

    fn cut_off() -> Result<Answered> {
        Err(io::Error::from(io::ErrorKind::ConnectionReset).into())
    }

    #[test]
    fn a_kill_excuses_what_it_cut_off_and_nothing_else() {
        let (sent, kills) = (Instant::now(), Kills::default());
        let mut tally = Tally::default();
        tally.count(sent, cut_off(), &kills);
        assert_eq!((tally.lost, tally.failed), (0, 1));
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        kills.kill(child.id(), None).unwrap();
        child.wait().unwrap();
        tally.count(sent, cut_off(), &kills);
        assert_eq!((tally.lost, tally.failed), (1, 1));
        let refused = Err(io::Error::from(io::ErrorKind::ConnectionRefused).into());
        tally.count(sent, refused, &kills);
        tally.count(sent, Err(anyhow!("status 503")), &kills);
        tally.count(Instant::now(), cut_off(), &kills);
        assert_eq!((tally.lost, tally.failed), (1, 4));
    }
}
