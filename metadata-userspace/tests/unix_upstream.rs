//! Our datapath and proxy in front of another agent's unix socket, as
//! neutron-metadata-agent has it: a request a connection, told apart by headers.

#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;
use xtask::lab::cloud_init;
use xtask::lab::site::Site;

const METADATAD: &str = env!("CARGO_BIN_EXE_metadatad");

/// Answers each connection's request with `answer` and closes, as
/// neutron/common/metadata.py does: one read of 4096 bytes is the request.
struct Agent {
    socket: PathBuf,
    requests: Receiver<String>,
    _directory: TempDir,
}

impl Agent {
    fn start(answer: &'static str) -> Result<Self> {
        Self::start_slow(answer, Duration::ZERO)
    }

    fn start_slow(answer: &'static str, delay: Duration) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755))?;
        let socket = directory.path().join("metadata_proxy");
        let listener = UnixListener::bind(&socket)?;
        // Neutron's mode `all`: the proxies run as somebody else.
        std::fs::set_permissions(&socket, PermissionsExt::from_mode(0o666))?;
        let (seen, requests) = channel();
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut buffer = [0; 4096];
                let length = stream.read(&mut buffer).unwrap_or(0);
                let request = String::from_utf8_lossy(&buffer[..length]).into_owned();
                if seen.send(request).is_err() {
                    break;
                }
                thread::sleep(delay);
                let _guest_may_be_gone = stream.write_all(answer.as_bytes());
            }
        });
        Ok(Self {
            socket,
            requests,
            _directory: directory,
        })
    }

    fn site(&self) -> Result<Site> {
        site_before(&self.socket)
    }

    fn request(&self) -> Result<String> {
        let limit = Duration::from_secs(5);
        self.requests.recv_timeout(limit).context("no request came")
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // Wakes the thread, which then finds that nobody listens.
        let _gone = UnixStream::connect(&self.socket);
    }
}

fn site_before(socket: &std::path::Path) -> Result<Site> {
    let upstream = format!("unix:{}", socket.display());
    Site::with(
        METADATAD,
        |_| {},
        |setup| setup.option("proxy_upstream", &upstream),
    )
}

fn values<'a>(request: &'a str, name: &str) -> Vec<&'a str> {
    request
        .lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(candidate, _)| candidate.replace('_', "-").eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
        .collect()
}

const HELLO: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello";

#[test]
fn the_agent_hears_who_asks_from_us_and_never_from_the_guest() -> Result<()> {
    let agent = Agent::start(HELLO)?;
    let site = agent.site()?;
    let spoofed = "X-Forwarded-For: 10.0.0.1\r\nX_Forwarded_For: 10.0.0.2\r\n\
                   X-Neutron-Router-ID: other\r\nX-Neutron-Network-ID: other\r\n\
                   X_Neutron_Network_ID: other\r\nX-Instance-ID: other\r\n";
    let response = site
        .guest
        .get_with("/openstack/latest/x?a=b%20c", spoofed)?;
    assert_eq!((response.status, response.text().as_str()), (200, "hello"));
    let request = agent.request()?;
    assert!(
        request.starts_with("GET /openstack/latest/x?a=b%20c HTTP/1.1\r\n"),
        "{request}"
    );
    assert_eq!(
        values(&request, "x-forwarded-for"),
        ["17.17.17.5"],
        "{request}"
    );
    assert_eq!(
        values(&request, "x-neutron-router-id"),
        [site.router.id()],
        "{request}"
    );
    for absent in ["x-neutron-network-id", "x-ovn-network-id", "x-instance-id"] {
        assert!(values(&request, absent).is_empty(), "{request}");
    }
    Ok(())
}

/// Neutron's agent takes the MAC out of the address, so it must be in there.
#[test]
fn the_agent_hears_the_mac_of_a_guest_whose_link_local_address_hides_it() -> Result<()> {
    let agent = Agent::start(HELLO)?;
    let site = agent.site()?;
    let inside = site.guest.namespace();
    inside.ip("-6 address flush dev eth0")?;
    inside.ip("address add fe80::1234:5678:9abc:def0/64 dev eth0 nodad")?;
    let answer = site
        .guest
        .curl("--max-time 10 --globoff http://[fe80::a9fe:a9fe%25eth0]/openstack")?;
    assert_eq!(answer, "hello");
    let request = agent.request()?;
    let octets: Vec<u8> = site
        .guest
        .mac
        .split(':')
        .map(|octet| u8::from_str_radix(octet, 16))
        .collect::<Result<_, _>>()?;
    let mut expected = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 0, 0, 0];
    expected[8..11].copy_from_slice(&octets[..3]);
    expected[13..].copy_from_slice(&octets[3..]);
    expected[8] ^= 2;
    let expected = std::net::Ipv6Addr::from(expected).to_string();
    assert_eq!(values(&request, "x-forwarded-for"), [expected], "{request}");
    Ok(())
}

#[test]
fn a_request_a_connection_serves_a_guest_that_keeps_its_own() -> Result<()> {
    let agent = Agent::start(HELLO)?;
    let site = agent.site()?;
    let mut stream = site.guest.connect()?;
    for _ in 0..10 {
        let response = xtask::lab::http::get(&mut stream, "/latest", "")?;
        assert_eq!(response.text(), "hello");
        agent.request()?;
    }
    Ok(())
}

/// cloud-init retries a 503; a 502 would end its search.
fn assert_worth_another_try(site: &Site) -> Result<()> {
    let response = site.guest.get("/latest")?;
    assert_eq!(response.status, 503, "{}", response.text());
    assert!(response.header("retry-after").is_some());
    Ok(())
}

/// It gives up when it has heard nothing for 10 s.
#[test]
fn cloud_init_waits_for_an_agent_that_takes_longer() -> Result<()> {
    let agent = Agent::start_slow(HELLO, Duration::from_secs(15))?;
    let site = agent.site()?;
    let url = "http://169.254.169.254/openstack";
    assert_eq!(cloud_init::read(site.guest.namespace(), url)?, "hello");
    Ok(())
}

#[test]
fn an_agent_that_says_nothing_is_worth_another_try() -> Result<()> {
    let agent = Agent::start("")?;
    assert_worth_another_try(&agent.site()?)
}

#[test]
fn an_agent_that_is_not_there_is_worth_another_try() -> Result<()> {
    let directory = tempfile::tempdir()?;
    assert_worth_another_try(&site_before(&directory.path().join("nobody"))?)
}
