//! Composition root of the worker: what each socket that arrives is served by.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::net::{TcpListener, UnixListener};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connections::ConnectionDesk;
use super::host_state::HostStateDesk;
use super::names::NameDesk;
use super::origins::Origins;
use super::ports::{Means, ports};
use super::sandbox::SandboxError;
use super::threads::Threads;
use crate::admin::collector::HostCollector;
use crate::admin::server::{self as admin_server, Admin, Door};
use crate::agent::{self, Agent, Proxies};
use crate::api::{self, Api, PasswordStore};
use crate::config::{Config, ProxyUpstream, RateLimits, ResolverKind};
use crate::inventory::Inventory;
use crate::metrics::Metrics;
use crate::nova::Nova;
use crate::proxy::{Proxy, UnixUpstream, Upstream};
use crate::resolver::Identifier;
use crate::resolver::identifier::Ports;
use crate::status::SandboxState;
use crate::supervisor::control::{ControlError, from_memory_file};
use crate::supervisor::orders::{Briefing, ListenerId, ListenerRole, LookedUp, Missed, Order};
use crate::supervisor::succession::{Heir, Succession};

/// What the worker cannot go on after.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error("the first order was not to start")]
    NotBriefed,
    #[error("password_dir: {directory} cannot be used: {source}")]
    Passwords {
        directory: PathBuf,
        source: io::Error,
    },
    #[error("cannot serve a socket: {0}")]
    Socket(#[from] io::Error),
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    #[error("cannot set up TLS towards Nova: {0}")]
    Tls(#[from] crate::upstream::TlsError),
    #[error("cannot set up TLS towards Keystone: {0}")]
    KeystoneTls(crate::upstream::TlsError),
    #[error("cannot set up TLS towards RabbitMQ: {0}")]
    RabbitTls(crate::upstream::TlsError),
}

/// All that is served, and by what.
pub struct Worker {
    pub desk: HostStateDesk,
    pub connections: ConnectionDesk,
    pub names: NameDesk,
    proxies: Proxies,
    inventory: Arc<ArcSwap<Inventory>>,
    ports: Arc<dyn Ports>,
    proxy: Arc<Proxy>,
    agent: Arc<Agent>,
    /// Only where metadatad answers in Nova's place.
    api: Option<Arc<Api>>,
    admin: Arc<Admin>,
    threads: Threads,
    origins: Origins,
    /// For namespaces that came without limits of their own.
    rate_limits: Option<RateLimits>,
    tasks: TaskTracker,
    drain: CancellationToken,
    /// Ends what operators ask here.
    dismiss_operators: CancellationToken,
    apis: Apis,
    succession: Succession,
}

/// The embedded API's sockets, which serve until the last guest has its answer.
#[derive(Default)]
struct Apis {
    tasks: TaskTracker,
    drain: CancellationToken,
}

impl Worker {
    /// Needs a tokio runtime, which serves operators; guests are served by
    /// threads of their own.
    pub fn new(
        briefing: Briefing,
        sandbox: SandboxState,
        succession: Succession,
    ) -> Result<Self, WorkerError> {
        let Briefing {
            config,
            inventory,
            nova_tls,
            keystone_tls,
            ovn_tls,
            rabbit_tls,
        } = briefing;
        let connections = ConnectionDesk::default();
        let desk = HostStateDesk::default();
        let mut metrics = Metrics::new();
        metrics.collect(Box::new(HostCollector::new(desk.clone())));
        let metrics = Arc::new(metrics);
        let inventory = Arc::new(ArcSwap::from_pointee(inventory));
        let nova = Nova::new(
            &config.nova,
            &nova_tls,
            metrics.nova.clone(),
            metrics.dependencies.dependency("nova"),
        )?;
        let (tasks, drain) = (TaskTracker::new(), CancellationToken::new());
        let means = Means {
            inventory: &inventory,
            keystone_tls,
            ovn_tls,
            connections: &connections,
            rabbit_tls,
            dependencies: &metrics.dependencies,
            tasks: &tasks,
            drain: &drain,
        };
        let ports = ports(&config, means)?;
        let identity = &config.agent.identity;
        let agent = Arc::new(Agent::new(
            Arc::new(Identifier::new(ports.clone(), identity.patience)),
            nova,
            identity.mac_check,
            metrics.agent.clone(),
        ));
        let proxy = Proxy::new(
            &config.proxy,
            upstream(&config, &agent),
            metrics.proxy.clone(),
            &drain,
        )?;
        let (proxy, threads) = (Arc::new(proxy), Threads::start(config.worker.threads)?);
        threads.spawn(&tasks, || Ok(logged(Arc::clone(&proxy).serve())))?;
        Ok(Self {
            api: embedded_api(&config, &inventory)?.map(Arc::new),
            admin: Arc::new(Admin::new(desk.clone(), metrics, sandbox)),
            proxy,
            agent,
            inventory,
            ports,
            desk,
            connections,
            names: NameDesk::default(),
            proxies: proxies(&config),
            threads,
            origins: Origins::default(),
            rate_limits: config.proxy.rate_limits.clone(),
            dismiss_operators: drain.child_token(),
            tasks,
            drain,
            apis: Apis::default(),
            succession,
        })
    }

    /// Carries out an order; `file` is what came along with it. Says what has to be ordered
    /// again because there was no descriptor for it.
    pub fn obey(
        &mut self,
        order: Order,
        file: Option<OwnedFd>,
    ) -> Result<Option<Missed>, WorkerError> {
        match order {
            Order::Listen { id, role } => {
                let lost = || io::Error::from_raw_os_error(nix::libc::EMFILE);
                let socket = file.ok_or_else(lost);
                if let Err(error) = socket.and_then(|socket| self.serve(id, role, socket)) {
                    // Connections under another identity or other limits must not go on.
                    self.proxy.close(id);
                    tracing::error!(%error, "cannot serve a socket; trying again");
                    return Ok(Some(Missed::Listener(id)));
                }
            }
            Order::Close { id } => self.proxy.close(id),
            Order::Retire { id } => {
                if let Some(last) = self.proxy.retire(id) {
                    self.threads.spawn_once(&self.tasks, last);
                }
            }
            Order::Inventory => match from_memory_file(file) {
                Ok(inventory) => self.inventory.store(Arc::new(inventory)),
                Err(ControlError::NoFile) => return Ok(Some(Missed::Inventory)),
                Err(error) => return Err(error.into()),
            },
            Order::RealmChanged { realm } => self.ports.distrust(&realm),
            Order::Connected { path, problem } => {
                let answer = match (file, problem) {
                    (Some(socket), _) => Ok(socket),
                    (None, problem) => Err(io::Error::other(problem.unwrap_or_default())),
                };
                self.connections.answer(&path, answer);
            }
            Order::LookedUp(LookedUp { host, found }) => self.names.answer(&host, found),
            Order::HostState => match from_memory_file(file) {
                Ok(state) => self.desk.answer(state),
                // Whoever asked hears what the supervisor said before.
                Err(ControlError::NoFile) => {}
                Err(error) => return Err(error.into()),
            },
            Order::Start | Order::Ready | Order::IsAlive | Order::Drain => {}
        }
        Ok(None)
    }

    /// All sockets of guests in one set, which can be polled.
    pub fn guests(&self) -> BorrowedFd<'_> {
        self.proxy.listening()
    }

    /// Comes once every thread that serves guests has taken a turn.
    pub fn pulse(&self) -> impl Future<Output = ()> + use<> {
        self.threads.pulse()
    }

    /// Serves guests with no supervisor behind it, until it is known who comes next.
    /// Operators wait for that one: it alone knows the host.
    pub async fn serve_guests_alone(&mut self) -> Heir {
        self.dismiss_operators.cancel();
        self.names.close();
        self.succession.heir().await.unwrap_or(Heir::Nobody)
    }

    /// Another worker serves the same sockets: who comes now is its.
    pub fn leave_the_sockets(&self) {
        self.proxy.leave_the_sockets();
    }

    /// Accepts nothing more and waits until what is under way is answered.
    pub async fn drain(self) {
        // Nobody reads what is asked from here on.
        self.names.close();
        self.proxy.turn_away();
        for (drain, tasks) in [
            (&self.drain, &self.tasks),
            (&self.apis.drain, &self.apis.tasks),
        ] {
            drain.cancel();
            tasks.close();
            tasks.wait().await;
        }
        self.threads.finish();
    }

    fn serve(&mut self, id: ListenerId, role: ListenerRole, socket: OwnedFd) -> io::Result<()> {
        match role {
            ListenerRole::Proxy {
                namespace,
                realm,
                limits,
            } => {
                let limits = limits.or_else(|| self.rate_limits.clone());
                let origin = self.origins.of(realm, namespace, limits);
                self.proxy.open(id, socket, origin)
            }
            ListenerRole::Agent => self.on_each_thread(&self.tasks, &socket, |socket| {
                let (agent, drain) = (self.agent.clone(), self.drain.clone());
                let proxies = self.proxies;
                async move {
                    agent::socket::serve(unix(socket)?, agent, proxies, drain).await;
                    Ok(())
                }
            }),
            ListenerRole::Api => {
                let no_api = || io::Error::other("there is no embedded API");
                let api = self.api.as_ref().ok_or_else(no_api)?;
                self.on_each_thread(&self.apis.tasks, &socket, |socket| {
                    let (api, drain) = (api.clone(), self.apis.drain.clone());
                    async move {
                        api::server::serve(tcp(socket)?, api, drain).await;
                        Ok(())
                    }
                })
            }
            ListenerRole::Admin => {
                self.here(Door::Unix(unix(socket)?));
                Ok(())
            }
            ListenerRole::Metrics => {
                self.here(Door::Tcp(tcp(socket)?));
                Ok(())
            }
        }
    }

    /// `serve` runs once on each thread, with a copy of the socket that it has to
    /// register with the thread's own runtime.
    fn on_each_thread<F>(
        &self,
        tasks: &TaskTracker,
        socket: &OwnedFd,
        serve: impl Fn(OwnedFd) -> F,
    ) -> io::Result<()>
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        self.threads
            .spawn(tasks, || Ok(logged(serve(socket.try_clone()?))))
    }

    /// Operators are served beside the guests' threads: a costly scrape delays
    /// no guest, and guests delay no operator.
    fn here(&self, door: Door) {
        let serving = admin_server::serve(door, self.admin.clone(), self.dismiss_operators.clone());
        self.tasks.spawn(serving);
    }
}

async fn logged(serving: impl Future<Output = io::Result<()>>) {
    if let Err(error) = serving.await {
        tracing::error!(%error, "cannot serve a socket");
    }
}

/// Who stands before the agent's unix socket, as the choice of the resolver tells.
fn proxies(config: &Config) -> Proxies {
    match config.agent.resolver {
        ResolverKind::Ovn => Proxies::Ovn,
        _ => Proxies::Neutron,
    }
}

fn upstream(config: &Config, agent: &Arc<Agent>) -> Upstream {
    match &config.proxy.upstream {
        ProxyUpstream::Agent => Upstream::Agent(agent.clone()),
        ProxyUpstream::Unix(path) => Upstream::Unix(Arc::new(UnixUpstream::new(path))),
    }
}

fn embedded_api(
    config: &Config,
    inventory: &Arc<ArcSwap<Inventory>>,
) -> Result<Option<Api>, WorkerError> {
    if !config.api.embedded {
        return Ok(None);
    }
    let directory = &config.api.password_dir;
    let passwords = PasswordStore::open(directory).map_err(|source| WorkerError::Passwords {
        directory: directory.clone(),
        source,
    })?;
    Ok(Some(Api::new(
        inventory.clone(),
        passwords,
        config.nova.shared_secret.clone(),
        config.api.dhcp_domain.clone(),
    )))
}

fn tcp(socket: OwnedFd) -> io::Result<TcpListener> {
    TcpListener::from_std(socket.into())
}

fn unix(socket: OwnedFd) -> io::Result<UnixListener> {
    UnixListener::from_std(socket.into())
}
