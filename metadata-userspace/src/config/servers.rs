//! The servers that the worker may have to do with.

use std::collections::BTreeSet;

use super::{Auth, Config, OvsdbRemote};

/// Where the worker connects to over TCP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Servers {
    named: BTreeSet<(String, u16)>,
    /// Keystone's catalog says where Neutron is, and the configuration does not.
    others: bool,
}

impl Servers {
    /// All servers that the configuration names.
    pub fn of(config: &Config) -> Self {
        let mut servers = Self::default();
        servers.add(&config.nova.host, config.nova.port);
        for broker in config.messaging.iter().flat_map(|bus| &bus.brokers) {
            servers.add(&broker.host, broker.port);
        }
        if let Some(keystone) = &config.keystone {
            match &keystone.auth {
                Auth::Password { url, .. } | Auth::ApplicationCredential { url, .. } => {
                    servers.add(&url.host, url.port);
                }
                Auth::Unneeded => {}
            }
            match &keystone.endpoint.fixed {
                Some(url) => servers.add(&url.host, url.port),
                None => servers.others = true,
            }
        }
        for remote in config.ovn.iter().flat_map(|ovn| ovn.remotes()) {
            if let OvsdbRemote::Tcp { host, port } | OvsdbRemote::Ssl { host, port } = remote {
                servers.add(host, *port);
            }
        }
        servers
    }

    fn add(&mut self, host: &str, port: u16) {
        self.named.insert((host.to_owned(), port));
    }

    /// Whether a server of this name may be looked for.
    pub fn may_be(&self, host: &str) -> bool {
        self.others || self.named.iter().any(|(named, _)| named == host)
    }

    /// The only ports there are; `None` when any port may be a server's.
    pub fn ports(&self) -> Option<BTreeSet<u16>> {
        let ports = self.named.iter().map(|(_, port)| *port);
        (!self.others).then(|| ports.collect())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::config::{ConfigSource, ConfigSources};

    fn servers(text: &str) -> Servers {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let sources = ConfigSources {
            from: vec![ConfigSource::File(file.path().to_owned())],
            inventory: None,
        };
        Servers::of(&Config::load(&sources).unwrap())
    }

    fn ports(list: &[u16]) -> Option<BTreeSet<u16>> {
        Some(list.iter().copied().collect())
    }

    #[test]
    fn brokers_and_nova_are_named() {
        let found = servers(
            "[DEFAULT]\nnova_metadata_host = nova\ntransport_url = rabbit://a:b@one,c:d@two:5671/\n",
        );
        assert_eq!(found.ports(), ports(&[5671, 5672, 8775]));
        assert!(found.may_be("nova") && found.may_be("one") && found.may_be("two"));
        assert!(!found.may_be("three"));
    }

    #[test]
    fn ovsdb_servers_are_named() {
        let found = servers(
            "[metadatad]\nresolver = ovn\n\
             [ovn]\novn_sb_connection = tcp:10.0.0.1:6642\n\
             [ovs]\novsdb_connection = tcp:127.0.0.1:6640\n",
        );
        assert_eq!(found.ports(), ports(&[6640, 6642, 8775]));
    }

    #[test]
    fn a_catalog_may_name_any_server() {
        let neutron = "[metadatad]\nresolver = neutron-rest\n[neutron]\nauth_type = password\n\
                       auth_url = http://keystone:5000\nusername = u\npassword = p\n\
                       user_domain_name = d\nproject_name = n\nproject_domain_name = d\n";
        let found = servers(neutron);
        assert_eq!(found.ports(), None);
        assert!(found.may_be("anything"));
        let fixed = servers(&format!("{neutron}endpoint_override = http://net:9696\n"));
        assert_eq!(fixed.ports(), ports(&[5000, 8775, 9696]));
        assert!(fixed.may_be("keystone") && !fixed.may_be("anything"));
    }
}
