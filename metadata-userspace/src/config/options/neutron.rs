//! Options of the agents that metadatad replaces.

use super::super::types::{
    Boolean, Choice, FilePath, Hidden, HostAddress, Integer, Mark, Optional, Port, Text,
};
use super::super::{NovaProtocol, SocketMode};
use super::{DEFAULT_GROUP, SECONDS, options};

const CACHE_GROUP: &str = "cache";
const HAPROXY_GROUP: &str = "metadata_haproxy";

options! {
    /// Directory of what is kept between runs.
    STATE_PATH: FilePath = DEFAULT_GROUP "state_path" default "/var/lib/neutron" FilePath;
    /// Log at debug level.
    DEBUG: Boolean = DEFAULT_GROUP "debug" default "false" Boolean;
    /// Unix socket at which the agent answers proxies.
    METADATA_PROXY_SOCKET: FilePath = DEFAULT_GROUP "metadata_proxy_socket"
        default "$state_path/metadata_proxy" FilePath;
    /// Mode of that socket: user 0644, group 0664, all 0666; deduce takes it
    /// from the user and group below.
    METADATA_PROXY_SOCKET_MODE: Choice<SocketMode> = DEFAULT_GROUP "metadata_proxy_socket_mode"
        default "deduce" Choice(&[
            ("deduce", SocketMode::Deduce),
            ("user", SocketMode::User),
            ("group", SocketMode::Group),
            ("all", SocketMode::All),
        ]);
    /// User, by name or uid, of the process that talks with guests; nobody
    /// when empty.
    METADATA_PROXY_USER: Text = DEFAULT_GROUP "metadata_proxy_user" default "" Text;
    /// Group, by name or gid, of that process; the user's own when empty.
    METADATA_PROXY_GROUP: Text = DEFAULT_GROUP "metadata_proxy_group" default "" Text;
    /// Threads that serve requests, 64 at most; empty is one for each CPU, but no more than 8; 0 is one.
    METADATA_WORKERS: Optional<Integer> = DEFAULT_GROUP "metadata_workers" default ""
        Optional(Integer { min: 0, max: 1024 });
    /// Connections that may wait to be accepted, for each listener.
    METADATA_BACKLOG: Integer = DEFAULT_GROUP "metadata_backlog" default "4096"
        Integer { min: 1, max: 2_147_483_647 };
    /// Where nova-api-metadata is.
    NOVA_METADATA_HOST: HostAddress = DEFAULT_GROUP "nova_metadata_host"
        was DEFAULT_GROUP "nova_metadata_ip"
        default "127.0.0.1" HostAddress;
    /// Its port.
    NOVA_METADATA_PORT: Port = DEFAULT_GROUP "nova_metadata_port" default "8775" Port;
    /// Its protocol.
    NOVA_METADATA_PROTOCOL: Choice<NovaProtocol> = DEFAULT_GROUP "nova_metadata_protocol"
        default "http" Choice(&[("http", NovaProtocol::Http), ("https", NovaProtocol::Https)]);
    /// Do not verify its certificate.
    NOVA_METADATA_INSECURE: Boolean = DEFAULT_GROUP "nova_metadata_insecure" default "false" Boolean;
    /// PEM file of the authorities that may sign its certificate; the system's
    /// when empty.
    AUTH_CA_CERT: Optional<FilePath> = DEFAULT_GROUP "auth_ca_cert" default "" Optional(FilePath);
    /// PEM file of our certificate for it; needs the key as well.
    NOVA_CLIENT_CERT: Optional<FilePath> = DEFAULT_GROUP "nova_client_cert" default ""
        Optional(FilePath);
    /// PEM file of that certificate's key.
    NOVA_CLIENT_PRIV_KEY: Optional<FilePath> = DEFAULT_GROUP "nova_client_priv_key" default ""
        Optional(FilePath);
    /// Key of the signatures that Nova verifies; the same as in nova.conf.
    METADATA_PROXY_SHARED_SECRET: Hidden = DEFAULT_GROUP "metadata_proxy_shared_secret" default ""
        Hidden;
    /// Port of the proxy inside the namespaces.
    METADATA_PORT: Port = DEFAULT_GROUP "metadata_port" default "9697" Port;
    /// Mark of steered packets, which Neutron's rules let in.
    METADATA_ACCESS_MARK: Mark = DEFAULT_GROUP "metadata_access_mark" default "0x1" Mark;

    /// Keep what Neutron said for expiration_time; for 10 s otherwise.
    CACHE_ENABLED: Boolean = CACHE_GROUP "enabled" default "false" Boolean;
    /// Seconds for which Neutron's answers are kept when caching is enabled.
    CACHE_EXPIRATION_TIME: Integer = CACHE_GROUP "expiration_time" default "600" SECONDS;

    /// Seconds to connect to the agent.
    TIMEOUT_CONNECT: Integer = HAPROXY_GROUP "timeout_connect" default "30" SECONDS;
    /// Seconds that a guest may be silent while it sends or receives a body.
    TIMEOUT_CLIENT: Integer = HAPROXY_GROUP "timeout_client" default "32" SECONDS;
    /// Seconds to wait for the agent's answer.
    TIMEOUT_SERVER: Integer = HAPROXY_GROUP "timeout_server" default "32" SECONDS;
    /// Seconds for a whole request head.
    TIMEOUT_HTTP_REQUEST: Integer = HAPROXY_GROUP "timeout_http_request" default "30" SECONDS;
    /// Seconds between two requests of a connection.
    TIMEOUT_HTTP_KEEP_ALIVE: Integer = HAPROXY_GROUP "timeout_http_keep_alive" default "30" SECONDS;
}
