//! Where an HTTP API is.

use std::fmt;
use std::str::FromStr;

use hyper::Uri;
use serde::{Deserialize, Serialize};

/// `http[s]://HOST[:PORT][/PATH]`, as in configurations and service catalogs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HttpUrl {
    /// Whether the scheme is `https`.
    pub tls: bool,
    /// A name or an address, without brackets.
    pub host: String,
    pub port: u16,
    /// Begins with `/`, or is empty; never ends with `/`.
    pub path: String,
}

/// A text that is no such URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no URL like http://HOST:PORT/PATH")]
pub struct InvalidUrl(String);

impl HttpUrl {
    /// Host and port as a `Host` header has them.
    pub fn authority(&self) -> String {
        let host = match self.host.contains(':') {
            true => format!("[{}]", self.host),
            false => self.host.clone(),
        };
        match self.port == default_port(self.tls) {
            true => host,
            false => format!("{host}:{}", self.port),
        }
    }

    /// This URL below which `path`, beginning with `/`, is.
    pub fn below(&self, path: &str) -> Self {
        Self {
            path: format!("{}{path}", self.path),
            ..self.clone()
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let uri: Uri = text.parse().ok()?;
        let tls = match uri.scheme_str()? {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        let authority = uri.authority()?;
        let host = authority.host();
        // A user, a port that is no number, a query or a fragment.
        let port = match authority.as_str().strip_prefix(host)? {
            "" => default_port(tls),
            port => port.strip_prefix(':')?.parse().ok()?,
        };
        if host.is_empty() || port == 0 || text.contains(['?', '#']) {
            return None;
        }
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        Some(Self {
            tls,
            host: bare.unwrap_or(host).to_owned(),
            port,
            path: uri.path().trim_end_matches('/').to_owned(),
        })
    }
}

fn default_port(tls: bool) -> u16 {
    if tls { 443 } else { 80 }
}

impl FromStr for HttpUrl {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        Self::parse(text).ok_or_else(|| InvalidUrl(text.to_owned()))
    }
}

impl TryFrom<String> for HttpUrl {
    type Error = InvalidUrl;

    fn try_from(text: String) -> Result<Self, InvalidUrl> {
        text.parse()
    }
}

impl From<HttpUrl> for String {
    fn from(url: HttpUrl) -> Self {
        url.to_string()
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

impl fmt::Debug for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_has_its_default() {
        let url: HttpUrl = "https://keystone.example".parse().unwrap();
        assert_eq!((url.tls, url.port, url.path.as_str()), (true, 443, ""));
        let url: HttpUrl = "http://[2001:db8::5]:5000/identity/".parse().unwrap();
        assert_eq!((url.tls, url.port), (false, 5000));
        assert_eq!(
            (url.host.as_str(), url.path.as_str()),
            ("2001:db8::5", "/identity")
        );
    }

    #[test]
    fn a_url_survives_text() {
        for text in [
            "http://10.0.0.1:9696",
            "https://[::1]/networking/v2.0",
            "http://neutron_api",
        ] {
            assert_eq!(text.parse::<HttpUrl>().unwrap().to_string(), text);
        }
        let url: HttpUrl = "http://a:80/x".parse().unwrap();
        assert_eq!(url.below("/v3").to_string(), "http://a/x/v3");
    }

    #[test]
    fn what_is_no_place_of_an_api_is_refused() {
        for text in [
            "",
            "keystone:5000",
            "ftp://keystone",
            "http://",
            "http://user:secret@keystone",
            "http://keystone:port",
            "http://keystone:",
            "http://keystone:0",
            "http://keystone:70000",
            "http://keystone/?a=b",
            "http://keystone/#a",
            "http://a b",
        ] {
            assert!(text.parse::<HttpUrl>().is_err(), "{text}");
        }
    }
}
