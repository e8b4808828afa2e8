//! Synchronous requests to the kernel's rtnetlink.
//!
//! A socket belongs to the namespace in which it was opened, wherever it is
//! used later: open it inside, and no further `setns` is needed.

mod addresses;
pub mod author;
mod links;
mod numbers;
mod question;
mod routes;

use std::cell::Cell;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_ECHO, NLM_F_REQUEST, NetlinkBuffer,
    NetlinkMessage, NlaBuffer,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use socket2::SockRef;

pub use addresses::InterfaceAddress;
pub use links::Link;
use question::{Question, name_of};

/// `lo` is the first interface of every namespace (LOOPBACK_IFINDEX in the
/// kernel's include/net/flow.h).
pub const LOOPBACK: u32 = 1;

const NLMSG_ERROR: u16 = 2;
/// Size and kind stand before each attribute's value.
const ATTRIBUTE_HEADER: usize = 4;
const NLMSG_DONE: u16 = 3;
/// The kernel's dumps fill at most 32 KiB a datagram.
const RECEIVE_BUFFER: usize = 64 * 1024;
/// A dump during which something changed is asked for again.
const DUMP_ATTEMPTS: usize = 5;
/// The kernel answers while it is asked. What it had no memory to answer does not come at all.
const PATIENCE: Duration = Duration::from_secs(10);

/// An rtnetlink socket of one network namespace.
#[derive(Debug)]
pub struct NamespaceSocket {
    socket: Socket,
    sequence: Cell<u32>,
    namespace_inode: u64,
}

/// What the kernel said of one object in a dump: its type-specific header and
/// its attributes, not interpreted. Foreign objects of any kind may be among
/// them, so nothing is parsed that is not asked for.
#[derive(Debug)]
pub struct Dumped(Vec<u8>);

#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    #[error("cannot open a netlink socket: {0}")]
    Open(io::Error),
    #[error("cannot {action} over netlink: {source}")]
    Transfer {
        action: &'static str,
        source: io::Error,
    },
    #[error(
        "the kernel did not answer {asked} in the network namespace with inode \
         {namespace_inode}: see its log"
    )]
    NoAnswer {
        asked: &'static str,
        namespace_inode: u64,
    },
    /// The kernel refused; `source` holds its errno.
    #[error("{0}{hint}", hint = remedy(.0))]
    Refused(io::Error),
    #[error("IPv6 is switched off (sysctl net.ipv6.conf.INTERFACE.disable_ipv6 in the namespace)")]
    Ipv6Off,
    #[error("the kernel's netlink answer makes no sense: {0}")]
    Malformed(String),
    #[error("the kernel's tables changed faster than they could be read")]
    Unstable,
}

impl NetlinkError {
    /// The kernel's errno, when it refused the request.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Refused(source) => source.raw_os_error(),
            _ => None,
        }
    }

    /// Whether another attempt may get an answer, though nothing changes.
    pub fn is_silence(&self) -> bool {
        matches!(self, Self::NoAnswer { .. })
    }

    /// Whether the object of the request does not exist (any more).
    pub fn is_gone(&self) -> bool {
        matches!(
            self.errno(),
            Some(nix::libc::ENOENT | nix::libc::ENODEV | nix::libc::ESRCH)
        )
    }

    /// Whether the kernel knows no such request, as those of a family that it was told to do
    /// without (`ipv6.disable=1`).
    fn is_unsupported(&self) -> bool {
        matches!(
            self.errno(),
            Some(nix::libc::EOPNOTSUPP | nix::libc::EAFNOSUPPORT)
        )
    }

    /// Whether the address is not there, which the kernel says in a way of its own.
    fn is_unavailable(&self) -> bool {
        self.errno() == Some(nix::libc::EADDRNOTAVAIL)
    }

    /// Whether the object was there already.
    pub fn already_exists(&self) -> bool {
        self.errno() == Some(nix::libc::EEXIST)
    }
}

fn remedy(refusal: &io::Error) -> &'static str {
    match refusal.raw_os_error() {
        Some(nix::libc::EPERM) => "; this takes CAP_NET_ADMIN",
        _ => "",
    }
}

impl Dumped {
    /// The bytes of the type-specific header and all attributes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The value of the first attribute of this kind behind a header of
    /// `header_size` bytes.
    pub fn attribute(&self, header_size: usize, kind: u16) -> Option<&[u8]> {
        attribute(self.0.get(header_size..)?, kind)
    }
}

/// The value of the first attribute of this kind.
pub fn attribute(mut attributes: &[u8], kind: u16) -> Option<&[u8]> {
    loop {
        let attribute = NlaBuffer::new_checked(attributes).ok()?;
        let size = usize::from(attribute.length());
        if attribute.kind() == kind {
            return attributes.get(ATTRIBUTE_HEADER..size);
        }
        // Attributes start at multiples of four bytes.
        attributes = attributes.get(size.next_multiple_of(4)..)?;
    }
}

impl NamespaceSocket {
    /// Opens a socket in the namespace of the calling thread.
    pub fn open() -> Result<Self, NetlinkError> {
        let here = fs::metadata("/proc/thread-self/ns/net").map_err(NetlinkError::Open)?;
        Self::open_in(here.ino())
    }

    /// The same where that namespace's inode number is known.
    pub fn open_in(namespace_inode: u64) -> Result<Self, NetlinkError> {
        let mut socket = Socket::new(NETLINK_ROUTE).map_err(NetlinkError::Open)?;
        author::bind(&mut socket).map_err(NetlinkError::Open)?;
        socket
            .connect(&SocketAddr::new(0, 0))
            .map_err(NetlinkError::Open)?;
        // The kernel then honours the filters of a dump request (Linux 4.20).
        socket
            .set_netlink_get_strict_chk(true)
            .map_err(NetlinkError::Open)?;
        Self::of(socket, namespace_inode, PATIENCE)
    }

    /// One whose answers are waited for so long.
    fn of(socket: Socket, namespace_inode: u64, patience: Duration) -> Result<Self, NetlinkError> {
        SockRef::from(&socket)
            .set_read_timeout(Some(patience))
            .map_err(NetlinkError::Open)?;
        Ok(Self {
            socket,
            sequence: Cell::new(0),
            namespace_inode,
        })
    }

    /// Inode of the namespace that the socket belongs to.
    pub fn namespace_inode(&self) -> u64 {
        self.namespace_inode
    }

    /// Sends a request that changes something and waits for the kernel's
    /// verdict. `flags` are added to `NLM_F_REQUEST | NLM_F_ACK`, and to what has this
    /// process's own [monitor](author) not hear of it.
    pub fn request(&self, message: RouteNetlinkMessage, flags: u16) -> Result<(), NetlinkError> {
        let question = self.send(message, NLM_F_ACK | NLM_F_ECHO | flags)?;
        self.receive(question, |_| Ok(()))?;
        Ok(())
    }

    /// Everything the kernel lists in answer to `message`.
    pub fn dump(&self, message: RouteNetlinkMessage) -> Result<Vec<Dumped>, NetlinkError> {
        for _ in 0..DUMP_ATTEMPTS {
            let question = self.send(message.clone(), NLM_F_DUMP)?;
            let mut objects = Vec::new();
            let consistent = self.receive(question, |payload| {
                objects.push(Dumped(payload.to_owned()));
                Ok(())
            })?;
            if consistent {
                return Ok(objects);
            }
        }
        Err(NetlinkError::Unstable)
    }

    fn send(&self, message: RouteNetlinkMessage, flags: u16) -> Result<Question, NetlinkError> {
        let name = name_of(&message);
        let sequence = self.sequence.get().wrapping_add(1);
        self.sequence.set(sequence);
        let mut message = NetlinkMessage::from(message);
        message.header.flags = NLM_F_REQUEST | flags;
        message.header.sequence_number = sequence;
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.socket
            .send(&bytes, 0)
            .map_err(|source| NetlinkError::Transfer {
                action: "send",
                source,
            })?;
        Ok(Question { sequence, name })
    }

    fn next_datagram(&self, buffer: &mut Vec<u8>, asked: Question) -> Result<(), NetlinkError> {
        loop {
            let Err(source) = self.socket.recv(buffer, 0) else {
                return Ok(());
            };
            return Err(match source.kind() {
                // With a time-out the kernel does not go on by itself (signal(7)).
                io::ErrorKind::Interrupted => continue,
                io::ErrorKind::WouldBlock => NetlinkError::NoAnswer {
                    asked: asked.name,
                    namespace_inode: self.namespace_inode,
                },
                _ => NetlinkError::Transfer {
                    action: "receive",
                    source,
                },
            });
        }
    }

    /// Reads up to the end of the answer; false if the kernel says that the
    /// listing was interrupted by a change.
    fn receive(
        &self,
        question: Question,
        mut each: impl FnMut(&[u8]) -> Result<(), NetlinkError>,
    ) -> Result<bool, NetlinkError> {
        let mut buffer = Vec::with_capacity(RECEIVE_BUFFER);
        let mut consistent = true;
        loop {
            buffer.clear();
            self.next_datagram(&mut buffer, question)?;
            let mut rest = buffer.as_slice();
            while !rest.is_empty() {
                let (message, following) = split_message(rest)?;
                rest = following;
                if message.sequence_number() != question.sequence {
                    continue;
                }
                consistent &= message.flags() & NLM_F_DUMP_INTR == 0;
                match message.message_type() {
                    NLMSG_DONE => return end_of_dump(message.payload()).map(|()| consistent),
                    NLMSG_ERROR => return verdict(message.payload()).map(|()| consistent),
                    _ => each(message.payload())?,
                }
            }
        }
    }
}

/// The last message of a dump has the errno of what ended it early (`netlink_dump_done` in the
/// kernel's net/netlink/af_netlink.c).
fn end_of_dump(payload: &[u8]) -> Result<(), NetlinkError> {
    match payload {
        [] => Ok(()),
        payload => verdict(payload),
    }
}

/// The first message of a datagram, and what follows it.
fn split_message(bytes: &[u8]) -> Result<(NetlinkBuffer<&[u8]>, &[u8]), NetlinkError> {
    let message = NetlinkBuffer::new_checked(bytes)
        .map_err(|error| NetlinkError::Malformed(error.to_string()))?;
    // Messages start at multiples of four bytes.
    let size = (message.length() as usize).next_multiple_of(4);
    Ok((message, bytes.get(size..).unwrap_or_default()))
}

/// An error message carries a negative errno, 0 for success.
fn verdict(payload: &[u8]) -> Result<(), NetlinkError> {
    let code = payload
        .first_chunk()
        .map(|code| i32::from_ne_bytes(*code))
        .ok_or_else(|| NetlinkError::Malformed("an error without a code".to_owned()))?;
    match code {
        0 => Ok(()),
        negative => Err(NetlinkError::Refused(io::Error::from_raw_os_error(
            negative.wrapping_neg(),
        ))),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
