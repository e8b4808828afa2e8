//! Whole configurations, as an operator writes them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::time::Duration;

use super::*;

/// The configuration of files with these texts, each error's directory cut off.
pub(super) fn load(texts: &[&str]) -> Result<Config, Vec<String>> {
    let dir = tempfile::tempdir().unwrap();
    let mut sources = ConfigSources::default();
    for (index, text) in texts.iter().enumerate() {
        let path = dir.path().join(format!("{index}.conf"));
        std::fs::write(&path, text).unwrap();
        sources.from.push(ConfigSource::File(path));
    }
    let cut = format!("{}/", dir.path().display());
    Config::load(&sources)
        .map_err(|errors| {
            errors
                .to_string()
                .replace(&cut, "")
                .lines()
                .map(str::to_owned)
                .collect()
        })
        .map(|mut config| {
            for note in &mut config.notes {
                note.place = note.place.replace(&cut, "");
            }
            config
        })
}

pub(super) fn errors(texts: &[&str]) -> Vec<String> {
    load(texts).unwrap_err()
}

const INVENTORY: &str =
    "[metadatad]\nresolver = inventory\ninventory = /etc/metadatad/inventory.toml\n";

#[test]
fn the_defaults_are_those_of_neutron_and_ours() {
    let config = load(&[INVENTORY]).unwrap();
    assert_eq!(config.state_path, Path::new("/var/lib/neutron"));
    assert_eq!(
        config.agent.socket,
        Path::new("/var/lib/neutron/metadata_proxy")
    );
    assert_eq!(config.agent.socket_mode, 0o644);
    assert!(config.agent.enabled);
    assert_eq!(
        (config.nova.host.as_str(), config.nova.port),
        ("127.0.0.1", 8775)
    );
    assert_eq!(config.nova.protocol, NovaProtocol::Http);
    assert_eq!(config.nova.deadline, Duration::from_secs(28));
    assert_eq!(config.nova.client_identity, None);
    assert_eq!(config.worker.backlog, 4096);
    assert_eq!(
        (config.datapath.proxy_port, config.datapath.access_mark),
        (9697, 1)
    );
    assert_eq!(config.datapath.bpffs, Path::new("/sys/fs/bpf/metadatad"));
    let globs = ["qrouter-*", "qdhcp-*", "ovnmeta-*"];
    assert_eq!(config.namespaces.globs, globs);
    assert_eq!(config.namespaces.netns_dir, Path::new("/run/netns"));
    assert_eq!(config.proxy.upstream, ProxyUpstream::Agent);
    assert_eq!(
        (config.proxy.max_head_size, config.proxy.max_body_size),
        (16384, 65536)
    );
    assert_eq!(config.proxy.max_connections_per_guest, 256);
    assert!(config.proxy.access_log && !config.datapath.log_verdicts && !config.debug);
    let timeouts = &config.proxy.timeouts;
    let seconds = [
        timeouts.connect,
        timeouts.client,
        timeouts.server,
        timeouts.http_request,
        timeouts.http_keep_alive,
    ];
    assert_eq!(seconds.map(|time| time.as_secs()), [30, 32, 32, 30, 30]);
    assert_eq!(config.admin.socket, Path::new("/run/metadatad/admin.sock"));
    assert_eq!(config.admin.metrics_listen, None);
    assert!(!config.api.embedded);
    assert_eq!(config.api.dhcp_domain, "novalocal");
    assert_eq!(config.notes, []);
}

/// What a deployment tool writes: comments, several files, references,
/// Neutron's own options beside those read here.
#[test]
fn files_of_a_deployment_are_read_as_neutron_reads_them() {
    let neutron = "\
[DEFAULT]
core_plugin = ml2
state_path = /srv/neutron
auth_strategy = keystone
metadata_proxy_socket = $state_path/sockets/metadata
[database]
connection = mysql+pymysql://neutron:pa$$word@db/neutron
[oslo_concurrency]
lock_path = $state_path/lock
";
    let agent = "\
# the agent's own
[DEFAULT]
debug = True
nova_metadata_ip = 192.0.2.7
nova_metadata_protocol: https
nova_client_cert = ${state_path}/client.pem
nova_client_priv_key = $DEFAULT.state_path/client.key
metadata_proxy_shared_secret = \"two $$words \"
metadata_workers = 0
metadata_proxy_user = neutron
metadata_access_mark = 0x4
[metadata_haproxy]
timeout_server = 64
";
    let config = load(&[neutron, agent, INVENTORY]).unwrap();
    assert!(config.debug);
    assert_eq!(
        config.agent.socket,
        Path::new("/srv/neutron/sockets/metadata")
    );
    assert_eq!(config.agent.socket_mode, 0o664);
    assert_eq!(config.nova.host, "192.0.2.7");
    assert_eq!(config.nova.protocol, NovaProtocol::Https);
    assert_eq!(config.nova.shared_secret, Secret("two $words ".to_owned()));
    assert_eq!(
        config.nova.client_identity,
        Some(ClientIdentity {
            cert: "/srv/neutron/client.pem".into(),
            key: "/srv/neutron/client.key".into(),
        })
    );
    assert_eq!(config.nova.deadline, Duration::from_secs(56));
    assert_eq!(config.worker.threads, 1);
    assert_eq!(config.datapath.access_mark, 4);
    assert_eq!(
        config.api.password_dir,
        Path::new("/srv/neutron/metadatad/passwords")
    );
    let notes: Vec<_> = config.notes.iter().map(Note::to_string).collect();
    assert_eq!(
        notes,
        [
            "1.conf:4: [DEFAULT] nova_metadata_ip: an old name, still read; \
          it is now [DEFAULT] nova_metadata_host"
        ]
    );
}

#[test]
fn every_fault_is_told_with_its_place_and_what_is_allowed() {
    let first = "\
[DEFAULT]
nova_metadata_port = 99999
nova_metadata_protocol = ftp
metadata_backlog = 0
no equals sign
[metadatad]
resolver = neutron
inventry = /etc/metadatad/inventory.toml
metadata_port = 80
zzz = 1
";
    let second = "\
[DEFAULT]
nova_metadata_host = [::1]
metadata_access_mark = 0x1/0xffff
metadata_proxy_socket = $no_such/metadata
[metadatad]
access_log = maybe
nova_timeout = 32
namespaces = a/b
metrics_listen = 9100
proxy_upstream = http://127.0.0.1
max_head_size = 100
";
    let mut found = errors(&[first, second]);
    let all_options = found.iter_mut().find(|line| line.contains("zzz")).unwrap();
    all_options
        .truncate("0.conf:10: [metadatad] zzz: no such option; the options are resolver".len());
    assert_eq!(
        found,
        [
            "0.conf:2: [DEFAULT] nova_metadata_port: `99999` must be a port from 1 to 65535",
            "0.conf:3: [DEFAULT] nova_metadata_protocol: `ftp` must be one of http, https",
            "0.conf:4: [DEFAULT] metadata_backlog: `0` must be a whole number from 1 to 2147483647",
            "0.conf:5: expected `option = value`, a `[group]` or a `#` comment",
            "0.conf:7: [metadatad] resolver: `neutron` must be one of neutron-rpc, neutron-rest, \
             ovn, inventory",
            "0.conf:8: [metadatad] inventry: no such option; did you mean `inventory`?",
            "0.conf:9: [metadatad] metadata_port: no such option; it belongs to [DEFAULT]",
            "0.conf:10: [metadatad] zzz: no such option; the options are resolver",
            "1.conf:2: [DEFAULT] nova_metadata_host: `[::1]` must be a host name, or an IP address \
             without brackets",
            "1.conf:3: [DEFAULT] metadata_access_mark: `0x1/0xffff` must be a number from 0x1 to \
             0xffff, without a mask",
            "1.conf:4: [DEFAULT] metadata_proxy_socket: `$no_such` refers to an option that these \
             files do not set; set it, or write `$$` for a plain `$`",
            "1.conf:6: [metadatad] access_log: `maybe` must be true or false (or 1/0, yes/no, on/off)",
            "1.conf:7: [metadatad] nova_timeout: 32 s must be fewer than the 32 s of \
             [metadata_haproxy] timeout_server, after which the proxy gives up",
            "1.conf:8: [metadatad] namespaces: `a/b` must be a comma-separated list of names, in \
             which `*`, `?` and `[a-z]` match",
            "1.conf:9: [metadatad] metrics_listen: `9100` must be ADDRESS:PORT (like \
             127.0.0.1:9100 or [::1]:9100), or empty",
            "1.conf:10: [metadatad] proxy_upstream: `http://127.0.0.1` must be `agent`, or `unix:` \
             and the absolute path of another agent's socket",
            "1.conf:11: [metadatad] max_head_size: `100` must be a whole number from 8192 to 1048576",
        ]
    );
}

#[test]
fn the_inventory_resolver_needs_an_inventory() {
    assert_eq!(
        errors(&["[metadatad]\nresolver = inventory\n"]),
        [
            "[metadatad] inventory: must be set: without it the inventory resolver has no \
             instances; name a TOML file of instances",
        ]
    );
}

#[test]
fn answers_of_neutron_are_kept_as_long_as_its_cache_would() {
    let lifetime = |text: &str| load(&[INVENTORY, text]).unwrap().agent.identity.lifetime;
    assert_eq!(lifetime(""), Duration::from_secs(10));
    assert_eq!(
        lifetime("[cache]\nexpiration_time = 60\n"),
        Duration::from_secs(10)
    );
    assert_eq!(
        lifetime("[cache]\nenabled = true\n"),
        Duration::from_secs(600)
    );
    assert_eq!(
        lifetime("[cache]\nenabled = true\nexpiration_time = 60\n"),
        Duration::from_secs(60)
    );
}

#[test]
fn no_message_repeats_a_secret() {
    let secret = "[DEFAULT]\nmetadata_proxy_shared_secret = hunter$two\nmetadata_proxy_shared_secret hunter\n";
    let found = errors(&[secret, INVENTORY]);
    assert_eq!(
        found,
        [
            "0.conf:2: [DEFAULT] metadata_proxy_shared_secret: the value holds a `$` that reads as \
             a reference to another option; write `$$` for a plain `$`",
            "0.conf:3: expected `option = value`, a `[group]` or a `#` comment",
        ]
    );
    let config = load(&[
        "[DEFAULT]\nmetadata_proxy_shared_secret = hunter\n",
        INVENTORY,
    ])
    .unwrap();
    assert!(!format!("{config:?}").contains("hunter"));
}

#[test]
fn references_in_a_circle_are_an_error() {
    let text = "[DEFAULT]\nstate_path = $metadata_proxy_socket\n";
    let circle = "refers to itself, by way of others; give one of them a plain value";
    assert_eq!(
        errors(&[text, INVENTORY]),
        [
            format!("0.conf:2: [DEFAULT] state_path: `$state_path` {circle}"),
            format!("[DEFAULT] metadata_proxy_socket: `$metadata_proxy_socket` {circle}"),
            format!("[metadatad] password_dir: `$state_path` {circle}"),
        ]
    );
}

#[test]
fn another_agent_on_the_agents_socket_switches_ours_off() {
    let shared = "[metadatad]\nproxy_upstream = unix:/var/lib/neutron/metadata_proxy\n";
    assert!(!load(&[shared]).unwrap().agent.enabled);
    assert_eq!(
        errors(&[shared, "[metadatad]\nembedded_api = true\n"]),
        [
            "[metadatad] inventory: must be set: without it the embedded API has no instances; \
          name a TOML file of instances"
        ]
    );
    let own = "[metadatad]\nproxy_upstream = unix:/run/other\n";
    assert!(load(&[own, INVENTORY]).unwrap().agent.enabled);
}

#[test]
fn the_command_line_may_name_the_inventory() {
    let sources = ConfigSources {
        from: vec![ConfigSource::File("/dev/null".into())],
        inventory: Some("cloud.toml".into()),
    };
    let config = Config::load(&sources).unwrap();
    assert_eq!(
        config.agent.inventory.as_deref(),
        Some(Path::new("cloud.toml"))
    );
}

#[test]
fn options_that_are_not_used_are_told_with_the_reason() {
    let text = "\
[DEFAULT]
transport_url = rabbit://user:hunter2@mq
use_syslog = false
use_journal = yes
enable_metadata_proxy = False
[AGENT]
report_interval = 30
[metadata_rate_limiting]
rate_limit_enabled = true
[cache]
enabled = false
[oslo_messaging_rabbit]
ssl = false
heartbeat_rate = 3
";
    let again = "[DEFAULT]\ntransport_url = rabbit://\n";
    let notes: Vec<_> = load(&[text, again, INVENTORY])
        .unwrap()
        .notes
        .iter()
        .map(Note::to_string)
        .collect();
    assert_eq!(
        notes,
        [
            "0.conf:4: [DEFAULT] use_journal: seen and not used: metadatad logs to standard error; \
             the service manager keeps the log",
            "0.conf:7: [agent] report_interval: seen and not used: only the neutron-rpc \
             resolver reports to Neutron's server",
            "0.conf:13: [oslo_messaging_rabbit]: seen and not used: only the neutron-rpc \
             resolver uses the message bus",
            "1.conf:2: [DEFAULT] transport_url: seen and not used: only the neutron-rpc \
             resolver uses the message bus",
        ]
    );
}

#[test]
fn a_daemon_whose_proxies_another_agent_answers_is_no_agent() {
    let upstream = "[metadatad]\nproxy_upstream = unix:/var/lib/neutron/metadata_proxy\n";
    for resolver in ["neutron-rpc", "neutron-rest", "ovn"] {
        let config = load(&[&format!("{upstream}resolver = {resolver}\n")]).unwrap();
        assert!(!config.agent.enabled, "{resolver}");
        assert!(config.messaging.is_none() && config.keystone.is_none() && config.ovn.is_none());
    }
}

#[test]
fn a_name_that_is_none_cannot_write_to_a_terminal() {
    let found = errors(&["[metadatad]\n\u{1b}[2Jzzz = 1\n"]);
    assert!(found.iter().all(|line| !line.contains('\u{1b}')));
    let first = found.first().map(String::as_str).unwrap_or_default();
    assert!(first.starts_with("0.conf:2: [metadatad] \\u{1b}[2Jzzz: no such option"));
}

proptest::proptest! {
    #[test]
    fn no_text_makes_loading_panic(text in "(\\[(DEFAULT|metadatad)\\]\n|[a-z_]{0,12}( = |:)[$a-z0-9/{}.'\"]{0,12}\n|[ \t]|.|\n){0,30}") {
        let _ = load(&[&text]);
    }
}
