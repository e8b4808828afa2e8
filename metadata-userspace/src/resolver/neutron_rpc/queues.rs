//! The exchange and the queue that a client declares, with the arguments that
//! oslo.messaging's clients give them (oslo_messaging/_drivers/impl_rabbit.py:
//! `topic_send`, `declare_direct_consumer` and `_get_queue_arguments`).

use lapin::options::{ExchangeDeclareOptions, QueueDeclareOptions};
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Connection, ErrorKind, ExchangeKind};

use crate::config::{ExchangeConfig, ReplyQueueConfig};

/// Declares the exchange to which requests go.
pub(super) async fn declare_exchange(
    connection: &Connection,
    config: &ExchangeConfig,
) -> Result<(), lapin::Error> {
    let options = |durable| ExchangeDeclareOptions {
        durable,
        auto_delete: config.auto_delete,
        ..ExchangeDeclareOptions::default()
    };
    // RabbitMQ closes the channel of a declaration that it refuses.
    let declare = async |durable| {
        let channel = connection.create_channel().await?;
        let (name, kind) = (config.name.as_str().into(), ExchangeKind::Topic);
        channel
            .exchange_declare(name, kind, options(durable), FieldTable::default())
            .await
    };
    match declare(config.durable).await {
        // Another service on this exchange was configured otherwise, and came first.
        Err(error) if config.durable && is_other_durability(&error) => declare(false).await,
        result => result,
    }
}

fn is_other_durability(error: &lapin::Error) -> bool {
    let ErrorKind::ProtocolError(error) = error.kind() else {
        return false;
    };
    let refused = AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED);
    *error.kind() == refused && error.get_message().as_str().contains("'durable'")
}

/// How the queue of replies is declared.
pub(super) fn reply_queue(config: &ReplyQueueConfig) -> (QueueDeclareOptions, FieldTable) {
    let options = QueueDeclareOptions {
        // Quorum queues can only be durable.
        durable: config.quorum.is_some(),
        ..QueueDeclareOptions::default()
    };
    let mut arguments = FieldTable::default();
    if let Some(limits) = config.quorum {
        let kind = AMQPValue::LongString("quorum".into());
        arguments.insert("x-queue-type".into(), kind);
        for (name, limit) in [
            ("x-delivery-limit", limits.deliveries),
            ("x-max-in-memory-length", limits.messages_in_memory),
            ("x-max-in-memory-bytes", limits.bytes_in_memory),
        ] {
            if limit != 0 {
                arguments.insert(name.into(), AMQPValue::LongLongInt(limit.into()));
            }
        }
    }
    if !config.expires.is_zero() {
        let milliseconds = i64::try_from(config.expires.as_millis()).unwrap_or(i64::MAX);
        arguments.insert("x-expires".into(), AMQPValue::LongLongInt(milliseconds));
    }
    (options, arguments)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::QuorumLimits;

    fn declared(config: &ReplyQueueConfig) -> (bool, Vec<(String, AMQPValue)>) {
        let (options, arguments) = reply_queue(config);
        let arguments = arguments
            .inner()
            .iter()
            .map(|(name, value)| (name.to_string(), value.clone()));
        assert!(!options.exclusive && !options.auto_delete && !options.passive);
        (options.durable, arguments.collect())
    }

    #[test]
    fn a_classic_queue_expires() {
        let config = ReplyQueueConfig {
            expires: Duration::from_secs(1800),
            quorum: None,
        };
        let expires = ("x-expires".to_owned(), AMQPValue::LongLongInt(1_800_000));
        assert_eq!(declared(&config), (false, vec![expires]));
        assert_eq!(declared(&ReplyQueueConfig::default()), (false, Vec::new()));
    }

    #[test]
    fn a_quorum_queue_is_durable_and_has_its_limits() {
        let config = ReplyQueueConfig {
            expires: Duration::ZERO,
            quorum: Some(QuorumLimits {
                deliveries: 3,
                ..QuorumLimits::default()
            }),
        };
        let (durable, arguments) = declared(&config);
        assert!(durable);
        let expected = [
            ("x-delivery-limit", AMQPValue::LongLongInt(3)),
            ("x-queue-type", AMQPValue::LongString("quorum".into())),
        ];
        assert_eq!(
            arguments,
            expected.map(|(name, value)| (name.to_owned(), value))
        );
    }
}
