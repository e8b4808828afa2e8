//! Learning that something changed inside a namespace.
//!
//! One socket hears of all namespaces. With one in each, every message of the kernel's
//! in any of them would be held against all of these sockets
//! (`netlink_broadcast_filtered` in its net/netlink/af_netlink.c).

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::rc::Rc;

use netlink_sys::{Socket, protocols::NETLINK_ROUTE};
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{NetlinkAddr, bind, getsockname, setsockopt, sockopt};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;

use super::heard::{Heard, hear};
use crate::async_fd;
use crate::netlink::{NamespaceSocket, NetlinkError, author};
use crate::netns::Netns;

/// Links, addresses, and traffic control: somebody may take our filters or our addresses
/// away. And IPv6's view of links: where the kernel makes no address by itself
/// (`addr_gen_mode`), nothing else tells that IPv6 was switched on.
const GROUPS: i32 = libc::RTMGRP_LINK
    | libc::RTMGRP_IPV4_IFADDR
    | libc::RTMGRP_IPV6_IFADDR
    | libc::RTMGRP_IPV6_IFINFO
    | libc::RTMGRP_TC;

/// Bytes that may wait. The kernel takes memory only for what does wait.
const BUFFER: usize = 16 << 20;

#[derive(Debug, thiserror::Error)]
pub enum MonitorError {
    #[error(
        "cannot hear of changes in namespaces: {0}; this takes CAP_NET_BROADCAST and CAP_NET_ADMIN"
    )]
    Socket(io::Error),
    #[error(transparent)]
    Number(#[from] NetlinkError),
}

/// Hears of changes in the namespaces that it was told to watch, but for most of those that
/// this process makes: the kernel names no author for IPv6 addresses.
///
/// What it hears is not read, only where it was: whoever acts on it looks at the
/// namespace as a whole. When messages were lost, all may have changed.
pub struct Monitor {
    events: AsyncFd<OwnedFd>,
    requests: NamespaceSocket,
    /// By the number that a namespace has in ours.
    watched: RefCell<HashMap<i32, Watched>>,
    /// How often a namespace began to be watched.
    begun: Cell<u64>,
    hears: Cell<bool>,
}

struct Watched {
    by: u64,
    name: Rc<str>,
}

/// A namespace is watched as long as this lives.
pub struct Watching {
    monitor: Rc<Monitor>,
    number: i32,
    by: u64,
}

impl Monitor {
    /// It hears nothing until [`Self::begin`]. Needs a tokio runtime, and to be in the
    /// host's own namespace.
    pub fn open() -> Result<Self, MonitorError> {
        // First, for it has to have the number of those who make changes.
        let socket = events().map_err(MonitorError::Socket)?;
        let requests = NamespaceSocket::open()?;
        let events = async_fd::register(socket, Interest::READABLE);
        Ok(Self {
            events: events.map_err(MonitorError::Socket)?,
            requests,
            watched: RefCell::default(),
            begun: Cell::default(),
            hears: Cell::default(),
        })
    }

    /// Begins to hear. Each message costs the kernel a look through the numbers of all
    /// namespaces (`peernet2id` in its net/core/net_namespace.c), so who has a lot to
    /// change begins afterwards, and looks at everything once more.
    pub fn begin(&self) -> Result<(), MonitorError> {
        join(self.events.as_raw_fd(), GROUPS)
            .map_err(|errno| MonitorError::Socket(errno.into()))?;
        self.hears.set(true);
        Ok(())
    }

    /// Whether it has begun to hear.
    pub fn hears(&self) -> bool {
        self.hears.get()
    }

    /// Watches a namespace under a name. What happens from now on is heard, once it has begun.
    pub fn watch(self: &Rc<Self>, netns: &Netns, name: Rc<str>) -> Result<Watching, MonitorError> {
        let number = netns.with_descriptor(|fd| self.requests.number_of(fd));
        let number = number.map_err(MonitorError::Socket)??;
        let by = self.begun.get();
        self.begun.set(by + 1);
        // It may still be watched by somebody who is about to leave it.
        let watched = Watched { by, name };
        self.watched.borrow_mut().insert(number, watched);
        Ok(Watching {
            monitor: self.clone(),
            number,
            by,
        })
    }

    /// Sends the names of namespaces in which something happened, as long as somebody
    /// receives them.
    pub async fn report(self: Rc<Self>, changes: mpsc::UnboundedSender<String>) {
        loop {
            let names = match self.changed().await {
                Ok(names) => names,
                Err(error) => {
                    tracing::error!(%error, "cannot hear of changes in namespaces any more");
                    return;
                }
            };
            for name in names {
                if changes.send(name).is_err() {
                    return;
                }
            }
        }
    }

    async fn changed(&self) -> io::Result<BTreeSet<String>> {
        loop {
            let mut ready = self.events.readable().await?;
            let mut names = BTreeSet::new();
            let mut is_everything = false;
            let end = loop {
                match hear(self.events.as_fd()) {
                    Ok(Heard::In(number)) => names.extend(self.name_of(number)),
                    // Of our own namespace, where nothing is served.
                    Ok(Heard::AtHome) => {}
                    Err(Errno::EINTR) => {}
                    Err(Errno::ENOBUFS) => is_everything = true,
                    Err(errno) => break errno,
                }
            };
            if end != Errno::EAGAIN {
                return Err(end.into());
            }
            ready.clear_ready();
            if is_everything {
                tracing::warn!("news of namespaces were lost; looking at all of them");
                return Ok(self.names());
            }
            if !names.is_empty() {
                return Ok(names);
            }
        }
    }

    fn name_of(&self, number: i32) -> Option<String> {
        let watched = self.watched.borrow();
        Some(watched.get(&number)?.name.to_string())
    }

    fn names(&self) -> BTreeSet<String> {
        let watched = self.watched.borrow();
        watched.values().map(|one| one.name.to_string()).collect()
    }
}

impl Watching {
    /// Its name from now on.
    pub fn rename(&self, name: Rc<str>) {
        self.monitor
            .watched
            .borrow_mut()
            .entry(self.number)
            .and_modify(|watched| {
                if watched.by == self.by {
                    watched.name = name;
                }
            });
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let mut watched = self.monitor.watched.borrow_mut();
        if watched
            .get(&self.number)
            .is_some_and(|ours| ours.by == self.by)
        {
            watched.remove(&self.number);
        }
    }
}

fn events() -> io::Result<OwnedFd> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.set_non_blocking(true)?;
    socket.set_listen_all_namespaces(true)?;
    setsockopt(&socket, sockopt::RcvBufForce, &BUFFER)?;
    author::bind(&mut socket)?;
    socket.as_fd().try_clone_to_owned()
}

/// Has a bound socket hear these groups.
fn join(socket: RawFd, groups: i32) -> Result<(), Errno> {
    let number = getsockname::<NetlinkAddr>(socket)?.pid();
    bind(socket, &NetlinkAddr::new(number, groups.cast_unsigned()))
}
