//! Accepting guests' connections, on each thread.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::task::{JoinSet, yield_now};
use tokio::time::sleep;

use super::guest::Guest;
use super::limits::{Admission, GuestConnections};
use super::listeners::{Listener, Waiting};
use super::on_call::run_until;
use super::retire::LAST_HANDSHAKES;
use super::sender::Sender;
use super::turns::Turns;
use super::{Proxy, connection};
use crate::accept::AcceptFaults;
use crate::metrics::Refusal;

/// Connections that are accepted from one listener before those that are open get their
/// turn: a flood must not keep the thread from them.
const ACCEPTED_AT_ONCE: usize = 4;

/// What came to one thread.
#[derive(Default)]
pub(super) struct Open {
    connections: JoinSet<()>,
    turns: Turns,
    faults: AcceptFaults,
}

impl Proxy {
    /// Serves guests on the calling thread until all listeners are drained; then lets
    /// requests in flight end and returns. Dropping the future ends all its connections.
    pub async fn serve(self: Arc<Self>) -> io::Result<()> {
        let waiting = self.listeners.waiting()?;
        let drain = self.listeners.drain();
        let mut open = Open::default();
        loop {
            tokio::select! {
                ready = waiting.ready() => self.accept_some(&waiting, &ready?, &mut open).await?,
                Some(_) = open.connections.join_next() => {
                    waiting.duty.has_still(open.connections.len())?;
                }
                () = drain.cancelled() => break,
            }
        }
        if !self.listeners.are_left() {
            let mut handshakes_end = pin!(sleep(LAST_HANDSHAKES));
            loop {
                tokio::select! {
                    ready = waiting.ready() => {
                        self.accept_some(&waiting, &ready?, &mut open).await?;
                    }
                    () = &mut handshakes_end => break,
                }
            }
            self.accept_all_that_wait(&mut open)?;
        }
        drop(waiting);
        self.listeners.forget_all();
        open.end().await;
        Ok(())
    }

    /// Lets a listener go that was [retired](Self::retire): takes those who have begun to
    /// connect, and lets their requests end.
    pub(super) async fn take_the_last(self: Arc<Self>, id: u64, listener: Arc<Listener>) {
        sleep(LAST_HANDSHAKES).await;
        let mut open = Open::default();
        while let Ok(Some((stream, peer))) = self.listeners.accept(&listener) {
            self.admit(&listener, stream, peer, &mut open);
        }
        self.listeners.forget_one(id, &listener);
        open.end().await;
    }

    /// Until it is another thread's turn.
    async fn accept_some(
        self: &Arc<Self>,
        waiting: &Waiting<'_>,
        ready: &[Arc<Listener>],
        open: &mut Open,
    ) -> io::Result<()> {
        for listener in ready {
            for _ in 0..ACCEPTED_AT_ONCE {
                match self.listeners.accept(listener) {
                    Ok(Some((stream, peer))) => self.admit(listener, stream, peer, open),
                    Ok(None) => break,
                    Err(error) => {
                        let namespace = listener.origin.namespace();
                        open.faults.survive(namespace, &error).await;
                        return Ok(());
                    }
                }
                waiting.duty.has_accepted(open.connections.len())?;
                if !waiting.duty.is_on() {
                    return Ok(());
                }
            }
        }
        yield_now().await;
        Ok(())
    }

    /// Whoever closes a listener would reset those that wait in its queue.
    fn accept_all_that_wait(self: &Arc<Self>, open: &mut Open) -> io::Result<()> {
        loop {
            let ready = self.listeners.ready()?;
            let mut accepted = 0;
            for listener in &ready {
                while let Ok(Some((stream, peer))) = self.listeners.accept(listener) {
                    self.admit(listener, stream, peer, open);
                    accepted += 1;
                }
            }
            if accepted == 0 {
                return Ok(());
            }
        }
    }

    fn admit(
        self: &Arc<Self>,
        listener: &Listener,
        stream: TcpStream,
        peer: SocketAddr,
        open: &mut Open,
    ) {
        let (origin, end) = (&listener.origin, listener.end.clone());
        let sender = Sender::of(&stream, peer);
        match GuestConnections::admit(origin, sender, self.connections_per_guest) {
            Admission::Welcome(ticket) => {
                let queue = open.turns.of(origin, sender.counted());
                let guest = Guest::new(self, ticket, queue);
                let retirement = listener.retirement.clone();
                let serving = connection::serve(guest, stream, retirement);
                // The task would be moved whole several times, by tokio too.
                let serving = run_until(end.cancelled_owned(), serving);
                open.connections.spawn(Box::pin(serving));
            }
            Admission::TooMany(ticket) => {
                self.metrics.refused.count(Refusal::Connections);
                let refusing = connection::refuse(ticket, stream);
                let refusing = run_until(end.cancelled_owned(), refusing);
                open.connections.spawn(Box::pin(refusing));
            }
            Admission::Flood => self.metrics.refused.count(Refusal::Flood),
        }
    }
}

impl Open {
    /// When all connections have ended.
    async fn end(&mut self) {
        while self.connections.join_next().await.is_some() {}
    }
}
