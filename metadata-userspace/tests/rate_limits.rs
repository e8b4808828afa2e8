//! Neutron's `[metadata_rate_limiting]`, as guests meet it.

#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use xtask::lab::guest::Guest;
use xtask::lab::http::Response;
use xtask::lab::neighbours::Neighbours;

const METADATAD: &str = env!("CARGO_BIN_EXE_metadatad");
const DOCUMENT: &str = "/openstack/latest/meta_data.json";

fn limited(options: &str) -> Result<Neighbours> {
    let section = format!("[metadata_rate_limiting]\nrate_limit_enabled = True\n{options}");
    Neighbours::with(METADATAD, |setup| setup.sections(&section))
}

/// The status that curl prints, on a connection of its own.
fn status(guest: &Guest, url: &str) -> Result<String> {
    guest.curl(&format!(
        "--max-time 10 --globoff --output /dev/null --write-out %{{http_code}} {url}{DOCUMENT}"
    ))
}

const LIMIT: Duration = Duration::from_secs(60);

/// How many requests are answered with 200, and the first that is not.
fn ask_until_refused(guest: &Guest) -> Result<(usize, Response)> {
    let (begun, mut served) = (Instant::now(), 0);
    loop {
        let response = guest.get(DOCUMENT)?;
        if response.status != 200 {
            return Ok((served, response));
        }
        served += 1;
        ensure!(
            begun.elapsed() < LIMIT,
            "{served} are served, none is refused"
        );
    }
}

const IPV4: &str = "http://169.254.169.254";
const IPV6: &str = "http://[fe80::a9fe:a9fe%25eth0]";

#[test]
fn the_guest_that_asks_too_often_is_told_when_to_come_back_and_then_served() -> Result<()> {
    let site = limited(
        "base_window_duration = 3\nbase_query_rate_limit = 5\n\
         burst_window_duration = 1\nburst_query_rate_limit = 5\n",
    )?;
    let begun = Instant::now();
    let (served, refused) = ask_until_refused(&site.guest)?;
    // On a machine so slow that the first is forgotten meanwhile, more are.
    let is_slow = begun.elapsed() >= Duration::from_secs(3);
    assert!(served == 5 || (served > 5 && is_slow), "{served} served");
    assert_eq!(refused.status, 429, "{}", refused.text());
    assert!(
        refused.text().contains("5 within 3 s"),
        "{}",
        refused.text()
    );
    // Its neighbour is another.
    assert_eq!(status(&site.neighbour, IPV4)?, "200");
    let wait: u64 = refused
        .header("retry-after")
        .context("no header")?
        .parse()?;
    assert!((1..=3).contains(&wait), "{wait}");
    let told = Instant::now() + Duration::from_secs(wait);
    // Until it may be let in: whole seconds are more than it has to wait.
    while Instant::now() + Duration::from_secs(1) < told && site.guest.get(DOCUMENT)?.status == 429
    {
        sleep(Duration::from_millis(100));
    }
    sleep(told.saturating_duration_since(Instant::now()));
    assert_eq!(status(&site.guest, IPV4)?, "200");
    let shown = site.daemon.status()?;
    assert!(shown["refused"]["rate"].as_u64() > Some(0), "{shown}");
    site.daemon.wait_log(&["asks too often", &site.guest.mac])?;
    Ok(())
}

#[test]
fn both_families_count_together_when_both_are_listed() -> Result<()> {
    // No request is forgotten before the last.
    let site = limited(
        "ip_versions = 4,6\n\
         base_window_duration = 60\nbase_query_rate_limit = 4\n\
         burst_window_duration = 60\nburst_query_rate_limit = 4\n",
    )?;
    let inside = site.guest.namespace();
    inside.ip("-6 address flush dev eth0")?;
    inside.ip("address add fe80::1234:5678:9abc:def0/64 dev eth0 nodad")?;
    for url in [IPV4, IPV6, IPV4, IPV6] {
        assert_eq!(status(&site.guest, url)?, "200", "{url}");
    }
    // A new address makes no new guest.
    inside.ip("address add fe80::2:2:2:2/64 dev eth0 nodad")?;
    inside.ip("address delete fe80::1234:5678:9abc:def0/64 dev eth0")?;
    for url in [IPV4, IPV6] {
        assert_eq!(status(&site.guest, url)?, "429", "{url}");
    }
    Ok(())
}
