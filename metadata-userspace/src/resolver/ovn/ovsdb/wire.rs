//! Messages over a connection.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use super::Failure;
use super::connection::Stream;
use super::message::{Message, echo_reply, request};
use super::splitter::Splitter;

/// Requests are small; a server that takes none is not at work.
const SEND_LIMIT: Duration = Duration::from_secs(10);
const READ_SIZE: usize = 64 << 10;

pub(super) struct Wire {
    stream: Box<dyn Stream>,
    splitter: Splitter,
    next_id: u64,
    /// What came while an answer was waited for.
    early: VecDeque<Message>,
    /// When the last byte came.
    pub(super) heard: Instant,
}

impl Wire {
    pub(super) fn new(stream: Box<dyn Stream>) -> Self {
        Self {
            stream,
            splitter: Splitter::default(),
            next_id: 1,
            early: VecDeque::new(),
            heard: Instant::now(),
        }
    }

    /// Sends a request; its answer will have the returned id.
    pub(super) async fn request(&mut self, method: &str, params: &Value) -> Result<u64, Failure> {
        let id = self.next_id;
        self.next_id += 1;
        self.send(&request(id, method, params)).await?;
        Ok(id)
    }

    /// Sends a request and waits for its answer, as long as the server is not
    /// silent for `silence`.
    pub(super) async fn call(
        &mut self,
        method: &str,
        params: &Value,
        silence: Duration,
    ) -> Result<Result<Value, String>, Failure> {
        let wanted = self.request(method, params).await?;
        loop {
            match self.arrive(Some(silence)).await? {
                Message::Reply { id, result } if id == wanted => return Ok(result),
                Message::Request { id, .. } => self.answer(&id).await?,
                other => self.early.push_back(other),
            }
        }
    }

    /// The next message. Nothing is lost when the future is dropped.
    pub(super) async fn receive(&mut self) -> Result<Message, Failure> {
        match self.early.pop_front() {
            Some(message) => Ok(message),
            None => self.arrive(None).await,
        }
    }

    /// Answers a request of the server's.
    pub(super) async fn answer(&mut self, id: &Value) -> Result<(), Failure> {
        self.send(&echo_reply(id)).await
    }

    async fn arrive(&mut self, silence: Option<Duration>) -> Result<Message, Failure> {
        loop {
            if let Some(object) = self.splitter.next()? {
                return Message::parse(object);
            }
            self.splitter.buffer.reserve(READ_SIZE);
            let reading = self.stream.read_buf(&mut self.splitter.buffer);
            let length = match silence {
                None => reading.await?,
                Some(limit) => match timeout(limit, reading).await {
                    Ok(read) => read?,
                    Err(_) => return Err(Failure::Silent(limit)),
                },
            };
            if length == 0 {
                return Err(Failure::Closed);
            }
            self.heard = Instant::now();
        }
    }

    async fn send(&mut self, message: &Value) -> Result<(), Failure> {
        let bytes = message.to_string();
        let sending = async {
            self.stream.write_all(bytes.as_bytes()).await?;
            self.stream.flush().await
        };
        match timeout(SEND_LIMIT, sending).await {
            Ok(sent) => Ok(sent?),
            Err(_) => Err(Failure::Late {
                what: "that it takes a request",
                limit: SEND_LIMIT,
            }),
        }
    }
}
