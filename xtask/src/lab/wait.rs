//! Waiting for what other processes do, which nobody announces.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

const INTERVAL: Duration = Duration::from_millis(20);

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
    let start = Instant::now();
    while !condition()? {
        if start.elapsed() > limit {
            bail!("waited {} s in vain: {what}", limit.as_secs());
        }
        sleep(INTERVAL);
    }
    Ok(())
}
