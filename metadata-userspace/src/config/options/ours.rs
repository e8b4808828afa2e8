//! Our own options.

use super::super::types::{
    Boolean, Choice, FilePath, Globs, Integer, Listen, Optional, Text, Upstream,
};
use super::super::{MacCheck, ResolverKind, Sandboxing};
use super::{OUR_GROUP, SECONDS, options};

/// A month is longer than any outage.
const LIFETIME: Integer = Integer {
    min: 0,
    max: 31 * 86_400,
};

options! {
    /// Who knows which instance has an address.
    RESOLVER: Choice<ResolverKind> = OUR_GROUP "resolver" default "neutron-rpc"
        Choice(&[
            ("neutron-rpc", ResolverKind::NeutronRpc),
            ("neutron-rest", ResolverKind::NeutronRest),
            ("ovn", ResolverKind::Ovn),
            ("inventory", ResolverKind::Inventory),
        ]);
    /// What happens when a request's MAC belongs to another port than its
    /// address: enforce answers 403, log only logs, off does not look.
    MAC_CHECK: Choice<MacCheck> = OUR_GROUP "mac_check" default "enforce"
        Choice(&[
            ("enforce", MacCheck::Enforce),
            ("log", MacCheck::Log),
            ("off", MacCheck::Off),
        ]);
    /// Seconds that a request waits for a port which is not known yet.
    IDENTITY_TIMEOUT: Integer = OUR_GROUP "identity_timeout" default "5" SECONDS;
    /// TOML file of the instances that the inventory resolver and the embedded
    /// API know.
    INVENTORY: Optional<FilePath> = OUR_GROUP "inventory" default "" Optional(FilePath);
    /// Serve nova's metadata API from the inventory, at
    /// nova_metadata_host:nova_metadata_port.
    EMBEDDED_API: Boolean = OUR_GROUP "embedded_api" default "false" Boolean;
    /// Domain that the embedded API appends to host names that have none.
    DHCP_DOMAIN: Text = OUR_GROUP "dhcp_domain" default "novalocal" Text;
    /// Directory in which the embedded API keeps the passwords that guests post.
    PASSWORD_DIR: FilePath = OUR_GROUP "password_dir" default "$state_path/metadatad/passwords"
        FilePath;
    /// Names of the namespaces to serve, of those that Neutron's agents make.
    NAMESPACES: Globs = OUR_GROUP "namespaces" default "qrouter-*,qdhcp-*,ovnmeta-*" Globs;
    /// Directory of the named namespaces.
    NETNS_DIR: FilePath = OUR_GROUP "netns_dir" default "/run/netns" FilePath;
    /// Directory, in a BPF file system, of the programs and maps.
    BPFFS: FilePath = OUR_GROUP "bpffs" default "/sys/fs/bpf/metadatad" FilePath;
    /// Unix socket for status and metrics.
    ADMIN_SOCKET: FilePath = OUR_GROUP "admin_socket" default "/run/metadatad/admin.sock" FilePath;
    /// Unix socket on which `metadatad haproxy` registers namespaces.
    SHIM_SOCKET: FilePath = OUR_GROUP "shim_socket" default "/run/metadatad/shim.sock" FilePath;
    /// The haproxy that `metadatad haproxy` runs instead when no daemon answers, or
    /// when the configuration is not Neutron's.
    SHIM_FALLBACK: Optional<FilePath> = OUR_GROUP "shim_fallback" default "" Optional(FilePath);
    /// Whether the process that reads guests' bytes gives up, besides every privilege,
    /// all system calls, files and servers that it does not need; off is for kernels
    /// without seccomp.
    SANDBOX: Choice<Sandboxing> = OUR_GROUP "sandbox" default "enforce"
        Choice(&[("enforce", Sandboxing::Enforce), ("off", Sandboxing::Off)]);
    /// Where Prometheus may ask for metrics.
    METRICS_LISTEN: Listen = OUR_GROUP "metrics_listen" default "" Listen;
    /// Who answers the proxy's requests.
    PROXY_UPSTREAM: Upstream = OUR_GROUP "proxy_upstream" default "agent" Upstream;
    /// Log each verdict of the programs in the kernel.
    DATAPATH_LOG: Boolean = OUR_GROUP "datapath_log" default "false" Boolean;
    /// Log each request.
    ACCESS_LOG: Boolean = OUR_GROUP "access_log" default "true" Boolean;
    /// Bytes of a request's line and headers; 431 above.
    MAX_HEAD_SIZE: Integer = OUR_GROUP "max_head_size" default "16384"
        // hyper accepts no smaller buffer.
        Integer { min: 8192, max: 1_048_576 };
    /// Bytes of a request's body; 413 above.
    MAX_BODY_SIZE: Integer = OUR_GROUP "max_body_size" default "65536"
        Integer { min: 0, max: 1_073_741_824 };
    /// Connections that a guest may hold at once.
    MAX_CONNECTIONS_PER_GUEST: Integer = OUR_GROUP "max_connections_per_guest" default "256"
        Integer { min: 1, max: 65_535 };
    /// New connections that a guest may open in a second, by its MAC and address (four
    /// times as many by its MAC alone); the kernel drops more. 0 is no limit.
    CONNECTION_RATE_PER_GUEST: Integer = OUR_GROUP "connection_rate_per_guest" default "250"
        Integer { min: 0, max: 1_000_000 };
    /// New connections that a guest may open at once after a pause.
    CONNECTION_BURST_PER_GUEST: Integer = OUR_GROUP "connection_burst_per_guest" default "500"
        Integer { min: 1, max: 1_000_000 };
    /// Names of tenant interfaces on which an XDP program drops these, and malformed
    /// requests, before there is a socket buffer, if their driver can. On veth pairs it
    /// costs all other traffic more than it spares.
    XDP_GUARD: Globs = OUR_GROUP "xdp_guard" default "" Globs;
    /// Seconds for Nova's whole answer, and before that for a guest's body; fewer
    /// than timeout_server; 7/8 of that when empty.
    NOVA_TIMEOUT: Optional<Integer> = OUR_GROUP "nova_timeout" default "" Optional(SECONDS);
    /// Seconds for which an answer of Nova's is given again, to the same
    /// instance, without asking; changed metadata is seen that much later.
    RESPONSE_TTL: Integer = OUR_GROUP "response_ttl" default "0" LIFETIME;
    /// Seconds, after those, for which it is given when Nova gives no answer or
    /// a 5xx; 0 never gives it.
    STALE_IF_ERROR: Integer = OUR_GROUP "stale_if_error" default "300" LIFETIME;
}
