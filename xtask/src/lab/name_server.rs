//! A name server that hears questions and never answers.

use std::io::Write;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use tempfile::NamedTempFile;

use super::daemon::Surroundings;
use super::unique;

const NONE: Option<&str> = None;
const PORT: u16 = 53;
const LIMIT: Duration = Duration::from_secs(15);
/// The longest that the C library takes from the file (resolv.conf(5)), in seconds.
const TIMEOUT: u32 = 30;

/// That of a daemon.
#[derive(Debug)]
pub struct SilentNameServer {
    socket: UdpSocket,
    file: NamedTempFile,
}

impl SilentNameServer {
    /// # Errors
    /// When it cannot listen.
    pub fn start() -> Result<Self> {
        let random = u32::from_str_radix(&unique::tag()?, 16)?.to_ne_bytes();
        let [a, b, c, _] = random;
        let address = Ipv4Addr::new(127, a, b, c.clamp(1, 254));
        let socket = UdpSocket::bind((address, PORT))?;
        socket.set_read_timeout(Some(LIMIT))?;
        let mut file = NamedTempFile::new()?;
        writeln!(
            file,
            "nameserver {address}\noptions timeout:{TIMEOUT} attempts:3"
        )?;
        Ok(Self { socket, file })
    }

    /// Returns once it was asked.
    ///
    /// # Errors
    /// When that takes too long.
    pub fn wait_asked(&self) -> Result<()> {
        let asked = self.socket.recv(&mut [0; 512]);
        asked.context("nobody asks the name server").map(drop)
    }
}

impl Surroundings for SilentNameServer {
    fn prepare(&self, command: &mut Command) -> Result<()> {
        let file = self.file.path().to_owned();
        let cover = move || {
            unshare(CloneFlags::CLONE_NEWNS)?;
            let flags = MsFlags::MS_REC | MsFlags::MS_SLAVE;
            mount(NONE, "/", NONE, flags, NONE)?;
            let place = "/etc/resolv.conf";
            mount(Some(&file), place, NONE, MsFlags::MS_BIND, NONE)?;
            Ok(())
        };
        // SAFETY: system calls, and nothing else, between fork and exec.
        unsafe { command.pre_exec(cover) };
        Ok(())
    }
}
