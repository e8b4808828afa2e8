//! RabbitMQ over TLS, with a private authority on both sides.

use std::fs;
use std::path::PathBuf;

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::Value;
use tempfile::TempDir;
use xtask::lab::daemon::{Daemon, Setup};
use xtask::lab::rabbitmq::{RabbitMq, Tls};
use xtask::lab::unique;

use crate::cloud::{Cloud, METADATAD};

/// A directory of PEM files.
struct Files(TempDir);

impl Files {
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: String) -> Result<()> {
        Ok(fs::write(self.path(name), text)?)
    }

    /// `NAME-ca.pem`, and pairs for a server and a client that it signed.
    fn add_authority(&self, name: &str) -> Result<()> {
        let key = KeyPair::generate()?;
        let mut authority = CertificateParams::new(Vec::new())?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // A certificate with its issuer's name would count as its own issuer.
        authority
            .distinguished_name
            .push(DnType::CommonName, format!("{name} authority"));
        self.write(
            &format!("{name}-ca.pem"),
            authority.self_signed(&key)?.pem(),
        )?;
        let issuer = Issuer::new(authority, key);
        for role in ["server", "client"] {
            let key = KeyPair::generate()?;
            let params = CertificateParams::new(vec!["localhost".to_owned()])?;
            let certificate = params.signed_by(&key, &issuer)?.pem();
            self.write(&format!("{name}-{role}.pem"), certificate)?;
            self.write(&format!("{name}-{role}-key.pem"), key.serialize_pem())?;
        }
        Ok(())
    }

    /// Options of an agent that trusts one authority and is known to ours.
    fn options(&self, trusted: &str) -> String {
        format!(
            "[oslo_messaging_rabbit]\nssl = true\nssl_ca_file = {}\nssl_cert_file = {}\n\
             ssl_key_file = {}\n",
            self.path(&format!("{trusted}-ca.pem")).display(),
            self.path("our-client.pem").display(),
            self.path("our-client-key.pem").display(),
        )
    }
}

#[test]
fn tls_and_a_second_host_and_an_account_with_escapes() -> Result<()> {
    let files = Files(tempfile::tempdir()?);
    files.add_authority("our")?;
    files.add_authority("other")?;
    let rabbit = RabbitMq::with_tls(Tls {
        ca: &files.path("our-ca.pem"),
        cert: &files.path("our-server.pem"),
        key: &files.path("our-server-key.pem"),
    })?;
    rabbit.ctl(&["add_user", "me@site", "p/a:s,s%?"])?;
    rabbit.ctl(&["set_permissions", "me@site", ".*", ".*", ".*"])?;
    let account = "me%40site:p%2Fa%3As%2Cs%25%3F";
    let nobody = unique::loopback_port()?;
    let url = format!(
        "rabbit://{account}@localhost:{nobody},{account}@localhost:{}//",
        rabbit.tls_port()
    );
    let connected = |setup: Setup| {
        setup
            .default_option("transport_url", &url)
            .sections(&files.options("our"))
    };
    let mut cloud = Cloud::with_guests(1, 1, rabbit, connected)?;
    cloud.comes_to_serve(0)?;
    let log = cloud.daemon.log();
    assert!(!log.contains("p/a:s") && !log.contains("p%2Fa"), "{log}");

    let url = format!("rabbit://{account}@localhost:{}/", cloud.rabbit.tls_port());
    let setup = Setup::new(METADATAD, &["none"], String::new())?
        .option("resolver", "neutron-rpc")
        .default_option("transport_url", &url)
        .sections(&files.options("other"));
    let mut distrustful = Daemon::start(setup)?;
    distrustful.wait("a strange certificate is refused", |daemon| {
        let status = daemon.status()?;
        let problem = status["dependencies"]["rabbitmq"]["problem"].as_str();
        Ok(problem.is_some_and(|said| said.contains("TLS failed") && said.contains("ssl_ca_file")))
    })?;
    assert_eq!(
        distrustful.status()?["dependencies"]["neutron"],
        Value::Null
    );
    Ok(())
}
