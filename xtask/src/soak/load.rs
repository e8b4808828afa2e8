//! Guests that go on asking, and what became of it.

use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::lab::guest::Guest;
use crate::lab::http;

pub(super) const DOCUMENT: &str = "/openstack/latest/meta_data.json";
const PAUSE: Duration = Duration::from_millis(100);
/// Reasons that are remembered.
const ENOUGH: usize = 20;

/// When workers are killed: what they had in their hands is lost, and nothing else.
#[derive(Debug, Default)]
pub(super) struct Kills {
    /// Odd while one is being killed.
    moments: AtomicU64,
    pub(super) is_over: AtomicBool,
}

impl Kills {
    /// Kills a worker by `kill`, which returns when it is dead.
    pub(super) fn during(&self, kill: impl FnOnce() -> Result<()>) -> Result<()> {
        self.moments.fetch_add(1, SeqCst);
        let killed = kill();
        self.moments.fetch_add(1, SeqCst);
        killed
    }

    fn now(&self) -> u64 {
        self.moments.load(SeqCst)
    }

    /// Whether a worker was killed since then.
    fn since(&self, then: u64) -> bool {
        let now = self.now();
        now != then || now % 2 == 1
    }
}

/// What guests met.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) answered: u64,
    /// While a worker was killed that had the request.
    pub(super) lost: u64,
    pub(super) failed: u64,
    pub(super) reasons: Vec<String>,
    pub(super) slowest: Duration,
}

impl Tally {
    pub(super) fn add(&mut self, other: Self) {
        self.answered += other.answered;
        self.lost += other.lost;
        self.failed += other.failed;
        self.reasons.extend(other.reasons);
        self.reasons.truncate(ENOUGH);
        self.slowest = self.slowest.max(other.slowest);
    }
}

/// Asks until the end, ten times a second; every other request on a new connection, of
/// these every other over IPv6.
pub(super) fn ask(guest: &Guest, kills: &Kills) -> Tally {
    let mut tally = Tally::default();
    let mut kept = None;
    while !kills.is_over.load(SeqCst) {
        let (start, moment) = (Instant::now(), kills.now());
        let family = match tally.answered % 4 {
            0 | 1 => Guest::connect,
            _ => Guest::connect_ipv6,
        };
        match once(guest, kept.take(), family) {
            Ok(stream) => {
                tally.answered += 1;
                kept = stream.filter(|_| tally.answered % 2 == 1);
            }
            Err(_) if kills.since(moment) => tally.lost += 1,
            Err(error) => {
                tally.failed += 1;
                tally.reasons.push(format!("{error:#}"));
                tally.reasons.truncate(ENOUGH);
            }
        }
        tally.slowest = tally.slowest.max(start.elapsed());
        thread::sleep(PAUSE);
    }
    tally
}

/// One request, on the connection that is kept if there is one. A server may close a
/// connection that rests at any time; then a client asks again on a new one (RFC 9112,
/// 9.3.1).
fn once(
    guest: &Guest,
    kept: Option<TcpStream>,
    connect: impl FnOnce(&Guest) -> Result<TcpStream>,
) -> Result<Option<TcpStream>> {
    if let Some(mut stream) = kept
        && let Ok(response) = http::get(&mut stream, DOCUMENT, "")
    {
        ensure!(response.status == 200, "{response:?}");
        return Ok(goes_on(&response).then_some(stream));
    }
    let mut stream = connect(guest)?;
    let response = http::get(&mut stream, DOCUMENT, "").context("on a new connection")?;
    ensure!(response.status == 200, "{response:?}");
    Ok(goes_on(&response).then_some(stream))
}

fn goes_on(response: &http::Response) -> bool {
    response.header("connection") != Some("close")
}
