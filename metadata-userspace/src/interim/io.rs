//! A connection on which interim answers are written.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor, Write};

use super::Interim;

const INTERIM: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// What hyper serves, which can write no interim answer itself.
///
/// hyper flushes a connection whenever it has worked on it, and only when it has nothing
/// left to write (`Buffered::poll_flush` in its proto/h1/io.rs). An interim answer is due
/// only while the answer to the request has not been handed to it. So one that is written
/// at a flush stands behind the answer before and ahead of the next.
pub struct InterimIo<I> {
    io: I,
    interim: Arc<Interim>,
    /// Of one that has begun.
    unwritten: &'static [u8],
}

impl<I> InterimIo<I> {
    pub fn new(io: I, interim: Arc<Interim>) -> Self {
        Self {
            io,
            interim,
            unwritten: &[],
        }
    }

    pub fn inner(&self) -> &I {
        &self.io
    }

    pub fn inner_mut(&mut self) -> &mut I {
        &mut self.io
    }
}

impl<I: Write + Unpin> InterimIo<I> {
    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.unwritten.is_empty() {
            let count = ready!(Pin::new(&mut self.io).poll_write(cx, self.unwritten))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unwritten = self.unwritten.get(count..).unwrap_or_default();
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: Read + Unpin> Read for InterimIo<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl<I: Write + Unpin> Write for InterimIo<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_finish(cx))?;
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_finish(cx))?;
        if self.interim.take() {
            self.unwritten = INTERIM;
            ready!(self.poll_finish(cx))?;
        }
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_finish(cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
