//! The interfaces of a namespace.

use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    LinkAttribute, LinkExtentMask, LinkFlags, LinkHeader, LinkMessage, LinkXdp,
};

use super::{Dumped, NamespaceSocket, NetlinkError, attribute};

const HEADER_SIZE: usize = 16;
const IFLA_IFNAME: u16 = 3;
const IFLA_XDP: u16 = 43;
/// Absent when there are several programs, each in a mode of its own.
const IFLA_XDP_PROG_ID: u16 = 4;
const IFLA_XDP_DRV_PROG_ID: u16 = 5;
const IFLA_XDP_SKB_PROG_ID: u16 = 6;

const XDP_FLAGS_UPDATE_IF_NOEXIST: u32 = 1;
const XDP_FLAGS_DRV_MODE: u32 = 4;
const NO_PROGRAM: i32 = -1;

/// An interface, known by its index within its namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub index: u32,
    pub name: String,
    pub is_up: bool,
    /// Id of its XDP program.
    pub xdp: Option<u32>,
}

impl NamespaceSocket {
    /// Brings an interface up; one that is up stays so.
    pub fn bring_up(&self, index: u32) -> Result<(), NetlinkError> {
        let mut link = LinkMessage::default();
        link.header.index = index;
        link.header.flags = LinkFlags::Up;
        link.header.change_mask = LinkFlags::Up;
        self.request(RouteNetlinkMessage::SetLink(link), 0)
    }

    /// Has the interface's driver run an XDP program, in the place of one that is there
    /// if it `replaces`.
    pub fn set_xdp(
        &self,
        index: u32,
        program: BorrowedFd<'_>,
        replaces: bool,
    ) -> Result<(), NetlinkError> {
        let flags = match replaces {
            true => XDP_FLAGS_DRV_MODE,
            false => XDP_FLAGS_DRV_MODE | XDP_FLAGS_UPDATE_IF_NOEXIST,
        };
        self.change_xdp(index, program.as_raw_fd(), flags)
    }

    /// Takes the XDP program off that the interface's driver runs.
    pub fn unset_xdp(&self, index: u32) -> Result<(), NetlinkError> {
        self.change_xdp(index, NO_PROGRAM, XDP_FLAGS_DRV_MODE)
    }

    fn change_xdp(&self, index: u32, program: i32, flags: u32) -> Result<(), NetlinkError> {
        let mut link = LinkMessage::default();
        link.header.index = index;
        link.attributes.push(LinkAttribute::Xdp(vec![
            LinkXdp::Fd(program),
            LinkXdp::Flags(flags),
        ]));
        self.request(RouteNetlinkMessage::SetLink(link), 0)
    }

    /// Every interface of the namespace.
    pub fn links(&self) -> Result<Vec<Link>, NetlinkError> {
        let mut request = LinkMessage::default();
        // Nobody reads the counters, which are summed up over all processors.
        let without_counters = LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]);
        request.attributes.push(without_counters);
        let listing = self.dump(RouteNetlinkMessage::GetLink(request))?;
        listing
            .iter()
            .map(|object| {
                let header = LinkHeader::parse(object.bytes())
                    .map_err(|error| NetlinkError::Malformed(error.to_string()))?;
                let name = object
                    .attribute(HEADER_SIZE, IFLA_IFNAME)
                    .unwrap_or_default();
                let name = name.strip_suffix(b"\0").unwrap_or(name);
                Ok(Link {
                    index: header.index,
                    name: String::from_utf8_lossy(name).into_owned(),
                    is_up: header.flags.contains(LinkFlags::Up),
                    xdp: xdp_program(object),
                })
            })
            .collect()
    }
}

fn xdp_program(link: &Dumped) -> Option<u32> {
    let xdp = link.attribute(HEADER_SIZE, IFLA_XDP)?;
    let id = [IFLA_XDP_PROG_ID, IFLA_XDP_DRV_PROG_ID, IFLA_XDP_SKB_PROG_ID]
        .into_iter()
        .find_map(|kind| attribute(xdp, kind))?;
    Some(u32::from_ne_bytes(id.try_into().ok()?)).filter(|&id| id != 0)
}
