//! What is to be seen on this host. Looking changes nothing.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use caps::Capability;
use metadata_ebpf::METADATA_PORT;
use nix::sys::statfs::{BPF_FS_MAGIC, statfs};
use nix::unistd::{AccessFlags, access};

use super::modules::{Availability, KernelModules};
use super::namespaces::{ForeignListener, foreign_listeners, served};
use super::rules::{self, NeutronRules};
use super::shim::ShimFacts;
use super::sources::{Source, connect, sources};
use crate::config::{Account, AccountError, Config, NovaConfig};
use crate::inventory::Inventory;
use crate::open_files;
use crate::rights::act_on;

/// A snapshot of the host, as far as the configuration makes it matter.
#[derive(Clone, Debug)]
pub struct HostFacts {
    /// `uname -r`.
    pub kernel: String,
    pub capabilities: HashSet<Capability>,
    pub bpf_syscall: bool,
    pub bpffs: Bpffs,
    /// The classifier hook and what runs programs at it.
    pub modules: Vec<(&'static str, Availability)>,
    pub netns_dir_exists: bool,
    /// Names that `namespaces` matches.
    pub served: Vec<String>,
    pub foreign_listeners: Vec<ForeignListener>,
    /// Neutron's, where a router has them.
    pub rules: Option<NeutronRules>,
    pub account: Result<Account, AccountError>,
    /// Directories in which sockets and files are made, and what hinders.
    pub directories: Vec<(PathBuf, Result<(), String>)>,
    /// Files that must be read at start, and what hinders.
    pub files: Vec<(&'static str, PathBuf, Result<(), String>)>,
    /// How many instances it knows.
    pub inventory: Option<Result<usize, String>>,
    /// `None` when metadatad serves the API itself.
    pub nova: Option<Result<SocketAddr, String>>,
    /// What the resolver asks.
    pub sources: Vec<Source>,
    pub shim: ShimFacts,
    /// How many `run` may open.
    pub open_files: u64,
}

/// Whether pins have a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bpffs {
    Mounted,
    /// The kernel has it; `run` mounts it.
    Mountable,
    Missing,
}

impl HostFacts {
    /// Looks at everything; what cannot be seen is told as such.
    pub fn gather(config: &Config) -> Self {
        let kernel = nix::sys::utsname::uname().map_or_else(
            |_| String::new(),
            |uts| uts.release().to_string_lossy().into_owned(),
        );
        let modules = KernelModules::of(Path::new("/"), &kernel);
        let served = served(&config.namespaces);
        let names: Vec<_> = served.iter().map(|one| one.name.clone()).collect();
        let capabilities = caps::read(None, caps::CapSet::Effective).unwrap_or_default();
        let may_raise = capabilities.contains(&Capability::CAP_SYS_RESOURCE);
        Self {
            capabilities,
            // Exists exactly when the kernel has the system call.
            bpf_syscall: Path::new("/proc/sys/kernel/unprivileged_bpf_disabled").exists(),
            bpffs: bpffs(&config.datapath.bpffs),
            modules: ["sch_ingress", "cls_bpf"]
                .map(|name| (name, modules.availability(name)))
                .to_vec(),
            netns_dir_exists: config.namespaces.netns_dir.is_dir(),
            foreign_listeners: foreign_listeners(
                &served,
                &[METADATA_PORT, config.datapath.proxy_port],
            ),
            rules: rules::first(&config.namespaces.netns_dir, &names),
            served: names,
            account: config.worker.account(),
            directories: directories(config),
            files: files(&config.nova),
            inventory: config.agent.inventory.as_deref().map(inventory),
            nova: (!config.api.embedded).then(|| connect(&config.nova.host, config.nova.port)),
            sources: sources(config),
            shim: ShimFacts::gather(&config.shim),
            open_files: open_files::limit_at_run(may_raise),
            kernel,
        }
    }
}

fn bpffs(pins: &Path) -> Bpffs {
    let mounted = nearest(pins)
        .and_then(|directory| statfs(directory).ok())
        .is_some_and(|found| found.filesystem_type() == BPF_FS_MAGIC);
    let known = || {
        std::fs::read_to_string("/proc/filesystems")
            .is_ok_and(|list| list.lines().any(|line| line.ends_with("\tbpf")))
    };
    match mounted {
        true => Bpffs::Mounted,
        false if known() => Bpffs::Mountable,
        false => Bpffs::Missing,
    }
}

fn nearest(path: &Path) -> Option<&Path> {
    path.ancestors().find(|ancestor| ancestor.exists())
}

fn directories(config: &Config) -> Vec<(PathBuf, Result<(), String>)> {
    let mut wanted: Vec<PathBuf> = Vec::new();
    let socket = config.agent.enabled.then_some(&config.agent.socket);
    for path in socket
        .into_iter()
        .chain([&config.admin.socket, &config.shim.socket])
    {
        wanted.extend(path.parent().map(Path::to_owned));
    }
    if config.api.embedded {
        wanted.push(config.api.password_dir.clone());
    }
    wanted.dedup();
    wanted
        .into_iter()
        .map(|directory| {
            let usable = writable(&directory);
            (directory, usable)
        })
        .collect()
}

/// Whether the directory, or the nearest above it that exists, takes entries.
fn writable(directory: &Path) -> Result<(), String> {
    let existing = nearest(directory).ok_or("no directory above it exists")?;
    if !existing.is_dir() {
        return Err(format!("{} is not a directory", existing.display()));
    }
    access(existing, AccessFlags::W_OK | AccessFlags::X_OK)
        .map_err(|reason| format!("{}: {}", existing.display(), reason.desc()))
}

fn files(nova: &NovaConfig) -> Vec<(&'static str, PathBuf, Result<(), String>)> {
    let identity = nova.client_identity.as_ref();
    [
        ("auth_ca_cert", nova.ca_cert.as_ref()),
        ("nova_client_cert", identity.map(|both| &both.cert)),
        ("nova_client_priv_key", identity.map(|both| &both.key)),
    ]
    .into_iter()
    .filter_map(|(option, path)| {
        let path = path?.clone();
        let readable = act_on(&path, |path| std::fs::read(path)).map_err(|error| error.to_string());
        Some((option, path, readable.map(drop)))
    })
    .collect()
}

fn inventory(path: &Path) -> Result<usize, String> {
    Inventory::load(path)
        .map(|inventory| inventory.instances().len())
        .map_err(|error| error.to_string())
}
