//! Keeping a worker alive, briefed, and supplied with sockets.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitStatus;
use std::rc::Rc;
use std::time::Duration;

use nix::unistd::Uid;
use serde::de::Error as _;
use tokio::process::Child;
use tokio::sync::mpsc;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep, timeout};

use super::activity::Activity;
use super::broker;
use super::control::{Control, ControlError, to_memory_file};
use super::dispatch::{hand_over, send, tell};
use super::kill::kill_as;
use super::listeners::{Listener, Listeners};
use super::look_ups::LookUps;
use super::orders::{Briefing, ListenerId, ListenerRole, Missed, Order, Report};
use super::pause::Pause;
use super::spawn::{Spawned, spawn};
use super::succession::Succession;
use super::vigil::{self, Turn, Vigil};
use crate::config::Account;
use crate::identity::Realm;
use crate::inventory::Inventory;
use crate::status::HostState;

/// How long a worker may take to finish what is under way.
pub const DRAIN_LIMIT: Duration = Duration::from_secs(10);
/// After how long one that was told to leave is ended, if it has no supervisor any more.
pub const ENDED_AFTER: Duration = DRAIN_LIMIT.saturating_add(Duration::from_secs(2));

/// What the rest of the supervisor wants of the worker.
#[derive(Debug)]
pub enum Command {
    Open {
        id: ListenerId,
        listener: Listener,
    },
    Close {
        id: ListenerId,
    },
    /// Take no more connections there; those that run may end.
    Retire {
        id: ListenerId,
    },
    Inventory(Inventory),
    HostState(HostState),
    /// Let me know when all that was opened so far is served.
    Ready,
    /// Have another in its place: sockets that it has had been ended, and listen again.
    Replace,
    /// The realm's namespace has other interfaces than before.
    RealmChanged {
        realm: Realm,
    },
}

/// What the rest of the supervisor learns of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    Started { pid: u32 },
    Died,
    AskHostState,
    Ready,
}

/// Keeps one worker alive until nobody sends commands any more.
pub struct WorkerProcess {
    account: Account,
    briefing: Briefing,
    succession: Rc<Succession>,
    listeners: Listeners,
    /// For which there was no descriptor.
    missed: BTreeSet<Missed>,
    /// Whether somebody waits to hear that all is served.
    is_awaited: bool,
    /// Whether the worker waits to hear how the host is doing: it is told once, however
    /// often it asks.
    is_asked: bool,
    commands: mpsc::UnboundedReceiver<Command>,
    events: mpsc::UnboundedSender<Event>,
}

/// Why a worker is no longer served.
enum End {
    Died(std::io::Result<ExitStatus>),
    /// Nobody will send commands any more.
    Dismissed,
}

impl WorkerProcess {
    pub fn new(
        account: Account,
        briefing: Briefing,
        succession: Rc<Succession>,
        commands: mpsc::UnboundedReceiver<Command>,
        events: mpsc::UnboundedSender<Event>,
    ) -> Self {
        Self {
            account,
            briefing,
            succession,
            listeners: Listeners::default(),
            missed: BTreeSet::new(),
            is_awaited: false,
            is_asked: false,
            commands,
            events,
        }
    }

    /// Runs workers, one after the other, until the commands' sender is dropped;
    /// then lets the last one finish what is under way.
    pub async fn keep(mut self) {
        let mut pause = Pause::default();
        loop {
            let started = Instant::now();
            match spawn(&self.account, &self.succession) {
                Ok(mut worker) => match self.attend(&mut worker).await {
                    End::Dismissed => {
                        // Nobody will accept what would queue in them now; another
                        // program may listen at the same address.
                        drop(self.listeners);
                        return drain(worker, self.account.uid).await;
                    }
                    End::Died(status) => report_death(&status),
                },
                Err(error) => tracing::error!(%error, "cannot start a worker"),
            }
            let _ = self.events.send(Event::Died);
            if self.rest(pause.after(started.elapsed())).await.is_none() {
                return;
            }
        }
    }

    /// Serves one worker until it ends.
    async fn attend(&mut self, worker: &mut Spawned) -> End {
        if let Some(pid) = worker.child.id() {
            let _ = self.events.send(Event::Started { pid });
        }
        let mut activity = match self.begin(&worker.control).await {
            Ok(activity) => activity,
            Err(error) => return self.gone(&mut worker.child, &error).await,
        };
        let mut names = LookUps::new(&self.briefing.config);
        let mut vigil = Vigil::begin();
        let mut has_spoken = false;
        loop {
            // A worker that does not stop to speak must not keep all else waiting.
            let listens = !std::mem::take(&mut has_spoken);
            let done = tokio::select! {
                // What it said before it was asked for the last time counts.
                biased;
                status = worker.child.wait() => return End::Died(status),
                report = worker.control.receive::<Report>(), if listens => {
                    has_spoken = true;
                    match report {
                        Ok((Report::Guests, set)) => watch_guests(&mut activity, set),
                        Ok((Report::Alive, _)) => {
                            vigil.has_answered();
                            Ok(())
                        }
                        Ok((report, _)) => self.heard(&worker.control, report, &mut names).await,
                        Err(error) => Err(error),
                    }
                },
                turn = vigil.turn(&activity, !self.missed.is_empty()), if listens => match turn {
                    Turn::Ask => self.ask_anew(&worker.control).await,
                    Turn::Wait => Ok(()),
                    Turn::GiveUp => Err(ControlError::Stuck(vigil::PATIENCE)),
                },
                looked_up = names.next() => {
                    tell(&worker.control, &Order::LookedUp(looked_up), None).await
                }
                command = self.commands.recv() => match command {
                    Some(command) => {
                        if let Command::Open { listener, .. } = &command {
                            watch(&mut activity, listener);
                        }
                        self.pass_on(&worker.control, command).await
                    }
                    None => return End::Dismissed,
                },
                () = yield_now(), if !listens => Ok(()),
            };
            if let Err(error) = done {
                return self.gone(&mut worker.child, &error).await;
            }
        }
    }

    /// A worker that cannot be spoken to is of no use, dead or not.
    async fn gone(&self, child: &mut Child, error: &ControlError) -> End {
        if !matches!(error, ControlError::Closed) {
            tracing::error!(%error, "lost touch with the worker");
        }
        end(child, self.account.uid);
        End::Died(child.wait().await)
    }

    /// Whether it is alive, and to take what it could not.
    async fn ask_anew(&mut self, control: &Control) -> Result<(), ControlError> {
        tell(control, &Order::IsAlive, None).await?;
        for missed in std::mem::take(&mut self.missed) {
            match missed {
                Missed::Listener(id) => {
                    if let Some(listener) = self.listeners.get(id) {
                        hand_over(control, id, listener).await?;
                    }
                }
                Missed::Inventory => {
                    let command = Command::Inventory(self.briefing.inventory.clone());
                    self.pass_on(control, command).await?;
                }
            }
        }
        Ok(())
    }

    async fn begin(&mut self, control: &Control) -> Result<Activity, ControlError> {
        let mut activity = Activity::new()?;
        for (_, listener) in self.listeners.iter() {
            watch(&mut activity, listener);
        }
        self.brief(control).await?;
        Ok(activity)
    }

    async fn brief(&mut self, control: &Control) -> Result<(), ControlError> {
        self.missed.clear();
        self.is_asked = false;
        let briefing = to_memory_file(&self.briefing)?;
        tell(control, &Order::Start, Some(briefing.as_fd())).await?;
        for (id, listener) in self.listeners.iter() {
            hand_over(control, id, listener).await?;
        }
        if self.is_awaited {
            tell(control, &Order::Ready, None).await?;
        }
        Ok(())
    }

    async fn heard(
        &mut self,
        control: &Control,
        report: Report,
        names: &mut LookUps,
    ) -> Result<(), ControlError> {
        match report {
            Report::AskHostState => {
                if !std::mem::replace(&mut self.is_asked, true) {
                    let _ = self.events.send(Event::AskHostState);
                }
                Ok(())
            }
            Report::LookUp { host } => match names.begin(host) {
                Some(refused) => tell(control, &Order::LookedUp(refused), None).await,
                None => Ok(()),
            },
            Report::Ready => {
                if std::mem::take(&mut self.is_awaited) {
                    let _ = self.events.send(Event::Ready);
                }
                Ok(())
            }
            Report::Connect { path } => {
                let connected = broker::connect(&path, &self.briefing.config);
                let problem = connected.as_ref().err().map(ToString::to_string);
                let socket = connected.as_ref().ok().map(AsFd::as_fd);
                tell(control, &Order::Connected { path, problem }, socket).await
            }
            Report::Missed(missed) => {
                self.note_missed(missed);
                Ok(())
            }
            // Heard where the worker is attended.
            Report::Alive | Report::Guests => Ok(()),
        }
    }

    fn note_missed(&mut self, missed: Missed) {
        let was_ordered = match missed {
            Missed::Listener(id) => self.listeners.get(id).is_some(),
            Missed::Inventory => true,
        };
        if was_ordered {
            self.missed.insert(missed);
        }
    }

    async fn pass_on(&mut self, control: &Control, command: Command) -> Result<(), ControlError> {
        let sent = send(control, &command).await;
        let is_inventory = matches!(command, Command::Inventory(_));
        // Also when it failed: the next worker is told.
        self.remember(command);
        match sent {
            // This process's fault, not the worker's.
            Err(ControlError::MemoryFile(error)) => {
                tracing::error!(%error, "cannot tell the worker everything; raise the limit of open files if this lasts");
                self.missed
                    .extend(is_inventory.then_some(Missed::Inventory));
                Ok(())
            }
            sent => sent,
        }
    }

    /// Keeps what the next worker has to be told as well.
    fn remember(&mut self, command: Command) {
        match command {
            Command::Open { id, listener } => self.listeners.insert(id, listener),
            Command::Close { id } | Command::Retire { id } => self.listeners.remove(id),
            Command::Inventory(inventory) => self.briefing.inventory = inventory,
            Command::Ready => self.is_awaited = true,
            Command::HostState(_) => self.is_asked = false,
            Command::RealmChanged { .. } | Command::Replace => {}
        }
    }

    /// Waits before the next start; namespaces come and go meanwhile. `None`
    /// when there is to be no next start.
    async fn rest(&mut self, pause: Duration) -> Option<()> {
        let end = sleep(pause);
        tokio::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => return Some(()),
                command = self.commands.recv() => self.remember(command?),
            }
        }
    }
}

/// Those of guests are many, and the worker has them in one set.
fn watch(activity: &mut Activity, listener: &Listener) {
    if !matches!(*listener.role, ListenerRole::Proxy { .. }) {
        activity.watch(Rc::clone(&listener.socket));
    }
}

/// Each that comes is kept as long as the worker is.
fn watch_guests(activity: &mut Activity, set: Option<OwnedFd>) -> Result<(), ControlError> {
    if activity.has_guests() {
        let twice = "it has told of the guests' sockets before";
        return Err(serde_json::Error::custom(twice).into());
    }
    set.into_iter().for_each(|set| activity.watch_guests(set));
    Ok(())
}

async fn drain(mut worker: Spawned, uid: Uid) {
    let asked = tell(&worker.control, &Order::Drain, None).await;
    if asked.is_ok() && timeout(DRAIN_LIMIT, worker.child.wait()).await.is_ok() {
        return;
    }
    tracing::warn!(limit = ?DRAIN_LIMIT, "the worker did not finish in time; ending it");
    end(&worker.child, uid);
    let _ = worker.child.wait().await;
}

fn end(child: &Child, uid: Uid) {
    // None when it has ended by itself.
    if let Some(Err(errno)) = child.id().map(|pid| kill_as(uid, pid)) {
        tracing::error!(%errno, "cannot end the worker");
    }
}

fn report_death(status: &std::io::Result<ExitStatus>) {
    match status {
        Ok(status) => tracing::error!(%status, "the worker ended; starting another"),
        Err(error) => tracing::error!(%error, "lost the worker; starting another"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
