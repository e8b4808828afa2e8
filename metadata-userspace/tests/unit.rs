//! The systemd unit, as systemd judges it.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

/// Ten times what ARCHITECTURE.md says, of which it also says what it is made of.
const EXPOSURE: u32 = 26;

#[test]
fn the_unit_exposes_no_more_than_is_said() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let unit = root.context("no workspace")?.join("dist/metadatad.service");
    let judged = Command::new("systemd-analyze")
        .args(["security", "--offline=yes", "--no-pager"])
        .arg(format!("--threshold={EXPOSURE}"))
        .arg(unit)
        .output()
        .context("systemd-analyze, of the package systemd, rates the unit")?;
    let said = String::from_utf8_lossy(&judged.stdout);
    assert!(judged.status.success(), "{said}");
    assert!(said.contains("Overall exposure level"), "{said}");
    Ok(())
}
