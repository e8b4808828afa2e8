//! A guest that asks at a steady rate.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;

use crate::bench::statistics::percentile;
use crate::lab::guest::{Guest, METADATA};

const EVERY: Duration = Duration::from_millis(10);
const LIMIT: Duration = Duration::from_secs(5);

const REQUEST: &[u8] = b"GET /openstack/latest/meta_data.json HTTP/1.1\r\n\
    Host: 169.254.169.254\r\nConnection: close\r\n\r\n";

/// How long answers took.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Latencies {
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) requests: usize,
    /// Of the requests, from 0 to 1.
    pub(super) failed_share: f64,
}

/// Asks for some seconds.
///
/// # Errors
/// When the guest's namespace is gone.
pub(super) fn ask(guest: &Guest, seconds: u64) -> Result<Latencies> {
    guest
        .namespace()
        .enter(|| asked(Duration::from_secs(seconds)))
}

fn asked(time: Duration) -> Latencies {
    let started = Instant::now();
    let mut took = Vec::new();
    let mut failed = 0_u32;
    let mut due = Duration::ZERO;
    while due < time {
        thread::sleep(due.saturating_sub(started.elapsed()));
        let answered = exchange().is_some();
        let late = started.elapsed().saturating_sub(due);
        failed += u32::from(!answered);
        took.push(if answered { late.min(LIMIT) } else { LIMIT });
        due += EVERY;
        // After a request that hung, those that were due meanwhile count as it does,
        // and are not made all at once.
        while due + LIMIT < started.elapsed() && due < time {
            took.push(LIMIT);
            failed += 1;
            due += EVERY;
        }
    }
    Latencies::of(took, failed)
}

/// Whether there was a whole answer of 200.
fn exchange() -> Option<()> {
    let mut stream = TcpStream::connect_timeout(&METADATA.into(), LIMIT).ok()?;
    stream.set_read_timeout(Some(LIMIT)).ok()?;
    stream.set_write_timeout(Some(LIMIT)).ok()?;
    stream.write_all(REQUEST).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    answer.starts_with(b"HTTP/1.1 200 ").then_some(())
}

impl Latencies {
    fn of(mut took: Vec<Duration>, failed: u32) -> Self {
        took.sort_unstable();
        let milliseconds: Vec<_> = took.iter().map(|one| one.as_secs_f64() * 1e3).collect();
        #[allow(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
        let failed_share = f64::from(failed) / took.len().max(1) as f64;
        Self {
            p50_ms: percentile(&milliseconds, 50),
            p99_ms: percentile(&milliseconds, 99),
            requests: took.len(),
            failed_share,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_99th_of_a_hundred_is_the_slowest_but_none() {
        let took = (1..=100).map(Duration::from_millis).collect();
        let latencies = Latencies::of(took, 50);
        assert_eq!((latencies.p50_ms, latencies.p99_ms), (51.0, 100.0));
        assert_eq!(latencies.failed_share, 0.5);
    }
}
