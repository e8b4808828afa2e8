//! Opening connections to upstreams.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::addresses::Addresses;
use super::tls::{self, TlsError, TlsFiles};
use super::{Link, OptionNames, Stream};

/// For one address of several; the caller's own deadline ends the last try.
const PATIENCE_PER_ADDRESS: Duration = Duration::from_secs(5);

/// Why no connection came about.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("the name {host} cannot be resolved; check {option}")]
    Resolve {
        host: String,
        option: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("{address} cannot be reached: {source}")]
    Tcp {
        address: SocketAddr,
        source: io::Error,
    },
    #[error("TLS failed: {fault}; check {}, and {}", .options.of_certificates(), .options.protocol)]
    Tls {
        fault: rustls::Error,
        options: &'static OptionNames,
    },
    #[error("TLS failed: {fault}; check {}", .options.protocol)]
    NotTls {
        fault: io::Error,
        options: &'static OptionNames,
    },
    #[error("HTTP could not start")]
    Http(#[source] hyper::Error),
}

/// Knows where an upstream is and how to speak with it.
pub struct Connector {
    addresses: Addresses,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    options: &'static OptionNames,
}

impl Connector {
    /// In plain text.
    pub fn plain(host: &str, port: u16, options: &'static OptionNames) -> Self {
        Self {
            addresses: Addresses::new(host, port),
            tls: None,
            options,
        }
    }

    /// Over TLS; `insecure`: with whoever answers.
    pub fn tls(
        host: &str,
        port: u16,
        files: &TlsFiles,
        insecure: bool,
        options: &'static OptionNames,
    ) -> Result<Self, TlsError> {
        let config = tls::client_config(files, insecure, options)?;
        let name = tls::server_name(host, options)?;
        Ok(Self {
            tls: Some((TlsConnector::from(config), name)),
            ..Self::plain(host, port, options)
        })
    }

    /// Over TLS, with any server that has a certificate of the configured
    /// authorities: for protocols whose servers' certificates have other names.
    pub fn tls_by_chain(
        host: &str,
        port: u16,
        files: &TlsFiles,
        options: &'static OptionNames,
    ) -> Result<Self, TlsError> {
        let config = tls::client_config_by_chain(files, options)?;
        let name = tls::server_name(host, options)?;
        Ok(Self {
            tls: Some((TlsConnector::from(config), name)),
            ..Self::plain(host, port, options)
        })
    }

    /// A connection for HTTP.
    pub async fn link(&self) -> Result<Link, ConnectError> {
        let stream = self.stream().await?;
        Link::handshake(stream).await.map_err(ConnectError::Http)
    }

    /// A connection for any protocol.
    pub async fn stream(&self) -> Result<Stream, ConnectError> {
        let tcp = self.reach().await?;
        let Some((connector, name)) = &self.tls else {
            return Ok(Stream::Tcp(tcp));
        };
        let shaken = connector.connect(name.clone(), tcp).await;
        let stream = shaken.map_err(|error| self.tls_failed(error))?;
        Ok(Stream::Tls(Box::new(stream)))
    }

    /// The TLS fault that ended a connection, if it was one. In TLS 1.3 a server
    /// refuses a client certificate after the handshake, so it shows on the first
    /// request.
    pub fn tls_fault(&self, error: &hyper::Error) -> Option<ConnectError> {
        Some(ConnectError::Tls {
            fault: tls::fault_behind(error)?,
            options: self.options,
        })
    }

    async fn reach(&self) -> Result<TcpStream, ConnectError> {
        let unresolved = |source| ConnectError::Resolve {
            host: self.addresses.host().to_owned(),
            option: self.options.host,
            source,
        };
        let addresses = self.addresses.get().await.map_err(unresolved)?;
        let reached = self.first_of(addresses).await?;
        reached.ok_or_else(|| unresolved(io::Error::from(io::ErrorKind::NotFound)))
    }

    /// The first address that answers; `None` when there are none.
    async fn first_of(
        &self,
        addresses: Vec<SocketAddr>,
    ) -> Result<Option<TcpStream>, ConnectError> {
        let mut addresses = addresses.into_iter().peekable();
        while let Some(address) = addresses.next() {
            let last = addresses.peek().is_none();
            match open(address, last).await {
                Ok(stream) => return Ok(Some(stream)),
                Err(source) if last => return Err(ConnectError::Tcp { address, source }),
                Err(error) => {
                    self.addresses.is_silent(address);
                    tracing::debug!(host = self.addresses.host(), %address, %error, "trying the next address");
                }
            }
        }
        Ok(None)
    }

    fn tls_failed(&self, error: io::Error) -> ConnectError {
        let options = self.options;
        match tls::fault_in(&error) {
            Some(fault) => ConnectError::Tls { fault, options },
            None => ConnectError::NotTls {
                fault: error,
                options,
            },
        }
    }
}

async fn open(address: SocketAddr, last: bool) -> io::Result<TcpStream> {
    let connecting = TcpStream::connect(address);
    let stream = if last {
        connecting.await?
    } else {
        tokio::time::timeout(PATIENCE_PER_ADDRESS, connecting).await??
    };
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::testing::silent_listener;

    static OPTIONS: OptionNames = OptionNames {
        host: "host",
        protocol: "protocol",
        ca: "ca",
        insecure: None,
        cert: "cert",
        key: "key",
    };

    #[tokio::test]
    async fn a_silent_address_keeps_nobody_from_the_next() {
        let (silent, _held) = silent_listener();
        let alive = TcpListener::bind("127.0.0.1:0").unwrap();
        let addresses = [&silent, &alive].map(|listener| listener.local_addr().unwrap());
        let connector = Connector::plain("host", 1, &OPTIONS);
        let begun = std::time::Instant::now();
        let reached = connector.first_of(addresses.to_vec()).await.unwrap();
        assert_eq!(
            reached.unwrap().peer_addr().unwrap(),
            alive.local_addr().unwrap()
        );
        assert!(begun.elapsed() >= PATIENCE_PER_ADDRESS);
        let [silent, alive] = addresses;
        assert_eq!(
            connector.addresses.in_order(vec![silent, alive]),
            [alive, silent]
        );
    }

    #[tokio::test]
    async fn the_last_fault_is_told() {
        let refusing = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = refusing.local_addr().unwrap();
        drop(refusing);
        let connector = Connector::plain("host", 1, &OPTIONS);
        let error = connector.first_of(vec![address]).await.unwrap_err();
        assert!(error.to_string().contains(&address.to_string()), "{error}");
        assert!(connector.first_of(Vec::new()).await.unwrap().is_none());
    }
}
