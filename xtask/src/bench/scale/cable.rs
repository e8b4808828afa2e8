//! An interface made with one message to the kernel: ten thousand of them by `ip`
//! would take longer than all that is measured.

use std::io;
use std::os::fd::AsRawFd;

use anyhow::{Context, Result, ensure};
use nix::libc;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket,
};

const REQUEST: u16 = (libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16;
const CREATE: u16 = (libc::NLM_F_CREATE | libc::NLM_F_EXCL) as u16;
const UP: u32 = libc::IFF_UP as u32;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const VETH_INFO_PEER: u16 = 1;
/// A header of 16 bytes comes before the kernel's verdict.
const VERDICT: std::ops::Range<usize> = 16..20;

/// Makes both ends of a cable in the calling thread's namespace, and brings them up.
///
/// # Errors
/// When the kernel refuses.
pub(super) fn lay(name: &str, far_end: &str) -> Result<()> {
    let end = |flags, name: &str| {
        let name = attribute(libc::IFLA_IFNAME, text(name));
        [interface(flags), name].concat()
    };
    let data = attribute(VETH_INFO_PEER, end(0, far_end));
    let info = [
        attribute(IFLA_INFO_KIND, text("veth")),
        attribute(IFLA_INFO_DATA, data),
    ];
    let info = attribute(libc::IFLA_LINKINFO, info.concat());
    let both = [end(UP, name), info].concat();
    request(libc::RTM_NEWLINK, CREATE, &both)
        .with_context(|| format!("cannot make the interface {name}"))?;
    // The kernel brings no end up that has no other yet (veth_open).
    request(libc::RTM_SETLINK, 0, &end(UP, far_end))
        .with_context(|| format!("cannot bring the interface {far_end} up"))
}

/// Brings `lo` up, as Neutron's agents do in each namespace that they make
/// (`ensure_namespace` in neutron/agent/linux/ip_lib.py).
///
/// # Errors
/// When the kernel refuses.
pub(super) fn bring_loopback_up() -> Result<()> {
    let lo = [interface(UP), attribute(libc::IFLA_IFNAME, text("lo"))].concat();
    request(libc::RTM_SETLINK, 0, &lo).context("cannot bring lo up")
}

fn request(kind: u16, flags: u16, body: &[u8]) -> Result<()> {
    let socket = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkRoute,
    )?;
    let size = u32::try_from(VERDICT.start + body.len())?;
    let mut message = size.to_ne_bytes().to_vec();
    message.extend(kind.to_ne_bytes());
    message.extend((REQUEST | flags).to_ne_bytes());
    // The sequence and the sender, which one question needs not.
    message.extend([0; 8]);
    message.extend(body);
    send(socket.as_raw_fd(), &message, MsgFlags::empty())?;
    let mut answer = [0; 4096];
    let size = recv(socket.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    ensure!(size >= VERDICT.end, "the kernel's answer has {size} bytes");
    let code = answer.get(VERDICT).and_then(|code| code.first_chunk());
    match code.map(|code| i32::from_ne_bytes(*code)) {
        Some(0) => Ok(()),
        code => Err(io::Error::from_raw_os_error(-code.unwrap_or_default()).into()),
    }
}

/// `struct ifinfomsg`, without the interface's number.
fn interface(flags: u32) -> Vec<u8> {
    let flags = flags.to_ne_bytes();
    [[0; 4], [0; 4], flags, flags].concat()
}

fn attribute(kind: u16, value: Vec<u8>) -> Vec<u8> {
    let size = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
    let mut bytes = [size.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn text(text: &str) -> Vec<u8> {
    [text.as_bytes(), b"\0"].concat()
}
