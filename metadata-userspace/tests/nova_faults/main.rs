//! Nova stopped, paused, slow, broken: what guests and operators see.

#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod api;
mod fake;
mod kept;
mod outages;
mod patience;
mod shared;

use anyhow::{Context, Result};
use xtask::lab::daemon::{Daemon, Setup};
use xtask::lab::http::Response;
use xtask::lab::site::Site;
use xtask::lab::unique;

use api::Api;

const METADATAD: &str = env!("CARGO_BIN_EXE_metadatad");

/// What a guest asks for while it boots, the last without an answer.
const BOOT: [&str; 7] = [
    "/openstack",
    "/openstack/latest/meta_data.json",
    "/openstack/latest/network_data.json",
    "/openstack/latest/vendor_data.json",
    "/latest/meta-data/",
    "/latest/meta-data/local-ipv4",
    "/openstack/latest/user_data",
];

/// A served guest, and where its Nova would be.
struct Cloud {
    site: Site,
    port: u16,
}

impl Cloud {
    fn with(options: &[(&str, &str)]) -> Result<Self> {
        let port = unique::loopback_port()?;
        let change = |setup: Setup| {
            options
                .iter()
                .fold(setup.nova_port(port), |setup, (name, value)| {
                    setup.option(name, value)
                })
        };
        let site = Site::with(METADATAD, |_| {}, change)?;
        Ok(Self { site, port })
    }

    fn api(&self) -> Result<Api> {
        Api::start(&self.site.daemon.config_file())
    }

    fn get(&self, path: &str) -> Result<Response> {
        self.site.guest.get(path)
    }

    /// Each document of a boot.
    fn boot(&self) -> Result<Vec<Response>> {
        BOOT.iter().map(|path| self.get(path)).collect()
    }
}

/// It came from Nova, just now.
fn assert_fresh(response: &Response) {
    assert_eq!(response.header("age"), None);
    assert_eq!(response.header("warning"), None);
}

/// It came from Nova once, and says so.
fn assert_stale(response: &Response) -> Result<()> {
    let age: u64 = response.header("age").context("no age")?.parse()?;
    assert!(age < 60, "{age}");
    let warning = response.header("warning").context("no warning")?;
    assert!(warning.contains("110 metadatad"), "{warning}");
    Ok(())
}

/// cloud-init retries this, and nothing else.
fn assert_worth_another_try(response: &Response) {
    assert_eq!(response.status, 503, "{}", response.text());
    assert!(response.header("retry-after").is_some());
}

/// Whether Nova is up, and why not, as operators see it.
fn nova(daemon: &Daemon) -> Result<(bool, String)> {
    let status = daemon.status()?;
    let nova = &status["dependencies"]["nova"];
    assert!(nova["since"].as_u64() > Some(1_700_000_000), "{status}");
    let up = nova["up"].as_bool().context("not heard of")?;
    let problem = nova["problem"].as_str().unwrap_or_default();
    Ok((up, problem.to_owned()))
}
