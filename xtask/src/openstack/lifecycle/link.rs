//! metadatad under the name of haproxy, first on the agents' PATH.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::super::ours::{Hops, Ours};
use super::super::record::Record;
use super::super::services::neutron;
use super::super::{stopping, up};
use super::lab::Lab;
use crate::lab::daemon;
use nix::sys::signal::Signal;

/// The link; on drop Neutron's agents get their haproxies back.
#[derive(Debug)]
pub(super) struct Link<'a> {
    lab: &'a Lab<'a>,
    path: PathBuf,
}

impl<'a> Link<'a> {
    pub(super) fn make(lab: &'a Lab<'a>) -> Result<Self> {
        let path = lab.place.path("bin/haproxy");
        if path.is_symlink() {
            fs::remove_file(&path)?;
        }
        symlink(&lab.binary, &path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self { lab, path })
    }
}

impl Drop for Link<'_> {
    fn drop(&mut self) {
        let removed = fs::remove_file(&self.path);
        if let Err(error) = removed {
            eprintln!("warning: {}: {error}", self.path.display());
        }
        // The agents see that their proxies are gone, and start haproxies.
        for pid in shims(self.lab) {
            let _ = daemon::send(pid, Signal::SIGTERM);
        }
    }
}

/// The shims that agents of this cloud started.
fn shims(lab: &Lab<'_>) -> Vec<u32> {
    let mut pids = stopping::marked(lab.place);
    pids.retain(|pid| is_shim(*pid).unwrap_or(false));
    pids
}

/// Whether a process has a haproxy's command line and is none.
fn is_shim(pid: u32) -> Result<bool> {
    let line = fs::read(format!("/proc/{pid}/cmdline"))?;
    let executable = fs::read_link(format!("/proc/{pid}/exe"))?;
    let program = line.split(|byte| *byte == 0).next().unwrap_or_default();
    let name = Path::new(std::str::from_utf8(program)?).file_name();
    Ok(name.is_some_and(|name| name == "haproxy") && !executable.ends_with("haproxy"))
}

/// # Errors
/// When the process is not a shim of ours.
pub(super) fn check_shim(pid: u32) -> Result<()> {
    ensure!(is_shim(pid)?, "process {pid} is no shim");
    Ok(())
}

/// The option that says where shims find the daemon.
pub(super) fn door(lab: &Lab<'_>) -> String {
    format!("shim_socket = {}\n", lab.place.text("run/shim.sock"))
}

/// All hops ours, in the place of Neutron's metadata agent, with a door for shims.
pub(super) fn start(lab: &Lab<'_>, namespaces: &[String]) -> Result<Ours> {
    let place = lab.place;
    if let Some(record) = Record::load(place, neutron::METADATA_AGENT) {
        stopping::stop(place, neutron::METADATA_AGENT, &record)?;
    }
    let hops = Hops {
        namespaces: namespaces.into(),
        options: door(lab),
        ..Hops::default()
    };
    Ours::start(place, &lab.binary, &hops)
}

/// Neutron's metadata agent takes its place again.
pub(super) fn give_back(lab: &Lab<'_>) -> Result<()> {
    neutron::metadata_agent(lab.place).ensure(lab.place)?;
    up::wait_answer()
}
