//! oslo.messaging's `transport_url`: who and where the message bus is.

use serde::{Deserialize, Serialize};

use super::Secret;

/// RabbitMQ's own port.
const DEFAULT_PORT: u16 = 5672;
/// RabbitMQ's own account, which kombu fills in for what the URL leaves out.
const DEFAULT_ACCOUNT: &str = "guest";

/// A URL that has been understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TransportUrl {
    /// At least one.
    pub brokers: Vec<Broker>,
    pub virtual_host: String,
    /// Options of `[oslo_messaging_rabbit]` that win over the files.
    pub query: Vec<(String, String)>,
}

/// A RabbitMQ node and our account on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broker {
    /// A name or an address, without brackets.
    pub host: String,
    pub port: u16,
    pub user: String,
    pub password: Secret,
}

/// What is wrong with a URL; never with a part that could be of a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum UrlError {
    #[error("the value must start with rabbit:// (or kombu://, which means the same)")]
    NoScheme,
    #[error("{0}:// is not spoken here; it must be rabbit:// (or kombu://, which means the same)")]
    Transport(String),
    #[error(
        "the port of host number {0} must be a number from 1 to 65535; if what stands there belongs \
         to a user or password, write its / ? # , : @ % as %2F %3F %23 %2C %3A %40 %25"
    )]
    Port(usize),
    #[error("the bracketed address of host number {0} has no `]`, or not right before its port")]
    Bracket(usize),
    #[error("its %-escapes do not make UTF-8 text; write a plain % as %25")]
    Escape,
}

impl TransportUrl {
    /// As oslo.messaging's `TransportURL.parse`, with kombu's defaults.
    pub(super) fn parse(text: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = text.trim().split_once("://").ok_or(UrlError::NoScheme)?;
        if !["rabbit", "kombu"].contains(&scheme.to_ascii_lowercase().as_str()) {
            return Err(UrlError::Transport(transport_name(scheme)));
        }
        let (rest, _fragment) = split_off(rest, '#');
        let (rest, query) = split_off(rest, '?');
        let (hosts, path) = split_off(rest, '/');
        let virtual_host = match path {
            "" => "/".to_owned(),
            path => unescape(path)?,
        };
        Ok(Self {
            brokers: brokers(hosts)?,
            virtual_host,
            query: parameters(query)?,
        })
    }
}

/// What a message may repeat of a scheme.
fn transport_name(scheme: &str) -> String {
    let known = scheme
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    if known {
        scheme.to_owned()
    } else {
        "that".to_owned()
    }
}

/// The text before the separator and the text after it.
fn split_off(text: &str, separator: char) -> (&str, &str) {
    text.split_once(separator).unwrap_or((text, ""))
}

fn brokers(hosts: &str) -> Result<Vec<Broker>, UrlError> {
    let named = hosts.split(',').filter(|host| !host.is_empty());
    let brokers: Vec<_> = named
        .zip(1..)
        .map(|(host, number)| broker(host, number))
        .collect::<Result<_, _>>()?;
    match brokers.is_empty() {
        true => Ok(vec![broker("localhost", 1)?]),
        false => Ok(brokers),
    }
}

/// `[USER[:PASSWORD]@]HOST[:PORT]`, the `number`th of the URL.
fn broker(text: &str, number: usize) -> Result<Broker, UrlError> {
    let (account, place) = text.rsplit_once('@').unwrap_or(("", text));
    let (user, password) = split_off(account, ':');
    let (host, port) = place_of(place, number)?;
    let or_guest = |text: String| match text.is_empty() {
        true => DEFAULT_ACCOUNT.to_owned(),
        false => text,
    };
    Ok(Broker {
        host: match host {
            "" => "localhost".to_owned(),
            host => host.to_owned(),
        },
        port,
        user: or_guest(unescape(user)?),
        password: Secret(or_guest(unescape(password)?)),
    })
}

/// As oslo.utils' `parse_host_port`: an IPv6 address without brackets has no port.
fn place_of(text: &str, number: usize) -> Result<(&str, u16), UrlError> {
    let (host, port) = if let Some(bracketed) = text.strip_prefix('[') {
        let (host, rest) = bracketed.split_once(']').ok_or(UrlError::Bracket(number))?;
        match rest.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if rest.is_empty() => (host, None),
            None => return Err(UrlError::Bracket(number)),
        }
    } else {
        match text.split_once(':') {
            Some((host, port)) if !port.contains(':') => (host, Some(port)),
            _ => (text, None),
        }
    };
    let port = match port {
        None => DEFAULT_PORT,
        Some(port) => port
            .parse()
            .ok()
            .filter(|port| *port != 0)
            .ok_or(UrlError::Port(number))?,
    };
    Ok((host, port))
}

fn parameters(query: &str) -> Result<Vec<(String, String)>, UrlError> {
    query
        .split('&')
        .map(|parameter| split_off(parameter, '='))
        // Python's parse_qs leaves parameters without a value out.
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| {
            let plain = |text: &str| unescape(&text.replace('+', " "));
            Ok((plain(name)?, plain(value)?))
        })
        .collect()
}

/// As Python's `unquote`: what is no escape stays as it is.
fn unescape(text: &str) -> Result<String, UrlError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        let escaped = after
            .split_at_checked(2)
            .filter(|_| *byte == b'%')
            .and_then(|(digits, after)| Some((hexadecimal(digits)?, after)));
        let (byte, after) = escaped.unwrap_or((*byte, after));
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8(bytes).map_err(|_| UrlError::Escape)
}

fn hexadecimal(digits: &[u8]) -> Option<u8> {
    let digits = std::str::from_utf8(digits).ok()?;
    let plain = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    plain.then(|| u8::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests;
