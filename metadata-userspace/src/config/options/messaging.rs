//! The message bus, by oslo.messaging's options, and what is reported over it.

use super::super::messaging::{FailoverStrategy, LoginMethod};
use super::super::types::{
    Boolean, Choice, FilePath, Hidden, HostAddress, Integer, Optional, SecondsUpTo, Text,
};
use super::{DEFAULT_GROUP, SECONDS, options};

const AGENT_GROUP: &str = "agent";
pub(in crate::config) const RABBIT_GROUP: &str = "oslo_messaging_rabbit";

/// As many as RabbitMQ can count.
const MANY: Integer = Integer {
    min: 0,
    max: 2_147_483_647,
};

options! {
    /// Where RabbitMQ is, and our account on it:
    /// rabbit://USER:PASSWORD@HOST:PORT,.../VIRTUAL_HOST?OPTION=VALUE.
    TRANSPORT_URL: Hidden = DEFAULT_GROUP "transport_url" default "rabbit://" Hidden;
    /// Exchange to which Neutron's servers listen.
    CONTROL_EXCHANGE: Text = DEFAULT_GROUP "control_exchange" default "neutron" Text;
    /// Seconds to wait for a reply; after each time-out twice as long.
    RPC_RESPONSE_TIMEOUT: Integer = DEFAULT_GROUP "rpc_response_timeout" default "60" SECONDS;
    /// Seconds to wait for a reply at most.
    RPC_RESPONSE_MAX_TIMEOUT: Integer = DEFAULT_GROUP "rpc_response_max_timeout" default "600"
        SECONDS;
    /// Name of this host in what is reported to Neutron; its own name when empty.
    HOST: Optional<HostAddress> = DEFAULT_GROUP "host" default "" Optional(HostAddress);

    /// Seconds between two reports that the agent is alive; 0 for none.
    REPORT_INTERVAL: SecondsUpTo = AGENT_GROUP "report_interval" default "30" SecondsUpTo(86_400.0);
    /// Have Neutron's servers log each report.
    LOG_AGENT_HEARTBEATS: Boolean = AGENT_GROUP "log_agent_heartbeats" default "false" Boolean;

    /// Speak TLS.
    RABBIT_SSL: Boolean = RABBIT_GROUP "ssl" was RABBIT_GROUP "rabbit_use_ssl" default "false"
        Boolean;
    /// PEM file of the authorities that may sign RabbitMQ's certificate; not
    /// verified when empty, as in oslo.messaging.
    RABBIT_SSL_CA_FILE: Optional<FilePath> = RABBIT_GROUP "ssl_ca_file"
        was RABBIT_GROUP "kombu_ssl_ca_certs" default "" Optional(FilePath);
    /// PEM file of our certificate; needs the key as well.
    RABBIT_SSL_CERT_FILE: Optional<FilePath> = RABBIT_GROUP "ssl_cert_file"
        was RABBIT_GROUP "kombu_ssl_certfile" default "" Optional(FilePath);
    /// PEM file of that certificate's key.
    RABBIT_SSL_KEY_FILE: Optional<FilePath> = RABBIT_GROUP "ssl_key_file"
        was RABBIT_GROUP "kombu_ssl_keyfile" default "" Optional(FilePath);
    /// How the account is proved.
    RABBIT_LOGIN_METHOD: Choice<LoginMethod> = RABBIT_GROUP "rabbit_login_method"
        default "AMQPLAIN" Choice(&[
            ("AMQPLAIN", LoginMethod::AmqPlain),
            ("PLAIN", LoginMethod::Plain),
            ("EXTERNAL", LoginMethod::External),
            ("RABBIT-CR-DEMO", LoginMethod::RabbitCrDemo),
        ]);
    /// Seconds of silence after which RabbitMQ counts as gone; 0 for RabbitMQ's
    /// own choice.
    HEARTBEAT_TIMEOUT_THRESHOLD: Integer = RABBIT_GROUP "heartbeat_timeout_threshold" default "60"
        Integer { min: 0, max: 65_535 };
    /// Which of several hosts is tried next.
    KOMBU_FAILOVER_STRATEGY: Choice<FailoverStrategy> = RABBIT_GROUP "kombu_failover_strategy"
        default "round-robin" Choice(&[
            ("round-robin", FailoverStrategy::RoundRobin),
            ("shuffle", FailoverStrategy::Shuffle),
        ]);
    /// Seconds between the loss of a connection and the next try.
    KOMBU_RECONNECT_DELAY: SecondsUpTo = RABBIT_GROUP "kombu_reconnect_delay" default "1.0"
        SecondsUpTo(4.5);
    /// Seconds that are added to it at most, by chance.
    KOMBU_RECONNECT_SPLAY: SecondsUpTo = RABBIT_GROUP "kombu_reconnect_splay" default "0.0"
        SecondsUpTo(86_400.0);
    /// Seconds after the first round of hosts none of which could be reached.
    RABBIT_RETRY_INTERVAL: Integer = RABBIT_GROUP "rabbit_retry_interval" default "1" SECONDS;
    /// Seconds by which that grows with each round.
    RABBIT_RETRY_BACKOFF: Integer = RABBIT_GROUP "rabbit_retry_backoff" default "2"
        Integer { min: 0, max: 86_400 };
    /// Seconds that it may grow to.
    RABBIT_INTERVAL_MAX: Integer = RABBIT_GROUP "rabbit_interval_max" default "30" SECONDS;
    /// The control exchange survives a restart of RabbitMQ.
    AMQP_DURABLE_QUEUES: Boolean = RABBIT_GROUP "amqp_durable_queues" default "false" Boolean;
    /// The control exchange goes with its last queue.
    AMQP_AUTO_DELETE: Boolean = RABBIT_GROUP "amqp_auto_delete" default "false" Boolean;
    /// Neutron's servers use quorum queues, with which the control exchange is durable.
    RABBIT_QUORUM_QUEUE: Boolean = RABBIT_GROUP "rabbit_quorum_queue" default "false" Boolean;
    /// The queue of replies is a quorum queue.
    RABBIT_TRANSIENT_QUORUM_QUEUE: Boolean = RABBIT_GROUP "rabbit_transient_quorum_queue"
        default "false" Boolean;
    /// Seconds for which an unused queue of replies stays; 0 for ever.
    RABBIT_TRANSIENT_QUEUES_TTL: Integer = RABBIT_GROUP "rabbit_transient_queues_ttl"
        default "1800" Integer { min: 0, max: 4_294_967 };
    /// Deliveries after which a quorum queue drops a message; 0 for no limit.
    RABBIT_QUORUM_DELIVERY_LIMIT: Integer = RABBIT_GROUP "rabbit_quorum_delivery_limit" default "0"
        MANY;
    /// Messages of a quorum queue that are kept in memory; 0 for no limit.
    RABBIT_QUORUM_MAX_MEMORY_LENGTH: Integer = RABBIT_GROUP "rabbit_quorum_max_memory_length"
        default "0" MANY;
    /// Bytes of messages of a quorum queue that are kept in memory; 0 for no limit.
    RABBIT_QUORUM_MAX_MEMORY_BYTES: Integer = RABBIT_GROUP "rabbit_quorum_max_memory_bytes"
        default "0" MANY;
}

/// Options of `[oslo_messaging_rabbit]` that a transport_url may set as well, for
/// oslo.messaging knows them, and that are not used here.
pub(in crate::config) const RABBIT_UNUSED: &[&str] = &[
    "conn_pool_min_size",
    "conn_pool_ttl",
    "direct_mandatory_flag",
    "enable_cancel_on_failover",
    "heartbeat_in_pthread",
    "heartbeat_rate",
    "hostname",
    "kombu_compression",
    "kombu_missing_consumer_retry_timeout",
    "kombu_reconnect_timeout",
    "processname",
    "rabbit_ha_queues",
    "rabbit_qos_prefetch_count",
    "rabbit_stream_fanout",
    "rpc_conn_pool_size",
    "ssl_enforce_fips_mode",
    "ssl_enforce_hostname_verification",
    "ssl_version",
    "use_queue_manager",
];
