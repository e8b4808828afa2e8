//! `metadatad run`: everything, for every namespace of the host.

use std::os::fd::OwnedFd;
use std::rc::Rc;

use anyhow::anyhow;
use tokio::sync::mpsc;
use tokio::task::spawn_local;

use super::lineage::Lineage;
use super::listeners::Opener;
use super::listeners::wanted::{self, Wanted};
use super::supervise::{Ended, Namespaces, Worker, supervise};
use super::{listeners, passwords, random_secret};
use crate::config::Config;
use crate::datapath::Datapath;
use crate::inventory::Inventory;
use crate::namespaces::left::LeftSockets;
use crate::namespaces::monitor::Monitor;
use crate::namespaces::registry::{Registry, Room};
use crate::namespaces::role::Selection;
use crate::namespaces::served::Settings;
use crate::namespaces::watch::DirectoryWatch;
use crate::nova;
use crate::open_files;
use crate::resolver::neutron_rest;
use crate::resolver::neutron_rpc;
use crate::resolver::ovn;
use crate::shim::door;
use crate::supervisor::held::Held;
use crate::supervisor::inherited::Inherited;
use crate::supervisor::listeners::Listener;
use crate::supervisor::orders::{Briefing, ListenerId};
use crate::supervisor::worker_process::Command;
use crate::upstream::TlsFiles;

/// Runs the daemon until it is told to stop. Needs tokio's local task set.
pub async fn run(mut config: Config) -> anyhow::Result<()> {
    let account = config.worker.account()?;
    let mut inherited = Inherited::of_environment();
    let mut lineage = Lineage::begin(&mut inherited, &account)?;
    if config.api.embedded && config.nova.shared_secret.0.is_empty() {
        // Both ends are in this daemon, and nobody else is to sign.
        config.nova.shared_secret = random_secret::take_or_make(&mut inherited, &mut lineage)?;
    }
    let briefing = brief(config)?;
    let config = briefing.config.clone();
    let mut opener = Opener {
        inherited: &mut inherited,
        lineage: &mut lineage,
    };
    // First what another daemon with this configuration would hold already.
    let opened = opener.open(wanted::served(&config)?)?;
    let shims = opener.open_for_shims(&wanted::of_shims(&config))?;
    let (commands, queue) = mpsc::unbounded_channel();
    hand_over(opened.listeners, &commands)?;
    let host = Host {
        first_listener: opened.first_free,
        shims,
        left: LeftSockets::new(lineage.take_proxies(&mut inherited)),
    };
    if config.api.embedded {
        passwords::prepare(&config.api.password_dir, &account)?;
    }
    let namespaces = namespaces(&config, commands.clone(), host)?;
    let worker = Worker {
        account,
        briefing,
        commands,
        queue,
        late: opened.late,
    };
    let done = supervise(worker, Some(namespaces), lineage).await;
    // After a failure the worker serves on until it is known who comes next.
    if matches!(done, Ok(Ended::Stopped)) {
        listeners::remove_files(&config);
    }
    done?;
    Ok(())
}

/// Whether [`run`] could start, as far as files tell; asked by a daemon that runs, also
/// whether what that does not have could be opened.
pub fn verify(config: Config) -> anyhow::Result<()> {
    Selection::new(&config.namespaces.globs)?;
    let mut wanted = vec![wanted::of_shims(&config)];
    wanted.extend(wanted::served(&config)?.into_iter().map(|(_, one)| one));
    verify_with(config, &wanted)
}

/// The same for a daemon that listens elsewhere.
pub fn verify_with(config: Config, wanted: &[Wanted]) -> anyhow::Result<()> {
    config.worker.account()?;
    brief(config)?;
    match Held::of_environment() {
        Some(held) => listeners::try_out(wanted, held),
        None => Ok(()),
    }
}

/// What there is before any namespace is looked at.
struct Host {
    first_listener: ListenerId,
    shims: OwnedFd,
    left: LeftSockets,
}

/// Reads what the worker may not read itself.
pub fn brief(config: Config) -> anyhow::Result<Briefing> {
    let inventory = match &config.agent.inventory {
        Some(path) => Inventory::load(path)?,
        None => Inventory::default(),
    };
    let nova_tls = nova::read_tls(&config.nova)?;
    let keystone_tls = match &config.keystone {
        Some(keystone) => neutron_rest::read_tls(keystone)?,
        None => TlsFiles::default(),
    };
    let ovn_tls = match &config.ovn {
        Some(ovn) => ovn::read_tls(ovn)?,
        None => TlsFiles::default(),
    };
    let rabbit_tls = config.messaging.as_ref().map(neutron_rpc::read_tls);
    Ok(Briefing {
        rabbit_tls: rabbit_tls.transpose()?.unwrap_or_default(),
        config,
        inventory,
        nova_tls,
        keystone_tls,
        ovn_tls,
    })
}

/// Queues the sockets for the worker.
pub fn hand_over(
    listeners: Vec<(ListenerId, Listener)>,
    commands: &mpsc::UnboundedSender<Command>,
) -> anyhow::Result<()> {
    for (id, listener) in listeners {
        commands
            .send(Command::Open { id, listener })
            .map_err(|_| anyhow!("the supervisor is gone"))?;
    }
    Ok(())
}

fn namespaces(
    config: &Config,
    worker: mpsc::UnboundedSender<Command>,
    host: Host,
) -> anyhow::Result<Namespaces> {
    let mut settings = Settings {
        datapath: Datapath::load(&config.datapath)?,
        guarded: Selection::new(&config.datapath.guard.interfaces)?,
        config: config.datapath.clone(),
        backlog: config.worker.backlog,
        left: host.left,
        room: Room::new(open_files::limit()?),
    };
    if let Some(log) = settings.datapath.take_verdict_log() {
        spawn_local(log.forward());
    }
    let selection = Selection::new(&config.namespaces.globs)?;
    let netns_dir = config.namespaces.netns_dir.clone();
    // The watch before the first look: what happens in between is seen twice,
    // not missed.
    let directory = DirectoryWatch::new(&netns_dir)?;
    let (inside, changes) = mpsc::unbounded_channel();
    let monitor = Rc::new(Monitor::open()?);
    spawn_local(monitor.clone().report(inside.clone()));
    let mut registry = Registry::new(
        netns_dir,
        selection,
        settings,
        monitor,
        inside,
        worker,
        host.first_listener,
    );
    registry.mark_all()?;
    let (door, visits) = mpsc::unbounded_channel();
    spawn_local(door::serve(host.shims, door));
    Ok(Namespaces {
        registry,
        directory,
        changes,
        visits,
    })
}
