//! Opening connections to Nova.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;

use super::tls::{self, NovaTls, TlsError};
use crate::config::{NovaConfig, NovaProtocol};
use crate::upstream::{Link, Stream};

/// For one address of several; the request's own deadline ends the last try.
const PATIENCE_PER_ADDRESS: Duration = Duration::from_secs(5);

/// Why no connection came about.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("the name {host} cannot be resolved; check nova_metadata_host")]
    Resolve {
        host: String,
        #[source]
        source: io::Error,
    },
    #[error("{address} cannot be reached: {source}")]
    Tcp {
        address: SocketAddr,
        source: io::Error,
    },
    #[error(
        "TLS failed: {0}; check auth_ca_cert (or nova_metadata_insecure), nova_client_cert and nova_client_priv_key, and nova_metadata_protocol"
    )]
    Tls(rustls::Error),
    #[error("TLS failed: {0}; check nova_metadata_protocol")]
    NotTls(io::Error),
    #[error("HTTP could not start")]
    Http(#[source] hyper::Error),
}

/// Knows where Nova is and how to speak with it.
pub(super) struct Connector {
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Connector {
    pub(super) fn new(config: &NovaConfig, tls: &NovaTls) -> Result<Self, TlsError> {
        let tls = match config.protocol {
            NovaProtocol::Http => None,
            NovaProtocol::Https => Some((
                TlsConnector::from(tls::client_config(config, tls)?),
                tls::server_name(config)?,
            )),
        };
        Ok(Self {
            host: config.host.clone(),
            port: config.port,
            tls,
        })
    }

    pub(super) async fn connect(&self) -> Result<Link, ConnectError> {
        let tcp = self.reach().await?;
        let stream = match &self.tls {
            None => Stream::Tcp(tcp),
            Some((connector, name)) => {
                let stream = connector
                    .connect(name.clone(), tcp)
                    .await
                    .map_err(not_tls)?;
                Stream::Tls(Box::new(stream))
            }
        };
        Link::handshake(stream).await.map_err(ConnectError::Http)
    }

    /// The first address that answers, in the resolver's order.
    async fn reach(&self) -> Result<TcpStream, ConnectError> {
        let unresolved = |source| ConnectError::Resolve {
            host: self.host.clone(),
            source,
        };
        let mut addresses = self
            .addresses()
            .await
            .map_err(unresolved)?
            .into_iter()
            .peekable();
        while let Some(address) = addresses.next() {
            let last = addresses.peek().is_none();
            match open(address, last).await {
                Ok(stream) => return Ok(stream),
                Err(source) if last => return Err(ConnectError::Tcp { address, source }),
                Err(error) => tracing::debug!(%address, %error, "trying Nova's next address"),
            }
        }
        Err(unresolved(io::Error::from(io::ErrorKind::NotFound)))
    }

    async fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        if let Ok(address) = self.host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, self.port)]);
        }
        Ok(lookup_host((self.host.as_str(), self.port))
            .await?
            .collect())
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

fn not_tls(error: io::Error) -> ConnectError {
    match tls::fault_in(&error) {
        Some(fault) => ConnectError::Tls(fault),
        None => ConnectError::NotTls(error),
    }
}
