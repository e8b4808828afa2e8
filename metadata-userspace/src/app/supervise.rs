//! The supervisor's main loop: hears what happens, has the registry act on it,
//! and keeps the worker supplied.

use std::future::pending;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::spawn_local;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::config::Account;
use crate::datapath::{self, Datapath};
use crate::inotify::{DirectoryEvents, Happened};
use crate::inventory::Inventory;
use crate::namespaces::registry::Registry;
use crate::namespaces::watch::{Change, DirectoryWatch};
use crate::shim::door::Visit;
use crate::status::{HostState, VerdictCount, WorkerState};
use crate::supervisor::orders::Briefing;
use crate::supervisor::worker_process::{Command, Event, WorkerProcess};

/// How soon a namespace that could not be served is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// The namespaces side of the daemon; `metadatad api` has none.
pub struct Namespaces {
    pub registry: Registry,
    pub directory: DirectoryWatch,
    /// Names from inside the namespaces.
    pub changes: mpsc::UnboundedReceiver<String>,
    /// Shims that came and went.
    pub visits: mpsc::UnboundedReceiver<Visit>,
}

/// The worker side.
pub struct Worker {
    pub account: Account,
    pub briefing: Briefing,
    pub commands: mpsc::UnboundedSender<Command>,
    pub queue: mpsc::UnboundedReceiver<Command>,
}

struct Supervisor {
    namespaces: Option<Namespaces>,
    commands: mpsc::UnboundedSender<Command>,
    worker: WorkerState,
    inventory: Option<InventoryFile>,
    retry: Interval,
}

/// Runs until SIGTERM or SIGINT; then lets the worker finish what is under way.
/// The datapath stays: it belongs to the host, not to this process.
pub async fn supervise(worker: Worker, namespaces: Option<Namespaces>) -> io::Result<()> {
    let Worker {
        account,
        briefing,
        commands,
        queue,
    } = worker;
    let inventory = briefing
        .config
        .agent
        .inventory
        .clone()
        .map(InventoryFile::watch)
        .transpose()?;
    let (events, mut worker_events) = mpsc::unbounded_channel();
    let mut signals = Signals::new()?;
    let keeper = spawn_local(WorkerProcess::new(account, briefing, queue, events).keep());
    let mut retry = interval(RETRY);
    retry.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut supervisor = Supervisor {
        namespaces,
        commands,
        worker: WorkerState::default(),
        inventory,
        retry,
    };
    loop {
        tokio::select! {
            happened = supervisor.next() => supervisor.act(happened?)?,
            Some(event) = worker_events.recv() => supervisor.hear(event),
            stop = signals.next() => match stop {
                Asked::Reload => supervisor.reload_inventory(),
                Asked::Stop => break,
            },
        }
    }
    tracing::info!("stopping; the datapath stays, `metadatad unload` removes it");
    drop(supervisor);
    keeper.await.map_err(io::Error::other)
}

/// What the host side had to say.
enum Happening {
    Directory(Change),
    Inside(String),
    Shim(Visit),
    Work,
    Retry,
    Inventory,
}

impl Supervisor {
    async fn next(&mut self) -> io::Result<Happening> {
        let inventory = async {
            match &self.inventory {
                Some(file) => file.changed().await,
                None => pending().await,
            }
        };
        let Some(namespaces) = &mut self.namespaces else {
            return inventory.await.map(|()| Happening::Inventory);
        };
        let (has_work, has_failed) = (
            namespaces.registry.has_work(),
            namespaces.registry.has_failed(),
        );
        tokio::select! {
            // News first: a namespace that went need not be looked at.
            biased;
            change = namespaces.directory.changed() => change.map(Happening::Directory),
            Some(name) = namespaces.changes.recv() => Ok(Happening::Inside(name)),
            Some(visit) = namespaces.visits.recv() => Ok(Happening::Shim(visit)),
            () = tokio::task::yield_now(), if has_work => Ok(Happening::Work),
            changed = inventory => changed.map(|()| Happening::Inventory),
            _ = self.retry.tick(), if has_failed => Ok(Happening::Retry),
        }
    }

    fn act(&mut self, happening: Happening) -> io::Result<()> {
        if let Happening::Inventory = happening {
            self.reload_inventory();
        }
        let Some(Namespaces { registry, .. }) = &mut self.namespaces else {
            return Ok(());
        };
        match happening {
            Happening::Directory(change) => registry.note(change)?,
            Happening::Inside(name) => registry.mark(name),
            Happening::Shim(Visit::Came {
                shim,
                netns,
                answer,
            }) => {
                // Whoever asked may have gone; the door tells that too.
                let _ = answer.send(registry.adopt(shim, netns));
            }
            Happening::Shim(Visit::Left(id)) => registry.release(id),
            Happening::Work => registry.work(),
            Happening::Retry => registry.mark_failed(),
            Happening::Inventory => {}
        }
        Ok(())
    }

    fn hear(&mut self, event: Event) {
        match event {
            Event::Started { pid } => {
                tracing::info!(pid, "worker started");
                self.worker.pid = Some(pid);
            }
            Event::Died => {
                self.worker.pid = None;
                self.worker.restarts += 1;
            }
            Event::AskHostState => self.tell_worker(Command::HostState(self.host_state())),
        }
    }

    fn host_state(&self) -> HostState {
        let mut state = HostState {
            version: env!("CARGO_PKG_VERSION").into(),
            worker: self.worker.clone(),
            ..HostState::default()
        };
        if let Some(Namespaces { registry, .. }) = &self.namespaces {
            state.namespaces = registry.states();
            describe_datapath(registry.datapath(), &mut state);
        }
        state
    }

    fn reload_inventory(&self) {
        let Some(file) = &self.inventory else { return };
        match Inventory::load(&file.path) {
            Ok(inventory) => {
                tracing::info!(path = %file.path.display(), instances = inventory.instances().len(), "inventory read");
                self.tell_worker(Command::Inventory(inventory));
            }
            Err(error) => {
                tracing::error!(%error, "the inventory is not used; the one before stays")
            }
        }
    }

    fn tell_worker(&self, command: Command) {
        // The receiver only goes when the whole supervisor does.
        let _ = self.commands.send(command);
    }
}

fn describe_datapath(datapath: &Datapath, state: &mut HostState) {
    let ids = datapath.program_ids();
    state.programs = [
        ("steer".into(), ids.steer),
        ("restore".into(), ids.restore),
        ("guard".into(), ids.guard),
    ]
    .into();
    match datapath.verdicts() {
        Ok(counts) => {
            let count = |count: datapath::VerdictCount| {
                (
                    count.verdict,
                    VerdictCount {
                        packets: count.packets,
                        bytes: count.bytes,
                    },
                )
            };
            state.verdicts = counts.into_iter().map(count).collect();
        }
        Err(error) => tracing::error!(%error, "cannot read the verdict counters"),
    }
}

/// The inventory, which operators edit while the daemon runs.
struct InventoryFile {
    path: PathBuf,
    directory: DirectoryEvents,
}

impl InventoryFile {
    fn watch(path: PathBuf) -> io::Result<Self> {
        // The directory: an editor puts a new file in the place of the old one.
        let directory = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        let directory = DirectoryEvents::new(directory.unwrap_or(Path::new(".")))?;
        Ok(Self { path, directory })
    }

    async fn changed(&self) -> io::Result<()> {
        loop {
            match self.directory.next().await? {
                Happened::Names(names)
                    if !names
                        .iter()
                        .any(|name| Some(name.as_os_str()) == self.path.file_name()) => {}
                _ => return Ok(()),
            }
        }
    }
}

enum Asked {
    Stop,
    Reload,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::Stop,
            _ = self.hang_up.recv() => Asked::Reload,
        }
    }
}
