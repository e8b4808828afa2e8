//! Neutron's REST API with the administrator's rights.

use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::addresses;
use crate::lab::http::{self, Response};

const LIMIT: Duration = Duration::from_secs(60);

/// A client with a token.
#[derive(Debug)]
pub(super) struct Api {
    token: String,
}

impl Api {
    /// Logs in with Keystone.
    pub(super) fn login() -> Result<Self> {
        let domain = json!({ "id": "default" });
        let request = json!({ "auth": {
            "identity": { "methods": ["password"], "password": { "user": {
                "name": "admin", "domain": domain, "password": addresses::ADMIN_PASSWORD,
            } } },
            "scope": { "project": { "name": "admin", "domain": domain } },
        } });
        let port = addresses::KEYSTONE;
        let response = exchange(port, "POST", "/v3/auth/tokens", "", Some(&request))?;
        ensure!(response.status == 201, "{}", response.text());
        let token = response.header("x-subject-token");
        let token = token.context("Keystone sent no token")?.to_owned();
        Ok(Self { token })
    }

    /// What stands at a path below `/v2.0`.
    pub(super) fn get(&self, path: &str) -> Result<Value> {
        self.call("GET", path, None)
    }

    /// Makes something; returns what Neutron made of it. `kind` is for example
    /// `network`, whose collection is `networks`.
    pub(super) fn create(&self, kind: &str, wanted: &Value) -> Result<Value> {
        let made = self.call("POST", &format!("/{kind}s"), Some(&json!({ kind: wanted })))?;
        let made = made.get(kind).cloned();
        made.with_context(|| format!("Neutron made no {kind}"))
    }

    /// Asks for a change.
    pub(super) fn put(&self, path: &str, body: &Value) -> Result<Value> {
        self.call("PUT", path, Some(body))
    }

    pub(super) fn delete(&self, path: &str) -> Result<()> {
        self.call("DELETE", path, None).map(drop)
    }

    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let token = format!("X-Auth-Token: {}\r\n", self.token);
        let path = format!("/v2.0{path}");
        let response = exchange(addresses::NEUTRON, method, &path, &token, body)?;
        ensure!(
            (200..300).contains(&response.status),
            "{method} {path}: {} {}",
            response.status,
            response.text()
        );
        if response.body.is_empty() {
            return Ok(Value::Null);
        }
        response.json()
    }
}

fn exchange(
    port: u16,
    method: &str,
    path: &str,
    headers: &str,
    body: Option<&Value>,
) -> Result<Response> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))
        .with_context(|| format!("nothing listens on port {port}"))?;
    http::set_timeouts(&stream, LIMIT)?;
    let body = body.map(Value::to_string).unwrap_or_default();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
         {headers}Connection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes())?;
    http::read_response(&mut stream)
}
