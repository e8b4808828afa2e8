//! Typed configuration: what the operator wrote, checked, with defaults.
//!
//! The names, groups, defaults and meanings of Neutron's own options are
//! Neutron's; ours live in `[metadatad]`.

mod account;
mod error;
mod keystone;
mod load;
mod messaging;
mod option;
pub mod options;
pub mod oslo;
mod ovn;
mod rate_limits;
mod reader;
mod secret;
mod servers;
mod shim;
mod transport_url;
mod types;
mod unknown;
mod unused;
pub mod wiped_base64;
mod wiped_text;

#[cfg(test)]
mod tests;

pub use account::{Account, AccountError};
pub use error::{ConfigError, ConfigErrors};
pub use keystone::{
    Auth, Credential, Domain, EndpointChoice, Interface, KeystoneConfig, Scope, User,
};
pub use load::{ConfigSources, MOST_THREADS};
pub use messaging::{
    Broker, ExchangeConfig, FailoverStrategy, LoginMethod, MessagingConfig, QuorumLimits,
    RabbitTlsConfig, ReconnectConfig, ReplyQueueConfig, ReportConfig,
};
pub use option::{AnyOption, Spec};
pub use oslo::ConfigSource;
pub use ovn::{OvnConfig, OvnTls, OvsdbRemote};
pub use rate_limits::{RateLimits, RateWindow};
pub use secret::Secret;
pub use servers::Servers;
pub use shim::ShimConfig;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Everything `metadatad run` needs to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    pub state_path: PathBuf,
    pub debug: bool,
    pub datapath: DatapathConfig,
    pub namespaces: NamespacesConfig,
    pub worker: WorkerConfig,
    pub proxy: ProxyConfig,
    pub agent: AgentConfig,
    /// `[neutron]`, for the resolver that uses it.
    pub keystone: Option<KeystoneConfig>,
    /// With `[metadatad] resolver = ovn`.
    pub ovn: Option<OvnConfig>,
    /// When the agent asks over the message bus.
    pub messaging: Option<MessagingConfig>,
    pub nova: NovaConfig,
    pub api: ApiConfig,
    pub admin: AdminConfig,
    pub shim: ShimConfig,
    /// What an operator should know about options that are set: not used, or
    /// under an old name.
    pub notes: Vec<Note>,
}

/// A remark on one option.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// `FILE:LINE`.
    pub place: String,
    /// `[group] name`.
    pub option: String,
    pub text: String,
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}: {}", self.place, self.option, self.text)
    }
}

/// What the programs in the kernel are told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatapathConfig {
    /// `[metadatad] bpffs`: directory of the pins, below a bpffs mount.
    pub bpffs: PathBuf,
    /// `metadata_port`: the proxy port.
    pub proxy_port: u16,
    /// `metadata_access_mark`: low 16 bits of the skb mark.
    pub access_mark: u16,
    /// `[metadatad] datapath_log`: a log line for each verdict.
    pub log_verdicts: bool,
    pub guard: GuardConfig,
}

/// How many connections guests may open, and where the surplus is dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardConfig {
    /// `[metadatad] connection_rate_per_guest`: new ones a second; 0 for no limit.
    pub connections_per_second: u32,
    /// `[metadatad] connection_burst_per_guest`: new ones at once.
    pub burst: u32,
    /// `[metadatad] xdp_guard`: globs over names of interfaces.
    pub interfaces: Vec<String>,
}

/// Which namespaces are served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamespacesConfig {
    /// `[metadatad] netns_dir`.
    pub netns_dir: PathBuf,
    /// `[metadatad] namespaces`: globs over names in `netns_dir`.
    pub globs: Vec<String>,
}

/// The unprivileged process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerConfig {
    /// `metadata_proxy_user`: name or uid; `nobody` when empty.
    pub user: String,
    /// `metadata_proxy_group`: name or gid; the user's own group when empty.
    pub group: String,
    /// `metadata_workers`: threads that serve requests; [`MOST_THREADS`] at most.
    pub threads: usize,
    /// `metadata_backlog`: connections that wait to be accepted, per listener.
    pub backlog: u32,
    /// `[metadatad] sandbox`.
    pub sandbox: Sandboxing,
}

/// `[metadatad] sandbox`: whether the worker gives up what it does not need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sandboxing {
    #[default]
    Enforce,
    Off,
}

/// What a guest may do to the proxy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProxyConfig {
    pub upstream: ProxyUpstream,
    /// `[metadata_haproxy] timeout_*`.
    pub timeouts: ProxyTimeouts,
    /// `[metadatad] max_head_size`: bytes of request line and headers; 431 above.
    pub max_head_size: usize,
    /// `[metadatad] max_body_size`: bytes; 413 above.
    pub max_body_size: u64,
    /// `[metadatad] max_connections_per_guest`: 503 above.
    pub max_connections_per_guest: usize,
    /// `[metadata_rate_limiting]`, where it is enabled.
    pub rate_limits: Option<RateLimits>,
    /// `[metadatad] access_log`.
    pub access_log: bool,
}

/// `[metadatad] proxy_upstream`: who answers the proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProxyUpstream {
    /// Our agent, called in-process.
    #[default]
    Agent,
    /// `unix:PATH`: another agent, for example neutron-metadata-agent.
    Unix(PathBuf),
}

/// `[metadata_haproxy]`, in haproxy's terms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProxyTimeouts {
    pub connect: Duration,
    /// Longest silence of a guest while it sends or receives a body.
    pub client: Duration,
    /// Longest wait for the upstream.
    pub server: Duration,
    /// Longest time for a whole request head.
    pub http_request: Duration,
    /// Longest idle time between two requests.
    pub http_keep_alive: Duration,
}

/// The agent and its door.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentConfig {
    /// Not when `proxy_upstream` is `metadata_proxy_socket` itself: then
    /// another agent serves that socket.
    pub enabled: bool,
    /// `metadata_proxy_socket`.
    pub socket: PathBuf,
    /// `metadata_proxy_socket_mode`, deduced when the option says so.
    pub socket_mode: u32,
    /// `[metadatad] resolver`.
    pub resolver: ResolverKind,
    pub identity: IdentityConfig,
    /// `[metadatad] inventory`.
    pub inventory: Option<PathBuf>,
}

/// `[metadatad] resolver`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResolverKind {
    /// Neutron's server, over the message bus.
    #[default]
    NeutronRpc,
    /// Neutron's REST API.
    NeutronRest,
    /// OVN's southbound database.
    Ovn,
    /// A TOML file.
    Inventory,
}

/// How a requester is told from its neighbours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityConfig {
    /// `[metadatad] mac_check`.
    pub mac_check: MacCheck,
    /// `[cache] expiration_time` when `[cache] enabled`, else 10 s: how long
    /// Neutron's answers are kept.
    pub lifetime: Duration,
    /// `[metadatad] identity_timeout`: longest wait for a port to become known.
    pub patience: Duration,
}

/// `[metadatad] mac_check`: what to do when the MAC of a request's SYN belongs to
/// another port than its address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum MacCheck {
    #[default]
    Enforce,
    Log,
    Off,
}

/// `metadata_proxy_socket_mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum SocketMode {
    #[default]
    Deduce,
    User,
    Group,
    All,
}

/// The upstream nova-api-metadata.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NovaConfig {
    pub protocol: NovaProtocol,
    /// `nova_metadata_host`: a name or an address, without brackets.
    pub host: String,
    pub port: u16,
    /// `nova_metadata_insecure`: do not verify the certificate.
    pub insecure: bool,
    /// `auth_ca_cert`.
    pub ca_cert: Option<PathBuf>,
    /// `nova_client_cert` and `nova_client_priv_key`, when both are set.
    pub client_identity: Option<ClientIdentity>,
    /// `metadata_proxy_shared_secret`.
    pub shared_secret: Secret,
    /// Whole request: `[metadatad] nova_timeout`, below the proxy's own
    /// `timeout_server`.
    pub deadline: Duration,
    /// `[metadatad] response_ttl`: zero is off.
    pub response_ttl: Duration,
    /// `[metadatad] stale_if_error`: zero is off.
    pub stale_if_error: Duration,
}

/// Paths of a client certificate and its key, PEM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientIdentity {
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// `nova_metadata_protocol`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NovaProtocol {
    #[default]
    Http,
    Https,
}

/// The embedded nova-api-metadata.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiConfig {
    /// `[metadatad] embedded_api`: serve it inside `run` as well, at
    /// `nova_metadata_host:nova_metadata_port`.
    pub embedded: bool,
    /// `[metadatad] dhcp_domain`: appended to an instance's hostname when it has none.
    pub dhcp_domain: String,
    /// `[metadatad] password_dir`: the passwords that guests posted, one file
    /// an instance.
    pub password_dir: PathBuf,
}

/// Where operators ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdminConfig {
    /// `[metadatad] admin_socket`.
    pub socket: PathBuf,
    /// `[metadatad] metrics_listen`; off by default.
    pub metrics_listen: Option<SocketAddr>,
}
