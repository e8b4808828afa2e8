//! The supervisor's main loop: hears what happens, has the registry act on it,
//! and keeps the worker supplied.

mod progress;
mod reload;

use std::future::pending;
use std::io;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::spawn_local;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};

use super::inventory_file::InventoryFile;
use super::lineage::Lineage;
use super::listeners::late::Late;
use super::signals::{Asked, Signals};
use crate::config::Account;
use crate::datapath::{self, Datapath};
use crate::inventory::Inventory;
use crate::namespaces::registry::Registry;
use crate::namespaces::watch::{Change, DirectoryWatch};
use crate::shim::door::Visit;
use crate::status::{HostState, VerdictCount, WorkerState};
use crate::supervisor::orders::Briefing;
use crate::supervisor::service_manager::watchdog_interval;
use crate::supervisor::successor::NoSuccessor;
use crate::supervisor::worker_process::{Command, Event, WorkerProcess};
use progress::Progress;
use reload::Verification;

/// How soon a namespace that could not be served is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// How long what an earlier daemon left waits for shims: one that lives registers anew
/// within seconds.
const WAIT_FOR_SHIMS: Duration = Duration::from_secs(10);

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
    pub late: Option<Late>,
}

struct Supervisor {
    namespaces: Option<Namespaces>,
    commands: mpsc::UnboundedSender<Command>,
    /// What the worker does not serve yet.
    late: Option<Late>,
    worker: WorkerState,
    inventory: Option<InventoryFile>,
    retry: Interval,
    /// Whether what namespaces there are could not be read.
    is_unlisted: bool,
    watchdog: Option<Interval>,
    lineage: Lineage,
    progress: Progress,
    started: Instant,
    verification: Verification,
    /// Where the answer goes whether the program could be executed anew.
    verdicts: mpsc::UnboundedSender<Result<(), NoSuccessor>>,
}

/// How the daemon ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Nothing is left open.
    Stopped,
    /// The service manager keeps the sockets, and the worker serves until it is known
    /// what that does with them.
    Succeeded,
}

/// Runs until SIGTERM or SIGINT; then lets the worker finish what is under way.
/// The datapath stays: it belongs to the host, not to this process.
pub async fn supervise(
    worker: Worker,
    namespaces: Option<Namespaces>,
    lineage: Lineage,
) -> io::Result<Ended> {
    let Worker {
        account,
        briefing,
        commands,
        queue,
        late,
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
    let (verdicts, mut heard_verdicts) = mpsc::unbounded_channel();
    let succession = lineage.succession();
    let keeper = WorkerProcess::new(account, briefing, succession, queue, events);
    let keeper = spawn_local(keeper.keep());
    let mut supervisor = Supervisor {
        namespaces,
        commands,
        late,
        worker: WorkerState::default(),
        inventory,
        retry: ticking(RETRY),
        is_unlisted: false,
        watchdog: watchdog_interval().map(ticking),
        lineage,
        progress: Progress::Starting,
        started: Instant::now(),
        verification: Verification::None,
        verdicts,
    };
    loop {
        supervisor.proceed();
        tokio::select! {
            happened = supervisor.next() => supervisor.act(happened?)?,
            Some(event) = worker_events.recv() => supervisor.hear(event),
            Some(verdict) = heard_verdicts.recv() => supervisor.replace(verdict),
            asked = signals.next() => match asked {
                Asked::Reload => supervisor.verify_successor(),
                Asked::Stop => break,
            },
        }
    }
    supervisor.lineage.service_manager().stopping();
    supervisor.have_sockets_kept();
    if supervisor.lineage.has_heir() {
        tracing::info!("stopping; the service manager keeps the sockets for the next daemon");
        keeper.abort();
        return Ok(Ended::Succeeded);
    }
    tracing::info!("stopping; the datapath stays, `metadatad unload` removes it");
    drop(supervisor);
    keeper.await.map_err(io::Error::other)?;
    Ok(Ended::Stopped)
}

fn ticking(period: Duration) -> Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// What the host side had to say.
enum Happening {
    Directory(Change),
    Inside(String),
    Shim(Visit),
    Work,
    Retry,
    Inventory,
    /// Something of those before and after this process.
    Due,
    /// An earlier worker ended, which had the same sockets.
    PredecessorEnded,
    /// Shims that live have registered by now.
    NoMoreShims,
    /// The holder of guests' sockets ended.
    Unheld(io::Error),
    Watchdog,
}

impl Supervisor {
    async fn next(&mut self) -> io::Result<Happening> {
        let inventory = async {
            match &self.inventory {
                Some(file) => file.changed().await,
                None => pending().await,
            }
        };
        let watchdog = async {
            match &mut self.watchdog {
                Some(watchdog) => watchdog.tick().await,
                None => pending().await,
            }
        };
        let due = self.lineage.due();
        let due = async {
            match due {
                Some(due) => sleep_until(due).await,
                None => pending().await,
            }
        };
        let Some(namespaces) = &mut self.namespaces else {
            return tokio::select! {
                changed = inventory => changed.map(|()| Happening::Inventory),
                () = due => Ok(Happening::Due),
                () = self.lineage.predecessor_ended() => Ok(Happening::PredecessorEnded),
                _ = watchdog => Ok(Happening::Watchdog),
            };
        };
        let (has_work, has_failed, awaits_shims) = (
            namespaces.registry.has_work(),
            self.is_unlisted || self.late.is_some() || namespaces.registry.has_failed(),
            // What no namespace has wanted yet may be that of one which comes later.
            namespaces.registry.has_looked() && namespaces.registry.awaits_shims(),
        );
        tokio::select! {
            // News first: a namespace that went need not be looked at.
            biased;
            change = namespaces.directory.changed() => change.map(Happening::Directory),
            Some(name) = namespaces.changes.recv() => Ok(Happening::Inside(name)),
            Some(visit) = namespaces.visits.recv() => Ok(Happening::Shim(visit)),
            () = tokio::task::yield_now(), if has_work => Ok(Happening::Work),
            changed = inventory => changed.map(|()| Happening::Inventory),
            () = due => Ok(Happening::Due),
            _ = self.retry.tick(), if has_failed => Ok(Happening::Retry),
            () = sleep_until(self.started + WAIT_FOR_SHIMS), if awaits_shims => {
                Ok(Happening::NoMoreShims)
            }
            () = self.lineage.predecessor_ended() => Ok(Happening::PredecessorEnded),
            lost = self.lineage.holder_lost() => Ok(Happening::Unheld(lost)),
            _ = watchdog => Ok(Happening::Watchdog),
        }
    }

    fn act(&mut self, happening: Happening) -> io::Result<()> {
        match happening {
            Happening::Inventory => self.reload_inventory(),
            Happening::Watchdog => self.lineage.service_manager().is_alive(),
            Happening::Retry => self.open_late(),
            Happening::Due => self.lineage.do_what_is_due(),
            Happening::PredecessorEnded => {
                self.lineage.forget_predecessors();
                if self.renew_sockets() {
                    self.tell_worker(Command::Replace);
                }
            }
            _ => {}
        }
        let Some(Namespaces { registry, .. }) = &mut self.namespaces else {
            return Ok(());
        };
        match happening {
            Happening::Directory(change) => {
                if let Err(error) = registry.note(change) {
                    tracing::error!(%error, "cannot list the namespaces; trying again");
                    self.is_unlisted = true;
                }
            }
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
            Happening::Retry => {
                registry.mark_failed();
                self.is_unlisted = self.is_unlisted && registry.mark_all().is_err();
            }
            Happening::NoMoreShims => registry.stop_awaiting_shims(),
            Happening::Unheld(lost) => {
                self.lineage.replace_holder(&lost, registry.sockets());
            }
            Happening::Inventory
            | Happening::Due
            | Happening::PredecessorEnded
            | Happening::Watchdog => {}
        }
        Ok(())
    }

    fn open_late(&mut self) {
        let late = self.late.as_mut();
        if let Some(command) = late.and_then(|late| late.open(&mut self.lineage)) {
            tracing::info!("what could not be listened on before is served");
            self.late = None;
            self.tell_worker(command);
        }
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
                self.renew_sockets();
            }
            Event::Ready => self.progress = Progress::Serving,
            Event::AskHostState => self.tell_worker(Command::HostState(self.host_state())),
        }
    }

    /// Of what a worker did, nothing is to be left to the next. Tells whether it had ended a
    /// socket.
    fn renew_sockets(&mut self) -> bool {
        let had_ended = match &mut self.namespaces {
            Some(Namespaces { registry, .. }) => registry.renew_sockets(),
            None => false,
        };
        self.lineage.renew_sockets() || had_ended
    }

    fn host_state(&self) -> HostState {
        let mut state = HostState {
            version: env!("CARGO_PKG_VERSION").into(),
            worker: self.worker.clone(),
            problems: self.late.iter().map(Late::problem).collect(),
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
