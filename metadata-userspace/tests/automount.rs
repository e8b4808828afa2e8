//! Files in a file system that is mounted when somebody goes there.

use std::fs::{self, File};
use std::io::{PipeReader, Read};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::thread;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::libc;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::getpgrp;

const METADATAD: &str = env!("CARGO_BIN_EXE_metadatad");
const NONE: Option<&str> = None;
/// `AUTOFS_IOC_READY` and `AUTOFS_IOC_CATATONIC` of linux/auto_fs.h.
const READY: libc::c_ulong = 0x9360;
const ASK_NO_MORE: libc::c_ulong = 0x9362;

/// Of the calling thread and of what it starts.
fn mounts_of_our_own() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    Ok(mount(
        NONE,
        "/",
        NONE,
        MsFlags::MS_REC | MsFlags::MS_PRIVATE,
        NONE,
    )?)
}

/// Where the kernel asks our process group to mount something; `None` where it cannot.
fn trap(directory: &Path) -> Result<Option<PipeReader>> {
    let (asked, asks) = std::io::pipe()?;
    let options = format!(
        "fd={},pgrp={},minproto=5,maxproto=5,direct",
        asks.as_raw_fd(),
        getpgrp()
    );
    let (name, kind) = (Some("test"), Some("autofs"));
    match mount(
        name,
        directory,
        kind,
        MsFlags::empty(),
        Some(options.as_str()),
    ) {
        Ok(()) => Ok(Some(asked)),
        Err(Errno::ENODEV) => Ok(None),
        Err(errno) => Err(errno).context("cannot mount autofs"),
    }
}

/// Mounts an inventory there when the kernel asks.
fn mount_when_asked(mut asked: PipeReader, trap: &File, directory: &Path) -> Result<()> {
    // An autofs_v5_packet: its version, its type, and who waits.
    let mut packet = [0; 304];
    asked.read_exact(&mut packet)?;
    let who = packet.get(8..12).context("a packet has a token")?;
    let who = u32::from_ne_bytes(who.try_into()?);
    mount(
        Some("test"),
        directory,
        Some("tmpfs"),
        MsFlags::empty(),
        NONE,
    )?;
    fs::write(
        directory.join("conf"),
        "[DEFAULT]\nnova_metadata_port = x\n",
    )?;
    Ok(tell(trap, READY, who)?)
}

fn tell(trap: &File, what: libc::c_ulong, who: u32) -> nix::Result<()> {
    // SAFETY: it takes a number.
    Errno::result(unsafe { libc::ioctl(trap.as_raw_fd(), what, u64::from(who)) }).map(drop)
}

fn check(directory: &Path) -> Result<String> {
    let mut command = Command::new(METADATAD);
    command.arg("check").arg("--config-file");
    command.arg(directory.join("conf"));
    // Ours mounts, and goes there without asking.
    let output = command.process_group(0).output()?;
    Ok(String::from_utf8(output.stdout)?)
}

#[test]
fn a_file_is_found_that_is_mounted_by_going_there() -> Result<()> {
    let directory = tempfile::tempdir()?;
    mounts_of_our_own()?;
    let Some(asked) = trap(directory.path())? else {
        eprintln!("not tried: this kernel has no autofs");
        return Ok(());
    };
    let trap = File::open(directory.path())?;
    let said = thread::scope(|scope| {
        scope.spawn(|| mount_when_asked(asked, &trap, directory.path()));
        let said = check(directory.path())?;
        tell(&trap, ASK_NO_MORE, 0)?;
        Ok::<_, anyhow::Error>(said)
    })?;
    while umount2(directory.path(), MntFlags::MNT_DETACH).is_ok() {}
    assert!(said.contains("nova_metadata_port"), "{said}");
    Ok(())
}
