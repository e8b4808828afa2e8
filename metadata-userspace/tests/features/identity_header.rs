//! Which router or network a request came from, as another agent is told.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;
use xtask::lab::daemon::Setup;

use crate::place::{Ground, Kind};

crate::in_each_kind!(the_agent_is_told_the_realm_and_no_other);

fn the_agent_is_told_the_realm_and_no_other(kind: Kind) -> Result<()> {
    let agent = StandIn::start()?;
    let ground = Ground::create(kind)?;
    let setup = agent.before(ground.setup()?);
    let place = ground.served_by(setup)?;
    let id = place.ground.home.id().to_owned();
    let (own, others) = match kind {
        Kind::Router => (
            "x-neutron-router-id",
            ["x-neutron-network-id", "x-ovn-network-id"],
        ),
        Kind::Dhcp => (
            "x-neutron-network-id",
            ["x-neutron-router-id", "x-instance-id"],
        ),
        Kind::Ovn => ("x-ovn-network-id", ["x-neutron-router-id", "x-instance-id"]),
    };
    let claims = "X-Neutron-Router-ID: other\r\nX-Neutron-Network-ID: other\r\n\
                  X_OVN_Network_ID: other\r\nX-Instance-ID: other\r\n";
    place.guest().get_with("/", claims)?;
    let request = agent.request()?;
    assert_eq!(values(&request, own), [id], "{request}");
    for other in others {
        assert_eq!(values(&request, other), [""; 0], "{request}");
    }
    assert!(!request.contains("other"), "{request}");
    Ok(())
}

/// Stands in for neutron-metadata-agent: answers each connection's request and keeps
/// what it was told.
pub(crate) struct StandIn {
    pub(crate) socket: PathBuf,
    requests: Receiver<String>,
    _directory: TempDir,
}

impl StandIn {
    pub(crate) fn start() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755))?;
        let socket = directory.path().join("metadata_proxy");
        let listener = UnixListener::bind(&socket)?;
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
                let _guest_may_be_gone =
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
            }
        });
        Ok(Self {
            socket,
            requests,
            _directory: directory,
        })
    }

    /// A daemon whose proxy asks this agent.
    pub(crate) fn before(&self, setup: Setup) -> Setup {
        let upstream = format!("unix:{}", self.socket.display());
        setup.option("proxy_upstream", &upstream)
    }

    /// The next request.
    pub(crate) fn request(&self) -> Result<String> {
        let limit = Duration::from_secs(5);
        self.requests
            .recv_timeout(limit)
            .context("the agent was not asked")
    }

    /// How many requests came since somebody looked.
    pub(crate) fn asked(&self) -> usize {
        self.requests.try_iter().count()
    }

    /// All values of a header of the next request.
    pub(crate) fn header(&self, name: &str) -> Result<Vec<String>> {
        Ok(values(&self.request()?, name))
    }
}

fn values(request: &str, name: &str) -> Vec<String> {
    let lines = request.lines().filter_map(|line| line.split_once(": "));
    lines
        .filter(|(header, _)| header.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.to_owned())
        .collect()
}
