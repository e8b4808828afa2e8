use super::super::observed::{ObservedInterface, bare};
use super::*;
use crate::datapath::{ForeignHook, ForeignProgram, Order};

const ID: &str = "8f3a9a93-5a1c-4ce9-9266-e3048098412a";

pub(super) fn role(prefix: &str) -> Role {
    Role::of(&format!("{prefix}{ID}")).unwrap()
}

pub(super) fn interface(name: &str, attached: Attached) -> ObservedInterface {
    ObservedInterface {
        attached,
        has_own_address: true,
        ..bare(name.into(), true)
    }
}

fn settled(name: &str) -> ObservedInterface {
    ObservedInterface {
        ipv6: Ipv6Address::Usable { ours: true },
        ..interface(name, Attached::Current)
    }
}

fn wanted(interfaces: &Interfaces, open: &[Door]) -> Vec<Step> {
    let open = open.iter().copied().collect();
    steps(&role("qrouter-"), Standing::Wanted, interfaces, &open)
}

#[test]
fn tenant_interfaces_are_served_and_no_others() {
    let interfaces = Interfaces::from([
        (1, interface("lo", Attached::Nothing)),
        (2, interface("qr-new", Attached::Nothing)),
        (3, settled("qr-done")),
        (4, settled("qg-renamed")),
        (
            5,
            ObservedInterface {
                attached: Attached::Outdated,
                ..settled("qr-upgraded")
            },
        ),
    ]);
    let open = [Door::Ipv4, Door::Ipv6(3), Door::Ipv6(4), Door::Ipv6(5)];
    assert_eq!(
        wanted(&interfaces, &open),
        [
            Step::Close(Door::Ipv6(4)),
            Step::AddAddress(2),
            Step::RemoveAddress(4),
            Step::Listen(Door::Ipv6(2)),
            Step::Attach(2),
            Step::Detach(4),
            Step::Attach(5),
        ]
    );
}

#[test]
fn what_is_as_it_should_be_is_left_alone() {
    let interfaces = Interfaces::from([(2, settled("qr-done"))]);
    assert_eq!(wanted(&interfaces, &[Door::Ipv4, Door::Ipv6(2)]), []);
}

#[test]
fn nobody_listens_on_an_address_that_is_not_ready() {
    let tentative = ObservedInterface {
        ipv6: Ipv6Address::Tentative,
        ..settled("qr-1")
    };
    let down = ObservedInterface {
        is_up: false,
        ipv6: Ipv6Address::Missing,
        ..settled("qr-2")
    };
    let interfaces = Interfaces::from([(2, tentative), (3, down)]);
    assert_eq!(wanted(&interfaces, &[Door::Ipv4]), []);
    let duplicate = ObservedInterface {
        ipv6: Ipv6Address::Duplicate,
        ..settled("qr-1")
    };
    assert_eq!(
        wanted(&Interfaces::from([(2, duplicate)]), &[Door::Ipv4]),
        [Step::ReplaceAddress(2), Step::Listen(Door::Ipv6(2))]
    );
}

#[test]
fn a_standby_holds_nothing() {
    let replica = |addressed| {
        let tenant = ObservedInterface {
            has_own_address: addressed,
            ..settled("qr-1")
        };
        Interfaces::from([(2, interface("ha-1", Attached::Nothing)), (3, tenant)])
    };
    let router = role("qrouter-");
    assert_eq!(standing(&router, &replica(true)), Standing::Wanted);
    assert_eq!(standing(&router, &replica(false)), Standing::Standby);
    let open = [Door::Ipv4, Door::Ipv6(3)].into();
    assert_eq!(
        steps(&router, Standing::Standby, &replica(false), &open),
        [
            Step::Close(Door::Ipv4),
            Step::Close(Door::Ipv6(3)),
            Step::RemoveAddress(3),
            Step::Detach(3),
        ]
    );
}

#[test]
fn a_router_that_is_no_replica_is_served_before_it_has_addresses() {
    let bare = ObservedInterface {
        has_own_address: false,
        ..interface("qr-1", Attached::Nothing)
    };
    let interfaces = Interfaces::from([(2, bare)]);
    assert_eq!(standing(&role("qrouter-"), &interfaces), Standing::Wanted);
}

#[test]
fn a_network_is_served_where_the_agent_put_the_address() {
    for prefix in ["qdhcp-", "ovnmeta-"] {
        let mut tap = interface("tap1", Attached::Nothing);
        let judged = |tap: &ObservedInterface| {
            standing(&role(prefix), &Interfaces::from([(2, tap.clone())]))
        };
        assert_eq!(judged(&tap), Standing::WithoutAddress);
        tap.has_metadata_address = true;
        assert_eq!(judged(&tap), Standing::Wanted);
        tap.name = "eth0".into();
        assert_eq!(judged(&tap), Standing::WithoutAddress);
    }
}

#[test]
fn an_address_that_an_agent_made_stays() {
    let tap = ObservedInterface {
        ipv6: Ipv6Address::Usable { ours: false },
        ..settled("tap1")
    };
    let interfaces = Interfaces::from([(2, tap)]);
    let left = |open| {
        steps(
            &role("qdhcp-"),
            Standing::WithoutAddress,
            &interfaces,
            &open,
        )
    };
    assert_eq!(left(BTreeSet::new()), [Step::Detach(2)]);
}

#[test]
fn connections_may_end_before_their_filters_go() {
    let interfaces = Interfaces::from([(2, settled("tap1"))]);
    let left = |open| {
        steps(
            &role("qdhcp-"),
            Standing::WithoutAddress,
            &interfaces,
            &open,
        )
    };
    assert_eq!(left([Door::Ipv4].into()), [Step::Close(Door::Ipv4)]);
    assert_eq!(
        left(BTreeSet::new()),
        [Step::RemoveAddress(2), Step::Detach(2)]
    );
}

#[test]
fn a_name_is_no_identity() {
    assert_eq!(name_step(Some(1), None), NameStep::Start);
    assert_eq!(name_step(Some(1), Some(1)), NameStep::Keep);
    assert_eq!(name_step(Some(2), Some(1)), NameStep::Replace);
    assert_eq!(name_step(None, Some(1)), NameStep::Stop);
    assert_eq!(name_step(None::<u8>, None), NameStep::Keep);
}

#[test]
fn a_shims_word_is_above_what_a_namespace_looks_like() {
    let without = Interfaces::from([(2, interface("tap1", Attached::Nothing))]);
    let dhcp = role("qdhcp-");
    for (hold, expected) in [
        (Hold::Watch, Standing::WithoutAddress),
        (Hold::Shim, Standing::Wanted),
        (Hold::Awaited, Standing::Wanted),
        (Hold::Released, Standing::Released),
    ] {
        assert_eq!(held(hold, &dhcp, &without), expected);
    }
    let router = role("qrouter-");
    assert_eq!(held(Hold::Released, &router, &without), Standing::Released);
    let replica = Interfaces::from([
        (2, bare("ha-1".into(), true)),
        (3, bare("qr-1".into(), true)),
    ]);
    for (hold, expected) in [
        (Hold::Shim, Standing::Wanted),
        (Hold::Awaited, Standing::Standby),
        (Hold::Released, Standing::Standby),
    ] {
        assert_eq!(held(hold, &router, &replica), expected);
    }
}

#[test]
fn drivers_run_the_guard_where_the_operator_wants_it() {
    let with = |name: &str, xdp| ObservedInterface {
        xdp,
        ..interface(name, Attached::Current)
    };
    let ours = |is_current| XdpSlot::Guard { is_current };
    let foreign = XdpSlot::Foreign(ForeignProgram {
        hook: ForeignHook::Xdp,
        name: "other".into(),
        id: Some(9),
        runs: Order::Before,
    });
    let interfaces = Interfaces::from([
        (2, with("qr-new", XdpSlot::Free)),
        (3, with("qr-old", ours(false))),
        (4, with("qr-done", ours(true))),
        (5, with("qr-taken", foreign.clone())),
        (6, with("qg-external", XdpSlot::Free)),
        (7, with("qg-renamed", ours(true))),
        (8, with("qg-taken", foreign)),
    ]);
    let steps = |standing, globs: &[&str]| {
        let globs: Vec<_> = globs.iter().map(|&glob| glob.to_owned()).collect();
        let guarded = Selection::new(&globs).unwrap();
        guard_steps(&role("qrouter-"), standing, &interfaces, &guarded)
    };
    assert_eq!(
        steps(Standing::Wanted, &["qr-*", "qg-*"]),
        [
            Step::Guard(2),
            Step::Guard(3),
            Step::Guard(5),
            Step::Unguard(7)
        ]
    );
    let none = [Step::Unguard(3), Step::Unguard(4), Step::Unguard(7)];
    assert_eq!(steps(Standing::Wanted, &[]), none);
    assert_eq!(steps(Standing::Standby, &["*"]), none);
}
