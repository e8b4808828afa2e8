//! What the kernel keeps for itself.

use std::fs;

use anyhow::{Context, Result};

/// What `work` returns, and the KiB by which the kernel's memory grew meanwhile.
///
/// # Errors
/// When `/proc` is not mounted, or privilege is missing.
pub(super) fn growth<T>(work: impl FnOnce() -> T) -> Result<(T, f64)> {
    let before = memory_kib()?;
    let done = work();
    Ok((done, memory_kib()? - before))
}

/// Has the kernel forget the names of files that nobody has open: whoever looks at what a
/// process has open makes it remember some for each.
fn forget_names() -> Result<()> {
    const NAMES: &str = "2";
    fs::write("/proc/sys/vm/drop_caches", NAMES).context("cannot empty the kernel's caches")
}

/// Everything smaller than a page, and what there is of it for each processor.
fn memory_kib() -> Result<f64> {
    forget_names()?;
    let text = fs::read_to_string("/proc/meminfo")?;
    let kib = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key));
        let value = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        value.with_context(|| format!("no {key} in /proc/meminfo"))
    };
    Ok(kib("Slab:")? + kib("Percpu:")?)
}
