//! Which sockets a configuration asks for, and where.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::Context;
use nix::unistd::{Gid, Uid};
use socket2::Type;

use crate::app::api;
use crate::app::lineage::Belonging;
use crate::config::Config;
use crate::supervisor::adoption::{listens_at, listens_on_file, tcp_address};
use crate::supervisor::held::{Held, overlap};
use crate::supervisor::orders::ListenerRole;
use crate::supervisor::sockets::{self, Access, SocketError};

/// Those above wait until there is room (unix(7)).
const SHIMS_AT_ONCE: u32 = 1024;

/// By what names they are left to the next daemon.
const ADMIN: &str = "admin";
const AGENT: &str = "agent";
const METRICS: &str = "metrics";
pub(super) const API: &str = "api";
const SHIM: &str = "shim";
/// Of those that a worker serves.
pub(super) const SERVED: [&str; 4] = [ADMIN, AGENT, METRICS, API];

/// A socket that is to listen.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub(super) name: &'static str,
    /// Which says where.
    option: &'static str,
    place: Place,
}

#[derive(Clone, Debug)]
enum Place {
    Unix {
        kind: Type,
        path: PathBuf,
        access: Access,
        backlog: u32,
    },
    Tcp {
        address: SocketAddr,
        backlog: u32,
    },
}

/// All that the configuration asks for and the worker serves.
pub fn served(config: &Config) -> anyhow::Result<Vec<(ListenerRole, Wanted)>> {
    let backlog = config.worker.backlog;
    let unix = |name, option, path: &Path, access| Wanted {
        name,
        option,
        place: Place::Unix {
            kind: Type::STREAM,
            path: path.to_owned(),
            access,
            backlog,
        },
    };
    let admin = unix(ADMIN, "admin_socket", &config.admin.socket, operators());
    let mut all = vec![(ListenerRole::Admin, admin)];
    if config.agent.enabled {
        let (option, path) = ("metadata_proxy_socket", &config.agent.socket);
        let agent = unix(AGENT, option, path, proxies(config)?);
        all.push((ListenerRole::Agent, agent));
    }
    if let Some(address) = config.admin.metrics_listen {
        let metrics = Wanted {
            name: METRICS,
            option: "metrics_listen",
            place: Place::Tcp { address, backlog },
        };
        all.push((ListenerRole::Metrics, metrics));
    }
    if config.api.embedded {
        all.push((ListenerRole::Api, of_api(config)?));
    }
    Ok(all)
}

/// Where the embedded API listens.
pub fn of_api(config: &Config) -> anyhow::Result<Wanted> {
    let address = api::address(config)?;
    let backlog = config.worker.backlog;
    Ok(Wanted {
        name: API,
        option: "nova_metadata_host and nova_metadata_port, where the embedded API listens",
        place: Place::Tcp { address, backlog },
    })
}

/// On which shims register, which is no business of the worker's.
pub fn of_shims(config: &Config) -> Wanted {
    Wanted {
        name: SHIM,
        option: "shim_socket",
        place: Place::Unix {
            kind: Type::SEQPACKET,
            path: config.shim.socket.clone(),
            access: operators(),
            // All shims of a host may come at once when the daemon starts.
            backlog: SHIMS_AT_ONCE,
        },
    }
}

impl Wanted {
    /// Whether a socket that was left is this one.
    pub(super) fn is(&self, socket: &OwnedFd) -> bool {
        match &self.place {
            Place::Unix {
                kind, path, access, ..
            } => {
                listens_on_file(socket, *kind, path)
                    && sockets::put_right(path, *access).unwrap_or(false)
            }
            Place::Tcp { address, .. } => listens_at(socket, *address),
        }
    }

    /// Whether it cannot be opened while this socket listens.
    pub(super) fn is_hindered_by(&self, socket: &OwnedFd) -> bool {
        let there = tcp_address(socket);
        self.tcp_address()
            .is_some_and(|wanted| there.is_ok_and(|there| overlap(there, wanted)))
    }

    /// Opens it, once the worker of a daemon that was killed has left.
    pub(super) fn open(&self) -> anyhow::Result<OwnedFd> {
        self.open_by(sockets::unix, sockets::tcp)
    }

    /// Opens it now or not at all.
    pub(super) fn open_at_once(&self) -> anyhow::Result<OwnedFd> {
        self.open_by(sockets::unix_at_once, sockets::tcp_at_once)
    }

    fn open_by(
        &self,
        unix: impl FnOnce(Type, &Path, Access, u32) -> Result<OwnedFd, SocketError>,
        tcp: impl FnOnce(SocketAddr, u32) -> Result<OwnedFd, SocketError>,
    ) -> anyhow::Result<OwnedFd> {
        let opened = match &self.place {
            Place::Unix {
                kind,
                path,
                access,
                backlog,
            } => unix(*kind, path, *access, *backlog),
            Place::Tcp { address, backlog } => tcp(*address, *backlog),
        };
        opened.context(self.option)
    }

    /// What is left to the next daemon of it.
    pub(super) fn belonging(&self, socket: &Rc<OwnedFd>) -> Belonging {
        let (Place::Unix { backlog, .. } | Place::Tcp { backlog, .. }) = &self.place;
        Belonging {
            name: self.name,
            descriptor: Rc::clone(socket),
            backlog: Some(*backlog),
        }
    }

    pub(super) fn tcp_address(&self) -> Option<SocketAddr> {
        match &self.place {
            Place::Tcp { address, .. } => Some(*address),
            Place::Unix { .. } => None,
        }
    }

    /// Whether the daemon that runs has what is to listen here, and nobody else took it.
    pub(super) fn is_taken_from(&self, held: &mut Held) -> bool {
        match &self.place {
            Place::Unix { path, .. } => held.take_unix(path),
            Place::Tcp { address, .. } => held.take_tcp(*address),
        }
    }

    /// Removes the file of one that was opened and that nobody will serve.
    pub(super) fn remove_file(&self) {
        if let Place::Unix { path, .. } = &self.place {
            remove(path);
        }
    }
}

pub(super) fn remove(path: &Path) {
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
