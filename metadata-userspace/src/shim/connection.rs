//! The shim's end of the connection to the daemon.

use std::fs::File;
use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use nix::sys::socket::sockopt::ReceiveTimeout;
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, UnixAddr, connect, recv, sendmsg,
    setsockopt, socket,
};
use nix::sys::time::TimeVal;

use super::protocol::{Answer, Registration};

/// Neutron's agents wait a minute for a proxy.
const PATIENCE: TimeVal = TimeVal::new(10, 0);
const LONGEST_ANSWER: usize = 4096;
const OWN_NAMESPACE: &str = "/proc/self/ns/net";

/// Why the namespace is not registered.
#[derive(Debug, thiserror::Error)]
pub(super) enum RegistrationError {
    #[error("cannot open {OWN_NAMESPACE}: {0}")]
    Namespace(io::Error),
    #[error("metadatad did not take the registration: {0}")]
    Send(io::Error),
    #[error("metadatad did not answer within 10 s")]
    Late,
    #[error("metadatad hung up: {0}")]
    HungUp(io::Error),
    #[error("metadatad's answer cannot be read: {0}")]
    Malformed(#[from] serde_json::Error),
    #[error("metadatad refuses: {0}")]
    Refused(String),
}

/// Connects to the daemon's socket; there is nothing to wait for.
pub(super) fn open(path: &Path) -> io::Result<OwnedFd> {
    let connection = socket(
        AddressFamily::Unix,
        SockType::SeqPacket,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    connect(connection.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(connection)
}

/// Registers the namespace that this process is in. `Ok(Some(…))` says why it is not
/// served yet, though it is registered.
pub(super) fn register(
    connection: &OwnedFd,
    registration: &Registration,
) -> Result<Option<String>, RegistrationError> {
    let namespace = File::open(OWN_NAMESPACE).map_err(RegistrationError::Namespace)?;
    let message = serde_json::to_vec(registration)?;
    let files = [namespace.as_raw_fd()];
    setsockopt(connection, ReceiveTimeout, &PATIENCE)
        .map_err(|errno| RegistrationError::Send(errno.into()))?;
    sendmsg::<()>(
        connection.as_raw_fd(),
        &[IoSlice::new(&message)],
        &[ControlMessage::ScmRights(&files)],
        MsgFlags::MSG_NOSIGNAL,
        None,
    )
    .map_err(|errno| RegistrationError::Send(errno.into()))?;
    match receive(connection)? {
        Answer::Serving => Ok(None),
        Answer::Pending(problem) => Ok(Some(problem)),
        Answer::Refused(problem) => Err(RegistrationError::Refused(problem)),
    }
}

fn receive(connection: &OwnedFd) -> Result<Answer, RegistrationError> {
    let mut answer = vec![0; LONGEST_ANSWER];
    let length = match recv(connection.as_raw_fd(), &mut answer, MsgFlags::empty()) {
        Ok(0) => Err(RegistrationError::HungUp(
            io::ErrorKind::UnexpectedEof.into(),
        )),
        Ok(length) => Ok(length),
        Err(nix::errno::Errno::EAGAIN) => Err(RegistrationError::Late),
        Err(errno) => Err(RegistrationError::HungUp(errno.into())),
    }?;
    answer.truncate(length);
    Ok(serde_json::from_slice(&answer)?)
}
