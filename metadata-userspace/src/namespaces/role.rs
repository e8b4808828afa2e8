//! What a namespace's name says about it.

use glob::Pattern;
use uuid::Uuid;

use crate::identity::Realm;

/// Neutron's prefix of a router's namespace (neutron/agent/l3/namespaces.py).
const ROUTER_PREFIX: &str = "qrouter-";
/// Neutron's prefix of a router's internal interfaces. External ones (`qg-`)
/// must never be steered: anyone could be behind them (LP 1187102).
const ROUTER_INTERFACE_PREFIX: &str = "qr-";

/// A namespace that is to be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    pub realm: Realm,
    interface_prefix: &'static str,
}

impl Role {
    /// The role of `qrouter-<uuid>`; `None` for every other name.
    pub fn of(namespace: &str) -> Option<Self> {
        let id = namespace.strip_prefix(ROUTER_PREFIX)?;
        let id = Uuid::try_parse(id).ok()?;
        Some(Self {
            realm: Realm::Router(id.to_string()),
            interface_prefix: ROUTER_INTERFACE_PREFIX,
        })
    }

    /// Are there guests behind this interface?
    pub fn is_tenant_interface(&self, name: &str) -> bool {
        name.starts_with(self.interface_prefix)
    }
}

/// The names that the operator wants served, `[metadatad] namespaces`.
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

    /// The role of a namespace that the operator wants served.
    pub fn role_of(&self, namespace: &str) -> Option<Role> {
        let wanted = self.0.iter().any(|glob| glob.matches(namespace));
        if wanted { Role::of(namespace) } else { None }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    const ROUTER: &str = "qrouter-8f3a9a93-5a1c-4ce9-9266-e3048098412a";

    #[test]
    fn a_router_namespace_is_its_router() {
        let role = Role::of(ROUTER).unwrap();
        assert_eq!(
            role.realm,
            Realm::Router("8f3a9a93-5a1c-4ce9-9266-e3048098412a".into())
        );
        assert!(role.is_tenant_interface("qr-7d5e955b-99"));
        assert!(!role.is_tenant_interface("qg-7d5e955b-99"));
        assert!(!role.is_tenant_interface("lo"));
    }

    #[test]
    fn other_names_have_no_role() {
        for name in [
            "qrouter-",
            "qrouter-x",
            "snat-8f3a9a93-5a1c-4ce9-9266-e3048098412a",
            "c1",
            "",
        ] {
            assert_eq!(Role::of(name), None, "{name}");
        }
    }

    #[test]
    fn the_operator_narrows_what_is_served() {
        let all = Selection::new(&["qrouter-*".into()]).unwrap();
        assert!(all.role_of(ROUTER).is_some());
        let one = Selection::new(&["qrouter-00*".into(), "qrouter-8f*".into()]).unwrap();
        assert!(one.role_of(ROUTER).is_some());
        let none = Selection::new(&["qrouter-00*".into()]).unwrap();
        assert!(none.role_of(ROUTER).is_none());
    }
}
