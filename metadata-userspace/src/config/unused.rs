//! Options of the hops that metadatad replaces, which it sees and does not
//! use: an operator shall not have to find out alone.

mod rabbit;

use super::oslo::{Setting, Settings};
use super::{Note, ResolverKind};

/// When a setting is worth a note.
#[derive(Clone, Copy, PartialEq)]
enum When {
    Set,
    /// Its default is off, and off is what happens.
    On,
}

struct Unused {
    group: &'static str,
    names: &'static [&'static str],
    when: When,
    /// Resolvers that do use it.
    used_by: &'static [ResolverKind],
    reason: &'static str,
}

/// Every option of the group.
const ANY: &[&str] = &["*"];

const NO_MESSAGE_BUS: &str = "only the neutron-rpc resolver uses the message bus";
const NO_HEARTBEAT: &str = "only the neutron-rpc resolver reports to Neutron's server";
const STDERR: &str = "metadatad logs to standard error; the service manager keeps the log";
const NO_CHILDREN: &str = "metadatad runs no haproxy that would be started, watched or killed";
const NO_OVN: &str = "only the ovn resolver asks OVN and Open vSwitch databases";
const NO_PATH: &str = "metadatad steers in namespaces and adds no Open vSwitch flows";

const TABLE: &[Unused] = &[
    Unused {
        group: "cache",
        names: &["enabled"],
        when: When::On,
        used_by: &[ResolverKind::NeutronRpc, ResolverKind::NeutronRest],
        reason: "only what Neutron's server says is kept for a time",
    },
    Unused {
        group: "cache",
        names: &["backend", "backend_argument", "memcache_servers"],
        when: When::Set,
        used_by: &[],
        reason: "what Neutron says is kept in memory",
    },
    Unused {
        group: "DEFAULT",
        names: &[
            "transport_url",
            "control_exchange",
            "rpc_response_timeout",
            "rpc_response_max_timeout",
        ],
        when: When::Set,
        used_by: &[ResolverKind::NeutronRpc],
        reason: NO_MESSAGE_BUS,
    },
    Unused {
        group: "oslo_messaging_rabbit",
        names: ANY,
        when: When::Set,
        used_by: &[ResolverKind::NeutronRpc],
        reason: NO_MESSAGE_BUS,
    },
    Unused {
        group: "agent",
        names: &["report_interval", "log_agent_heartbeats"],
        when: When::Set,
        used_by: &[ResolverKind::NeutronRpc],
        reason: NO_HEARTBEAT,
    },
    Unused {
        group: "DEFAULT",
        names: &["host"],
        when: When::Set,
        used_by: &[ResolverKind::NeutronRpc],
        reason: NO_HEARTBEAT,
    },
    Unused {
        group: "DEFAULT",
        names: &["agent_down_time"],
        when: When::Set,
        used_by: &[ResolverKind::Ovn],
        reason: "only the ovn resolver fits its reports to it",
    },
    Unused {
        group: "DEFAULT",
        names: &[
            "log_file",
            "logfile",
            "log_dir",
            "logdir",
            "log_config_append",
            "log_config",
        ],
        when: When::Set,
        used_by: &[],
        reason: STDERR,
    },
    Unused {
        group: "DEFAULT",
        names: &["use_syslog", "use_journal", "use_json", "watch_log_file"],
        when: When::On,
        used_by: &[],
        reason: STDERR,
    },
    Unused {
        group: "DEFAULT",
        names: &["enable_metadata_proxy"],
        when: When::On,
        used_by: &[],
        reason: "metadatad serves every namespace that [metadatad] namespaces names; the l3-agent \
                 goes on running its own haproxy in each until this is False there",
    },
    Unused {
        group: "DEFAULT",
        names: &["external_ingress_mark", "agent_mode", "ha_vrrp_advert_int"],
        when: When::Set,
        used_by: &[],
        reason: "it tells the l3-agent how to set up routers, which stays the l3-agent's work",
    },
    Unused {
        group: "DEFAULT",
        names: &["enable_isolated_metadata", "force_metadata"],
        when: When::On,
        used_by: &[],
        reason: "the dhcp-agent decides by it where it puts the metadata address; metadatad serves \
                 the namespaces that have it",
    },
    Unused {
        group: "DEFAULT",
        names: &["enable_metadata_network"],
        when: When::On,
        used_by: &[],
        reason: "the dhcp-agent tells only its haproxy which router's guests ask through a \
                 metadata network: link metadatad as haproxy on its PATH",
    },
    Unused {
        group: "DEFAULT",
        names: &["external_pids"],
        when: When::Set,
        used_by: &[],
        reason: NO_CHILDREN,
    },
    Unused {
        group: "agent",
        names: &[
            "check_child_processes_interval",
            "check_child_processes_action",
            "kill_scripts_path",
            "root_helper",
            "root_helper_daemon",
            "use_helper_for_ns_read",
        ],
        when: When::Set,
        used_by: &[],
        reason: NO_CHILDREN,
    },
    Unused {
        group: "agent",
        names: &["comment_iptables_rules"],
        when: When::Set,
        used_by: &[],
        reason: "metadatad adds no iptables rule",
    },
    Unused {
        group: "ovn",
        names: &[
            "ovn_sb_connection",
            "ovn_sb_private_key",
            "ovn_sb_certificate",
            "ovn_sb_ca_cert",
            "ovsdb_connection_timeout",
            "ovsdb_probe_interval",
        ],
        when: When::Set,
        used_by: &[ResolverKind::Ovn],
        reason: NO_OVN,
    },
    Unused {
        group: "ovn",
        names: &["ovn_metadata_enabled"],
        when: When::Set,
        used_by: &[],
        reason: "it tells Neutron's server to make metadata ports, which stays the server's work",
    },
    Unused {
        group: "ovs",
        names: &["ovsdb_connection", "ovsdb_connection_timeout"],
        when: When::Set,
        used_by: &[ResolverKind::Ovn],
        reason: NO_OVN,
    },
    Unused {
        group: "neutron",
        names: &["domain_id", "domain_name", "trust_id"],
        when: When::Set,
        used_by: &[],
        reason: "metadatad asks with a token for a project, or for the whole system",
    },
    Unused {
        group: "neutron",
        names: &["tls_ciphers", "tls_min_version"],
        when: When::Set,
        used_by: &[],
        reason: "TLS 1.2 and 1.3 are spoken, with rustls' own choice of ciphers",
    },
    Unused {
        group: "neutron",
        names: ANY,
        when: When::Set,
        used_by: &[ResolverKind::NeutronRest],
        reason: "only the neutron-rest resolver logs in to ask Neutron's API",
    },
    Unused {
        group: "metadata",
        names: ANY,
        when: When::Set,
        used_by: &[],
        reason: NO_PATH,
    },
];

/// A note for each such option at the line that holds, or one for a whole group.
pub(super) fn notes(settings: &Settings, resolver: ResolverKind) -> Vec<Note> {
    let mut notes: Vec<Note> = Vec::new();
    for setting in settings.all() {
        let unused = |entry: &&Unused| !entry.used_by.contains(&resolver);
        let mut entries = TABLE.iter().chain(rabbit::TABLE).filter(unused);
        let Some(entry) = entries.find(|entry| entry.concerns(&setting)) else {
            continue;
        };
        let whole_group = entry.names == ANY;
        let option = match whole_group {
            true => format!("[{}]", setting.group()),
            false => format!("[{}] {}", setting.group(), setting.name()),
        };
        let told = whole_group && notes.iter().any(|note| note.option == option);
        if holds(settings, &setting) && entry.matters(&setting) && !told {
            notes.push(Note {
                place: setting.place().to_string(),
                option,
                text: format!("seen and not used: {}", entry.reason),
            });
        }
    }
    notes
}

fn holds(settings: &Settings, setting: &Setting<'_>) -> bool {
    settings
        .find(&[(setting.group(), setting.name())])
        .is_some_and(|last| last.place() == setting.place())
}

impl Unused {
    fn concerns(&self, setting: &Setting<'_>) -> bool {
        let listed = self.names == ANY || self.names.contains(&setting.name());
        listed && setting.is(self.group, setting.name())
    }

    fn matters(&self, setting: &Setting<'_>) -> bool {
        let off = ["false", "0", "off", "no"]
            .iter()
            .any(|word| setting.value().eq_ignore_ascii_case(word));
        self.when == When::Set || !off
    }
}
