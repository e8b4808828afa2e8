//! What Neutron tells a haproxy: its generated configuration, read.
//!
//! Everything that Neutron's agents have written since they use haproxy is
//! understood: `neutron/common/metadata.py`, `neutron/agent/metadata/driver.py` and
//! `neutron/agent/ovn/metadata/driver.py`, from Queens on.

mod limits;
mod reader;
#[cfg(test)]
mod tests;
mod words;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::RateLimits;
use crate::identity::Realm;
use crate::namespaces::role::Kind;

/// Longer ones are not Neutron's; its own have some 2 KiB.
pub const LONGEST: usize = 64 * 1024;

/// More faults than this say nothing more.
const MOST_FAULTS: usize = 20;

/// A proxy that an agent wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyOrder {
    /// The router or network that the identity header names.
    pub realm: Realm,
    pub header: Header,
    pub binds: Vec<Bind>,
    /// Where the requests are to go: the metadata agent's unix socket.
    pub socket: PathBuf,
    pub pidfile: Option<PathBuf>,
    /// Whether it is to go to the background.
    pub daemon: bool,
    pub user: Option<String>,
    pub group: Option<String>,
    pub limits: Option<RateLimits>,
    pub log: Log,
}

/// The identity headers of Neutron's agents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// `X-Neutron-Router-ID`.
    Router,
    /// `X-Neutron-Network-ID`.
    Network,
    /// `X-OVN-Network-ID`.
    OvnNetwork,
}

/// An address on which haproxy would listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind {
    pub address: IpAddr,
    pub port: u16,
    pub interface: Option<String>,
}

/// Where operators look for what a haproxy has to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
    pub socket: PathBuf,
    pub facility: Facility,
    pub tag: String,
}

/// A facility of syslog(3), by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facility(pub u8);

impl Facility {
    pub const LOCAL0: Self = Self(16);

    fn named(name: &str) -> Option<Self> {
        let named = [("kern", 0), ("user", 1), ("daemon", 3), ("syslog", 5)];
        let mut named = named.into_iter();
        let local = || {
            name.strip_prefix("local")?
                .parse()
                .ok()
                .filter(|&n: &u8| n < 8)
        };
        match named.find(|(known, _)| *known == name) {
            Some((_, number)) => Some(Self(number)),
            None => local().map(|number| Self(Self::LOCAL0.0 + number)),
        }
    }
}

/// One thing that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Fault {
    /// From 1; `None` when something is missing.
    pub line: Option<usize>,
    pub problem: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{line}: {}", self.problem),
            None => f.write_str(&self.problem),
        }
    }
}

impl ProxyOrder {
    /// Reads a configuration.
    ///
    /// # Errors
    /// Every fault there is, up to a number.
    pub fn parse(text: &str) -> Result<Self, Vec<Fault>> {
        if text.len() > LONGEST {
            return Err(vec![Fault {
                line: None,
                problem: format!("longer than {LONGEST} bytes: this is not Neutron's"),
            }]);
        }
        let mut reader = reader::Reader::default();
        for (number, line) in (1..).zip(text.lines()) {
            reader.read(number, line);
        }
        reader.finish()
    }

    /// Whose namespace such a proxy is in.
    pub fn kind(&self) -> Kind {
        const METADATA: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254));
        let on_the_address = self.binds.iter().any(|bind| bind.address == METADATA);
        match self.header {
            Header::OvnNetwork => Kind::Ovn,
            Header::Network => Kind::Dhcp,
            // The dhcp-agent's, with enable_metadata_network.
            Header::Router if on_the_address => Kind::Dhcp,
            Header::Router => Kind::Router,
        }
    }
}
