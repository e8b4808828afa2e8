//! The kernel has no memory for programs and maps, or the bpffs no room for their names.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use nix::errno::Errno;
use nix::libc;
use xtask::lab::bpffs;
use xtask::lab::daemon::Setup;
use xtask::lab::mounts::Without;
use xtask::lab::site::Site;
use xtask::lab::system_calls::{Call, SystemCalls, bpf_command};

use crate::{Estate, METADATAD, is_served, service};

/// Commands of bpf(2).
const MAP_CREATE: u64 = 0;
const PROGRAM_LOAD: u64 = 5;
const PIN: u64 = 6;

/// Of a service: what serves goes on while the next daemon cannot start.
fn starts_fail_and_guests_are_served(
    fault: impl FnMut(&Call) -> Option<Errno> + Send + 'static,
    said: &[&str],
) -> Result<()> {
    starts_fail_after(|_| Ok(()), fault, said)
}

/// The same, after something that happens between the daemons.
fn starts_fail_after(
    between: impl FnOnce(&Site) -> Result<()>,
    mut fault: impl FnMut(&Call) -> Option<Errno> + Send + 'static,
    said: &[&str],
) -> Result<()> {
    let calls = SystemCalls::watch(&[libc::SYS_bpf]);
    let (mut site, _manager) = service(|setup| setup.inside(calls.clone()))?;
    site.daemon.stop()?;
    between(&site)?;
    calls.rule(move |call| fault(call));
    site.daemon.clear_log()?;
    for _ in 0..2 {
        assert!(site.daemon.start_again().is_err());
        site.daemon.wait_log(said)?;
        is_served(&site)?;
    }
    calls.clear();
    site.daemon.start_again()?;
    is_served(&site)
}

#[test]
fn without_memory_for_programs_the_old_worker_serves_on() -> Result<()> {
    // Not for those of a few instructions, by which aya finds out what the kernel can do.
    let is_large = |call: &Call| {
        call.u32_at(call.arguments[1] + 4)
            .is_ok_and(|size| size > 100)
    };
    let is_ours = move |call: &Call| bpf_command(call) == Some(PROGRAM_LOAD) && is_large(call);
    starts_fail_and_guests_are_served(
        move |call| is_ours(call).then_some(Errno::ENOMEM),
        &["free memory"],
    )
}

#[test]
fn without_memory_for_any_program_it_says_so() -> Result<()> {
    let is_program = |call: &Call| bpf_command(call) == Some(PROGRAM_LOAD);
    starts_fail_and_guests_are_served(
        move |call| is_program(call).then_some(Errno::ENOMEM),
        &["cannot load the eBPF programs", "free memory"],
    )
}

#[test]
fn without_memory_for_maps_the_old_worker_serves_on() -> Result<()> {
    // Maps that are pinned are taken over. There are none of a newer ABI, as here.
    let forget = |site: &Site| Ok(fs::remove_dir_all(site.daemon.bpffs())?);
    starts_fail_after(
        forget,
        no_map,
        &["cannot load the eBPF programs", "free memory"],
    )
}

#[test]
fn without_memory_for_maps_a_first_start_says_so() -> Result<()> {
    let calls = SystemCalls::watch(&[libc::SYS_bpf]);
    calls.rule(no_map);
    let setup = |setup: Setup| setup.inside(calls.clone());
    let failed = Site::with(METADATAD, |_| {}, setup).err();
    let failure = failed.map(|error| format!("{error:#}")).unwrap_or_default();
    for part in ["cannot load the eBPF programs", "free memory"] {
        assert!(failure.contains(part), "{failure}");
    }
    Ok(())
}

fn no_map(call: &Call) -> Option<Errno> {
    (bpf_command(call) == Some(MAP_CREATE)).then_some(Errno::ENOMEM)
}

#[test]
fn on_a_full_bpffs_the_old_worker_serves_on() -> Result<()> {
    let said = ["cannot pin", "No space left on device"];
    starts_fail_and_guests_are_served(
        |call| (bpf_command(call) == Some(PIN)).then_some(Errno::ENOSPC),
        &said,
    )
}

#[test]
fn whichever_bpf_call_fails_at_the_start_the_next_start_is_as_any_other() -> Result<()> {
    let calls = SystemCalls::watch(&[libc::SYS_bpf]);
    let (mut site, _manager) = service(|setup| setup.inside(calls.clone()))?;
    let (mut failing, made) = (0, Arc::new(AtomicUsize::new(0)));
    loop {
        site.daemon.stop()?;
        let counter = made.clone();
        counter.store(0, Ordering::SeqCst);
        calls.rule(move |_| {
            let number = counter.fetch_add(1, Ordering::SeqCst);
            (number == failing).then_some(Errno::ENOMEM)
        });
        let started = site.daemon.start_again();
        calls.clear();
        is_served(&site)?;
        if made.load(Ordering::SeqCst) <= failing {
            started?;
            println!("each of {failing} bpf() calls failed once");
            return Ok(());
        }
        if started.is_err() {
            site.daemon.start_again()?;
        }
        failing += 1;
    }
}

#[test]
fn without_a_bpffs_the_daemon_mounts_one() -> Result<()> {
    let without = Arc::new(Without("/sys/fs/bpf".into()));
    bpffs::ensure_mounted()?;
    let site = Site::with(METADATAD, |_| {}, |setup| setup.inside(without))?;
    is_served(&site)
}

#[test]
fn without_a_bpffs_that_it_may_mount_it_says_what_that_takes() -> Result<()> {
    let calls = SystemCalls::watch(&[libc::SYS_mount]);
    calls.rule(|_| Some(Errno::EPERM));
    let without = Arc::new(Without("/sys/fs/bpf".into()));
    bpffs::ensure_mounted()?;
    let setup = |setup: Setup| setup.inside(without).inside(calls.clone());
    let failed = Site::with(METADATAD, |_| {}, setup).err();
    let failure = failed.map(|error| format!("{error:#}")).unwrap_or_default();
    assert!(
        failure.contains("cannot mount a bpffs at /sys/fs/bpf"),
        "{failure}"
    );
    assert!(failure.contains("this takes CAP_SYS_ADMIN"), "{failure}");
    Ok(())
}

#[test]
fn a_namespace_for_which_the_kernel_has_no_memory_is_tried_again() -> Result<()> {
    let calls = SystemCalls::watch(&[libc::SYS_socket]);
    let mut estate = Estate::create(|setup| setup.inside(calls.clone()))?;
    let netlink = u64::try_from(libc::AF_NETLINK)?;
    calls.rule(move |call| (call.arguments[0] == netlink).then_some(Errno::ENOMEM));
    let newcomer = estate.newcomer()?;
    let name = newcomer.router.namespace().name().to_owned();
    let parts = ["ERROR", &name, "cannot be served", "Cannot allocate memory"];
    estate.site.daemon.wait_log(&parts)?;
    estate.site.daemon.wait("status has the reason", |daemon| {
        let state = daemon.namespace(&name)?.unwrap_or_default();
        let problem = state["problem"].as_str().unwrap_or_default();
        Ok(state["state"] == "failed" && problem.contains("Cannot allocate memory"))
    })?;
    estate.is_served()?;
    calls.clear();
    estate.wait_newcomer_served(&newcomer)
}
