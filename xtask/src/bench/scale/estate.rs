//! Thousands of routers' namespaces, made without a process for each, where nobody
//! else sees them.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, Result, anyhow};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};

use super::cable;
use crate::lab::namespace::DIRECTORY;
use crate::lab::unique;
use crate::stop;

const NONE: Option<&str> = None;

/// Calls `work` on a thread whose directory of namespaces is its own and empty, also for
/// the processes that it starts. With the thread it is gone, however that ends, and with
/// it every namespace that has only its name there.
///
/// # Errors
/// When privilege is missing, or `work` fails.
pub(super) fn alone<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    thread::scope(|scope| {
        let apart = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNS)?;
            mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
            std::fs::create_dir_all(DIRECTORY)?;
            mount(
                Some("netns"),
                DIRECTORY,
                Some("tmpfs"),
                MsFlags::empty(),
                NONE,
            )
            .with_context(|| format!("cannot cover {DIRECTORY}"))?;
            work()
        });
        let done = apart.join();
        done.map_err(|_| anyhow!("the thread apart panicked"))?
    })
}

/// Routers whose names begin alike, with an interface for guests each.
pub(super) struct Estate {
    tag: String,
    names: Vec<String>,
}

impl Estate {
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            tag: unique::tag()?,
            names: Vec::new(),
        })
    }

    /// In the order of their names.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// What matches all of them and nobody else's.
    pub(super) fn glob(&self) -> String {
        format!("qrouter-{}-*", self.tag)
    }

    /// A name that belongs here and sorts behind all others.
    pub(super) fn last_name(&self) -> String {
        format!("qrouter-{}-ffff-4000-8000-000000000000", self.tag)
    }

    /// Makes routers until there are so many.
    ///
    /// # Errors
    /// When the kernel refuses, or somebody asked us to end.
    pub(super) fn grow_to(&mut self, routers: usize) -> Result<()> {
        for number in self.names.len()..routers {
            stop::check()?;
            let name = format!("qrouter-{}-0000-4000-8000-{number:012x}", self.tag);
            make(&name, &format!("qr-{number:08x}"))?;
            self.names.push(name);
        }
        Ok(())
    }
}

/// The calling thread comes back to where it was.
fn make(name: &str, interface: &str) -> Result<()> {
    let here = "/proc/thread-self/ns/net";
    let home = File::open(here)?;
    unshare(CloneFlags::CLONE_NEWNET).context("cannot make a network namespace")?;
    let made = cable::bring_loopback_up()
        .and_then(|()| cable::lay(interface, "far"))
        .and_then(|()| publish(Path::new(here), name));
    setns(&home, CloneFlags::CLONE_NEWNET).context("cannot come back")?;
    made
}

/// Gives a namespace a name, as `ip netns` does it: a file, then a mount on it.
pub(super) fn publish(namespace: &Path, name: &str) -> Result<()> {
    let path = path(name);
    File::create(&path)?;
    mount(Some(namespace), &path, NONE, MsFlags::MS_BIND, NONE)
        .with_context(|| format!("cannot mount {}", path.display()))
}

/// Takes the name away.
pub(super) fn withdraw(name: &str) -> Result<()> {
    let path = path(name);
    umount2(&path, MntFlags::MNT_DETACH)?;
    Ok(std::fs::remove_file(path)?)
}

fn path(name: &str) -> PathBuf {
    Path::new(DIRECTORY).join(name)
}
