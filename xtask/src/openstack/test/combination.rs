//! Who proxies and who answers.

use std::fmt;

/// How our agent finds out who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resolver {
    NeutronRpc,
    NeutronRest,
    Ovn,
}

impl Resolver {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::NeutronRpc => "neutron-rpc",
            Self::NeutronRest => "neutron-rest",
            Self::Ovn => "ovn",
        }
    }
}

/// Whose namespaces the guests ask through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scene {
    /// Routers of the l3-agent.
    Routers,
    /// Networks of OVN's metadata agent.
    Ovn,
}

/// One of the ways of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Combination {
    pub(super) scene: Scene,
    pub(super) our_proxy: bool,
    /// Ours, with this resolver; otherwise Neutron's.
    pub(super) our_agent: Option<Resolver>,
}

impl Combination {
    const fn new(scene: Scene, our_proxy: bool, our_agent: Option<Resolver>) -> Self {
        Self {
            scene,
            our_proxy,
            our_agent,
        }
    }

    /// Neutron's hops alone, in the same scene.
    pub(super) fn reference(self) -> Self {
        Self::new(self.scene, false, None)
    }

    /// Whether all is Neutron's.
    pub(super) fn is_reference(self) -> bool {
        !self.our_proxy && self.our_agent.is_none()
    }
}

/// All of them; the reference of each scene comes first. OVN's database knows no
/// routers' namespaces.
pub(super) const ALL: [Combination; 10] = [
    Combination::new(Scene::Routers, false, None),
    Combination::new(Scene::Routers, true, None),
    Combination::new(Scene::Routers, false, Some(Resolver::NeutronRpc)),
    Combination::new(Scene::Routers, true, Some(Resolver::NeutronRpc)),
    Combination::new(Scene::Routers, false, Some(Resolver::NeutronRest)),
    Combination::new(Scene::Routers, true, Some(Resolver::NeutronRest)),
    Combination::new(Scene::Ovn, false, None),
    Combination::new(Scene::Ovn, true, None),
    Combination::new(Scene::Ovn, false, Some(Resolver::Ovn)),
    Combination::new(Scene::Ovn, true, Some(Resolver::Ovn)),
];

/// Those that hand over to Neutron's hops and back: the agent alone, and all.
pub(super) const HAND_OVER: [Combination; 2] = [
    Combination::new(Scene::Routers, false, Some(Resolver::NeutronRpc)),
    Combination::new(Scene::Routers, true, Some(Resolver::NeutronRpc)),
];

impl fmt::Display for Combination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let proxy = if self.our_proxy { "ours" } else { "haproxy" };
        match (self.our_agent, self.scene) {
            (Some(resolver), _) => write!(f, "{proxy}+ours({})", resolver.name()),
            (None, Scene::Routers) => write!(f, "{proxy}+neutron"),
            (None, Scene::Ovn) => write!(f, "{proxy}+neutron(ovn)"),
        }
    }
}
