//! TLS towards Nova, by Neutron's options.

mod insecure;

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde::{Deserialize, Serialize};

use crate::config::{NovaConfig, NovaProtocol};

/// Why TLS cannot be set up as configured.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{option}: {} cannot be read: {source}", path.display())]
    Unreadable {
        option: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("{option}: no usable PEM in the file: {source}")]
    Pem {
        option: &'static str,
        source: pem::Error,
    },
    #[error("{option}: {source}")]
    Refused {
        option: &'static str,
        source: rustls::Error,
    },
    #[error("no CA certificates on this system; install ca-certificates or set auth_ca_cert")]
    NoSystemRoots,
    #[error("the CA certificates cannot be used: {0}")]
    Roots(#[from] rustls::client::VerifierBuilderError),
    #[error("nova_metadata_host: `{host}` is no name that a certificate could have")]
    Name {
        host: String,
        source: InvalidDnsNameError,
    },
    #[error(transparent)]
    Rustls(#[from] rustls::Error),
}

/// The files that the TLS options name, PEM. Read by the process that may read
/// them, used by the one that speaks with Nova.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NovaTls {
    ca: Option<Vec<u8>>,
    client: Option<PemPair>,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct PemPair {
    cert: Vec<u8>,
    key: Vec<u8>,
}

impl fmt::Debug for NovaTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NovaTls")
            .field("ca", &self.ca.is_some())
            .field("client", &self.client.is_some())
            .finish()
    }
}

impl NovaTls {
    /// Reads the files that matter under `config`; none for plain HTTP.
    pub fn read(config: &NovaConfig) -> Result<Self, TlsError> {
        if config.protocol == NovaProtocol::Http {
            return Ok(Self::default());
        }
        // As in Neutron, nova_metadata_insecure wins over auth_ca_cert.
        let ca = config.ca_cert.as_deref().filter(|_| !config.insecure);
        let client = config.client_identity.as_ref();
        Ok(Self {
            ca: ca.map(|path| read("auth_ca_cert", path)).transpose()?,
            client: client
                .map(|pair| {
                    Ok::<_, TlsError>(PemPair {
                        cert: read("nova_client_cert", &pair.cert)?,
                        key: read("nova_client_priv_key", &pair.key)?,
                    })
                })
                .transpose()?,
        })
    }
}

fn read(option: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::Unreadable {
        option,
        path: path.to_owned(),
        source,
    })
}

pub(super) fn client_config(
    config: &NovaConfig,
    files: &NovaTls,
) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = verifier(config, files, &provider)?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let config = match &files.client {
        None => builder.with_no_client_auth(),
        Some(pair) => builder
            .with_client_auth_cert(
                certificates("nova_client_cert", &pair.cert)?,
                PrivateKeyDer::from_pem_slice(&pair.key).map_err(|source| TlsError::Pem {
                    option: "nova_client_priv_key",
                    source,
                })?,
            )
            .map_err(|source| TlsError::Refused {
                option: "nova_client_cert and nova_client_priv_key",
                source,
            })?,
    };
    Ok(Arc::new(config))
}

fn verifier(
    config: &NovaConfig,
    files: &NovaTls,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
    if config.insecure {
        return Ok(Arc::new(insecure::AnyCertificate::new(provider)));
    }
    let roots = match &files.ca {
        Some(pem) => configured_roots(pem)?,
        None => system_roots()?,
    };
    let provider = Arc::clone(provider);
    Ok(WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build()?)
}

fn configured_roots(pem: &[u8]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("auth_ca_cert", pem)? {
        roots.add(certificate).map_err(|source| TlsError::Refused {
            option: "auth_ca_cert",
            source,
        })?;
    }
    Ok(roots)
}

fn system_roots() -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err(TlsError::NoSystemRoots);
    }
    Ok(roots)
}

/// At least one.
fn certificates(
    option: &'static str,
    pem: &[u8],
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let bad = |source| TlsError::Pem { option, source };
    let certificates = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(bad)?;
    if certificates.is_empty() {
        return Err(bad(pem::Error::NoItemsFound));
    }
    Ok(certificates)
}

pub(super) fn server_name(config: &NovaConfig) -> Result<ServerName<'static>, TlsError> {
    ServerName::try_from(config.host.clone()).map_err(|source| TlsError::Name {
        host: config.host.clone(),
        source,
    })
}

/// The TLS fault inside of an I/O error.
pub(super) fn fault_in(error: &io::Error) -> Option<rustls::Error> {
    error.get_ref()?.downcast_ref::<rustls::Error>().cloned()
}

/// The TLS fault that ended a connection. In TLS 1.3 a server refuses a client
/// certificate after the handshake, so it shows on the first request.
pub(super) fn fault_behind(error: &(dyn Error + 'static)) -> Option<rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        // The source of an io::Error is its content's source, not its content.
        if let Some(fault) = error.downcast_ref::<io::Error>().and_then(fault_in) {
            return Some(fault);
        }
        next = error.source();
    }
    None
}
