//! Keystone and Neutron behind TLS: a private authority, a client certificate.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;
use xtask::lab::daemon::Setup;

use super::{Region, service_user};
use crate::cloud::Cloud;

struct Ca {
    certificate: rcgen::Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Ca {
    fn new() -> Result<Self> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Ok(Self {
            certificate: params.self_signed(&key)?,
            issuer: Issuer::new(params, key),
        })
    }

    fn issue(&self, name: &str) -> Result<(rcgen::Certificate, KeyPair)> {
        let key = KeyPair::generate()?;
        let params = CertificateParams::new(vec![name.to_owned()])?;
        Ok((params.signed_by(&key, &self.issuer)?, key))
    }

    /// Certificates for 127.0.0.1; the client must show one, too.
    fn acceptor(&self) -> Result<TlsAcceptor> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut clients = RootCertStore::empty();
        clients.add(self.certificate.der().clone())?;
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(clients), provider.clone());
        let (certificate, key) = self.issue("127.0.0.1")?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(verifier.build()?)
            .with_single_cert(vec![certificate.der().clone()], key)?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

/// Files that only root reads; the worker is nobody.
struct Files(TempDir);

impl Files {
    fn write(&self, name: &str, text: &str) -> Result<String> {
        let path = self.0.path().join(name);
        fs::write(&path, text)?;
        fs::set_permissions(&path, PermissionsExt::from_mode(0o600))?;
        Ok(path.to_str().context("no UTF-8")?.to_owned())
    }
}

fn region(ca: &Ca, options: &[(&str, String)]) -> Result<Region> {
    let cloud = Cloud::with_tls(ca.acceptor()?)?;
    let auth_url = cloud.auth_url("https");
    Region::with(cloud, 1, |setup: Setup| {
        let setup = service_user(setup, &auth_url);
        let set = |setup: Setup, (name, value): &(&str, String)| {
            setup.group_option("neutron", name, value)
        };
        options.iter().fold(setup, set)
    })
}

#[test]
fn a_private_authority_and_a_client_certificate() -> Result<()> {
    let (ca, files) = (Ca::new()?, Files(TempDir::new()?));
    let (certificate, key) = ca.issue("metadatad")?;
    let region = region(
        &ca,
        &[
            ("cafile", files.write("ca", &ca.certificate.pem())?),
            ("certfile", files.write("cert", &certificate.pem())?),
            ("keyfile", files.write("key", &key.serialize_pem())?),
        ],
    )?;
    region.corners[0].is_served()
}

#[test]
fn certificate_and_key_in_one_file_and_nothing_verified() -> Result<()> {
    let (ca, files) = (Ca::new()?, Files(TempDir::new()?));
    let (certificate, key) = ca.issue("metadatad")?;
    let both = certificate.pem() + &key.serialize_pem();
    let region = region(
        &ca,
        &[
            ("insecure", "true".to_owned()),
            ("cafile", "/does/not/exist".to_owned()),
            ("certfile", files.write("both", &both)?),
        ],
    )?;
    region.corners[0].is_served()
}

#[test]
fn a_wrong_authority_or_no_certificate_is_named_by_its_option() -> Result<()> {
    let (ca, files) = (Ca::new()?, Files(TempDir::new()?));
    let other = files.write("other", &Ca::new()?.certificate.pem())?;
    let own = files.write("ca", &ca.certificate.pem())?;
    for (cafile, part) in [(other, "[neutron] cafile"), (own, "[neutron] certfile")] {
        let mut region = region(&ca, &[("cafile", cafile)])?;
        let state = region.wait_for("keystone", false)?;
        let problem = state["problem"].as_str().unwrap_or_default();
        assert!(problem.contains(part), "{state}");
        region.corners[0].is_put_off()?;
    }
    Ok(())
}
