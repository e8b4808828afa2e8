//! What lapin runs on: our runtime, and our own connections to RabbitMQ, which
//! can be ended from outside.

use std::future::{Future, ready};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use async_rs::traits::Reactor;
use async_rs::util::RuntimeParts;
use async_rs::{Runtime, Tokio};
use futures_core::Stream as Events;
use futures_io::{AsyncRead, AsyncWrite};
use tokio_util::compat::Compat;

use crate::upstream::Stream;

/// A runtime for one connection.
pub(super) fn runtime() -> Runtime<RuntimeParts<Tokio, Ours>> {
    let tokio = Tokio::current();
    let ours = Ours(tokio.clone());
    Runtime::new(RuntimeParts::new(tokio, ours))
}

/// tokio's timers, with our kind of connection.
#[derive(Clone, Debug)]
pub(super) struct Ours(Tokio);

impl Reactor for Ours {
    type TcpStream = Compat<Stream>;
    type Sleep = <Tokio as Reactor>::Sleep;

    fn register<H: Read + Write + Send + 'static>(
        &self,
        _: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        // lapin has no use for other sockets.
        Err::<Self::TcpStream, _>(io::ErrorKind::Unsupported.into())
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.0.sleep(duration)
    }

    fn interval(&self, duration: Duration) -> impl Events<Item = Instant> + Send + 'static {
        self.0.interval(duration)
    }

    fn tcp_connect_addr(
        &self,
        _: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        // Every connection is opened before lapin sees it.
        ready(Err(io::ErrorKind::Unsupported.into()))
    }
}

/// Ends a connection when it is dropped. lapin's thread waits for RabbitMQ for as
/// long as the connection lasts, also when nobody is interested any more.
#[derive(Debug)]
pub(super) struct HangUp(TcpStream);

impl HangUp {
    pub(super) fn of(stream: &Stream) -> io::Result<Self> {
        let socket = stream.as_fd().try_clone_to_owned()?;
        Ok(Self(TcpStream::from(socket)))
    }
}

impl Drop for HangUp {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}
