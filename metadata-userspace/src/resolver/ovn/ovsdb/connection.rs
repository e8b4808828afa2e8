//! Connections to servers.

use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::Failure;
use crate::config::OvsdbRemote;
use crate::upstream::{Connector, OptionNames, TlsFiles};

/// For TCP and TLS. Another server may be up meanwhile.
const PATIENCE: Duration = Duration::from_secs(10);

/// What operators call the settings of the southbound database.
pub const OPTIONS: &OptionNames = &OptionNames {
    host: "[ovn] ovn_sb_connection",
    protocol: "[ovn] ovn_sb_connection",
    ca: "[ovn] ovn_sb_ca_cert",
    insecure: None,
    cert: "[ovn] ovn_sb_certificate",
    key: "[ovn] ovn_sb_private_key",
};

/// Opens unix sockets, on behalf of a process that may not do it itself.
pub trait UnixSockets: Send + Sync + 'static {
    fn connect<'a>(
        &'a self,
        path: &'a Path,
    ) -> Pin<Box<dyn Future<Output = io::Result<UnixStream>> + Send + 'a>>;
}

/// Any connection.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

pub(super) async fn open(
    remote: &OvsdbRemote,
    tls: &TlsFiles,
    sockets: &Arc<dyn UnixSockets>,
) -> Result<Box<dyn Stream>, Failure> {
    let connecting = async {
        match remote {
            OvsdbRemote::Unix(path) => match sockets.connect(path).await {
                Ok(stream) => Ok(Box::new(stream) as Box<dyn Stream>),
                Err(error) => Err(Failure::Connect(format!("cannot connect: {error}"))),
            },
            OvsdbRemote::Tcp { host, port } => {
                through(Connector::plain(host, *port, OPTIONS)).await
            }
            OvsdbRemote::Ssl { host, port } => {
                match Connector::tls_by_chain(host, *port, tls, OPTIONS) {
                    Ok(connector) => through(connector).await,
                    Err(error) => Err(Failure::Connect(error.to_string())),
                }
            }
        }
    };
    match timeout(PATIENCE, connecting).await {
        Ok(done) => done,
        Err(_) => Err(Failure::Connect(format!(
            "no connection within {PATIENCE:?}"
        ))),
    }
}

async fn through(connector: Connector) -> Result<Box<dyn Stream>, Failure> {
    match connector.stream().await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => Err(Failure::Connect(crate::logging::chain(&error).to_string())),
    }
}
