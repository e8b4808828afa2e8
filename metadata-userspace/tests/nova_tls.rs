//! A Nova that speaks TLS and wants to see a certificate, wherever it is.

#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "support/authority.rs"]
mod authority;

use std::convert::Infallible;

use anyhow::{Context, Result};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use xtask::lab::site::Site;

use authority::{Authority, Files};

const METADATAD: &str = env!("CARGO_BIN_EXE_metadatad");

/// Answers with the id of the instance that it is asked about; ends with this.
struct Nova {
    port: u16,
    _runtime: Runtime,
}

impl Nova {
    fn start(address: &str, acceptor: TlsAcceptor) -> Result<Self> {
        let runtime = Runtime::new()?;
        let listener = runtime.block_on(TcpListener::bind(address))?;
        let port = listener.local_addr()?.port();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    // Who refuses whom is what the tests are about.
                    if let Ok(stream) = acceptor.accept(stream).await {
                        let service = service_fn(answer);
                        let http = http1::Builder::new();
                        let _ = http.serve_connection(TokioIo::new(stream), service).await;
                    }
                });
            }
        });
        Ok(Self {
            port,
            _runtime: runtime,
        })
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let instance = request.headers().get("x-instance-id");
    let instance = instance.map(|id| Bytes::copy_from_slice(id.as_bytes()));
    Ok(Response::new(Full::new(instance.unwrap_or_default())))
}

fn site(nova: &Nova, options: &[(&str, &str)]) -> Result<Site> {
    Site::with(
        METADATAD,
        |_| {},
        |setup| {
            let setup = setup
                .nova_port(nova.port)
                .default_option("nova_metadata_protocol", "https");
            options.iter().fold(setup, |setup, (name, value)| {
                setup.default_option(name, value)
            })
        },
    )
}

fn assert_served(site: &Site) -> Result<()> {
    for _ in 0..3 {
        let answer = site.guest.get("/openstack")?;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.text(), site.instance.uuid);
    }
    Ok(())
}

/// What the status says of Nova, which is down.
fn problem(site: &Site) -> Result<String> {
    let answer = site.guest.get("/openstack")?;
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.header("retry-after").is_some());
    let status = site.daemon.status()?;
    let problem = status.pointer("/dependencies/nova/problem");
    let problem = problem.and_then(Value::as_str);
    Ok(problem
        .with_context(|| format!("Nova is not down: {status}"))?
        .to_owned())
}

/// Of the name's addresses, `::1` comes first where the host has it, and nobody
/// listens there.
#[test]
fn a_client_certificate_and_a_private_authority_at_any_kind_of_place() -> Result<()> {
    let (authority, files) = (Authority::new()?, Files::new()?);
    let pair = authority.pair("metadatad")?;
    let ca = files.write("ca", &authority.pem())?;
    let cert = files.write("cert", &pair.certificate)?;
    let key = files.write("key", &pair.key)?;
    for (host, listen) in [
        ("127.0.0.1", "127.0.0.1:0"),
        ("::1", "[::1]:0"),
        ("localhost", "127.0.0.1:0"),
    ] {
        let nova = Nova::start(listen, authority.acceptor(host)?)?;
        let site = site(
            &nova,
            &[
                ("nova_metadata_host", host),
                ("auth_ca_cert", &ca),
                ("nova_client_cert", &cert),
                ("nova_client_priv_key", &key),
            ],
        )?;
        assert_served(&site)?;
    }
    Ok(())
}

#[test]
fn insecure_wins_over_an_authority() -> Result<()> {
    let (authority, files) = (Authority::new()?, Files::new()?);
    let pair = authority.pair("metadatad")?;
    let cert = files.write("cert", &pair.certificate)?;
    let key = files.write("key", &pair.key)?;
    let ca = files.write("ca", &Authority::new()?.pem())?;
    let nova = Nova::start("127.0.0.1:0", authority.acceptor("elsewhere")?)?;
    let mut options = vec![
        ("auth_ca_cert", ca.as_str()),
        ("nova_client_cert", &cert),
        ("nova_client_priv_key", &key),
    ];
    let verifying = site(&nova, &options)?;
    let problem = problem(&verifying)?;
    assert!(
        problem.contains("check auth_ca_cert (or nova_metadata_insecure)"),
        "{problem}"
    );
    options.push(("nova_metadata_insecure", "True"));
    assert_served(&site(&nova, &options)?)
}

#[test]
fn a_missing_client_certificate_is_said_to_be_missing() -> Result<()> {
    let (authority, files) = (Authority::new()?, Files::new()?);
    let ca = files.write("ca", &authority.pem())?;
    let nova = Nova::start("127.0.0.1:0", authority.acceptor("127.0.0.1")?)?;
    let site = site(&nova, &[("auth_ca_cert", &ca)])?;
    let problem = problem(&site)?;
    assert!(
        problem.contains("nova_client_cert and nova_client_priv_key"),
        "{problem}"
    );
    Ok(())
}
