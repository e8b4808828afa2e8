//! Decisions, as pure functions over what was observed.

use std::collections::BTreeMap;

/// What of ours hangs on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attached {
    Nothing,
    /// One of the two programs only, or programs of another daemon's life.
    Outdated,
    Current,
}

/// An interface as the kernel shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedInterface {
    pub name: String,
    pub attached: Attached,
}

/// One step towards what a namespace should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Put our programs on the interface with this index.
    Attach(u32),
    /// Take them off.
    Detach(u32),
}

impl Step {
    /// What hangs on the interface once the step is done.
    pub fn leads_to(self) -> Attached {
        match self {
            Self::Attach(_) => Attached::Current,
            Self::Detach(_) => Attached::Nothing,
        }
    }
}

/// What is to be done about the interfaces of one namespace, by their index.
///
/// Interfaces that went away took their filters along and need nothing.
pub fn interface_steps(
    observed: &BTreeMap<u32, ObservedInterface>,
    is_tenant: impl Fn(&str) -> bool,
) -> Vec<Step> {
    let step = |(&index, interface): (&u32, &ObservedInterface)| match (
        is_tenant(&interface.name),
        interface.attached,
    ) {
        (true, Attached::Nothing | Attached::Outdated) => Some(Step::Attach(index)),
        (false, Attached::Outdated | Attached::Current) => Some(Step::Detach(index)),
        (true, Attached::Current) | (false, Attached::Nothing) => None,
    };
    observed.iter().filter_map(step).collect()
}

/// What is to be done about a name in the directory of namespaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameStep {
    Keep,
    Start,
    Stop,
    /// Another namespace has the name now.
    Replace,
}

/// Compares the namespace that has a name with the one that is served under it.
pub fn name_step<Id: PartialEq>(present: Option<Id>, served: Option<Id>) -> NameStep {
    match (present, served) {
        (None, None) => NameStep::Keep,
        (Some(_), None) => NameStep::Start,
        (None, Some(_)) => NameStep::Stop,
        (Some(present), Some(served)) if present == served => NameStep::Keep,
        (Some(_), Some(_)) => NameStep::Replace,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(name: &str, attached: Attached) -> ObservedInterface {
        ObservedInterface {
            name: name.into(),
            attached,
        }
    }

    #[test]
    fn tenant_interfaces_are_steered_and_no_others() {
        let observed = BTreeMap::from([
            (1, interface("lo", Attached::Nothing)),
            (2, interface("qr-new", Attached::Nothing)),
            (3, interface("qr-done", Attached::Current)),
            (4, interface("qg-renamed", Attached::Current)),
            (5, interface("qr-upgraded", Attached::Outdated)),
        ]);
        let steps = interface_steps(&observed, |name| name.starts_with("qr-"));
        assert_eq!(steps, [Step::Attach(2), Step::Detach(4), Step::Attach(5)]);
    }

    #[test]
    fn a_name_is_no_identity() {
        assert_eq!(name_step(Some(1), None), NameStep::Start);
        assert_eq!(name_step(Some(1), Some(1)), NameStep::Keep);
        assert_eq!(name_step(Some(2), Some(1)), NameStep::Replace);
        assert_eq!(name_step(None, Some(1)), NameStep::Stop);
        assert_eq!(name_step(None::<u8>, None), NameStep::Keep);
    }
}
