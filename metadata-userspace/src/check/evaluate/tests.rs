#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use nix::unistd::{Gid, Uid};

use super::super::namespaces::ForeignListener;
use super::super::rules::NeutronRules;
use super::super::shim::ShimFacts;
use super::*;
use crate::config::{Account, AccountError, ConfigSource, ConfigSources, Secret};
use crate::identity::Realm;

fn config() -> Config {
    let mut config = Config::load(&ConfigSources {
        from: vec![ConfigSource::File("/dev/null".into())],
        inventory: Some("/srv/cloud.toml".into()),
    })
    .unwrap();
    config.nova.shared_secret = Secret("long and random".to_owned());
    config
}

/// A host on which nothing is wrong.
fn facts() -> HostFacts {
    HostFacts {
        kernel: "6.1.0-28-cloud-amd64".to_owned(),
        capabilities: caps::all(),
        bpf_syscall: true,
        bpffs: Bpffs::Mounted,
        modules: vec![
            ("sch_ingress", Availability::Loadable),
            ("cls_bpf", Availability::BuiltIn),
        ],
        netns_dir_exists: true,
        served: vec!["qrouter-1".to_owned(), "qrouter-2".to_owned()],
        foreign_listeners: Vec::new(),
        rules: None,
        account: account_of(65534),
        directories: vec![("/var/lib/neutron".into(), Ok(()))],
        files: vec![("auth_ca_cert", "/etc/ssl/ca.pem".into(), Ok(()))],
        inventory: Some(Ok(3)),
        sources: Vec::new(),
        nova: Some(Ok("192.0.2.1:8775".parse().unwrap())),
        shim: ShimFacts::default(),
        open_files: 524_288,
    }
}

fn account_of(uid: u32) -> Result<Account, AccountError> {
    Ok(Account {
        uid: Uid::from_raw(uid),
        gid: Gid::from_raw(uid),
        name: "nobody".to_owned(),
    })
}

/// What is found beyond "ok", as `severity: what`.
fn complaints(config: &Config, facts: &HostFacts) -> Vec<String> {
    findings(config, facts)
        .into_iter()
        .filter(|finding| finding.severity != Severity::Ok)
        .map(|finding| {
            assert!(finding.remedy.is_some(), "{} has no remedy", finding.what);
            format!("{:?}: {}", finding.severity, finding.what)
        })
        .collect()
}

fn complaint(change: impl FnOnce(&mut Config, &mut HostFacts)) -> String {
    let (mut config, mut facts) = (config(), facts());
    change(&mut config, &mut facts);
    let mut all = complaints(&config, &facts);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

#[test]
fn a_good_host_has_nothing_to_complain_about() {
    assert_eq!(complaints(&config(), &facts()), [""; 0]);
    let told: Vec<_> = findings(&config(), &facts())
        .into_iter()
        .map(|one| one.what)
        .collect();
    assert_eq!(
        told,
        [
            "privileges suffice",
            "kernel 6.1.0-28-cloud-amd64",
            "the kernel runs BPF programs",
            "bpffs is mounted for /sys/fs/bpf/metadatad",
            "the kernel has sch_ingress",
            "the kernel has cls_bpf",
            "namespaces in /run/netns that match \"qrouter-*, qdhcp-*, ovnmeta-*\": 2",
            "guests are answered as user nobody",
            "/var/lib/neutron can be written to",
            "auth_ca_cert: /etc/ssl/ca.pem can be read",
            "instances in the inventory /srv/cloud.toml: 3",
            "nova's metadata API accepts at 192.0.2.1:8775",
            "up to 524288 open files",
        ]
    );
}

#[test]
fn missing_privileges_are_errors_that_say_what_for() {
    let (config, mut facts) = (config(), facts());
    facts.capabilities.clear();
    let all = complaints(&config, &facts);
    assert_eq!(all.len(), 7);
    assert_eq!(
        all.first().unwrap(),
        "Error: CAP_SYS_ADMIN is missing: needed to enter namespaces and mount bpffs"
    );
    let no_bpf = |_: &mut Config, facts: &mut HostFacts| {
        facts.capabilities.remove(&Capability::CAP_BPF);
    };
    let (mut config, mut facts) = (config, self::facts());
    no_bpf(&mut config, &mut facts);
    assert_eq!(
        complaints(&config, &facts),
        [""; 0],
        "CAP_SYS_ADMIN does as well"
    );
}

#[test]
fn an_unfit_kernel_is_an_error() {
    for (release, said) in [
        (
            "5.4.0-150-generic",
            "Error: kernel 5.4.0-150-generic is too old",
        ),
        ("4.18.0-553.el8", "Error: kernel 4.18.0-553.el8 is too old"),
        ("", "Warning: the kernel's version \"\" is not a version"),
    ] {
        assert_eq!(
            complaint(|_, facts| facts.kernel = release.to_owned()),
            said
        );
    }
    assert_eq!(
        complaints(
            &config(),
            &HostFacts {
                kernel: "5.10.0".to_owned(),
                ..facts()
            }
        ),
        [""; 0]
    );
    assert_eq!(
        complaint(|_, facts| facts.bpf_syscall = false),
        "Error: the kernel has no bpf system call, or /proc is not mounted"
    );
    assert_eq!(
        complaint(|_, facts| facts.bpffs = Bpffs::Missing),
        "Error: /sys/fs/bpf/metadatad is in no bpffs, and the kernel has none to mount"
    );
    assert_eq!(
        complaint(|_, facts| facts.modules = vec![("cls_bpf", Availability::Missing)]),
        "Error: the kernel has no cls_bpf, which clsact filters need"
    );
}

#[test]
fn namespaces_that_are_not_there_are_a_warning() {
    assert_eq!(
        complaint(|_, facts| facts.netns_dir_exists = false),
        "Warning: /run/netns does not exist: no namespace is served until it does"
    );
    assert_eq!(
        complaint(|_, facts| facts.served.clear()),
        "Warning: no namespace in /run/netns matches \"qrouter-*, qdhcp-*, ovnmeta-*\" yet"
    );
}

fn haproxy(namespace: &str, serves: Option<Realm>) -> ForeignListener {
    ForeignListener {
        namespace: namespace.to_owned(),
        pid: 42,
        process: "haproxy".to_owned(),
        port: 9697,
        serves,
    }
}

#[test]
fn neutrons_haproxies_may_stay() {
    let id = "8f3a9a93-5a1c-4ce9-9266-e3048098412a";
    let router = format!("qrouter-{id}");
    for serves in [None, Some(Realm::Router(id.to_owned()))] {
        let mut facts = facts();
        facts.foreign_listeners = vec![haproxy(&router, serves)];
        let findings = findings(&config(), &facts);
        let told = findings.iter().find(|one| one.what.contains("haproxy"));
        let told = told.unwrap();
        assert_eq!(told.severity, Severity::Ok);
        let start = format!("{router}: haproxy (pid 42) listens on port 9697 too");
        assert!(told.what.starts_with(&start), "{}", told.what);
    }
}

#[test]
fn a_haproxy_that_serves_anothers_guests_is_a_warning() {
    let network = "8f3a9a93-5a1c-4ce9-9266-e3048098412a";
    let serves = Some(Realm::Router("b5e3a1d0".to_owned()));
    let listener = haproxy(&format!("qdhcp-{network}"), serves);
    assert_eq!(
        complaint(|_, facts| facts.foreign_listeners = vec![listener]),
        format!(
            "Warning: qdhcp-{network}: haproxy (pid 42) serves the guests of router b5e3a1d0 \
             there; metadatad would take them for guests of network {network}, and answer 404"
        )
    );
}

#[test]
fn a_server_that_the_resolver_asks_and_that_is_away_is_a_warning() {
    let away = Source {
        name: "RabbitMQ",
        option: "transport_url",
        place: "controller port 5672".to_owned(),
        accepts: Err("Connection refused".to_owned()),
    };
    assert_eq!(
        complaint(|_, facts| facts.sources = vec![away]),
        "Warning: RabbitMQ at controller port 5672 does not accept: Connection refused"
    );
}

#[test]
fn an_unfit_user_is_told() {
    assert_eq!(
        complaint(|_, facts| facts.account = account_of(0)),
        "Warning: the process that talks with guests would run as root, without capabilities"
    );
    assert_eq!(
        complaint(|_, facts| facts.account = Err(AccountError::NoUser("neutron".to_owned()))),
        "Error: [DEFAULT] metadata_proxy_user: this host has no user `neutron`; create it or name \
         another"
    );
}

#[test]
fn files_and_directories_that_hinder_are_errors() {
    let denied = || Err("Permission denied".to_owned());
    assert_eq!(
        complaint(|_, facts| facts.directories = vec![("/run/metadatad".into(), denied())]),
        "Error: /run/metadatad cannot be written to: Permission denied"
    );
    assert_eq!(
        complaint(|_, facts| facts.files = vec![("auth_ca_cert", "/ca.pem".into(), denied())]),
        "Error: auth_ca_cert: cannot read /ca.pem: Permission denied"
    );
    assert_eq!(
        complaint(|_, facts| facts.inventory = Some(Err("/srv/cloud.toml:3: no uuid".to_owned()))),
        "Error: /srv/cloud.toml:3: no uuid"
    );
    assert_eq!(
        complaint(|_, facts| facts.inventory = Some(Ok(0))),
        "Warning: inventory /srv/cloud.toml has no instance: every guest gets 404"
    );
}

#[test]
fn what_weakens_the_way_to_nova_is_a_warning() {
    assert_eq!(
        complaint(|_, facts| facts.nova = Some(Err("192.0.2.1:8775: refused".to_owned()))),
        "Warning: nova's metadata API at 127.0.0.1 port 8775 does not accept: 192.0.2.1:8775: \
         refused"
    );
    assert_eq!(
        complaint(|config, _| config.nova.shared_secret = Secret::default()),
        "Warning: metadata_proxy_shared_secret is empty: whoever reaches nova's metadata API can \
         claim to be any instance"
    );
    let insecure = |config: &mut Config, _: &mut HostFacts| {
        config.nova.insecure = true;
        config.nova.protocol = NovaProtocol::Https;
    };
    assert_eq!(
        complaint(insecure),
        "Warning: nova_metadata_insecure is on: whoever is between here and nova can answer in its \
         place"
    );
}

#[test]
fn too_few_open_files_are_a_warning() {
    assert_eq!(
        complaint(|_, facts| facts.open_files = 1024),
        "Warning: only 1024 files may be open; 4102 are advisable here"
    );
}

#[test]
fn rules_that_drop_what_is_steered_are_an_error() {
    let rules = |mark, port| {
        move |_: &mut Config, facts: &mut HostFacts| {
            let namespace = "qrouter-1".to_owned();
            facts.rules = Some(NeutronRules {
                namespace,
                mark,
                port,
            });
        }
    };
    assert_eq!(
        complaint(rules(2, 9697)),
        "Error: qrouter-1: Neutron's rules drop steered packets: they look for the mark 0x2, and \
         metadata_access_mark is 0x1"
    );
    for harmless in [rules(1, 9697), rules(2, 9797)] {
        let (mut config, mut facts) = (config(), facts());
        harmless(&mut config, &mut facts);
        assert_eq!(complaints(&config, &facts), [""; 0]);
    }
}
