//! The daemon as one of a line: what it has from those before it, and what it leaves to
//! the one that comes next.

use std::future::pending;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;

use tokio::task::spawn_local;
use tokio::time::{Instant, sleep_until};

use crate::config::Account;
use crate::supervisor::adoption::{Found, listen_again};
use crate::supervisor::held::Held;
use crate::supervisor::holder::{self, Holder, Watch};
use crate::supervisor::inherited::Inherited;
use crate::supervisor::orphans::Orphans;
use crate::supervisor::retired::Retired;
use crate::supervisor::service_manager::ServiceManager;
use crate::supervisor::succession::{self, Succession};
use crate::supervisor::successor::{NoSuccessor, Successor};
use crate::supervisor::wills::Wills;

/// By what name guests' sockets are left. The sockets tell the rest.
const PROXY: &str = "proxy";
/// How soon a will is left again that nobody kept, and how seldom.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// How soon after a holder that does not live another is started.
const RESTART_PACE: Duration = Duration::from_secs(1);
/// And how soon after one that could not be started.
const RETRY: Duration = Duration::from_secs(5);

/// Those before and after this process.
pub struct Lineage {
    manager: ServiceManager,
    successor: Successor,
    succession: Rc<Succession>,
    /// What workers wait for whose supervisors are gone.
    wills: Wills,
    /// When our own is left again, if nobody kept it.
    will_due: Instant,
    will_pause: Duration,
    /// Children that nobody waits for.
    orphans: Orphans,
    account: Account,
    /// Of guests' sockets, if there is somebody to keep the connection to it.
    holder: Option<Kept>,
    /// When one is to be started, if it could not be before.
    holder_due: Option<Instant>,
    /// What is left besides guests' sockets.
    belongings: Vec<Belonging>,
    retired: Retired,
}

/// Something that is left under a name.
pub struct Belonging {
    pub name: &'static str,
    pub descriptor: Rc<OwnedFd>,
    /// Of a listening socket: how many may wait in it.
    pub backlog: Option<u32>,
}

/// A holder, and what tells of its end.
struct Kept {
    holder: Holder,
    watch: Watch,
    since: Instant,
}

impl Kept {
    fn new(holder: Holder) -> io::Result<Self> {
        Ok(Self {
            watch: holder.watch()?,
            holder,
            since: Instant::now(),
        })
    }

    /// One that an earlier daemon started, and all that it holds.
    fn take(connection: OwnedFd) -> Option<(Self, Vec<OwnedFd>)> {
        let holder = Holder::of(connection).ok()?;
        match holder.hand_out() {
            Ok(held) => Some((Self::new(holder).ok()?, held)),
            Err(error) => {
                tracing::error!(%error, "the holder of sockets does not answer; it is to end");
                holder.dismiss();
                None
            }
        }
    }
}

impl Lineage {
    /// Needs tokio's local task set.
    pub fn begin(inherited: &mut Inherited, account: &Account) -> io::Result<Self> {
        let manager = ServiceManager::of_environment();
        let succession = Succession::new()?;
        // What the service manager keeps, it alone keeps: so it can be seen whether it
        // does.
        manager.keep(succession::NAME, &[succession.will()?]);
        let orphans = Orphans::new(std::mem::take(&mut inherited.children));
        spawn_local(reap(orphans.clone()));
        Ok(Self {
            manager,
            successor: Successor::of_this_process()?,
            succession: Rc::new(succession),
            wills: Wills::of(inherited.take_all(succession::NAME))?,
            will_due: Instant::now() + FIRST_PAUSE,
            will_pause: FIRST_PAUSE,
            orphans,
            account: account.clone(),
            holder: None,
            holder_due: None,
            belongings: Vec::new(),
            retired: Retired::default(),
        })
    }

    pub fn succession(&self) -> Rc<Succession> {
        self.succession.clone()
    }

    pub fn service_manager(&self) -> &ServiceManager {
        &self.manager
    }

    pub fn successor(&self) -> &Successor {
        &self.successor
    }

    /// Leaves something under a name, from now on.
    pub fn leave(&mut self, belonging: Belonging, was_left: bool) {
        if !was_left {
            self.keep(&belonging);
        }
        self.belongings.push(belonging);
    }

    /// Leaves on what a daemon before this one left, until its worker has left.
    pub fn retire(&mut self, name: &'static str, socket: OwnedFd) {
        self.retired.add(name, socket);
    }

    fn keep(&self, belonging: &Belonging) {
        self.manager.keep(belonging.name, &[&*belonging.descriptor]);
    }

    /// Has every socket listen as it did before a worker had it that has ended; tells whether
    /// one had been ended.
    pub fn renew_sockets(&self) -> bool {
        let mut had_ended = false;
        for belonging in &self.belongings {
            let Belonging {
                name,
                descriptor,
                backlog: Some(backlog),
            } = belonging
            else {
                continue;
            };
            match listen_again(descriptor, *backlog) {
                Ok(Found::Listening) => {}
                Ok(Found::Ended) => {
                    tracing::error!(name, "a worker had ended a socket; it listens again");
                    // Who keeps sockets drops those that end.
                    self.keep(belonging);
                    had_ended = true;
                }
                Err(error) => {
                    tracing::error!(name, %error, "cannot listen any more; restart the daemon");
                }
            }
        }
        had_ended
    }

    /// Where the sockets that were left so far listen.
    pub fn held(&self) -> Held {
        let belongings = self.belongings.iter().map(|one| &*one.descriptor);
        Held::by(belongings.chain(self.retired.sockets()))
    }

    /// Guests' sockets that were left.
    pub fn take_proxies(&mut self, inherited: &mut Inherited) -> Vec<OwnedFd> {
        let mut left = inherited.take_all(PROXY);
        if !self.manager.is_there() {
            return left;
        }
        let connections = inherited.take_all(holder::NAME).into_iter();
        let mut answers: Vec<_> = connections.filter_map(Kept::take).collect();
        match answers.pop() {
            Some((holder, held)) => {
                left.extend(held);
                self.holder = Some(holder);
            }
            None => self.start_holder(&left),
        }
        left
    }

    /// Leaves guests' sockets too: these are new, and `all` there are if the holder is not
    /// what it was.
    pub fn leave_proxies<'a>(
        &mut self,
        new: &[Rc<OwnedFd>],
        all: impl Iterator<Item = BorrowedFd<'a>>,
    ) {
        let held = self.holder.as_ref().map(|kept| kept.holder.hold(new));
        if let Some(Err(error)) = held {
            self.replace_holder(&error, all);
        }
    }

    /// Returns when the holder of guests' sockets has ended, and why that is to be feared; or
    /// when it is time to start one anew that could not be started.
    pub async fn holder_lost(&self) -> io::Error {
        let Some(kept) = &self.holder else {
            let Some(due) = self.holder_due else {
                return pending().await;
            };
            sleep_until(due).await;
            return io::Error::other("it could not be started");
        };
        let ended = kept.watch.ended().await;
        sleep_until(kept.since + RESTART_PACE).await;
        ended
            .err()
            .unwrap_or_else(|| io::ErrorKind::ConnectionReset.into())
    }

    /// Has another hold `all` of guests' sockets.
    pub fn replace_holder<'a>(
        &mut self,
        lost: &io::Error,
        all: impl Iterator<Item = BorrowedFd<'a>>,
    ) {
        tracing::error!(error = %lost, "lost the holder of sockets; starting another");
        if let Some(before) = self.holder.take() {
            before.holder.dismiss();
        }
        self.start_holder(&all.collect::<Vec<_>>());
    }

    fn start_holder(&mut self, sockets: &[impl AsFd]) {
        let started = Holder::start(&self.account).and_then(|(holder, pid)| {
            self.orphans.add(pid);
            holder.hold(sockets)?;
            Kept::new(holder)
        });
        self.holder_due = None;
        match started {
            Ok(kept) => {
                self.manager.keep(holder::NAME, &[&kept.holder]);
                self.holder = Some(kept);
            }
            Err(error) => {
                tracing::error!(
                    %error,
                    "cannot have guests' sockets held for the next daemon; trying again"
                );
                self.holder = None;
                self.holder_due = Some(Instant::now() + RETRY);
            }
        }
    }

    /// Tells earlier workers that ours serves everything.
    pub fn relieve_predecessors(&mut self) {
        if let Err(error) = self.wills.execute() {
            tracing::warn!(%error, "cannot hear when earlier workers end");
        }
        self.retired.relieve();
    }

    /// Returns when an earlier worker has ended. [`forget`](Self::forget_predecessors) it then.
    pub async fn predecessor_ended(&self) {
        self.wills.departure().await;
    }

    pub fn forget_predecessors(&mut self) {
        self.wills.forget();
    }

    /// Whether somebody keeps what this process leaves behind when it ends.
    pub fn has_heir(&self) -> bool {
        self.succession.is_kept()
    }

    /// When there is something to [do](Self::do_what_is_due).
    pub fn due(&self) -> Option<Instant> {
        self.will_due().into_iter().chain(self.retired.due()).min()
    }

    /// Leaves the will again that nobody kept; ends what nobody serves any more.
    pub fn do_what_is_due(&mut self) {
        let is_past = |due: Instant| due <= Instant::now();
        if self.will_due().is_some_and(is_past) {
            self.leave_will();
        }
        if self.retired.due().is_some_and(is_past) {
            self.retired.end();
        }
    }

    /// When the will is to be left again: the service manager's store may have been full.
    fn will_due(&self) -> Option<Instant> {
        let is_lost = self.manager.is_there() && !self.succession.is_kept();
        is_lost.then_some(self.will_due)
    }

    /// Leaves it again. One that keeps nothing, as not every manager does, is asked ever
    /// less often.
    fn leave_will(&mut self) {
        match self.succession.will() {
            Ok(will) => self.manager.keep(succession::NAME, &[will]),
            Err(error) => tracing::warn!(%error, "cannot leave anything to the next daemon"),
        }
        self.will_pause = (self.will_pause * 2).min(LONGEST_PAUSE);
        self.will_due = Instant::now() + self.will_pause;
    }

    /// Becomes the new program, if that can be executed. `worker` serves until the new
    /// program's does.
    pub fn replace<'a>(
        &'a self,
        proxies: impl Iterator<Item = BorrowedFd<'a>>,
        worker: Option<i32>,
    ) -> NoSuccessor {
        let will = match self.succession.will() {
            Ok(will) => will,
            Err(error) => return NoSuccessor::Handover(error.into()),
        };
        let belongings = self.belongings.iter();
        let belongings = belongings.map(|one| (one.name, one.descriptor.as_fd()));
        let holder = self
            .holder
            .iter()
            .map(|kept| (holder::NAME, kept.holder.as_fd()));
        let wills = self.wills.iter().chain([will.as_fd()]);
        let descriptors: Vec<(&str, BorrowedFd<'_>)> = belongings
            .chain(self.retired.named())
            .chain(holder)
            .chain(proxies.map(|fd| (PROXY, fd)))
            .chain(wills.map(|will| (succession::NAME, will)))
            .collect();
        let children = self.orphans.pids().into_iter().chain(worker).collect();
        self.manager.reloading();
        self.successor.execute(&descriptors, children)
    }
}

async fn reap(orphans: Orphans) {
    if let Err(error) = orphans.reap().await {
        tracing::warn!(%error, "cannot hear of children that end");
    }
}
