//! Of the message bus's options, those of which the `neutron-rpc` resolver makes
//! no use.

use super::{Unused, When};

pub(super) const TABLE: &[Unused] = &[
    unused(
        &["rpc_conn_pool_size", "conn_pool_min_size", "conn_pool_ttl"],
        When::Set,
        "one connection carries every request and reply",
    ),
    unused(
        &[
            "rabbit_host",
            "rabbit_port",
            "rabbit_hosts",
            "rabbit_userid",
            "rabbit_password",
            "rabbit_virtual_host",
        ],
        When::Set,
        "oslo.messaging no longer has it; transport_url in [DEFAULT] says where RabbitMQ is",
    ),
    unused(
        &["ssl_version", "kombu_ssl_version"],
        When::Set,
        "TLS 1.3 or 1.2 is spoken, whichever RabbitMQ knows",
    ),
    unused(
        &["ssl_enforce_hostname_verification"],
        When::Set,
        "with ssl_ca_file the certificate's name is always verified, as in oslo.messaging",
    ),
    unused(
        &["ssl_enforce_fips_mode"],
        When::On,
        "the TLS library here has no such mode",
    ),
    unused(
        &["kombu_compression"],
        When::Set,
        "requests are some hundred bytes; compressed replies do not come by themselves",
    ),
    unused(
        &[
            "kombu_missing_consumer_retry_timeout",
            "kombu_reconnect_timeout",
            "direct_mandatory_flag",
        ],
        When::Set,
        "it is about sending replies, and the agent receives them",
    ),
    unused(
        &["rabbit_ha_queues", "enable_cancel_on_failover"],
        When::On,
        "mirrored queues are set up by policy since RabbitMQ 3.0 and are gone since 4.0",
    ),
    unused(
        &["rabbit_qos_prefetch_count"],
        When::Set,
        "replies are not acknowledged, so there is nothing to limit",
    ),
    unused(
        &["rabbit_stream_fanout"],
        When::On,
        "the agent receives no fanout messages",
    ),
    unused(
        &["heartbeat_rate", "heartbeat_in_pthread"],
        When::Set,
        "heartbeats are sent twice in heartbeat_timeout_threshold, whatever else goes on",
    ),
    unused(
        &["use_queue_manager", "hostname", "processname"],
        When::On,
        "each start takes a queue of replies with a name of its own, so that nothing is taken \
         from the one before",
    ),
];

const fn unused(names: &'static [&'static str], when: When, reason: &'static str) -> Unused {
    Unused {
        group: "oslo_messaging_rabbit",
        names,
        when,
        used_by: &[],
        reason,
    }
}
