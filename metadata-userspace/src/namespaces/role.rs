//! What a namespace's name says about it.

use glob::Pattern;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::identity::Realm;

/// Which of Neutron's agents makes the namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// `qrouter-<router>`, of the l3-agent: legacy, distributed or highly available.
    Router,
    /// `qdhcp-<network>`, of the dhcp-agent.
    Dhcp,
    /// `ovnmeta-<network>`, of the OVN metadata agent.
    Ovn,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Router, Self::Dhcp, Self::Ovn];

    /// Neutron's prefix of the namespace's name (neutron/agent/l3/namespaces.py,
    /// neutron/agent/linux/dhcp.py, neutron/agent/ovn/metadata/agent.py).
    const fn prefix(self) -> &'static str {
        match self {
            Self::Router => "qrouter-",
            Self::Dhcp => "qdhcp-",
            Self::Ovn => "ovnmeta-",
        }
    }

    /// Prefixes of the interfaces behind which guests are. A router's external
    /// ones (`qg-`) must never be steered: anyone could be behind them (LP 1187102).
    const fn interface_prefixes(self) -> &'static [&'static str] {
        match self {
            Self::Router => &["qr-"],
            // By the interface driver: Open vSwitch and bridges, or a veth pair.
            Self::Dhcp => &["tap", "ns-"],
            Self::Ovn => &["tap"],
        }
    }

    /// What the agents call such a namespace.
    pub fn namespace_of(self, realm: &Realm) -> String {
        let (Realm::Router(id) | Realm::Network(id)) = realm;
        format!("{}{id}", self.prefix())
    }

    fn realm(self, id: Uuid) -> Realm {
        match self {
            Self::Router => Realm::Router(id.to_string()),
            Self::Dhcp | Self::Ovn => Realm::Network(id.to_string()),
        }
    }
}

/// A namespace that may be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    pub kind: Kind,
    pub realm: Realm,
}

impl Role {
    /// The role of a namespace with one of Neutron's names; `None` for every other.
    pub fn of(namespace: &str) -> Option<Self> {
        Kind::ALL.into_iter().find_map(|kind| {
            let id = Uuid::try_parse(namespace.strip_prefix(kind.prefix())?).ok()?;
            let realm = kind.realm(id);
            Some(Self { kind, realm })
        })
    }

    /// Are there guests behind this interface?
    pub fn is_tenant_interface(&self, name: &str) -> bool {
        let mut prefixes = self.kind.interface_prefixes().iter();
        prefixes.any(|prefix| name.starts_with(prefix))
    }
}

/// Names that the operator chose: of namespaces, `[metadatad] namespaces`, or of
/// interfaces, `[metadatad] xdp_guard`.
#[derive(Clone, Debug)]
pub struct Selection(Vec<Pattern>);

impl Selection {
    /// Globs as in a shell; an error says which one is malformed.
    pub fn new(globs: &[String]) -> Result<Self, glob::PatternError> {
        globs
            .iter()
            .map(|glob| Pattern::new(glob))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|glob| glob.matches(name))
    }

    /// The role of a namespace that the operator wants served.
    pub fn role_of(&self, namespace: &str) -> Option<Role> {
        if self.has(namespace) {
            Role::of(namespace)
        } else {
            None
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    const ID: &str = "8f3a9a93-5a1c-4ce9-9266-e3048098412a";

    #[test]
    fn a_name_tells_the_realm() {
        let router = Realm::Router(ID.into());
        let network = Realm::Network(ID.into());
        for (prefix, kind, realm) in [
            ("qrouter-", Kind::Router, &router),
            ("qdhcp-", Kind::Dhcp, &network),
            ("ovnmeta-", Kind::Ovn, &network),
        ] {
            let role = Role::of(&format!("{prefix}{ID}")).unwrap();
            assert_eq!((role.kind, &role.realm), (kind, realm));
        }
    }

    #[test]
    fn guests_are_behind_interfaces_of_the_agents_prefix() {
        for (prefix, tenants, others) in [
            (
                "qrouter-",
                vec!["qr-7d5e955b-99"],
                vec!["qg-7d", "ha-7d", "rfp-7d", "tap7d", "lo"],
            ),
            (
                "qdhcp-",
                vec!["tap7d5e955b-99", "ns-7d5e955b-99"],
                vec!["qr-7d", "lo"],
            ),
            ("ovnmeta-", vec!["tap7d5e955b-91"], vec!["qr-7d", "lo"]),
        ] {
            let role = Role::of(&format!("{prefix}{ID}")).unwrap();
            assert!(tenants.iter().all(|name| role.is_tenant_interface(name)));
            assert!(!others.iter().any(|name| role.is_tenant_interface(name)));
        }
    }

    #[test]
    fn other_names_have_no_role() {
        for name in [
            "qrouter-",
            "qrouter-x",
            "snat-8f3a9a93-5a1c-4ce9-9266-e3048098412a",
            "fip-8f3a9a93-5a1c-4ce9-9266-e3048098412a",
            "c1",
            "",
        ] {
            assert_eq!(Role::of(name), None, "{name}");
        }
    }

    #[test]
    fn the_operator_narrows_what_is_served() {
        let router = format!("qrouter-{ID}");
        let all = Selection::new(&["qrouter-*".into()]).unwrap();
        assert!(all.role_of(&router).is_some());
        assert!(all.role_of(&format!("qdhcp-{ID}")).is_none());
        let one = Selection::new(&["qrouter-00*".into(), "qrouter-8f*".into()]).unwrap();
        assert!(one.role_of(&router).is_some());
        let none = Selection::new(&["qrouter-00*".into()]).unwrap();
        assert!(none.role_of(&router).is_none());
    }
}
