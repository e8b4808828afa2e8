//! A served namespace as operators see it.

use super::super::answerer;
use super::super::observed::{Attached, ObservedInterface};
use super::super::plan::{Door, Standing};
use super::ServedNamespace;
use crate::datapath::XdpSlot;
use crate::status::{
    Answerer, GuardState, InterfaceState, Ipv6State, NamespaceState, ServingState,
};

impl ServedNamespace {
    /// What operators see. Looks who else listens where we do not.
    pub fn state(&self, proxy_port: u16) -> NamespaceState {
        NamespaceState {
            name: self.name.to_string(),
            kind: self.role.kind,
            realm: self.role.realm.clone(),
            inode: self.id().inode,
            state: match (&self.problem, self.standing) {
                (Some(_), _) => ServingState::Failed,
                (None, Standing::Wanted) => ServingState::Serving,
                (None, Standing::Standby) => ServingState::Standby,
                (None, Standing::WithoutAddress) => ServingState::Idle,
                (None, Standing::Released) => ServingState::Released,
            },
            answers: self.answerer(proxy_port),
            shims: Vec::new(),
            problem: self.problem.clone(),
            interfaces: self
                .tenants()
                .map(|(index, interface)| self.interface_state(index, interface))
                .collect(),
        }
    }

    fn answerer(&self, proxy_port: u16) -> Answerer {
        let steered = self
            .tenants()
            .any(|(_, interface)| interface.attached == Attached::Current);
        if steered && self.open.contains(&Door::Ipv4) {
            return Answerer::Metadatad;
        }
        let interfaces = self.tenants().map(|(index, _)| index);
        match self
            .netns
            .run(|| answerer::of_namespace(proxy_port, interfaces))
        {
            Ok(answerer) => answerer,
            Err(_) => Answerer::Nobody,
        }
    }

    fn interface_state(&self, index: u32, interface: &ObservedInterface) -> InterfaceState {
        InterfaceState {
            name: interface.name.clone(),
            index,
            steered: interface.attached == Attached::Current,
            ipv6: match self.ipv6_problems.get(&index) {
                Some(problem) => Ipv6State::Unavailable(problem.clone()),
                None if self.open.contains(&Door::Ipv6(index)) => Ipv6State::Listening,
                None => Ipv6State::Waiting,
            },
            guard: match (self.guard_problems.get(&index), &interface.xdp) {
                (Some(problem), _) => GuardState::Unavailable(problem.clone()),
                (None, XdpSlot::Guard { .. }) => GuardState::On,
                (None, XdpSlot::Free | XdpSlot::Foreign(_)) => GuardState::Off,
            },
            foreign: match &interface.xdp {
                XdpSlot::Foreign(program) => {
                    [std::slice::from_ref(program), &*interface.foreign].concat()
                }
                XdpSlot::Free | XdpSlot::Guard { .. } => interface.foreign.clone(),
            },
        }
    }
}
