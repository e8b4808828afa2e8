//! A named network namespace.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use anyhow::{Context, Result, anyhow};
use nix::sched::{CloneFlags, setns};

use crate::process;

/// Where `ip netns` keeps its namespaces.
pub const DIRECTORY: &str = "/run/netns";

/// A named namespace; one that we made is removed on drop.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    is_ours: bool,
}

impl Namespace {
    /// Makes the namespace, with its loopback up.
    ///
    /// # Errors
    /// When the name is taken or privilege is missing.
    pub fn create(name: &str) -> Result<Self> {
        process::read(Command::new("ip").args(["netns", "add", name]))?;
        let namespace = Self {
            name: name.to_owned(),
            is_ours: true,
        };
        namespace.ip("link set lo up")?;
        Ok(namespace)
    }

    /// A namespace that somebody else made, or will make, and that stays.
    #[must_use]
    pub fn of_somebody(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            is_ours: false,
        }
    }

    /// Leaves the namespace to its users: it is not removed on drop any more.
    #[must_use]
    pub fn kept(mut self) -> Self {
        self.is_ours = false;
        self
    }

    /// Whether there is one of this name.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.path().exists()
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    #[must_use]
    pub fn path(&self) -> PathBuf {
        Path::new(DIRECTORY).join(&self.name)
    }

    /// The number by which the kernel knows the namespace.
    ///
    /// # Errors
    /// When the namespace is gone.
    pub fn inode(&self) -> Result<u64> {
        Ok(fs::metadata(self.path())?.ino())
    }

    /// Runs `ip` inside; `line` holds its arguments, separated by blanks.
    ///
    /// # Errors
    /// When `ip` fails.
    pub fn ip(&self, line: &str) -> Result<String> {
        let arguments = line.split_whitespace();
        process::read(Command::new("ip").args(["-n", &self.name]).args(arguments))
    }

    /// A command that runs `program` inside.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }

    /// Runs a command line inside, its words separated by blanks, and returns
    /// what it printed.
    ///
    /// # Errors
    /// When the program fails.
    pub fn sh(&self, line: &str) -> Result<String> {
        let mut words = line.split_whitespace();
        let program = words.next().unwrap_or_default();
        process::read(self.command(program).args(words))
    }

    /// Calls `work` inside, on a thread of its own, which ends afterwards and so
    /// cannot carry the namespace anywhere else. Sockets keep their namespace.
    ///
    /// # Errors
    /// When the namespace cannot be entered or `work` panics.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        let file = File::open(self.path())
            .with_context(|| format!("cannot open the namespace {}", self.name))?;
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                setns(&file, CloneFlags::CLONE_NEWNET)
                    .with_context(|| format!("cannot enter the namespace {}", self.name))?;
                Ok(work())
            });
            inside
                .join()
                .map_err(|_| anyhow!("work inside {} panicked", self.name))?
        })
    }

    /// Sets a `net.` sysctl of the namespace, for example `ipv4/ip_forward`.
    ///
    /// # Errors
    /// When there is no such sysctl or it refuses the value.
    pub fn sysctl(&self, key: &str, value: &str) -> Result<()> {
        let path = format!("/proc/sys/net/{key}");
        // /proc/sys/net is that of the process that opens it.
        self.enter(|| fs::write(&path, value))?
            .with_context(|| format!("cannot write {path} in {}", self.name))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if self.is_ours {
            remove(&self.name);
        }
    }
}

/// Removes a namespace by name if there is one.
pub fn remove(name: &str) {
    if !Path::new(DIRECTORY).join(name).exists() {
        return;
    }
    if let Err(error) = process::read(Command::new("ip").args(["netns", "delete", name])) {
        eprintln!("warning: namespace {name} stays behind: {error:#}");
    }
}
