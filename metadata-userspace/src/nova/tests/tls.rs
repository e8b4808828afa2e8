use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::Client;
use crate::config::{ClientIdentity, NovaConfig, NovaProtocol};
use crate::metrics::Metrics;
use crate::nova::read_tls;
use crate::testing::{converse, nova, nova_config, ok};
use crate::upstream::TlsFiles;

struct Ca {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
}

struct Pair {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Ca {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        Self {
            pem: certificate.pem(),
            certificate,
            issuer: Issuer::new(params, key),
        }
    }

    fn issue(&self, name: &str) -> Pair {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Pair { certificate, key }
    }
}

/// A Nova with a certificate for 127.0.0.1; wants one of `clients` when given.
async fn tls_nova(ca: &Ca, clients: Option<&Ca>) -> NovaConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(clients) => {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(clients.certificate.der().clone()).unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        }
    };
    let pair = ca.issue("127.0.0.1");
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(pair.key.serialize_der()));
    let config = builder
        .with_single_cert(vec![pair.certificate.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    let answer = Arc::new(|_: &str| ok("hello"));
                    converse(stream, answer, Arc::default()).await;
                }
            });
        }
    });
    NovaConfig {
        protocol: NovaProtocol::Https,
        ..nova_config(address)
    }
}

fn write(dir: &TempDir, name: &str, text: &str) -> std::path::PathBuf {
    let path = dir.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

#[tokio::test]
async fn a_private_ca_is_trusted_and_its_address_checked() {
    let (dir, ca) = (TempDir::new().unwrap(), Ca::new());
    let mut config = tls_nova(&ca, None).await;
    config.ca_cert = Some(write(&dir, "ca.pem", &ca.pem));
    let client = Client::new(&config);
    assert_eq!(client.get().await.unwrap(), "hello");
    assert_eq!(client.get().await.unwrap(), "hello");
    config.host = "localhost".to_owned();
    let error = Client::new(&config).get().await.unwrap_err().to_string();
    assert!(
        error.contains("auth_ca_cert"),
        "a certificate for 127.0.0.1 only: {error}"
    );
}

#[tokio::test]
async fn another_ca_is_refused_unless_insecure_wins() {
    let (dir, ca) = (TempDir::new().unwrap(), Ca::new());
    let mut config = tls_nova(&ca, None).await;
    config.ca_cert = Some(write(&dir, "other.pem", &Ca::new().pem));
    let error = Client::new(&config).get().await.unwrap_err().to_string();
    assert!(
        error.contains("invalid peer certificate") && error.contains("auth_ca_cert"),
        "{error}"
    );
    config.insecure = true;
    assert_eq!(Client::new(&config).get().await.unwrap(), "hello");
    config.ca_cert = Some("/does/not/exist".into());
    assert_eq!(Client::new(&config).get().await.unwrap(), "hello");
}

#[tokio::test]
async fn a_client_certificate_is_shown_when_configured() {
    let (dir, ca, clients) = (TempDir::new().unwrap(), Ca::new(), Ca::new());
    let mut config = tls_nova(&ca, Some(&clients)).await;
    config.ca_cert = Some(write(&dir, "ca.pem", &ca.pem));
    let error = Client::new(&config).get().await.unwrap_err().to_string();
    assert!(error.contains("nova_client_cert"), "{error}");
    let pair = clients.issue("agent");
    config.client_identity = Some(ClientIdentity {
        cert: write(&dir, "cert.pem", &pair.certificate.pem()),
        key: write(&dir, "key.pem", &pair.key.serialize_pem()),
    });
    assert_eq!(Client::new(&config).get().await.unwrap(), "hello");
}

#[tokio::test]
async fn the_files_travel_to_a_process_that_cannot_read_them() {
    let (dir, ca) = (TempDir::new().unwrap(), Ca::new());
    let mut config = tls_nova(&ca, None).await;
    config.ca_cert = Some(write(&dir, "ca.pem", &ca.pem));
    let shipped = serde_json::to_string(&read_tls(&config).unwrap()).unwrap();
    drop(dir);
    let files: TlsFiles = serde_json::from_str(&shipped).unwrap();
    let client = Client::with(&config, &files);
    assert_eq!(client.get().await.unwrap(), "hello");
}

#[tokio::test]
async fn a_plain_port_under_https_is_explained() {
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = plain.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = plain.accept().await.unwrap();
        let refusal = b"HTTP/1.1 400 Bad Request\r\n\r\n";
        stream.write_all(refusal).await.unwrap();
        stream.read_to_end(&mut Vec::new()).await.unwrap();
    });
    let (dir, ca) = (TempDir::new().unwrap(), Ca::new());
    let config = NovaConfig {
        protocol: NovaProtocol::Https,
        ca_cert: Some(write(&dir, "ca.pem", &ca.pem)),
        ..nova_config(address)
    };
    let error = Client::new(&config).get().await.unwrap_err().to_string();
    assert!(error.contains("nova_metadata_protocol"), "{error}");
}

#[test]
fn unusable_files_are_named_by_their_option() {
    let dir = TempDir::new().unwrap();
    let config = |ca: &Path| NovaConfig {
        protocol: NovaProtocol::Https,
        ca_cert: Some(ca.to_owned()),
        ..nova_config("127.0.0.1:1".parse().unwrap())
    };
    let missing = read_tls(&config(Path::new("/does/not/exist")));
    let error = missing.unwrap_err().to_string();
    assert!(error.contains("auth_ca_cert") && error.contains("/does/not/exist"));
    let config = config(&write(&dir, "ca.pem", "no PEM"));
    let files = read_tls(&config).unwrap();
    let error = nova(&config, &files, &Metrics::new()).err();
    assert!(error.unwrap().to_string().contains("auth_ca_cert"));
}
