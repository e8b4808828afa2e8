//! The daemon's end: the socket on which shims register, in the supervisor.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

use nix::sys::socket::sockopt::PeerCredentials;
use nix::sys::socket::{SockFlag, accept4, getsockopt};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_local;
use tokio::time::timeout;

use super::protocol::{Answer, Registration, VERSION};
use crate::async_fd;
use crate::netns::Netns;
use crate::supervisor::control::{Control, ControlError};

/// A shim sends its registration as soon as it is connected.
const PATIENCE: Duration = Duration::from_secs(5);
/// Before the next attempt when no connection can be accepted.
const REST: Duration = Duration::from_secs(1);

/// Names a registration for as long as the daemon lives; later ones are greater.
pub type ShimId = u64;

/// A process that keeps a namespace served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShimProcess {
    pub id: ShimId,
    pub pid: u32,
    pub registration: Registration,
}

/// What happens at the door.
#[derive(Debug)]
pub enum Visit {
    /// A shim registers its namespace, and waits for the answer.
    Came {
        shim: ShimProcess,
        netns: Netns,
        answer: oneshot::Sender<Answer>,
    },
    /// It ended.
    Left(ShimId),
}

/// Why a connection is no shim's.
#[derive(Debug, thiserror::Error)]
enum Rejected {
    #[error("its user is {0}, not root")]
    NotRoot(u32),
    #[error("it did not register within 5 s")]
    Late,
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error("cannot look at it: {0}")]
    Peer(#[from] io::Error),
}

/// Accepts shims for as long as there is somebody to tell. Needs tokio's local task
/// set.
pub async fn serve(socket: OwnedFd, visits: mpsc::UnboundedSender<Visit>) {
    let listener = match async_fd::register(socket, Interest::READABLE) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "cannot serve shims"),
    };
    let mut id = 0;
    while !visits.is_closed() {
        match accept(&listener).await {
            Ok(connection) => {
                id += 1;
                spawn_local(attend(id, connection, visits.clone()));
            }
            Err(error) => {
                tracing::error!(%error, "cannot accept a shim; trying again");
                tokio::time::sleep(REST).await;
            }
        }
    }
}

async fn accept(listener: &AsyncFd<OwnedFd>) -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let accepted = listener
        .async_io(Interest::READABLE, |socket| {
            Ok(accept4(socket.as_raw_fd(), flags)?)
        })
        .await?;
    // SAFETY: the kernel has just made it for us.
    Ok(unsafe { OwnedFd::from_raw_fd(accepted) })
}

async fn attend(id: ShimId, connection: OwnedFd, visits: mpsc::UnboundedSender<Visit>) {
    let pid = match peer(&connection) {
        Ok(pid) => pid,
        Err(reason) => return tracing::warn!(%reason, "turned a process away from shim_socket"),
    };
    let control = match Control::new(connection) {
        Ok(control) => control,
        Err(error) => return tracing::error!(%error, pid, "cannot hear a shim"),
    };
    match converse(id, pid, &control, &visits).await {
        Ok(()) | Err(Rejected::Control(ControlError::Closed)) => {}
        Err(reason) => tracing::warn!(%reason, pid, "lost a shim"),
    }
    // The receiver only goes when the whole supervisor does.
    let _ = visits.send(Visit::Left(id));
}

fn peer(connection: &OwnedFd) -> Result<u32, Rejected> {
    let peer = getsockopt(connection, PeerCredentials).map_err(io::Error::from)?;
    match peer.uid() {
        0 => Ok(peer.pid().unsigned_abs()),
        uid => Err(Rejected::NotRoot(uid)),
    }
}

async fn converse(
    id: ShimId,
    pid: u32,
    control: &Control,
    visits: &mpsc::UnboundedSender<Visit>,
) -> Result<(), Rejected> {
    let received = timeout(PATIENCE, control.receive::<serde_json::Value>());
    let (message, namespace) = received.await.map_err(|_| Rejected::Late)??;
    let answer = match understand(message, namespace) {
        Err(problem) => Answer::Refused(problem),
        Ok((registration, netns)) => {
            let (answer, answered) = oneshot::channel();
            let shim = ShimProcess {
                id,
                pid,
                registration,
            };
            let _ = visits.send(Visit::Came {
                shim,
                netns,
                answer,
            });
            match answered.await {
                Ok(answer) => answer,
                // The supervisor stops.
                Err(_) => return Ok(()),
            }
        }
    };
    control.send(&answer, None).await?;
    if let Answer::Refused(problem) = answer {
        tracing::error!(pid, problem, "a shim was refused");
        return Ok(());
    }
    // It says nothing more; its end is what is waited for.
    loop {
        control.receive::<serde_json::Value>().await?;
    }
}

fn understand(
    message: serde_json::Value,
    namespace: Option<OwnedFd>,
) -> Result<(Registration, Netns), String> {
    let version = message.get("version").and_then(serde_json::Value::as_u64);
    if version != Some(VERSION.into()) {
        return Err(format!(
            "the shim speaks version {version:?} and this daemon {VERSION}; install both from one \
             release"
        ));
    }
    let registration = serde_json::from_value(message).map_err(|error| error.to_string())?;
    let namespace = namespace.ok_or("no namespace came along")?;
    let netns = Netns::from_fd(namespace).map_err(|error| error.to_string())?;
    Ok((registration, netns))
}
