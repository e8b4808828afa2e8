//! Waiting for what other processes do, which nobody announces.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

const INTERVAL: Duration = Duration::from_millis(20);

/// How many times as long as it was written everything may take.
static PATIENCE: AtomicU32 = AtomicU32::new(1);

/// From now on, everything may take so many times as long: on an emulated machine.
pub fn be_patient(factor: u32) {
    PATIENCE.store(factor, Ordering::Relaxed);
}

/// Asks `condition` until it holds.
///
/// # Errors
/// When it does not hold after `limit` (the error names `what`), or when
/// `condition` fails.
pub fn until(
    what: &str,
    limit: Duration,
    mut condition: impl FnMut() -> Result<bool>,
) -> Result<()> {
    let (start, limit) = (Instant::now(), limit * PATIENCE.load(Ordering::Relaxed));
    loop {
        // The last look begins when the time is up: the one before may have taken all of it.
        let is_last = start.elapsed() > limit;
        if condition()? {
            return Ok(());
        }
        if is_last {
            bail!("waited {} s in vain: {what}", limit.as_secs());
        }
        sleep(INTERVAL);
    }
}
