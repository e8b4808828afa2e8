//! The servers that the resolver asks: whether they can be reached.

use std::fmt::Display;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::config::{Auth, Config, OvsdbRemote};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// A server that knows who asks, or leads to one that does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// `RabbitMQ`, for example.
    pub name: &'static str,
    /// The option that says where it is.
    pub option: &'static str,
    /// As the option says it.
    pub place: String,
    /// Whether it accepts a connection, and what hinders.
    pub accepts: Result<(), String>,
}

/// Those of the resolver that the configuration chose.
pub(super) fn sources(config: &Config) -> Vec<Source> {
    let brokers = config.messaging.iter().flat_map(|bus| &bus.brokers);
    let brokers = brokers.map(|broker| {
        let place = format!("{} port {}", broker.host, broker.port);
        let accepts = connect(&broker.host, broker.port).map(drop);
        source("RabbitMQ", "transport_url", &place, accepts)
    });
    let keystone = config.keystone.iter();
    let logins = keystone.filter_map(|keystone| match &keystone.auth {
        Auth::Unneeded => None,
        Auth::Password { url, .. } | Auth::ApplicationCredential { url, .. } => Some(url),
    });
    let logins = logins.map(|url| {
        let accepts = connect(&url.host, url.port).map(drop);
        source("Keystone", "[neutron] auth_url", url, accepts)
    });
    let remotes = config.ovn.iter().flat_map(|ovn| &ovn.southbound);
    let databases = remotes.map(|remote| {
        let accepts = connect_database(remote);
        let name = "OVN's southbound database";
        source(name, "[ovn] ovn_sb_connection", remote, accepts)
    });
    brokers.chain(logins).chain(databases).collect()
}

fn source(
    name: &'static str,
    option: &'static str,
    place: &impl Display,
    accepts: Result<(), String>,
) -> Source {
    Source {
        name,
        option,
        place: place.to_string(),
        accepts,
    }
}

fn connect_database(remote: &OvsdbRemote) -> Result<(), String> {
    match remote {
        OvsdbRemote::Unix(path) => UnixStream::connect(path)
            .map(drop)
            .map_err(|error| error.to_string()),
        OvsdbRemote::Tcp { host, port } | OvsdbRemote::Ssl { host, port } => {
            connect(host, *port).map(drop)
        }
    }
}

/// The first address that accepts, or what the last one said.
pub(super) fn connect(host: &str, port: u16) -> Result<SocketAddr, String> {
    let addresses = (host, port)
        .to_socket_addrs()
        .map_err(|error| format!("the name does not resolve: {error}"))?;
    let mut outcome = Err("the name has no address".to_owned());
    for address in addresses {
        match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
            Ok(_) => return Ok(address),
            Err(error) => outcome = Err(format!("{address}: {error}")),
        }
    }
    outcome
}
