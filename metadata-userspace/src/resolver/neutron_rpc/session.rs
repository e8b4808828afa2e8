//! One connection to RabbitMQ: requests go out, replies come in.

use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_core::Stream as _;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions};
use lapin::protocol::basic::AMQPProperties;
use lapin::tcp::AsyncTcpStream;
use lapin::types::FieldTable;
use lapin::{Channel, Confirmation, Connection, ConnectionProperties, Consumer};
use tokio_util::compat::TokioAsyncReadCompatExt as _;

use super::faults::{self, Fault};
use super::kit::{self, HangUp};
use super::node::Node;
use super::pending::{Expected, Pending};
use super::queues;
use super::request::unique;
use crate::config::{ExchangeConfig, ReplyQueueConfig};

/// What is declared on each connection.
#[derive(Debug)]
pub(super) struct Declared {
    pub exchange: ExchangeConfig,
    pub reply_queue: ReplyQueueConfig,
}

/// An open connection with its queue of replies.
pub(super) struct Session {
    channel: Channel,
    exchange: String,
    reply_queue: String,
    pending: Pending,
    // The order of the fields is that of their end: first politely.
    _connection: Connection,
    _hang_up: HangUp,
}

/// A message on its way.
pub(super) struct Outgoing {
    pub topic: &'static str,
    pub body: String,
    /// RabbitMQ drops it when nobody took it in this time.
    pub expires: Option<Duration>,
}

/// How the messages of a connection come in.
pub(super) struct Incoming(Consumer);

impl Session {
    /// Connects with a node.
    pub(super) async fn open(
        node: &Node,
        declared: &Declared,
        reply_queue: &str,
    ) -> Result<(Self, Incoming), Fault> {
        let stream = node.connector.stream().await?;
        let hang_up = HangUp::of(&stream)?;
        let connection = shake_hands(node, stream)
            .await
            .map_err(|error| node.refused(&error))?;
        let failed = |error| Fault::Declare(faults::told(&error));
        queues::declare_exchange(&connection, &declared.exchange)
            .await
            .map_err(failed)?;
        let channel = connection.create_channel().await.map_err(failed)?;
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await
            .map_err(failed)?;
        let (options, arguments) = queues::reply_queue(&declared.reply_queue);
        channel
            .queue_declare(reply_queue.into(), options, arguments)
            .await
            .map_err(failed)?;
        // A reply that is lost on the way is lost: there is nobody to read it again.
        let options = BasicConsumeOptions {
            no_ack: true,
            ..BasicConsumeOptions::default()
        };
        let consumer = channel
            .basic_consume(
                reply_queue.into(),
                "".into(),
                options,
                FieldTable::default(),
            )
            .await
            .map_err(failed)?;
        let session = Self {
            channel,
            exchange: declared.exchange.name.clone(),
            reply_queue: reply_queue.to_owned(),
            pending: Pending::default(),
            _connection: connection,
            _hang_up: hang_up,
        };
        Ok((session, Incoming(consumer)))
    }

    pub(super) fn reply_queue(&self) -> &str {
        &self.reply_queue
    }

    pub(super) fn pending(&self) -> &Pending {
        &self.pending
    }

    /// Makes a place for a reply.
    pub(super) fn expect_reply(&self) -> Expected {
        self.pending.expect(unique())
    }

    /// Sends a message; returns when RabbitMQ has it in a queue.
    pub(super) async fn send(&self, message: Outgoing) -> Result<(), Fault> {
        // As kombu's producers do.
        let mut properties = AMQPProperties::default()
            .with_content_type("application/json".into())
            .with_content_encoding("utf-8".into())
            .with_delivery_mode(2)
            .with_priority(0);
        if let Some(expires) = message.expires {
            properties = properties.with_expiration(expires.as_millis().to_string().into());
        }
        // A message that no queue takes shall come back.
        let options = BasicPublishOptions {
            mandatory: true,
            ..BasicPublishOptions::default()
        };
        let confirmation = self
            .channel
            .basic_publish(
                self.exchange.as_str().into(),
                message.topic.into(),
                options,
                message.body.as_bytes(),
                properties,
            )
            .await;
        let failed = |error| Fault::Send(faults::told(&error));
        match confirmation.map_err(failed)?.await.map_err(failed)? {
            Confirmation::Ack(None) | Confirmation::NotRequested => Ok(()),
            Confirmation::Ack(Some(_)) => Err(Fault::NobodyListens(message.topic)),
            Confirmation::Nack(_) => Err(Fault::Send("it refused the message".to_owned())),
        }
    }
}

impl Incoming {
    /// The next message; a fault when none will come any more.
    pub(super) async fn next(&mut self) -> Result<Vec<u8>, Fault> {
        let next = std::future::poll_fn(|cx| Pin::new(&mut self.0).poll_next(cx));
        match next.await {
            Some(Ok(delivery)) => Ok(delivery.data),
            Some(Err(error)) => Err(Fault::Lost(faults::told(&error))),
            None => Err(Fault::Lost("it deleted the queue of replies".to_owned())),
        }
    }
}

/// Says who we are, and learns whether we are welcome.
async fn shake_hands(
    node: &Node,
    stream: crate::upstream::Stream,
) -> Result<Connection, lapin::Error> {
    let properties = ConnectionProperties::default()
        .with_connection_name(format!("metadatad:{}", std::process::id()).into());
    // lapin asks for a connection once: it does not recover by itself.
    let stream = Mutex::new(Some(stream));
    let connect = move |_, _| {
        let stream = stream.lock().unwrap_or_else(PoisonError::into_inner).take();
        let gone = || std::io::Error::from(std::io::ErrorKind::NotConnected);
        let stream = stream.ok_or_else(gone).map_err(lapin::Error::from);
        std::future::ready(stream.map(|stream| AsyncTcpStream::Plain(stream.compat())))
    };
    Connection::connector(node.uri(), kit::runtime(), connect, properties).await
}
