//! What supervisor and worker say to each other.

use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::{Config, RateLimits};
use crate::identity::Realm;
use crate::inventory::Inventory;
use crate::upstream::TlsFiles;

/// Names a listening socket for as long as the supervisor lives.
pub type ListenerId = u64;

/// What a listening socket is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ListenerRole {
    /// Guests of one namespace.
    Proxy {
        namespace: String,
        realm: Realm,
        /// What the configuration says when there are none.
        limits: Option<RateLimits>,
    },
    /// `metadata_proxy_socket`.
    Agent,
    /// The embedded metadata API.
    Api,
    /// `[metadatad] admin_socket`.
    Admin,
    /// `[metadatad] metrics_listen`.
    Metrics,
}

/// From the supervisor. Each takes at most one file descriptor along.
#[derive(Debug, Serialize, Deserialize)]
pub enum Order {
    /// First of all; the file holds a [`Briefing`].
    Start,
    /// Serve the socket that comes along. One whose number is known already is for
    /// something else from now on, and those who are connected are cut off.
    Listen { id: ListenerId, role: ListenerRole },
    /// Say when everything that was ordered before is done.
    Ready,
    /// The socket's namespace is gone: end its connections.
    Close { id: ListenerId },
    /// The socket takes no more connections; those that run may end.
    Retire { id: ListenerId },
    /// The inventory changed; the file holds an [`Inventory`].
    Inventory,
    /// Interfaces came or went in the realm's namespace: the router has other
    /// networks now.
    RealmChanged { realm: Realm },
    /// The answer to [`Report::AskHostState`]; the file holds a [`HostState`](crate::status::HostState).
    HostState,
    /// The answer to [`Report::Connect`]: the connection comes along, or this is why
    /// there is none.
    Connected {
        path: PathBuf,
        problem: Option<String>,
    },
    /// The answer to [`Report::LookUp`].
    LookedUp(LookedUp),
    /// Say so, once each thread that serves guests has taken a turn.
    IsAlive,
    /// Finish what is under way, accept nothing more, exit.
    Drain,
}

/// From the worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Report {
    /// The set of all sockets of guests comes along, to see whether somebody comes.
    Guests,
    /// An operator wants to know how the host is doing.
    AskHostState,
    /// The answer to [`Order::Ready`].
    Ready,
    /// The answer to [`Order::IsAlive`].
    Alive,
    /// There was no descriptor left for what came along.
    Missed(Missed),
    /// A unix socket has to be connected to; the configuration names it.
    Connect { path: PathBuf },
    /// A name's addresses are wanted; the configuration, or Keystone's catalog, has it.
    LookUp { host: String },
}

/// What has to be ordered again when there are descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Missed {
    Listener(ListenerId),
    Inventory,
}

/// What came of looking a name up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LookedUp {
    pub host: String,
    /// Some of them, when a message has no room for all; or why there are none.
    pub found: Result<Vec<IpAddr>, String>,
}

/// Everything the worker cannot read by itself, having no privilege.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Briefing {
    pub config: Config,
    pub inventory: Inventory,
    pub nova_tls: TlsFiles,
    /// For Keystone and Neutron's API.
    pub keystone_tls: TlsFiles,
    pub ovn_tls: TlsFiles,
    pub rabbit_tls: TlsFiles,
}
