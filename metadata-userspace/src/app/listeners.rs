//! The sockets of `metadatad run` that are not a namespace's.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::rc::Rc;

use nix::unistd::{Gid, Uid};
use socket2::Type;

use super::api;
use super::lineage::{Belonging, Lineage};
use crate::config::Config;
use crate::supervisor::adoption::{listens_at, listens_on_file};
use crate::supervisor::inherited::Inherited;
use crate::supervisor::orders::ListenerRole;
use crate::supervisor::sockets::{self, Access};

/// Those above wait until there is room (unix(7)).
const SHIMS_AT_ONCE: u32 = 1024;

/// By what names they are left to the next daemon.
const ADMIN: &str = "admin";
const AGENT: &str = "agent";
const METRICS: &str = "metrics";
const API: &str = "api";
const SHIM: &str = "shim";

/// Sockets and what each is for.
pub type Opened = Vec<(ListenerRole, Rc<OwnedFd>)>;

/// Opens sockets, or takes those that the daemon before this one left.
pub struct Opener<'a> {
    pub config: &'a Config,
    pub inherited: &'a mut Inherited,
    pub lineage: &'a mut Lineage,
}

impl Opener<'_> {
    /// All that the configuration asks for and the worker serves.
    pub fn open(&mut self) -> anyhow::Result<Opened> {
        let config = self.config;
        self.end_unwanted();
        let (path, access) = (&config.admin.socket, operators());
        let admin = self.unix(ADMIN, Type::STREAM, path, access, config.worker.backlog)?;
        let mut opened = vec![(ListenerRole::Admin, admin)];
        if config.agent.enabled {
            let (path, access) = (&config.agent.socket, proxies(config)?);
            let agent = self.unix(AGENT, Type::STREAM, path, access, config.worker.backlog)?;
            opened.push((ListenerRole::Agent, agent));
        }
        if let Some(address) = config.admin.metrics_listen {
            opened.push((ListenerRole::Metrics, self.tcp(METRICS, address)?));
        }
        if config.api.embedded {
            opened.push((ListenerRole::Api, self.api()?));
        }
        Ok(opened)
    }

    /// The socket on which shims register, which is no business of the worker's.
    pub fn open_for_shims(&mut self) -> anyhow::Result<OwnedFd> {
        let path = &self.config.shim.socket;
        // All shims of a host may come at once when the daemon starts.
        let socket = self.unix(SHIM, Type::SEQPACKET, path, operators(), SHIMS_AT_ONCE)?;
        Ok(socket.try_clone()?)
    }

    /// Where the embedded API listens.
    pub fn api(&mut self) -> anyhow::Result<Rc<OwnedFd>> {
        self.tcp(API, api::address(self.config)?)
    }

    /// What an earlier configuration asked for and this one does not.
    fn end_unwanted(&mut self) {
        let wanted = [
            (AGENT, self.config.agent.enabled),
            (METRICS, self.config.admin.metrics_listen.is_some()),
            (API, self.config.api.embedded),
        ];
        for (name, _) in wanted.into_iter().filter(|(_, is_wanted)| !is_wanted) {
            self.inherited.take(name, |_| false);
        }
    }

    fn unix(
        &mut self,
        name: &'static str,
        kind: Type,
        path: &Path,
        access: Access,
        backlog: u32,
    ) -> anyhow::Result<Rc<OwnedFd>> {
        let left = self
            .inherited
            .take(name, |socket| is_the_one(socket, kind, path, access));
        if let Some(socket) = left {
            return Ok(self.hold(name, socket, backlog, true));
        }
        let socket = if kind == Type::SEQPACKET {
            sockets::unix_messages(path, access, backlog)?
        } else {
            sockets::unix(path, access, backlog)?
        };
        Ok(self.hold(name, socket, backlog, false))
    }

    fn tcp(&mut self, name: &'static str, address: SocketAddr) -> anyhow::Result<Rc<OwnedFd>> {
        let backlog = self.config.worker.backlog;
        let left = self
            .inherited
            .take(name, |socket| listens_at(socket, address));
        if let Some(socket) = left {
            return Ok(self.hold(name, socket, backlog, true));
        }
        let socket = sockets::tcp(address, backlog)?;
        Ok(self.hold(name, socket, backlog, false))
    }

    fn hold(
        &mut self,
        name: &'static str,
        socket: OwnedFd,
        backlog: u32,
        was_left: bool,
    ) -> Rc<OwnedFd> {
        let descriptor = Rc::new(socket);
        let belonging = Belonging {
            name,
            descriptor: descriptor.clone(),
            backlog: Some(backlog),
        };
        self.lineage.leave(belonging, was_left);
        descriptor
    }
}

fn is_the_one(socket: &OwnedFd, kind: Type, path: &Path, access: Access) -> bool {
    listens_on_file(socket, kind, path) && sockets::put_right(path, access).unwrap_or(false)
}

/// Removes the files of the unix sockets.
pub fn remove_files(config: &Config) {
    remove(&config.admin.socket);
    remove(&config.shim.socket);
    if config.agent.enabled {
        remove(&config.agent.socket);
    }
}

fn remove(path: &Path) {
    if let Err(error) = sockets::remove_stale(path) {
        tracing::warn!(path = %path.display(), %error, "cannot remove the socket");
    }
}

fn operators() -> Access {
    Access {
        uid: Uid::effective(),
        gid: Gid::effective(),
        mode: 0o600,
    }
}

/// Neutron's haproxies connect as `metadata_proxy_user`, by default the user that
/// Neutron's agents run as: the owner of `state_path`.
fn proxies(config: &Config) -> anyhow::Result<Access> {
    let account = config.worker.account()?;
    let neutron = sockets::owner(&config.state_path);
    let (uid, gid) = neutron.unwrap_or((Uid::effective(), Gid::effective()));
    Ok(Access {
        uid: if config.worker.user.is_empty() {
            uid
        } else {
            account.uid
        },
        gid: if config.worker.group.is_empty() {
            gid
        } else {
            account.gid
        },
        mode: config.agent.socket_mode,
    })
}
