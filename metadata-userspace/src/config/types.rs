//! The types that values have.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use super::{ProxyUpstream, Secret};

/// How a text becomes a value.
pub(super) trait OptionType: Sync {
    type Value: Default;

    /// `None`: the text is not what [`allowed`](Self::allowed) says.
    fn parse(&self, text: &str) -> Option<Self::Value>;

    /// A noun phrase, to follow "must be".
    fn allowed(&self) -> String;

    /// Whether a message must not repeat the value.
    const HIDDEN: bool = false;
}

/// Any text.
#[derive(Debug)]
pub(super) struct Text;

impl OptionType for Text {
    type Value = String;

    fn parse(&self, text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    fn allowed(&self) -> String {
        "any text".to_owned()
    }
}

/// Text that is never shown.
#[derive(Debug)]
pub(super) struct Hidden;

impl OptionType for Hidden {
    type Value = Secret;

    fn parse(&self, text: &str) -> Option<Secret> {
        Some(Secret(text.to_owned()))
    }

    fn allowed(&self) -> String {
        "any text".to_owned()
    }

    const HIDDEN: bool = true;
}

/// A path of the file system.
#[derive(Debug)]
pub(super) struct FilePath;

impl OptionType for FilePath {
    type Value = PathBuf;

    fn parse(&self, text: &str) -> Option<PathBuf> {
        (!text.is_empty() && !text.contains(['\0', '\n'])).then(|| PathBuf::from(text))
    }

    fn allowed(&self) -> String {
        "a path".to_owned()
    }
}

/// An option that may be left empty.
#[derive(Debug)]
pub(super) struct Optional<K>(pub(super) K);

impl<K: OptionType> OptionType for Optional<K> {
    type Value = Option<K::Value>;

    fn parse(&self, text: &str) -> Option<Option<K::Value>> {
        if text.is_empty() {
            return Some(None);
        }
        self.0.parse(text).map(Some)
    }

    fn allowed(&self) -> String {
        format!("{}, or empty", self.0.allowed())
    }

    const HIDDEN: bool = K::HIDDEN;
}

/// oslo.config's spellings.
#[derive(Debug)]
pub(super) struct Boolean;

impl OptionType for Boolean {
    type Value = bool;

    fn parse(&self, text: &str) -> Option<bool> {
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "on" | "yes" => Some(true),
            "false" | "0" | "off" | "no" => Some(false),
            _ => None,
        }
    }

    fn allowed(&self) -> String {
        "true or false (or 1/0, yes/no, on/off)".to_owned()
    }
}

/// A whole number within bounds, both included.
#[derive(Debug)]
pub(super) struct Integer {
    pub min: u64,
    pub max: u64,
}

impl OptionType for Integer {
    type Value = u64;

    fn parse(&self, text: &str) -> Option<u64> {
        let number = text.trim().parse().ok()?;
        (self.min..=self.max).contains(&number).then_some(number)
    }

    fn allowed(&self) -> String {
        format!("a whole number from {} to {}", self.min, self.max)
    }
}

/// A TCP port.
#[derive(Debug)]
pub(super) struct Port;

impl OptionType for Port {
    type Value = u16;

    fn parse(&self, text: &str) -> Option<u16> {
        text.trim().parse().ok().filter(|port| *port != 0)
    }

    fn allowed(&self) -> String {
        "a port from 1 to 65535".to_owned()
    }
}

/// One of a few words.
#[derive(Debug)]
pub(super) struct Choice<E: 'static>(pub(super) &'static [(&'static str, E)]);

impl<E: Copy + Default + Sync> OptionType for Choice<E> {
    type Value = E;

    fn parse(&self, text: &str) -> Option<E> {
        let (_, value) = self.0.iter().find(|(word, _)| *word == text)?;
        Some(*value)
    }

    fn allowed(&self) -> String {
        match self.0 {
            [(only, _)] => format!("{only:?}, the only choice so far"),
            choices => {
                let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
                format!("one of {}", words.join(", "))
            }
        }
    }
}

/// A comma-separated list of file name patterns.
#[derive(Debug)]
pub(super) struct Globs;

impl OptionType for Globs {
    type Value = Vec<String>;

    fn parse(&self, text: &str) -> Option<Vec<String>> {
        let text = text.trim().trim_end_matches(',');
        if text.is_empty() {
            return Some(Vec::new());
        }
        text.split(',').map(|part| glob(part.trim())).collect()
    }

    fn allowed(&self) -> String {
        "a comma-separated list of names, in which `*`, `?` and `[a-z]` match".to_owned()
    }
}

fn glob(pattern: &str) -> Option<String> {
    let usable =
        !pattern.is_empty() && !pattern.contains('/') && glob::Pattern::new(pattern).is_ok();
    usable.then(|| pattern.to_owned())
}

/// An IP address or a host name, as oslo.config's `HostAddress`.
#[derive(Debug)]
pub(super) struct HostAddress;

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
pub(super) struct Mark;

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
pub(super) struct Listen;

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
pub(super) struct Upstream;

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
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn check<K: OptionType>(kind: &K, good: &[(&str, K::Value)], bad: &[&str])
    where
        K::Value: std::fmt::Debug + PartialEq,
    {
        for (text, value) in good {
            assert_eq!(kind.parse(text).as_ref(), Some(value), "{text}");
        }
        for text in bad {
            assert_eq!(kind.parse(text), None, "{text}");
        }
    }

    #[test]
    fn booleans_have_the_spellings_of_oslo_config() {
        let good = [("True", true), ("1", true), ("ON", true), ("yes", true)];
        check(&Boolean, &good, &["", "2", "enabled", "t"]);
        check(
            &Boolean,
            &[
                ("false", false),
                ("0", false),
                ("off", false),
                ("No", false),
            ],
            &[],
        );
    }

    #[test]
    fn integers_stay_within_their_bounds() {
        let kind = Integer { min: 1, max: 31 };
        check(
            &kind,
            &[("1", 1), (" 31 ", 31)],
            &["0", "32", "-1", "", "1.5", "0x1"],
        );
    }

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
    fn globs_name_files_of_one_directory() {
        let list = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect();
        check(
            &Globs,
            &[
                ("qrouter-*", list(&["qrouter-*"])),
                ("qrouter-*, qdhcp-?,", list(&["qrouter-*", "qdhcp-?"])),
                ("", list(&[])),
            ],
            &["a,,b", "a/b", "[a"],
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
