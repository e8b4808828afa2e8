//! Real cloud-init's HTTP client, unpacked from Debian's package.

use std::process::Command;

use anyhow::{Result, ensure};

use super::namespace::Namespace;
use crate::{packages, process};

/// Once, and with the time-out of its data sources.
const READ: &str = "\
import sys
from cloudinit import url_helper
answer = url_helper.readurl(sys.argv[1], timeout=10, retries=0)
sys.stdout.write(str(answer))
";

/// What it reads at a URL.
///
/// # Errors
/// When it gives up, or `cargo xtask test` has not unpacked it.
pub fn read(inside: &Namespace, url: &str) -> Result<String> {
    let modules = packages::unpacked(packages::CLOUD_INIT).join("usr/lib/python3/dist-packages");
    ensure!(modules.is_dir(), "{} is missing", modules.display());
    let mut python: Command = inside.command("/usr/bin/python3");
    python.args(["-c", READ, url]).env("PYTHONPATH", modules);
    process::read(&mut python)
}
