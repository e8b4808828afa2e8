//! Whatever happens to a namespace, in whatever order and with steps that fail in
//! between, it comes to what a fresh start would make of it.
//!
//! The kernel's side of a namespace is a model here; the decisions, and what a step
//! changes, are those of the daemon.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::super::keepers::Keepers;
use super::super::observed::ObservedInterface;
use super::super::settle::note;
use super::tests::{interface, role};
use super::*;
use crate::shim::door::{ShimId, ShimProcess};
use crate::shim::protocol::{Registration, VERSION};

/// Closing, clearing away, and finding that nothing is left to do.
const MOST_LOOKS: usize = 3;

#[derive(Clone, Debug)]
enum Event {
    InterfaceCame(&'static str),
    InterfaceWent(Index),
    Renamed(Index, &'static str),
    Up(Index, bool),
    OwnAddress(Index, bool),
    MetadataAddress(Index, bool),
    /// Somebody else puts the IPv6 address there, takes it, or the kernel finds that
    /// others have it.
    Ipv6(Index, Ipv6Address),
    FiltersTaken(Index),
    RouteTaken,
    ShimCame,
    ShimLeft(Index),
    /// The daemon died, and another took its place.
    DaemonCame,
    /// The daemon looks; these of its steps fail.
    Look(Vec<bool>),
}

fn event() -> impl Strategy<Value = Event> {
    let name = || select(vec!["qr-1", "qr-2", "tap1", "ns-1", "qg-1", "ha-1", "lo"]);
    let place = any::<Index>;
    let truth = any::<bool>;
    let foreign = select(vec![
        Ipv6Address::Missing,
        Ipv6Address::Tentative,
        Ipv6Address::Duplicate,
        Ipv6Address::Usable { ours: false },
    ]);
    prop_oneof![
        2 => name().prop_map(Event::InterfaceCame),
        1 => place().prop_map(Event::InterfaceWent),
        1 => (place(), name()).prop_map(|(at, name)| Event::Renamed(at, name)),
        2 => (place(), truth()).prop_map(|(at, up)| Event::Up(at, up)),
        1 => (place(), truth()).prop_map(|(at, has)| Event::OwnAddress(at, has)),
        2 => (place(), truth()).prop_map(|(at, has)| Event::MetadataAddress(at, has)),
        1 => (place(), foreign).prop_map(|(at, address)| Event::Ipv6(at, address)),
        1 => place().prop_map(Event::FiltersTaken),
        1 => Just(Event::RouteTaken),
        1 => Just(Event::ShimCame),
        1 => place().prop_map(Event::ShimLeft),
        1 => Just(Event::DaemonCame),
        4 => vec(prop::bool::weighted(0.2), 0..8).prop_map(Event::Look),
    ]
}

/// A namespace, and what the daemon holds of it.
#[derive(Clone, Debug)]
struct Space {
    role: Role,
    interfaces: Interfaces,
    has_route: bool,
    next_index: u32,
    shims: Vec<ShimId>,
    next_shim: ShimId,
    keepers: Keepers,
    open: BTreeSet<Door>,
    /// Something changed, or a look could not do everything.
    is_due: bool,
}

impl Space {
    fn new(prefix: &str) -> Self {
        Self {
            role: role(prefix),
            interfaces: Interfaces::new(),
            has_route: false,
            next_index: 1,
            shims: Vec::new(),
            next_shim: 1,
            keepers: Keepers::default(),
            open: BTreeSet::new(),
            is_due: true,
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Look(failing) => return self.look(failing),
            Event::InterfaceCame(name) => {
                let bare = interface(name, Attached::Nothing);
                self.interfaces.insert(self.next_index, bare);
                self.next_index += 1;
            }
            Event::InterfaceWent(at) => {
                if !self.interfaces.is_empty() {
                    let index = *at.get(&self.interfaces.keys().copied().collect::<Vec<_>>());
                    self.interfaces.remove(&index);
                }
            }
            Event::Renamed(at, name) => self.change(at, |one| one.name = name.into()),
            Event::Up(at, is_up) => self.change(at, |one| {
                one.is_up = is_up;
                if !is_up {
                    // The kernel takes them off.
                    one.ipv6 = Ipv6Address::Missing;
                }
            }),
            Event::OwnAddress(at, has) => self.change(at, |one| one.has_own_address = has),
            Event::MetadataAddress(at, has) => {
                self.change(at, |one| one.has_metadata_address = has);
            }
            Event::Ipv6(at, address) => self.change(at, |one| {
                let is_ours = one.ipv6 == Ipv6Address::Usable { ours: true };
                if one.is_up && (!is_ours || address == Ipv6Address::Missing) {
                    one.ipv6 = address;
                }
            }),
            Event::FiltersTaken(at) => self.change(at, |one| one.attached = Attached::Nothing),
            Event::RouteTaken => self.has_route = false,
            Event::ShimCame => {
                self.shims.push(self.next_shim);
                self.keepers.add(shim(self.next_shim));
                self.next_shim += 1;
            }
            Event::ShimLeft(at) => {
                if !self.shims.is_empty() {
                    let id = self.shims.remove(at.index(self.shims.len()));
                    self.keepers.remove(id);
                }
            }
            Event::DaemonCame => self.lose_daemon(),
        }
        self.is_due = true;
    }

    fn change(&mut self, at: Index, change: impl FnOnce(&mut ObservedInterface)) {
        if !self.interfaces.is_empty() {
            let place = at.index(self.interfaces.len());
            self.interfaces.values_mut().nth(place).map(change);
        }
    }

    /// Sockets go; what is in the kernel stays, and the shims register again.
    fn lose_daemon(&mut self) {
        self.open.clear();
        for interface in self.interfaces.values_mut() {
            if interface.attached == Attached::Current {
                interface.attached = Attached::Outdated;
            }
        }
        self.keepers = Keepers::default();
        for id in &self.shims {
            self.keepers.add(shim(*id));
        }
    }

    fn standing(&self) -> Standing {
        held(self.keepers.hold(), &self.role, &self.interfaces)
    }

    /// One pass of the daemon's, as `settle` makes it.
    fn look(&mut self, failing: Vec<bool>) {
        let mut failing = failing.into_iter();
        let mut fails = || failing.next().unwrap_or_default();
        self.is_due = false;
        let standing = self.standing();
        if standing == Standing::Wanted {
            if fails() {
                return self.is_due = true;
            }
            self.has_route = true;
        }
        let mut closed = Vec::new();
        let mut without_ipv6 = BTreeSet::new();
        for step in self.steps() {
            if let Step::Listen(Door::Ipv6(index)) = step
                && without_ipv6.contains(&index)
            {
                continue;
            }
            if !matches!(step, Step::Close(_)) && fails() {
                self.is_due = true;
                if let Step::ReplaceAddress(index) = step {
                    // It was taken off, and could not be put on.
                    note(Step::RemoveAddress(index), &mut self.interfaces);
                }
                match step {
                    Step::AddAddress(index)
                    | Step::ReplaceAddress(index)
                    | Step::Listen(Door::Ipv6(index)) => {
                        without_ipv6.insert(index);
                        continue;
                    }
                    Step::Guard(_) => continue,
                    _ => return,
                }
            }
            self.assert_is_harmless(step, standing, &closed);
            match step {
                Step::Listen(door) => drop(self.open.insert(door)),
                Step::Close(door) => {
                    self.open.remove(&door);
                    closed.push(door);
                }
                _ => note(step, &mut self.interfaces),
            }
        }
        if is_left(standing, &self.open, &closed) {
            assert!(
                may_end(standing, &closed),
                "connections that run are cut off"
            );
            self.has_route = false;
        }
        self.is_due |= !closed.is_empty();
    }

    /// Of a host on which every driver is to run the guard.
    fn steps(&self) -> Vec<Step> {
        let guarded = Selection::new(&["*".to_owned()]).unwrap();
        let standing = self.standing();
        let mut steps = steps(&self.role, standing, &self.interfaces, &self.open);
        steps.extend(guard_steps(
            &self.role,
            standing,
            &self.interfaces,
            &guarded,
        ));
        steps
    }

    fn assert_is_harmless(&self, step: Step, standing: Standing, closed: &[Door]) {
        let one = |index| self.interfaces.get(&index).unwrap();
        let is_served =
            |index| standing == Standing::Wanted && self.role.is_tenant_interface(&one(index).name);
        match step {
            Step::Attach(index) => {
                assert!(is_served(index), "steers where it should not");
                assert!(self.open.contains(&Door::Ipv4), "steers to nobody");
            }
            Step::AddAddress(index) => {
                assert!(is_served(index) && one(index).ipv6 == Ipv6Address::Missing);
            }
            Step::ReplaceAddress(index) => {
                assert!(is_served(index) && one(index).ipv6 == Ipv6Address::Duplicate);
            }
            Step::RemoveAddress(index) => {
                assert_eq!(one(index).ipv6, Ipv6Address::Usable { ours: true });
                assert!(!is_served(index) && may_end(standing, closed));
            }
            Step::Detach(index) => assert!(!is_served(index) && may_end(standing, closed)),
            Step::Listen(Door::Ipv6(index)) => {
                let address = one(index).ipv6;
                assert!(is_served(index) && matches!(address, Ipv6Address::Usable { .. }));
            }
            Step::Listen(Door::Ipv4) => assert!(self.has_route && standing == Standing::Wanted),
            Step::Close(door) => assert!(self.open.contains(&door)),
            Step::Guard(index) => assert!(is_served(index), "guards where it should not"),
            Step::Unguard(index) => {
                assert!(matches!(one(index).xdp, XdpSlot::Guard { .. }) && !is_served(index));
            }
        }
    }

    fn come_to_rest(&mut self) {
        for _ in 0..MOST_LOOKS {
            if !self.is_due {
                break;
            }
            self.look(Vec::new());
        }
        assert!(!self.is_due, "it does not come to rest");
    }

    /// Nothing of ours was ever there, but the same shims were.
    fn made_afresh(&self) -> Self {
        let mut fresh = self.clone();
        fresh.open.clear();
        fresh.has_route = false;
        fresh.is_due = true;
        for interface in fresh.interfaces.values_mut() {
            interface.attached = Attached::Nothing;
            interface.xdp = XdpSlot::Free;
            if interface.ipv6 == (Ipv6Address::Usable { ours: true }) {
                interface.ipv6 = Ipv6Address::Missing;
            }
        }
        fresh.come_to_rest();
        fresh
    }

    fn assert_is_what_it_should_be(&self) {
        let standing = self.standing();
        assert_eq!(self.steps(), [], "something is left to do");
        assert_eq!(self.has_route, standing == Standing::Wanted);
        let fresh = self.made_afresh();
        assert_eq!(self.interfaces, fresh.interfaces);
        assert_eq!(self.open, fresh.open);
        assert_eq!(self.has_route, fresh.has_route);
    }
}

/// Where connections that run may end, nothing goes in the look that closes doors.
fn may_end(standing: Standing, closed: &[Door]) -> bool {
    closed.is_empty() || !lingers(standing)
}

fn shim(id: ShimId) -> ShimProcess {
    ShimProcess {
        id,
        pid: 100,
        registration: Registration {
            version: VERSION,
            kind: Kind::Router,
            realm: role("qrouter-").realm,
            limits: None,
        },
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_sequence_ends_in_what_a_fresh_start_makes(
        prefix in select(vec!["qrouter-", "qdhcp-", "ovnmeta-"]),
        events in vec(event(), 0..40),
    ) {
        let mut space = Space::new(prefix);
        for event in events {
            space.happen(event);
        }
        space.come_to_rest();
        space.assert_is_what_it_should_be();
    }
}
