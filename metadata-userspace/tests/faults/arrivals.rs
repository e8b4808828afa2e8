//! A namespace that gets its name while the supervisor looks.

use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;
use nix::errno::Errno;
use nix::libc;
use nix::sys::statfs::{NSFS_MAGIC, statfs};
use xtask::lab::namespace;
use xtask::lab::system_calls::SystemCalls;

use crate::Estate;

/// `ip netns add` makes a file that nobody may open, and mounts the namespace on it then.
#[test]
fn one_that_is_mounted_just_after_its_file_was_opened_in_vain_is_served_at_once() -> Result<()> {
    let calls = SystemCalls::watch(&[libc::SYS_openat]);
    let mut estate = Estate::create(|setup| setup.inside(calls.clone()))?;
    let supervisor = estate.site.daemon.pid();
    let path = Path::new(namespace::DIRECTORY).join(format!("qrouter-{}", estate.newcomer));
    let mut is_first = true;
    calls.rule(move |call| {
        if call.pid != supervisor || !std::mem::take(&mut is_first) {
            return None;
        }
        while !statfs(&path).is_ok_and(|there| there.filesystem_type() == NSFS_MAGIC) {
            sleep(Duration::from_millis(1));
        }
        Some(Errno::EACCES)
    });
    let newcomer = estate.newcomer()?;
    estate.wait_newcomer_served(&newcomer)?;
    let log = estate.site.daemon.log();
    assert!(!log.contains("cannot be served"), "{log}");
    Ok(())
}
