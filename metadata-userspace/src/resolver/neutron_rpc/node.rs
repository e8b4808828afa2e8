//! The nodes of RabbitMQ, and how to get to each.

use std::time::Duration;

use lapin::uri::{
    AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo, SASLMechanism,
};

use super::faults::{self, Fault};
use crate::config::{Broker, FailoverStrategy, LoginMethod, MessagingConfig};
use crate::upstream::{Connector, OptionNames, TlsError, TlsFiles, TlsPaths};

/// What RabbitMQ's settings are called.
pub(super) const OPTIONS: OptionNames = OptionNames {
    host: "transport_url",
    protocol: "[oslo_messaging_rabbit] ssl",
    ca: "[oslo_messaging_rabbit] ssl_ca_file",
    insecure: None,
    cert: "[oslo_messaging_rabbit] ssl_cert_file",
    key: "[oslo_messaging_rabbit] ssl_key_file",
};

/// lapin holds 64 frames for each connection; this many bytes need no more.
const FRAME_BYTES: u32 = 16 * 1024;

/// Reads the files that the TLS options name; none for plain text.
pub fn read_tls(config: &MessagingConfig) -> Result<TlsFiles, TlsError> {
    let Some(tls) = &config.tls else {
        return Ok(TlsFiles::default());
    };
    let client = tls.client_identity.as_ref();
    let paths = TlsPaths {
        ca: tls.ca.as_deref(),
        client: client.map(|files| (files.cert.as_path(), files.key.as_path())),
    };
    TlsFiles::read(&paths, &OPTIONS)
}

/// One node.
pub(super) struct Node {
    broker: Broker,
    virtual_host: String,
    login: LoginMethod,
    heartbeat: Duration,
    pub connector: Connector,
}

impl Node {
    fn new(broker: &Broker, config: &MessagingConfig, files: &TlsFiles) -> Result<Self, TlsError> {
        let (host, port) = (&broker.host, broker.port);
        let connector = match &config.tls {
            None => Connector::plain(host, port, &OPTIONS),
            // oslo.messaging verifies nothing when no authorities are named.
            Some(tls) => Connector::tls(host, port, files, tls.ca.is_none(), &OPTIONS)?,
        };
        Ok(Self {
            broker: broker.clone(),
            virtual_host: config.virtual_host.clone(),
            login: config.login,
            heartbeat: config.heartbeat,
            connector,
        })
    }

    /// Where and who, in lapin's terms.
    pub(super) fn uri(&self) -> AMQPUri {
        AMQPUri {
            // What it runs over is our matter.
            scheme: AMQPScheme::AMQP,
            authority: AMQPAuthority {
                userinfo: AMQPUserInfo {
                    username: self.broker.user.clone(),
                    password: self.broker.password.0.clone(),
                },
                host: self.broker.host.clone(),
                port: self.broker.port,
            },
            vhost: self.virtual_host.clone(),
            query: AMQPQueryString {
                frame_max: Some(FRAME_BYTES),
                heartbeat: Some(u16::try_from(self.heartbeat.as_secs()).unwrap_or(u16::MAX)),
                auth_mechanism: Some(match self.login {
                    LoginMethod::AmqPlain => SASLMechanism::AMQPlain,
                    LoginMethod::Plain => SASLMechanism::Plain,
                    LoginMethod::External => SASLMechanism::External,
                    LoginMethod::RabbitCrDemo => SASLMechanism::RabbitCrDemo,
                }),
                ..AMQPQueryString::default()
            },
        }
    }

    /// The handshake failed.
    pub(super) fn refused(&self, error: &lapin::Error) -> Fault {
        Fault::Refused {
            user: self.broker.user.clone(),
            virtual_host: self.virtual_host.clone(),
            reason: faults::told(error),
        }
    }
}

impl std::fmt::Display for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Broker { host, port, .. } = &self.broker;
        match host.contains(':') {
            true => write!(f, "[{host}]:{port}"),
            false => write!(f, "{host}:{port}"),
        }
    }
}

/// All nodes, in the order in which they are tried.
pub(super) struct Nodes {
    nodes: Vec<Node>,
    failover: FailoverStrategy,
    next: usize,
}

impl Nodes {
    pub(super) fn new(config: &MessagingConfig, files: &TlsFiles) -> Result<Self, TlsError> {
        let nodes = config.brokers.iter();
        let nodes: Vec<_> = nodes
            .map(|broker| Node::new(broker, config, files))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            // As in oslo.messaging, not every agent shall begin with the first node.
            next: random(nodes.len()),
            failover: config.failover,
            nodes,
        })
    }

    pub(super) fn count(&self) -> usize {
        self.nodes.len()
    }

    /// The node to try now.
    pub(super) fn next(&mut self) -> Option<&Node> {
        let turn = match self.failover {
            FailoverStrategy::RoundRobin => self.next,
            FailoverStrategy::Shuffle => random(self.nodes.len()),
        };
        self.next = turn.wrapping_add(1);
        self.nodes.get(turn.checked_rem(self.nodes.len())?)
    }
}

/// Below `count`.
fn random(count: usize) -> usize {
    // Without randomness the order is still an order.
    let number = getrandom::u64().unwrap_or_default();
    let count = u64::try_from(count).unwrap_or(u64::MAX).max(1);
    usize::try_from(number % count).unwrap_or_default()
}
