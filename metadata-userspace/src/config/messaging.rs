//! The message bus and what is reported over it, typed.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::option::Opt;
use super::options::{self as table, RABBIT_UNUSED};
use super::oslo::Settings;
use super::reader::Reader;
use super::transport_url::TransportUrl;
use super::types::{Integer, OptionType};
use super::{ClientIdentity, Note};

pub use super::transport_url::Broker;

/// What the `neutron-rpc` resolver needs to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessagingConfig {
    /// The nodes of RabbitMQ, at least one.
    pub brokers: Vec<Broker>,
    pub virtual_host: String,
    /// Of several nodes.
    pub failover: FailoverStrategy,
    /// None: plain text.
    pub tls: Option<RabbitTlsConfig>,
    pub login: LoginMethod,
    /// Zero: RabbitMQ's own choice.
    pub heartbeat: Duration,
    pub reconnect: ReconnectConfig,
    pub exchange: ExchangeConfig,
    pub reply_queue: ReplyQueueConfig,
    /// `rpc_response_timeout`.
    pub patience: Duration,
    /// `rpc_response_max_timeout`.
    pub longest_patience: Duration,
    pub report: ReportConfig,
}

/// `kombu_failover_strategy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailoverStrategy {
    #[default]
    RoundRobin,
    Shuffle,
}

/// `rabbit_login_method`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LoginMethod {
    #[default]
    AmqPlain,
    Plain,
    External,
    RabbitCrDemo,
}

/// `[oslo_messaging_rabbit] ssl_*`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RabbitTlsConfig {
    /// None: RabbitMQ's certificate is not verified.
    pub ca: Option<PathBuf>,
    /// When both files are named.
    pub client_identity: Option<ClientIdentity>,
}

/// How long to wait before connecting again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReconnectConfig {
    /// After a connection was lost.
    pub delay: Duration,
    /// Added to that at most, by chance.
    pub splay: Duration,
    /// After the first round of nodes none of which could be reached.
    pub first: Duration,
    /// By which it grows with each round.
    pub step: Duration,
    pub longest: Duration,
}

/// The exchange to which requests go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExchangeConfig {
    pub name: String,
    pub durable: bool,
    pub auto_delete: bool,
}

/// The queue to which replies come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyQueueConfig {
    /// Unused for this long, it is deleted; zero: never.
    pub expires: Duration,
    /// None: a classic queue.
    pub quorum: Option<QuorumLimits>,
}

/// Limits of a quorum queue; zero: none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuorumLimits {
    pub deliveries: u32,
    pub messages_in_memory: u32,
    pub bytes_in_memory: u32,
}

/// What Neutron's servers are told about this agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportConfig {
    /// Zero: nothing.
    pub interval: Duration,
    /// The agent's `host`.
    pub host: String,
    pub log_heartbeats: bool,
}

impl MessagingConfig {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let url = transport_url(reader);
        let mut rabbit = Rabbit {
            reader,
            query: url.query,
        };
        rabbit.reject_unknown();
        let quorum = rabbit.read(&table::RABBIT_QUORUM_QUEUE);
        Self {
            brokers: url.brokers,
            virtual_host: url.virtual_host,
            failover: rabbit.read(&table::KOMBU_FAILOVER_STRATEGY),
            tls: rabbit.tls(),
            login: rabbit.read(&table::RABBIT_LOGIN_METHOD),
            heartbeat: rabbit.seconds(&table::HEARTBEAT_TIMEOUT_THRESHOLD),
            reconnect: rabbit.reconnect(),
            exchange: ExchangeConfig {
                // oslo.messaging: quorum queues are durable, and their exchange with them.
                durable: rabbit.read(&table::AMQP_DURABLE_QUEUES) || quorum,
                auto_delete: rabbit.read(&table::AMQP_AUTO_DELETE),
                name: rabbit.reader.read(&table::CONTROL_EXCHANGE),
            },
            reply_queue: rabbit.reply_queue(),
            patience: rabbit.seconds(&table::RPC_RESPONSE_TIMEOUT),
            longest_patience: rabbit.seconds(&table::RPC_RESPONSE_MAX_TIMEOUT),
            report: report(rabbit.reader),
        }
    }
}

impl MessagingConfig {
    /// A word on TLS with whoever answers.
    pub(super) fn unverified(&self, settings: &Settings) -> Option<Note> {
        self.tls.as_ref().filter(|tls| tls.ca.is_none())?;
        let (ssl, url) = (&table::RABBIT_SSL.spec, &table::TRANSPORT_URL.spec);
        let mut specs = [ssl, url].into_iter();
        let (setting, spec) = specs.find_map(|spec| Some((settings.find(&spec.names())?, spec)))?;
        Some(Note {
            place: setting.place().to_string(),
            option: format!("[{}] {}", spec.group, spec.name),
            text: "RabbitMQ's certificate is not verified, as in oslo.messaging; name its \
                   authorities in [oslo_messaging_rabbit] ssl_ca_file"
                .to_owned(),
        })
    }
}

fn transport_url(reader: &mut Reader<'_>) -> TransportUrl {
    let url = reader.read(&table::TRANSPORT_URL);
    TransportUrl::parse(&url.0).unwrap_or_else(|error| {
        reader.reject(&table::TRANSPORT_URL.spec, error.to_string());
        TransportUrl {
            brokers: Vec::new(),
            virtual_host: String::new(),
            query: Vec::new(),
        }
    })
}

fn report(reader: &mut Reader<'_>) -> ReportConfig {
    let host = reader.read(&table::HOST).or_else(|| {
        let own = nix::unistd::gethostname().ok()?;
        own.into_string().ok()
    });
    if host.is_none() {
        let problem = "must be set: this host's own name cannot be found out, or is not UTF-8";
        reader.reject(&table::HOST.spec, problem.to_owned());
    }
    ReportConfig {
        interval: reader.read(&table::REPORT_INTERVAL),
        host: host.unwrap_or_default(),
        log_heartbeats: reader.read(&table::LOG_AGENT_HEARTBEATS),
    }
}

/// Options of `[oslo_messaging_rabbit]`, over which the URL's query wins.
struct Rabbit<'r, 's> {
    reader: &'r mut Reader<'s>,
    query: Vec<(String, String)>,
}

impl Rabbit<'_, '_> {
    fn read<K: OptionType>(&mut self, option: &Opt<K>) -> K::Value {
        let spec = &option.spec;
        let of_url = self.query.iter().find(|(name, _)| name == spec.name);
        let Some((_, text)) = of_url.filter(|_| spec.group == table::RABBIT_GROUP) else {
            return self.reader.read(option);
        };
        option.kind.parse(text).unwrap_or_else(|| {
            let allowed = option.kind.allowed();
            let problem = format!("{} in its query must be {allowed}", spec.name);
            self.reader.reject(&table::TRANSPORT_URL.spec, problem);
            K::Value::default()
        })
    }

    fn reject_unknown(&mut self) {
        let known = |name: &str| {
            let mut used = table::specs().filter(|spec| spec.group == table::RABBIT_GROUP);
            used.any(|spec| spec.name == name) || RABBIT_UNUSED.contains(&name)
        };
        for (name, _) in &self.query {
            if !known(name) {
                let problem =
                    format!("{name:?} in its query is no option of [oslo_messaging_rabbit]");
                self.reader.reject(&table::TRANSPORT_URL.spec, problem);
            }
        }
    }

    fn seconds(&mut self, option: &Opt<Integer>) -> Duration {
        Duration::from_secs(self.read(option))
    }

    fn count(&mut self, option: &Opt<Integer>) -> u32 {
        u32::try_from(self.read(option)).unwrap_or(u32::MAX)
    }

    fn tls(&mut self) -> Option<RabbitTlsConfig> {
        let cert = self.read(&table::RABBIT_SSL_CERT_FILE);
        let key = self.read(&table::RABBIT_SSL_KEY_FILE);
        let ca = self.read(&table::RABBIT_SSL_CA_FILE);
        let tls = RabbitTlsConfig {
            ca,
            client_identity: cert
                .zip(key)
                .map(|(cert, key)| ClientIdentity { cert, key }),
        };
        self.read(&table::RABBIT_SSL).then_some(tls)
    }

    fn reconnect(&mut self) -> ReconnectConfig {
        ReconnectConfig {
            delay: self.read(&table::KOMBU_RECONNECT_DELAY),
            splay: self.read(&table::KOMBU_RECONNECT_SPLAY),
            first: self.seconds(&table::RABBIT_RETRY_INTERVAL),
            step: self.seconds(&table::RABBIT_RETRY_BACKOFF),
            longest: self.seconds(&table::RABBIT_INTERVAL_MAX),
        }
    }

    fn reply_queue(&mut self) -> ReplyQueueConfig {
        let limits = QuorumLimits {
            deliveries: self.count(&table::RABBIT_QUORUM_DELIVERY_LIMIT),
            messages_in_memory: self.count(&table::RABBIT_QUORUM_MAX_MEMORY_LENGTH),
            bytes_in_memory: self.count(&table::RABBIT_QUORUM_MAX_MEMORY_BYTES),
        };
        ReplyQueueConfig {
            expires: self.seconds(&table::RABBIT_TRANSIENT_QUEUES_TTL),
            quorum: self
                .read(&table::RABBIT_TRANSIENT_QUORUM_QUEUE)
                .then_some(limits),
        }
    }
}

#[cfg(test)]
mod tests;
