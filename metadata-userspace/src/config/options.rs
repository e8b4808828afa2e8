//! Every option that metadatad honours: Neutron's, with Neutron's names,
//! groups, defaults and meanings, and ours in `[metadatad]`.

use super::option::{AnyOption, Opt, Spec};
use super::oslo::DEFAULT_GROUP;
use super::types::{
    Boolean, Choice, FilePath, Globs, Hidden, HostAddress, Integer, Listen, Mark, Optional, Port,
    Text, Upstream,
};
use super::{NovaProtocol, ResolverKind, SocketMode};

/// The group of our own options.
pub const OUR_GROUP: &str = "metadatad";

const HAPROXY_GROUP: &str = "metadata_haproxy";

/// haproxy and Neutron count in whole seconds; a day is longer than any wait.
const SECONDS: Integer = Integer {
    min: 1,
    max: 86_400,
};

macro_rules! options {
    ($(
        $(#[doc = $doc:literal])+
        $option:ident: $kind:ty = $group:ident $name:literal
            $(was $old:literal)? default $default:literal $value:expr;
    )+) => {
        $(
            $(#[doc = $doc])+
            pub(super) static $option: Opt<$kind> = Opt {
                spec: Spec {
                    group: $group,
                    name: $name,
                    deprecated: &[$(($group, $old))?],
                    default: $default,
                    doc: concat!($($doc),+),
                },
                kind: $value,
            };
        )+

        /// The table, in the order in which it is shown.
        pub static ALL: &[&dyn AnyOption] = &[$(&$option),+];
    };
}

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
    /// Threads that serve requests; empty is one for each CPU, 8 at most; 0 is one.
    METADATA_WORKERS: Optional<Integer> = DEFAULT_GROUP "metadata_workers" default ""
        Optional(Integer { min: 0, max: 1024 });
    /// Connections that may wait to be accepted, for each listener.
    METADATA_BACKLOG: Integer = DEFAULT_GROUP "metadata_backlog" default "4096"
        Integer { min: 1, max: 2_147_483_647 };
    /// Where nova-api-metadata is.
    NOVA_METADATA_HOST: HostAddress = DEFAULT_GROUP "nova_metadata_host" was "nova_metadata_ip"
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

    /// Who knows which instance has an address.
    RESOLVER: Choice<ResolverKind> = OUR_GROUP "resolver" default "inventory"
        Choice(&[("inventory", ResolverKind::Inventory)]);
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
    /// Names of the namespaces to serve.
    NAMESPACES: Globs = OUR_GROUP "namespaces" default "qrouter-*" Globs;
    /// Directory of the named namespaces.
    NETNS_DIR: FilePath = OUR_GROUP "netns_dir" default "/run/netns" FilePath;
    /// Directory, in a BPF file system, of the programs and maps.
    BPFFS: FilePath = OUR_GROUP "bpffs" default "/sys/fs/bpf/metadatad" FilePath;
    /// Unix socket for status and metrics.
    ADMIN_SOCKET: FilePath = OUR_GROUP "admin_socket" default "/run/metadatad/admin.sock" FilePath;
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
    /// Seconds for Nova's whole answer, fewer than timeout_server; 7/8 of that
    /// when empty.
    NOVA_TIMEOUT: Optional<Integer> = OUR_GROUP "nova_timeout" default "" Optional(SECONDS);
}

/// The options of one group as a Markdown table.
pub fn markdown_table(group: &str) -> String {
    let mut table = String::from("| option | default | value | meaning |\n|---|---|---|---|\n");
    for option in ALL.iter().filter(|option| option.spec().group == group) {
        let spec = option.spec();
        let default = match spec.default {
            "" => String::new(),
            text => format!("`{text}`"),
        };
        let meaning = spec.doc.trim();
        let row = format!(
            "| `{}` | {default} | {} | {meaning} |\n",
            spec.name,
            option.allowed()
        );
        table.push_str(&row);
    }
    table
}

/// All options, a table for each group.
pub fn listing() -> String {
    let mut groups: Vec<_> = ALL.iter().map(|option| option.spec().group).collect();
    groups.dedup();
    groups
        .iter()
        .map(|group| format!("[{group}]\n\n{}", markdown_table(group)))
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_a_value_of_its_option() {
        for option in ALL {
            let spec = option.spec();
            let text = spec.default.replace("$state_path", "/var/lib/neutron");
            assert!(option.accepts(&text), "{}", spec.name);
        }
    }

    #[test]
    fn the_readme_has_the_current_table() {
        let readme = include_str!("../../../README.md");
        assert!(readme.contains(&markdown_table(OUR_GROUP)));
    }

    #[test]
    fn no_name_is_used_twice() {
        let mut names: Vec<_> = ALL
            .iter()
            .flat_map(|option| option.spec().names())
            .collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn a_row_of_the_table_tells_name_default_values_and_meaning() {
        let table = markdown_table(OUR_GROUP);
        let row = "| `max_head_size` | `16384` | a whole number from 8192 to 1048576 | \
                   Bytes of a request's line and headers; 431 above. |\n";
        assert!(table.contains(row), "{table}");
        let listing = listing();
        let headings = listing.lines().filter(|line| line.starts_with('['));
        assert_eq!(
            headings.collect::<Vec<_>>(),
            ["[DEFAULT]", "[metadata_haproxy]", "[metadatad]"]
        );
    }
}
