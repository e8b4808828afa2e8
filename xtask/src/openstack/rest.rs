//! A client of Keystone and Neutron, as small as can be.

use std::fmt;
use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::json;

use super::addresses;
use crate::lab::http::{self, Response};

/// An agent as Neutron's agents API shows it.
#[derive(Debug, Deserialize)]
pub(super) struct Agent {
    pub(super) agent_type: String,
    pub(super) binary: String,
    pub(super) host: String,
    pub(super) alive: bool,
    pub(super) heartbeat_timestamp: String,
}

/// As a line of that list.
impl fmt::Display for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.alive { ":-)" } else { "XXX" };
        let Self {
            agent_type,
            binary,
            host,
            heartbeat_timestamp,
            ..
        } = self;
        write!(
            f,
            "{state} {agent_type:<20} {binary:<26} {host:<6} {heartbeat_timestamp}"
        )
    }
}

/// What `openstack network agent list` would show.
pub(super) fn agents() -> Result<Vec<Agent>> {
    #[derive(Deserialize)]
    struct Agents {
        agents: Vec<Agent>,
    }
    let headers = format!("X-Auth-Token: {}\r\nConnection: close\r\n", token()?);
    let mut stream = connect(addresses::NEUTRON)?;
    let response = http::get(&mut stream, "/v2.0/agents", &headers)?;
    ensure!(response.status == 200, "{}", response.text());
    Ok(serde_json::from_slice::<Agents>(&response.body)?.agents)
}

/// The administrator's token.
fn token() -> Result<String> {
    let domain = json!({ "id": "default" });
    let request = json!({ "auth": {
        "identity": { "methods": ["password"], "password": { "user": {
            "name": "admin", "domain": domain, "password": addresses::ADMIN_PASSWORD,
        } } },
        "scope": { "project": { "name": "admin", "domain": domain } },
    } });
    let response = post_json(addresses::KEYSTONE, "/v3/auth/tokens", &request.to_string())?;
    ensure!(response.status == 201, "{}", response.text());
    let token = response.header("x-subject-token");
    Ok(token.context("Keystone sent no token")?.to_owned())
}

fn post_json(port: u16, path: &str, body: &str) -> Result<Response> {
    let mut stream = connect(port)?;
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
         Connection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes())?;
    http::read_response(&mut stream)
}

fn connect(port: u16) -> Result<TcpStream> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        .with_context(|| format!("nothing listens on port {port}"))?;
    http::set_timeouts(&stream, Duration::from_secs(60))?;
    Ok(stream)
}
