//! The sockets of `metadatad run` that are not a namespace's.

use std::os::fd::OwnedFd;
use std::path::Path;

use nix::unistd::{Gid, Uid};

use super::api;
use crate::config::Config;
use crate::supervisor::orders::ListenerRole;
use crate::supervisor::sockets::{self, Access};

/// Those above wait until there is room (unix(7)).
const SHIMS_AT_ONCE: u32 = 1024;

/// Sockets and what each is for.
pub type Opened = Vec<(ListenerRole, OwnedFd)>;

/// Opens all that the configuration asks for.
pub fn open(config: &Config) -> anyhow::Result<Opened> {
    let backlog = config.worker.backlog;
    let admin = sockets::unix(&config.admin.socket, operators(), backlog)?;
    let mut opened = vec![(ListenerRole::Admin, admin)];
    if config.agent.enabled {
        let agent = sockets::unix(&config.agent.socket, proxies(config)?, backlog)?;
        opened.push((ListenerRole::Agent, agent));
    }
    if let Some(address) = config.admin.metrics_listen {
        opened.push((ListenerRole::Metrics, sockets::tcp(address, backlog)?));
    }
    if config.api.embedded {
        opened.push((ListenerRole::Api, api::open(config)?));
    }
    Ok(opened)
}

/// The socket on which shims register, which is no business of the worker's.
pub fn open_for_shims(config: &Config) -> anyhow::Result<OwnedFd> {
    let path = &config.shim.socket;
    // All shims of a host may come at once when the daemon starts.
    Ok(sockets::unix_messages(path, operators(), SHIMS_AT_ONCE)?)
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
