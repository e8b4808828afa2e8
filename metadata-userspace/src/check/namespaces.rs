//! The namespaces that would be served, and who already listens there.

use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use glob::Pattern;

use super::{Finding, Severity};
use crate::config::NamespacesConfig;
use crate::identity::Realm;
use crate::namespaces::role::Role;
use crate::shim::order::ProxyOrder;

/// A named namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Namespace {
    pub(super) name: String,
    inode: u64,
}

/// A process other than ours on a port where a proxy listens, in a served namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignListener {
    pub namespace: String,
    pub pid: u32,
    pub process: String,
    pub port: u16,
    /// Whose guests it serves, where it is a proxy of Neutron's.
    pub serves: Option<Realm>,
}

impl ForeignListener {
    pub(super) fn finding(&self) -> Finding {
        self.for_others().unwrap_or_else(|| Finding {
            severity: Severity::Ok,
            what: format!(
                "{self} listens on port {} too; metadatad answers while it runs, that when it \
                 does not",
                self.port
            ),
            remedy: None,
        })
    }

    /// The dhcp-agent's proxy may serve a router's guests (`enable_metadata_network`). A
    /// namespace's name does not tell: only a shim hears of it.
    fn for_others(&self) -> Option<Finding> {
        let serves = self.serves.as_ref()?;
        let named = Role::of(&self.namespace)?.realm;
        (*serves != named).then(|| Finding {
            severity: Severity::Warning,
            what: format!(
                "{self} serves the guests of {serves} there; metadatad would take them for \
                 guests of {named}, and answer 404"
            ),
            remedy: Some(
                "link metadatad as haproxy on the agent's PATH, so that it is told whose they \
                 are; or leave the namespace out of namespaces in [metadatad]"
                    .to_owned(),
            ),
        })
    }
}

impl fmt::Display for ForeignListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            namespace,
            process,
            pid,
            ..
        } = self;
        write!(f, "{namespace}: {process} (pid {pid})")
    }
}

/// The namespaces that the globs name.
pub(super) fn served(config: &NamespacesConfig) -> Vec<Namespace> {
    let patterns: Vec<_> = config
        .globs
        .iter()
        .filter_map(|glob| Pattern::new(glob).ok())
        .collect();
    let entries = std::fs::read_dir(&config.netns_dir).into_iter().flatten();
    let mut found: Vec<_> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name().into_string().ok()?;
            let wanted = patterns.iter().any(|pattern| pattern.matches(&name));
            let inode = std::fs::metadata(entry.path()).ok()?.ino();
            wanted.then_some(Namespace { name, inode })
        })
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// Who listens at one of `ports` in one of `namespaces`, as far as a process that
/// lives in the namespace shows it: Neutron's haproxies do.
pub(super) fn foreign_listeners(namespaces: &[Namespace], ports: &[u16]) -> Vec<ForeignListener> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut found: Vec<_> = processes
        .filter_map(|process| {
            let pid = process.file_name().to_str()?.parse().ok()?;
            let inode = std::fs::metadata(process.path().join("ns/net")).ok()?.ino();
            let namespace = namespaces.iter().find(|one| one.inode == inode)?;
            let process = process.path();
            let mut ports = ports.iter().copied();
            let port = ports.find(|&port| listens(&process, port))?;
            Some(ForeignListener {
                namespace: namespace.name.clone(),
                pid,
                serves: order(&process).map(|order| order.realm),
                process: command(&process),
                port,
            })
        })
        .collect();
    found.sort_by(|a, b| (&a.namespace, a.pid).cmp(&(&b.namespace, b.pid)));
    found
}

fn command(process: &Path) -> String {
    std::fs::read_to_string(process.join("comm"))
        .map_or_else(|_| "?".to_owned(), |name| name.trim_end().to_owned())
}

/// What Neutron wrote for a haproxy: the file that its `-f` names, which may be a
/// container's.
fn order(process: &Path) -> Option<ProxyOrder> {
    let line = std::fs::read_to_string(process.join("cmdline")).ok()?;
    let mut words = line.split('\0').skip_while(|word| *word != "-f");
    let file = words.nth(1)?.trim_start_matches('/');
    let text = std::fs::read_to_string(process.join("root").join(file)).ok()?;
    ProxyOrder::parse(&text).ok()
}

/// Every process of a namespace sees all its sockets; the owner has it open.
fn listens(process: &Path, port: u16) -> bool {
    let tables = ["net/tcp", "net/tcp6"].map(|table| process.join(table));
    let listeners: Vec<_> = tables
        .iter()
        .filter_map(|table| std::fs::read_to_string(table).ok())
        .flat_map(|table| listeners(&table, port))
        .collect();
    !listeners.is_empty() && listeners.iter().any(|inode| has_open(process, inode))
}

fn has_open(process: &Path, inode: &str) -> bool {
    let wanted = format!("socket:[{inode}]");
    let files = std::fs::read_dir(process.join("fd")).into_iter().flatten();
    files
        .filter_map(|file| std::fs::read_link(file.ok()?.path()).ok())
        .any(|target| target == Path::new(&wanted))
}

/// Inodes of the listening sockets in a `/proc/net/tcp`: `sl local_address
/// rem_address st queues timer retransmits uid timeout inode …`.
fn listeners(table: &str, port: u16) -> Vec<String> {
    const LISTEN: &str = "0A";
    let port = format!(":{port:04X}");
    let inode = |line: &str| {
        let mut columns = line.split_ascii_whitespace().skip(1);
        let local = columns.next()?;
        let state = columns.nth(1)?;
        let inode = columns.nth(5)?;
        (local.ends_with(&port) && state == LISTEN).then(|| inode.to_owned())
    };
    table.lines().filter_map(inode).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_found_by_its_port_and_state() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
                     0: 00000000:25E1 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0 0 7001 1 ff 100 0\n   \
                     1: 0100007F:0050 0100007F:25E2 01 00000000:00000000 00:00000000 00000000  0 0 7002 1 ff 100 0\n";
        assert_eq!(listeners(table, 9697), ["7001"]);
        assert_eq!(
            listeners(table, 80),
            [""; 0],
            "established is not listening"
        );
        assert_eq!(listeners(table, 9698), [""; 0], "a peer's port is not ours");
    }

    #[test]
    fn only_the_owner_of_a_socket_listens() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut bystander = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let process = format!("/proc/{}", bystander.id());
        let seen_by_bystander = listens(Path::new(&process), port);
        bystander.kill().unwrap();
        bystander.wait().unwrap();
        assert!(listens(Path::new("/proc/self"), port));
        assert!(!seen_by_bystander);
    }

    #[test]
    fn namespaces_are_chosen_by_name() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["qrouter-2", "qrouter-1", "qdhcp-1"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let config = NamespacesConfig {
            netns_dir: dir.path().to_owned(),
            globs: vec!["qrouter-*".to_owned()],
        };
        let names: Vec<_> = served(&config).into_iter().map(|one| one.name).collect();
        assert_eq!(names, ["qrouter-1", "qrouter-2"]);
    }
}
