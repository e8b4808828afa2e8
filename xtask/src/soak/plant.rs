//! A daemon with its routers and guests, some of which stay.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use fastrand::Rng;
use tempfile::TempDir;

use super::Plan;
use super::acts::Act;
use super::kernel_memory::KernelMemory;
use super::load::{self, Line, Tally};
use super::processes::{self, Process, Role};
use super::sample::Sample;
use crate::lab::daemon::{self, Daemon, Setup};
use crate::lab::guest::Guest;
use crate::lab::inventory::{self, Instance};
use crate::lab::namespace::Namespace;
use crate::lab::router::{Router, Subnet};
use crate::lab::service_manager::ServiceManager;
use crate::lab::shim::Shim;
use crate::lab::{unique, wait};
use crate::stop;

/// Routers with a guest each.
pub(super) const PERMANENT: usize = 2;
/// Between two acts, in milliseconds.
const PAUSES: Range<u64> = 500..3500;
/// For a worker to close what guests have closed.
const UNTIL_CLOSED: Duration = Duration::from_millis(500);
const REST_LIMIT: Duration = Duration::from_secs(40);

/// What becomes of the daemon meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is killed, restarted, reloaded every few seconds.
    Killed,
    Spared,
}

/// A router with a guest. Fields are dropped in this order.
#[derive(Debug)]
pub(super) struct Lot {
    pub(super) shim: Option<Shim>,
    pub(super) instance: Instance,
    pub(super) guest: Guest,
    pub(super) router: Router,
}

/// Fields are dropped in this order.
#[derive(Debug)]
pub(super) struct Plant {
    pub(super) fate: Fate,
    pub(super) daemon: Daemon,
    pub(super) manager: Arc<ServiceManager>,
    pub(super) permanent: Vec<Lot>,
    pub(super) passing: Vec<Lot>,
    /// Guests behind permanent routers.
    pub(super) visitors: Vec<Guest>,
    pub(super) line: Arc<Line>,
    kernel: Option<Arc<KernelMemory>>,
    program: PathBuf,
    /// Lines of the log that were read.
    read: usize,
    tag: String,
    _directory: TempDir,
}

/// What happened to it.
#[derive(Debug)]
pub(super) struct Story {
    pub(super) fate: Fate,
    /// Its processes when it began.
    pub(super) began_with: Vec<Process>,
    pub(super) acts: Vec<Act>,
    pub(super) tally: Tally,
    pub(super) samples: Vec<Sample>,
    /// Lines of the log that tell of errors, without numbers, and how many there were.
    pub(super) errors: Vec<(String, usize)>,
    /// Why it ended before its time.
    pub(super) cut_short: Option<anyhow::Error>,
}

impl Plant {
    /// # Errors
    /// When something cannot be made, or is not served.
    pub(super) fn build(binary: &Path, fate: Fate) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("soak-").tempdir()?;
        let program = directory.path().join("metadatad");
        fs::copy(binary, &program)?;
        let tag = unique::tag()?;
        let permanent: Vec<Lot> = (0..PERMANENT)
            .map(|_| Lot::create(&tag))
            .collect::<Result<_>>()?;
        let manager = Arc::new(ServiceManager::start()?);
        let setup = Setup::new(
            &program,
            &[&format!("qrouter-{tag}*")],
            inventory_of(permanent.iter())?,
        )?;
        let mut setup = setup.service_of(&manager);
        let kernel = KernelMemory::create()?.map(Arc::new);
        if let Some(kernel) = &kernel {
            setup = setup.inside(kernel.clone());
        }
        let daemon = Daemon::start(setup)?;
        Ok(Self {
            fate,
            daemon,
            manager,
            permanent,
            passing: Vec::new(),
            visitors: Vec::new(),
            line: Arc::default(),
            kernel,
            program,
            read: 0,
            tag,
            _directory: directory,
        })
    }

    /// Has it all happen. It is cut short when the daemon does not come back, or does not come
    /// to rest.
    ///
    /// # Errors
    /// When it cannot begin.
    pub(super) fn live(mut self, plan: Plan, start: Instant) -> Result<Story> {
        let guests: Vec<Guest> = self.permanent.iter().map(|lot| lot.guest_again()).collect();
        let line = self.line.clone();
        thread::scope(|scope| {
            let asking: Vec<_> = guests
                .iter()
                .map(|guest| scope.spawn(|| load::ask(guest, &line)))
                .collect();
            let story = self.begin().map(|mut story| {
                story.cut_short = self.go_on(&mut story, plan, start).err();
                story
            });
            line.is_over.store(true, SeqCst);
            let mut story = story?;
            for guest in asking {
                let tally = guest.join().map_err(|_| anyhow!("a guest panicked"))?;
                story.tally.add(tally);
            }
            Ok(story)
        })
    }

    fn begin(&mut self) -> Result<Story> {
        self.rest()?;
        Ok(Story {
            fate: self.fate,
            began_with: self.processes(),
            acts: Vec::new(),
            tally: Tally::default(),
            samples: Vec::new(),
            errors: Vec::new(),
            cut_short: None,
        })
    }

    fn go_on(&mut self, story: &mut Story, plan: Plan, start: Instant) -> Result<()> {
        let mut random = Rng::with_seed(plan.seed);
        while start.elapsed() < plan.duration {
            let period = Instant::now();
            while period.elapsed() < plan.between_samples && start.elapsed() < plan.duration {
                stop::check()?;
                let act = self.choose(&mut random);
                self.perform(act)
                    .with_context(|| format!("{:?}: {act:?}, after {:?}", self.fate, story.acts))
                    .inspect_err(|_| eprintln!("{}", self.daemon.log()))?;
                story.acts.push(act);
                thread::sleep(Duration::from_millis(random.u64(PAUSES)));
            }
            self.rest()?;
            let sample = self.count(start.elapsed())?;
            eprintln!("      {:?}: {sample}", self.fate);
            story.samples.push(sample);
            self.read_log(&mut story.errors);
        }
        Ok(())
    }

    /// Without guests' connections.
    fn count(&self, at: Duration) -> Result<Sample> {
        let _hushed = self.line.hush();
        thread::sleep(UNTIL_CLOSED);
        Sample::take(self, at)
    }

    /// Lets everybody go who does not stay, and waits until nothing is left of them.
    fn rest(&mut self) -> Result<()> {
        self.passing.clear();
        self.visitors.clear();
        self.write_inventory()?;
        let permanent: Vec<String> = self.permanent.iter().map(Lot::namespace).collect();
        wait::until("only what stays is served", REST_LIMIT, || {
            let status = self.daemon.status()?;
            let namespaces = status.get("namespaces").and_then(|all| all.as_array());
            let is_all = namespaces.is_some_and(|all| all.len() == permanent.len());
            let is_served = |name: &String| daemon::serves(&status, name);
            Ok(is_all && permanent.iter().all(is_served))
        })?;
        // One of each, and so no worker that still finishes what it has.
        wait::until("earlier processes have ended", REST_LIMIT, || {
            Ok(self.processes().len() == 4)
        })
        .with_context(|| format!("{:?}", self.processes()))?;
        // The datapath of what went is taken away a second later.
        thread::sleep(Duration::from_millis(1500));
        Ok(())
    }

    pub(super) fn processes(&self) -> Vec<processes::Process> {
        processes::executing(&self.program)
    }

    pub(super) fn worker(&self) -> Result<u32> {
        self.daemon.worker_pid()
    }

    pub(super) fn holder(&self) -> Option<u32> {
        let all = self.processes();
        let holder = all.iter().find(|process| process.role == Role::Holder);
        holder.map(|process| process.pid)
    }

    pub(super) fn kernel_kib(&self) -> Result<Option<u64>> {
        self.kernel.as_ref().map(|kernel| kernel.kib()).transpose()
    }

    pub(super) fn new_lot(&self) -> Result<Lot> {
        Lot::create(&self.tag)
    }

    /// As an editor does.
    pub(super) fn write_inventory(&self) -> Result<()> {
        let text = inventory_of(self.permanent.iter().chain(&self.passing))?;
        let file = self.daemon.inventory_file();
        let new = file.with_extension("new");
        fs::write(&new, text)?;
        Ok(fs::rename(new, file)?)
    }

    fn read_log(&mut self, errors: &mut Vec<(String, usize)>) {
        let log = self.daemon.log();
        // The last line may be incomplete.
        let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
        for line in whole.lines().skip(self.read) {
            let Some((_, text)) = line.split_once("ERROR") else {
                continue;
            };
            let text: String = text.chars().filter(|c| !c.is_ascii_digit()).collect();
            match errors.iter_mut().find(|(known, _)| *known == text) {
                Some((_, times)) => *times += 1,
                None => errors.push((text, 1)),
            }
        }
        self.read = whole.lines().count();
    }
}

impl Lot {
    fn create(tag: &str) -> Result<Self> {
        let rest: String = unique::uuid()?.chars().skip(tag.len()).collect();
        let router = Router::with_id(&format!("{tag}{rest}"))?;
        let guest = Guest::behind(&router, Subnet::TUTORIAL)?;
        Ok(Self {
            shim: None,
            instance: Instance::of(&guest, &router, "soaked")?,
            guest,
            router,
        })
    }

    fn namespace(&self) -> String {
        self.router.namespace().name().to_owned()
    }

    /// For whoever asks while the plant changes.
    fn guest_again(&self) -> Guest {
        let namespace = Namespace::of_somebody(self.guest.namespace().name());
        Guest::of_somebody(namespace, self.guest.address, &self.guest.mac)
    }
}

fn inventory_of<'a>(lots: impl Iterator<Item = &'a Lot>) -> Result<String> {
    let instances: Vec<Instance> = lots.map(|lot| lot.instance.clone()).collect();
    inventory::file(&instances)
}
