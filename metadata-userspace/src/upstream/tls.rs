//! TLS towards upstreams, with certificates and keys from PEM files.

mod chain;
mod insecure;

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use super::OptionNames;
use crate::config::wiped_base64;
use crate::rights::act_on;

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
    #[error("{} and {}: {source}", .options.cert, .options.key)]
    RefusedPair {
        options: &'static OptionNames,
        source: rustls::Error,
    },
    #[error("no CA certificates on this system; install ca-certificates or set {option}")]
    NoSystemRoots { option: &'static str },
    #[error("the CA certificates cannot be used: {0}")]
    Roots(#[from] rustls::client::VerifierBuilderError),
    #[error("{option}: `{host}` is no name that a certificate could have")]
    Name {
        option: &'static str,
        host: String,
        source: InvalidDnsNameError,
    },
    #[error(transparent)]
    Rustls(#[from] rustls::Error),
}

/// Which files the TLS options of an upstream name.
#[derive(Debug)]
pub struct TlsPaths<'a> {
    /// None: the system's authorities.
    pub ca: Option<&'a Path>,
    /// Our certificate and its key.
    pub client: Option<(&'a Path, &'a Path)>,
}

/// The contents of those files, PEM. Read by the process that may read them, used
/// by the one that speaks with the upstream.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsFiles {
    ca: Option<Vec<u8>>,
    client: Option<PemPair>,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct PemPair {
    cert: Vec<u8>,
    #[serde(with = "wiped_base64")]
    key: Vec<u8>,
}

impl Drop for PemPair {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

impl fmt::Debug for TlsFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsFiles")
            .field("ca", &self.ca.is_some())
            .field("client", &self.client.is_some())
            .finish()
    }
}

impl TlsFiles {
    /// Reads them.
    pub fn read(paths: &TlsPaths<'_>, options: &OptionNames) -> Result<Self, TlsError> {
        let ca = paths.ca.map(|path| read(options.ca, path)).transpose()?;
        let client = match paths.client {
            None => None,
            Some((cert, key)) => Some(PemPair {
                cert: read(options.cert, cert)?,
                key: read(options.key, key)?,
            }),
        };
        Ok(Self { ca, client })
    }
}

fn read(option: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    act_on(path, |path| std::fs::read(path)).map_err(|source| TlsError::Unreadable {
        option,
        path: path.to_owned(),
        source,
    })
}

/// How to speak TLS as `files` say; `insecure`: with whoever answers.
pub fn client_config(
    files: &TlsFiles,
    insecure: bool,
    options: &'static OptionNames,
) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = if insecure {
        Arc::new(insecure::AnyCertificate::new(&provider))
    } else {
        verifier(files.ca.as_deref(), options, &provider)?
    };
    with_verifier(files, verifier, provider, options)
}

/// The same with any server whose certificate one of the configured authorities
/// signed, whatever name it is for.
pub(super) fn client_config_by_chain(
    files: &TlsFiles,
    options: &'static OptionNames,
) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = configured_roots(options.ca, files.ca.as_deref().unwrap_or_default())?;
    let verifier = Arc::new(chain::AnyName::new(roots, &provider));
    with_verifier(files, verifier, provider, options)
}

fn with_verifier(
    files: &TlsFiles,
    verifier: Arc<dyn ServerCertVerifier>,
    provider: Arc<CryptoProvider>,
    options: &'static OptionNames,
) -> Result<Arc<ClientConfig>, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let Some(pair) = &files.client else {
        return Ok(Arc::new(builder.with_no_client_auth()));
    };
    let certificates = certificates(options.cert, &pair.cert)?;
    let option = options.key;
    let key = PrivateKeyDer::from_pem_slice(&pair.key)
        .map_err(|source| TlsError::Pem { option, source })?;
    let config = builder
        .with_client_auth_cert(certificates, key)
        .map_err(|source| TlsError::RefusedPair { options, source })?;
    Ok(Arc::new(config))
}

fn verifier(
    ca: Option<&[u8]>,
    options: &OptionNames,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, TlsError> {
    let roots = match ca {
        Some(pem) => configured_roots(options.ca, pem)?,
        None => system_roots(options.ca)?,
    };
    let provider = Arc::clone(provider);
    Ok(WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build()?)
}

fn configured_roots(option: &'static str, pem: &[u8]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(option, pem)? {
        roots
            .add(certificate)
            .map_err(|source| TlsError::Refused { option, source })?;
    }
    Ok(roots)
}

/// The authorities that this system trusts, as they were when they were first needed.
static SYSTEM_ROOTS: LazyLock<RootCertStore> = LazyLock::new(|| {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
});

/// Reads them while this process may still read files.
pub fn read_system_authorities() {
    LazyLock::force(&SYSTEM_ROOTS);
}

fn system_roots(option: &'static str) -> Result<RootCertStore, TlsError> {
    match SYSTEM_ROOTS.is_empty() {
        true => Err(TlsError::NoSystemRoots { option }),
        false => Ok(SYSTEM_ROOTS.clone()),
    }
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

/// The name that the server's certificate must have; addresses count as names.
pub(super) fn server_name(
    host: &str,
    options: &OptionNames,
) -> Result<ServerName<'static>, TlsError> {
    ServerName::try_from(host.to_owned()).map_err(|source| TlsError::Name {
        option: options.host,
        host: host.to_owned(),
        source,
    })
}

/// The TLS fault inside of an I/O error.
pub(super) fn fault_in(error: &io::Error) -> Option<rustls::Error> {
    error.get_ref()?.downcast_ref::<rustls::Error>().cloned()
}

/// The TLS fault that ended a connection.
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
