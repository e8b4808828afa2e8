//! What Neutron's rules in a router's namespace expect of whoever steers.

use std::path::Path;
use std::process::Command;

use crate::netns::Netns;

const VIP: &str = "-d 169.254.169.254/32";

/// Neutron's rules for metadata, as far as they concern a packet that we steer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeutronRules {
    pub namespace: String,
    /// The mark that lets a packet in to the proxy port: `metadata_access_mark` of the
    /// l3-agent.
    pub mark: u32,
    /// Where the l3-agent's proxy listens: its `metadata_port`.
    pub port: u16,
}

/// The rules of the first of these namespaces that has any. Neutron's configuration is
/// the same for all.
pub(super) fn first(netns_dir: &Path, namespaces: &[String]) -> Option<NeutronRules> {
    // Those of networks have none (neutron/agent/metadata/driver.py).
    let routers = namespaces
        .iter()
        .filter(|name| name.starts_with("qrouter-"));
    routers.take(8).find_map(|name| {
        let netns = Netns::open(&netns_dir.join(name)).ok()?;
        // A child is in the namespace of the thread that starts it.
        let saved = netns
            .run(|| Command::new("iptables-save").output())
            .ok()?
            .ok()?;
        parse(name, &String::from_utf8_lossy(&saved.stdout))
    })
}

fn parse(namespace: &str, saved: &str) -> Option<NeutronRules> {
    let to_vip = || saved.lines().filter(|line| line.contains(VIP));
    let mark = to_vip().find_map(|line| after(line, "--set-xmark ")?.split('/').next());
    let port = to_vip().find_map(|line| after(line, "--to-ports "));
    Some(NeutronRules {
        namespace: namespace.to_owned(),
        mark: u32::from_str_radix(mark?.strip_prefix("0x")?, 16).ok()?,
        port: port?.parse().ok()?,
    })
}

/// The word behind `option`.
fn after<'a>(line: &'a str, option: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(option)?;
    rest.split_ascii_whitespace().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAVED: &str = "*mangle\n\
        -A neutron-l3-agent-PREROUTING -d 169.254.169.254/32 -i qr-+ -p tcp -m tcp --dport 80 -j MARK --set-xmark 0x7/0xffff\n\
        *nat\n\
        -A neutron-l3-agent-PREROUTING -d 169.254.169.254/32 -i qr-+ -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 9697\n";

    #[test]
    fn mark_and_port_are_those_of_neutrons_rules() {
        let rules = parse("qrouter-1", SAVED);
        let wanted = NeutronRules {
            namespace: "qrouter-1".into(),
            mark: 7,
            port: 9697,
        };
        assert_eq!(rules, Some(wanted));
        assert_eq!(parse("qrouter-1", "*mangle\nCOMMIT\n"), None);
    }
}
