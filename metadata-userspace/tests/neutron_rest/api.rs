//! What Keystone and Neutron know and say.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use hyper::header::HeaderValue;
use hyper::http::request::Parts;
use serde_json::{Value, json};

use crate::cloud::{Answer, plain};

pub(crate) const PASSWORD: &str = "keystone-s3cret";

pub(crate) struct Keystone {
    pub(crate) lifetime: Duration,
    pub(crate) logins: usize,
    /// Logins with a wrong password.
    pub(crate) refused: usize,
    tokens: HashMap<String, Instant>,
    neutron: String,
}

impl Keystone {
    pub(crate) fn new(neutron: String) -> Self {
        Self {
            lifetime: Duration::from_secs(3600),
            logins: 0,
            refused: 0,
            tokens: HashMap::new(),
            neutron,
        }
    }

    /// As `openstack token revoke` of every token.
    pub(crate) fn revoke_all(&mut self) {
        self.tokens.clear();
    }

    pub(crate) fn knows(&self, token: Option<&str>) -> bool {
        let end = token.and_then(|token| self.tokens.get(token));
        end.is_some_and(|end| Instant::now() < *end)
    }

    pub(crate) fn answer(&mut self, head: &Parts, body: &[u8]) -> Answer {
        if (head.method.as_str(), head.uri.path()) != ("POST", "/v3/auth/tokens") {
            return plain(404, "{}");
        }
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let identity = &body["auth"]["identity"];
        let password = &identity["password"]["user"]["password"];
        let secret = &identity["application_credential"]["secret"];
        if ![password, secret].contains(&&json!(PASSWORD)) {
            self.refused += 1;
            return plain(401, "{}");
        }
        self.logins += 1;
        let token = format!("token-{}", self.logins);
        self.tokens
            .insert(token.clone(), Instant::now() + self.lifetime);
        let mut answer = plain(201, &self.description().to_string());
        if let Ok(token) = HeaderValue::from_str(&token) {
            answer.headers_mut().insert("X-Subject-Token", token);
        }
        answer
    }

    /// Its clock is years behind.
    fn description(&self) -> Value {
        let end = self.lifetime.as_secs_f64();
        let (hours, minutes, seconds) = (end / 3600.0, (end / 60.0) % 60.0, end % 60.0);
        json!({"token": {
            "issued_at": "2011-01-01T00:00:00.000000Z",
            "expires_at": format!(
                "2011-01-01T{:02}:{:02}:{seconds:09.6}Z", hours as u64, minutes as u64
            ),
            "roles": [{"name": "admin"}],
            "catalog": [
                {"type": "compute", "name": "nova", "endpoints": []},
                {"type": "network", "name": "neutron", "endpoints": [
                    {"interface": "internal", "region_id": "Elsewhere", "url": "http://127.0.0.1:1"},
                    {"interface": "admin", "region_id": "One", "url": "http://127.0.0.1:1"},
                    {"interface": "public", "region_id": "One", "url": self.neutron},
                ]},
            ],
        }})
    }
}

#[derive(Default)]
pub(crate) struct Neutron {
    pub(crate) ports: Vec<Value>,
    /// Query strings of the lists that were asked for.
    pub(crate) lists: Vec<String>,
    /// Requests without a token, or with one that is not good.
    pub(crate) refused: usize,
    /// `pagination_max_limit`.
    pub(crate) most: Option<usize>,
}

impl Neutron {
    pub(crate) fn answer(&mut self, head: &Parts) -> Answer {
        if (head.method.as_str(), head.uri.path()) != ("GET", "/v2.0/ports") {
            return plain(404, "{}");
        }
        let query = head.uri.query().unwrap_or_default();
        if !query.contains("limit=1&") {
            self.lists.push(query.to_owned());
        }
        let query: Vec<(&str, String)> = query
            .split('&')
            .filter_map(|part| part.split_once('='))
            .map(|(name, value)| (name, value.replace("%3A", ":").replace("%3D", "=")))
            .collect();
        plain(200, &self.page(&query).to_string())
    }

    fn page(&self, query: &[(&str, String)]) -> Value {
        let value = |name| {
            query
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value)
        };
        let asked = value("limit").and_then(|limit| limit.parse().ok());
        let limit = asked
            .unwrap_or(usize::MAX)
            .min(self.most.unwrap_or(usize::MAX));
        let mut found: Vec<_> = self
            .ports
            .iter()
            .filter(|port| matches(port, query))
            .collect();
        found.sort_by_key(|port| port["id"].to_string());
        if let Some(marker) = value("marker") {
            let at = found.iter().position(|port| port["id"] == *marker);
            found.drain(..=at.unwrap_or(0));
        }
        let more = found.len() > limit;
        found.truncate(limit);
        let mut page = json!({"ports": found});
        if let (true, Some(last)) = (more, found.last()) {
            let marker = last["id"].as_str().unwrap_or_default();
            // As behind a proxy that Neutron does not know of.
            let href =
                format!("http://neutron.internal:9696/v2.0/ports?limit={limit}&marker={marker}");
            page["ports_links"] = json!([{"rel": "next", "href": href}]);
        }
        page
    }
}

/// Values of one name are alternatives, names conditions.
fn matches(port: &Value, query: &[(&str, String)]) -> bool {
    let names = query.iter().map(|(name, _)| *name);
    names
        .filter(|name| !["fields", "limit", "marker"].contains(name))
        .all(|name| {
            let mut values = query
                .iter()
                .filter(|(other, _)| *other == name)
                .map(|(_, value)| value);
            values.any(|value| match value.strip_prefix("ip_address=") {
                Some(address) => port["fixed_ips"][0]["ip_address"] == *address,
                None => port[name] == *value,
            })
        })
}
