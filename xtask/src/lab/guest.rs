//! A guest: a namespace with one interface and a default route by its router.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, bind, connect, setsockopt, socket, sockopt,
};
use std::os::fd::AsRawFd;

use super::http::{self, Response};
use super::namespace::Namespace;
use super::router::{Router, Subnet};
use super::unique;

const TIMEOUT: Duration = Duration::from_secs(40);

/// Where guests send their requests.
pub const METADATA: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(169, 254, 169, 254), 80);

/// Where they send them over IPv6.
pub const METADATA_IPV6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe);

/// A guest behind a router.
#[derive(Debug)]
pub struct Guest {
    pub address: Ipv4Addr,
    pub mac: String,
    /// The interface of the router that leads here.
    pub router_interface: String,
    pub(super) namespace: Namespace,
}

impl Guest {
    /// A guest with a name of its own.
    ///
    /// # Errors
    /// When its namespace or its cable cannot be made.
    pub fn behind(router: &Router, subnet: Subnet) -> Result<Self> {
        Self::named(&format!("guest-{}", unique::tag()?), router, subnet)
    }

    /// A guest whose namespace has this name.
    ///
    /// # Errors
    /// As [`Guest::behind`], and when the name is taken.
    pub fn named(name: &str, router: &Router, subnet: Subnet) -> Result<Self> {
        let namespace = Namespace::create(name)?;
        let mac = unique::mac()?;
        // Nobody else has its addresses; the kernel would look for a second or two.
        for interfaces in ["all", "default"] {
            namespace.sysctl(&format!("ipv6/conf/{interfaces}/accept_dad"), "0")?;
        }
        let Subnet {
            guest,
            gateway,
            prefix,
        } = subnet;
        let router_interface = router.cable(&namespace, &mac, &format!("{gateway}/{prefix}"))?;
        namespace.ip(&format!("address add {guest}/{prefix} dev eth0"))?;
        namespace.ip(&format!("route add default via {gateway}"))?;
        Ok(Self {
            address: guest,
            mac,
            router_interface,
            namespace,
        })
    }

    /// A guest that somebody else made and keeps.
    #[must_use]
    pub fn of_somebody(namespace: Namespace, address: Ipv4Addr, mac: &str) -> Self {
        Self {
            address,
            mac: mac.to_owned(),
            router_interface: String::new(),
            namespace,
        }
    }

    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Connects to the metadata address.
    ///
    /// # Errors
    /// When nobody answers there.
    pub fn connect(&self) -> Result<TcpStream> {
        self.connect_to(METADATA.into())
    }

    /// Connects to the IPv6 metadata address.
    ///
    /// # Errors
    /// When nobody answers there.
    pub fn connect_ipv6(&self) -> Result<TcpStream> {
        self.connect_to(self.metadata_ipv6()?)
    }

    /// The IPv6 metadata address, as this guest reaches it.
    ///
    /// # Errors
    /// When it has no interface.
    pub fn metadata_ipv6(&self) -> Result<SocketAddr> {
        let interface = self.namespace.enter(|| if_nametoindex("eth0"))??;
        Ok(SocketAddrV6::new(METADATA_IPV6, 80, 0, interface).into())
    }

    /// GET over IPv6 on a connection of its own.
    ///
    /// # Errors
    /// When there is no connection or no whole response.
    pub fn get_ipv6(&self, path: &str) -> Result<Response> {
        http::get(&mut self.connect_ipv6()?, path, "")
    }

    /// Connects from the guest to anywhere.
    ///
    /// # Errors
    /// When nobody answers there.
    pub fn connect_to(&self, to: SocketAddr) -> Result<TcpStream> {
        self.connect_within(to, TIMEOUT)
    }

    /// Connects from the guest to anywhere, or gives up after `limit`.
    ///
    /// # Errors
    /// When nobody answers there.
    pub fn connect_within(&self, to: SocketAddr, limit: Duration) -> Result<TcpStream> {
        let stream = self
            .namespace
            .enter(|| TcpStream::connect_timeout(&to, limit))?
            .with_context(|| format!("{} cannot connect to {to}", self.namespace.name()))?;
        http::set_timeouts(&stream, TIMEOUT)?;
        Ok(stream)
    }

    /// Connects to the metadata address from a chosen source.
    ///
    /// # Errors
    /// When the source is not the guest's or is in use, or nobody answers.
    pub fn connect_from(&self, source: SocketAddrV4) -> Result<TcpStream> {
        self.namespace
            .enter(|| connect_from(source))?
            .with_context(|| format!("cannot connect from {source} to {METADATA}"))
    }

    /// GET on a connection of its own.
    ///
    /// # Errors
    /// When there is no connection or no whole response.
    pub fn get(&self, path: &str) -> Result<Response> {
        self.get_with(path, "")
    }

    /// GET with further header lines, each ended by CRLF.
    ///
    /// # Errors
    /// As [`Guest::get`].
    pub fn get_with(&self, path: &str, headers: &str) -> Result<Response> {
        http::get(&mut self.connect()?, path, headers)
    }

    /// Runs curl in the guest, as a user would; its output, head and body.
    ///
    /// # Errors
    /// When curl fails, for example because nobody answers.
    pub fn curl(&self, arguments: &str) -> Result<String> {
        self.namespace
            .sh(&format!("curl --silent --show-error {arguments}"))
    }
}

fn connect_from(source: SocketAddrV4) -> Result<TcpStream> {
    let fd = socket(
        AddressFamily::Inet,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    // The port may be in TIME_WAIT on our side too.
    setsockopt(&fd, sockopt::ReuseAddr, &true)?;
    bind(fd.as_raw_fd(), &SockaddrIn::from(source))?;
    let stream = TcpStream::from(fd);
    http::set_timeouts(&stream, TIMEOUT)?;
    connect(stream.as_raw_fd(), &SockaddrIn::from(METADATA))?;
    Ok(stream)
}
