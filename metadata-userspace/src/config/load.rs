//! From the files to a [`Config`].

pub(in crate::config) mod keystone;

use std::path::PathBuf;
use std::time::Duration;

use super::account::socket_mode;
use super::error::{ConfigError, ConfigErrors};
use super::option::Opt;
use super::options as table;
use super::oslo::{ConfigSource, Settings, Unreadable};
use super::reader::Reader;
use super::types::Integer;
use super::{
    AdminConfig, AgentConfig, ApiConfig, ClientIdentity, Config, DatapathConfig, GuardConfig,
    IdentityConfig, MessagingConfig, NamespacesConfig, Note, NovaConfig, ProxyConfig,
    ProxyTimeouts, ProxyUpstream, RateLimits, ResolverKind, ShimConfig, WorkerConfig, ovn, unknown,
    unused,
};

/// More threads than this would wait for each other more than they serve.
const MOST_UNASKED_THREADS: usize = 8;

/// Each thread has a set of its own with the set of all listeners in it, and so has the
/// supervisor. The kernel allows a listener 100 sets at that depth (`path_limits` in
/// fs/eventpoll.c), those of all processes together: four workers may serve at a time,
/// the one that comes and others that are about to leave.
pub const MOST_THREADS: usize = 24;

/// A guest's crawl takes about this long. Neutron's own agent asks anew for each
/// request when no cache is configured.
const LIFETIME_WITHOUT_CACHE: Duration = Duration::from_secs(10);

/// What the command line says about the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigSources {
    /// Later ones win. None: [`ConfigSource::defaults`].
    pub from: Vec<ConfigSource>,
    /// Takes the place of `[metadatad] inventory`.
    pub inventory: Option<PathBuf>,
}

impl Config {
    /// Reads, checks and completes the configuration.
    ///
    /// # Errors
    /// Every fault there is, each with its place and what is allowed.
    pub fn load(sources: &ConfigSources) -> Result<Self, ConfigErrors> {
        let from = match sources.from.as_slice() {
            [] => ConfigSource::defaults(),
            named => named.to_vec(),
        };
        let (settings, unreadable) = Settings::read(&from);
        Self::of(&settings, unreadable, sources.inventory.clone())
    }

    /// The same, of what was read.
    pub(crate) fn of(
        settings: &Settings,
        unreadable: Vec<Unreadable>,
        inventory: Option<PathBuf>,
    ) -> Result<Self, ConfigErrors> {
        let mut errors: Vec<_> = unreadable
            .into_iter()
            .map(|one| ConfigError {
                place: Some(one.place),
                option: None,
                problem: one.problem,
            })
            .collect();
        errors.extend(unknown::errors(settings));
        let mut reader = Reader::new(settings, errors);
        let config = Self::read(&mut reader, inventory);
        let mut errors = reader.into_errors();
        // What is missing comes last: it has no place.
        errors.sort_by_key(|error| match &error.place {
            Some(place) => (false, settings.position(place)),
            None => (true, (0, None)),
        });
        if errors.is_empty() {
            Ok(Self {
                notes: notes(settings, &config),
                ..config
            })
        } else {
            Err(ConfigErrors(errors))
        }
    }

    fn read(reader: &mut Reader<'_>, inventory: Option<PathBuf>) -> Self {
        let worker = worker(reader);
        let proxy = proxy(reader);
        let nova = nova(reader, proxy.timeouts.server);
        let agent = agent(reader, &worker, &proxy.upstream, inventory);
        let uses = |resolver| agent.enabled && agent.resolver == resolver;
        Self {
            state_path: reader.read(&table::STATE_PATH),
            debug: reader.read(&table::DEBUG),
            datapath: DatapathConfig {
                bpffs: reader.read(&table::BPFFS),
                proxy_port: reader.read(&table::METADATA_PORT),
                access_mark: reader.read(&table::METADATA_ACCESS_MARK),
                log_verdicts: reader.read(&table::DATAPATH_LOG),
                guard: GuardConfig {
                    connections_per_second: number(reader.read(&table::CONNECTION_RATE_PER_GUEST)),
                    burst: number(reader.read(&table::CONNECTION_BURST_PER_GUEST)),
                    interfaces: reader.read(&table::XDP_GUARD),
                },
            },
            namespaces: NamespacesConfig {
                netns_dir: reader.read(&table::NETNS_DIR),
                globs: reader.read(&table::NAMESPACES),
            },
            ovn: uses(ResolverKind::Ovn).then(|| ovn::read(reader)),
            keystone: uses(ResolverKind::NeutronRest)
                .then(|| keystone::keystone(reader))
                .flatten(),
            messaging: uses(ResolverKind::NeutronRpc).then(|| MessagingConfig::read(reader)),
            agent,
            worker,
            proxy,
            nova,
            api: ApiConfig {
                embedded: reader.read(&table::EMBEDDED_API),
                dhcp_domain: reader.read(&table::DHCP_DOMAIN),
                password_dir: reader.read(&table::PASSWORD_DIR),
            },
            admin: AdminConfig {
                socket: reader.read(&table::ADMIN_SOCKET),
                metrics_listen: reader.read(&table::METRICS_LISTEN),
            },
            shim: ShimConfig::read(reader),
            notes: Vec::new(),
        }
    }
}

fn worker(reader: &mut Reader<'_>) -> WorkerConfig {
    let threads = match reader.read(&table::METADATA_WORKERS) {
        Some(wanted) => size(wanted).clamp(1, MOST_THREADS),
        None => std::thread::available_parallelism()
            .map_or(1, |cpus| cpus.get().min(MOST_UNASKED_THREADS)),
    };
    WorkerConfig {
        user: reader.read(&table::METADATA_PROXY_USER),
        group: reader.read(&table::METADATA_PROXY_GROUP),
        threads,
        backlog: number(reader.read(&table::METADATA_BACKLOG)),
        sandbox: reader.read(&table::SANDBOX),
    }
}

fn proxy(reader: &mut Reader<'_>) -> ProxyConfig {
    ProxyConfig {
        upstream: reader.read(&table::PROXY_UPSTREAM),
        timeouts: ProxyTimeouts {
            connect: seconds(reader, &table::TIMEOUT_CONNECT),
            client: seconds(reader, &table::TIMEOUT_CLIENT),
            server: seconds(reader, &table::TIMEOUT_SERVER),
            http_request: seconds(reader, &table::TIMEOUT_HTTP_REQUEST),
            http_keep_alive: seconds(reader, &table::TIMEOUT_HTTP_KEEP_ALIVE),
        },
        max_head_size: size(reader.read(&table::MAX_HEAD_SIZE)),
        max_body_size: reader.read(&table::MAX_BODY_SIZE),
        max_connections_per_guest: size(reader.read(&table::MAX_CONNECTIONS_PER_GUEST)),
        rate_limits: RateLimits::read(reader),
        access_log: reader.read(&table::ACCESS_LOG),
    }
}

fn agent(
    reader: &mut Reader<'_>,
    worker: &WorkerConfig,
    upstream: &ProxyUpstream,
    inventory: Option<PathBuf>,
) -> AgentConfig {
    let socket = reader.read(&table::METADATA_PROXY_SOCKET);
    let mode = reader.read(&table::METADATA_PROXY_SOCKET_MODE);
    let configured = reader.read(&table::INVENTORY);
    let inventory = inventory.or(configured);
    let enabled = !matches!(upstream, ProxyUpstream::Unix(path) if *path == socket);
    let embedded_api = reader.read(&table::EMBEDDED_API);
    let resolver = reader.read(&table::RESOLVER);
    let needed_by = match (enabled && resolver == ResolverKind::Inventory, embedded_api) {
        _ if inventory.is_some() => None,
        (true, _) => Some("the inventory resolver has no instances"),
        (false, true) => Some("the embedded API has no instances"),
        (false, false) => None,
    };
    if let Some(consequence) = needed_by {
        let problem =
            format!("must be set: without it {consequence}; name a TOML file of instances");
        reader.reject(&table::INVENTORY.spec, problem);
    }
    AgentConfig {
        enabled,
        socket,
        socket_mode: socket_mode(mode, &worker.user, &worker.group),
        resolver,
        identity: identity(reader),
        inventory,
    }
}

fn identity(reader: &mut Reader<'_>) -> IdentityConfig {
    let expiration_time = seconds(reader, &table::CACHE_EXPIRATION_TIME);
    IdentityConfig {
        mac_check: reader.read(&table::MAC_CHECK),
        lifetime: match reader.read(&table::CACHE_ENABLED) {
            true => expiration_time,
            false => LIFETIME_WITHOUT_CACHE,
        },
        patience: seconds(reader, &table::IDENTITY_TIMEOUT),
    }
}

fn nova(reader: &mut Reader<'_>, guest_waits: Duration) -> NovaConfig {
    let cert = reader.read(&table::NOVA_CLIENT_CERT);
    let key = reader.read(&table::NOVA_CLIENT_PRIV_KEY);
    NovaConfig {
        protocol: reader.read(&table::NOVA_METADATA_PROTOCOL),
        host: reader.read(&table::NOVA_METADATA_HOST),
        port: reader.read(&table::NOVA_METADATA_PORT),
        insecure: reader.read(&table::NOVA_METADATA_INSECURE),
        ca_cert: reader.read(&table::AUTH_CA_CERT),
        // Neutron uses neither without the other.
        client_identity: cert
            .zip(key)
            .map(|(cert, key)| ClientIdentity { cert, key }),
        shared_secret: reader.read(&table::METADATA_PROXY_SHARED_SECRET),
        deadline: deadline(reader, guest_waits),
        response_ttl: seconds(reader, &table::RESPONSE_TTL),
        stale_if_error: seconds(reader, &table::STALE_IF_ERROR),
    }
}

/// Nova must have answered, or failed, while the proxy still waits.
fn deadline(reader: &mut Reader<'_>, guest_waits: Duration) -> Duration {
    let Some(wanted) = reader.read(&table::NOVA_TIMEOUT) else {
        return guest_waits * 7 / 8;
    };
    let deadline = Duration::from_secs(wanted);
    if deadline >= guest_waits && !guest_waits.is_zero() {
        let problem = format!(
            "{wanted} s must be fewer than the {} s of [metadata_haproxy] timeout_server, after \
             which the proxy gives up",
            guest_waits.as_secs()
        );
        reader.reject(&table::NOVA_TIMEOUT.spec, problem);
    }
    deadline
}

fn notes(settings: &Settings, config: &Config) -> Vec<Note> {
    let mut notes = unknown::old_names(settings);
    notes.extend(unused::notes(settings, config.agent.resolver));
    let messaging = config.messaging.as_ref();
    notes.extend(messaging.and_then(|messaging| messaging.unverified(settings)));
    notes
}

fn seconds(reader: &mut Reader<'_>, option: &Opt<Integer>) -> Duration {
    Duration::from_secs(reader.read(option))
}

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn number(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
