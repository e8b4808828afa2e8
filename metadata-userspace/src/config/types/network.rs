//! Values that say where something is on the network, or how it is marked.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use super::OptionType;
use crate::config::ProxyUpstream;

/// An IP address or a host name, as oslo.config's `HostAddress`.
#[derive(Debug)]
pub(in crate::config) struct HostAddress;

impl OptionType for HostAddress {
    type Value = String;

    fn parse(&self, text: &str) -> Option<String> {
        let name = text.strip_suffix('.').unwrap_or(text);
        if text.parse::<IpAddr>().is_ok() {
            Some(text.to_owned())
        } else if is_host_name(name) {
            Some(name.to_owned())
        } else {
            None
        }
    }

    fn allowed(&self) -> String {
        "a host name, or an IP address without brackets".to_owned()
    }
}

fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    // A mistyped IPv4 address is no name.
    let last_is_number = name
        .rsplit('.')
        .next()
        .is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    name.len() <= 253 && !last_is_number && name.split('.').all(is_label)
}

/// A mark for the low 16 bits of `skb->mark`, in the notations that iptables
/// takes: Neutron writes the text into its rules and adds `/0xffff` itself, so
/// a mask, or a bit above it, never worked there either.
#[derive(Debug)]
pub(in crate::config) struct Mark;

impl OptionType for Mark {
    type Value = u16;

    fn parse(&self, text: &str) -> Option<u16> {
        let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
        let (digits, radix) = match (hexadecimal, text.strip_prefix('0')) {
            (Some(digits), _) => (digits, 16),
            (None, Some(digits)) => (digits, 8),
            (None, None) => (text, 10),
        };
        let plain = !digits.starts_with('+');
        let mark = u16::from_str_radix(digits, radix).ok().filter(|_| plain)?;
        (mark != 0).then_some(mark)
    }

    fn allowed(&self) -> String {
        "a number from 0x1 to 0xffff, without a mask".to_owned()
    }
}

/// `ADDRESS:PORT`, or nothing.
#[derive(Debug)]
pub(in crate::config) struct Listen;

impl OptionType for Listen {
    type Value = Option<SocketAddr>;

    fn parse(&self, text: &str) -> Option<Option<SocketAddr>> {
        match text {
            "" => Some(None),
            _ => text.parse().ok().map(Some),
        }
    }

    fn allowed(&self) -> String {
        "ADDRESS:PORT (like 127.0.0.1:9100 or [::1]:9100), or empty".to_owned()
    }
}

/// Who answers the proxy.
#[derive(Debug)]
pub(in crate::config) struct Upstream;

impl OptionType for Upstream {
    type Value = ProxyUpstream;

    fn parse(&self, text: &str) -> Option<ProxyUpstream> {
        match text {
            "" | "agent" => Some(ProxyUpstream::Agent),
            _ => {
                let path = PathBuf::from(text.strip_prefix("unix:")?);
                path.is_absolute().then_some(ProxyUpstream::Unix(path))
            }
        }
    }

    fn allowed(&self) -> String {
        "`agent`, or `unix:` and the absolute path of another agent's socket".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::check;
    use super::*;

    #[test]
    fn marks_are_what_iptables_reads_in_16_bits() {
        let good = [("0x1", 1), ("0XfFff", 0xffff), ("7", 7), ("010", 8)];
        check(
            &Mark,
            &good,
            &["0x1/0xffff", "0x10000", "0", "", "-1", "0x+1", "0x", "mark"],
        );
    }

    #[test]
    fn hosts_are_names_and_addresses() {
        let good = [
            "127.0.0.1",
            "::1",
            "nova-api.example.org",
            "localhost",
            "a1",
        ];
        for host in good {
            assert_eq!(HostAddress.parse(host).as_deref(), Some(host));
        }
        assert_eq!(HostAddress.parse("nova.").as_deref(), Some("nova"));
        check(
            &HostAddress,
            &[],
            &[
                "",
                "[::1]",
                "10.0.0.256",
                "10.0.0",
                "a..b",
                "-a",
                "a-",
                "no va",
                "a_b",
                "http://a",
            ],
        );
    }

    #[test]
    fn the_upstream_is_our_agent_or_a_socket() {
        let socket = ProxyUpstream::Unix("/run/agent".into());
        check(
            &Upstream,
            &[
                ("", ProxyUpstream::Agent),
                ("agent", ProxyUpstream::Agent),
                ("unix:/run/agent", socket),
            ],
            &["unix:", "unix:relative", "/run/agent", "http://127.0.0.1"],
        );
    }

    #[test]
    fn the_metrics_listener_is_off_or_an_address_and_a_port() {
        let good = [("", None), ("[::1]:9100", "[::1]:9100".parse().ok())];
        check(&Listen, &good, &["9100", "localhost:9100", ":9100"]);
    }
}
