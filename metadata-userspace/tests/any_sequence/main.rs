//! Whatever happens to namespaces, interfaces, shims and the daemon, in whatever order:
//! in the end the kernel holds what a fresh start would put there, and nothing else.

mod host;
mod snapshot;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{TestCaseError, TestRunner};

use host::Host;

/// Each takes some seconds, most of them to see that nothing more happens.
const SEQUENCES: u32 = 5;
const LONGEST: usize = 24;

/// One namespace of the three kinds.
pub(crate) type Place = usize;

/// Something that happens on the host; in vain where there is nothing of the name.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    NameCame(Place),
    NameWent(Place),
    InterfaceCame(Place, &'static str),
    /// What `ip` is told in a namespace.
    Told(Place, String),
    /// Somebody removes filters, ours among them.
    FiltersTaken(Place, &'static str),
    ShimCame(Place),
    ShimLeft(Place),
    DaemonKilled,
    DaemonStopped,
    Pause(u64),
}

fn event() -> impl Strategy<Value = Event> {
    let place = || 0..host::KINDS.len();
    let name = || select(vec!["qr-1", "tap1", "qg-1"]);
    let told = |line: &'static str| {
        (place(), name()).prop_map(move |(at, name)| Event::Told(at, line.replace("NAME", name)))
    };
    prop_oneof![
        4 => place().prop_map(Event::NameCame),
        1 => place().prop_map(Event::NameWent),
        5 => (place(), name()).prop_map(|(at, name)| Event::InterfaceCame(at, name)),
        1 => told("link del NAME"),
        1 => told("link set NAME down"),
        1 => told("link set NAME up"),
        1 => told("link set NAME name qr-2"),
        2 => told("addr add 169.254.169.254/32 dev NAME"),
        1 => told("addr del 169.254.169.254/32 dev NAME"),
        1 => told("addr flush dev NAME scope link"),
        1 => told("link add ha-1 type dummy"),
        1 => told("addr add 10.0.0.1/24 dev NAME"),
        1 => told("route del local 169.254.169.254 dev lo table local"),
        2 => (place(), name()).prop_map(|(at, name)| Event::FiltersTaken(at, name)),
        2 => place().prop_map(Event::ShimCame),
        2 => place().prop_map(Event::ShimLeft),
        1 => Just(Event::DaemonKilled),
        1 => Just(Event::DaemonStopped),
        4 => (0..300_u64).prop_map(Event::Pause),
    ]
}

#[test]
fn any_sequence_ends_in_what_a_fresh_start_makes() -> anyhow::Result<()> {
    let config = ProptestConfig {
        cases: SEQUENCES,
        // Each try takes seconds; the events say what happened.
        max_shrink_iters: 0,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let events = proptest::collection::vec(event(), 8..LONGEST);
    let outcome = TestRunner::new(config).run(&events, |events| {
        try_out(events).map_err(|error| TestCaseError::fail(format!("{error:#}")))
    });
    outcome.map_err(|error| anyhow::anyhow!("{error}"))
}

fn try_out(events: Vec<Event>) -> anyhow::Result<()> {
    let mut host = Host::start()?;
    for event in events {
        host.happen(event)?;
    }
    let grown = host.at_rest()?;
    host.forget_everything()?;
    let fresh = host.at_rest()?;
    for name in host.names() {
        let (grown, fresh) = (grown.get(&name), fresh.get(&name));
        let is_released = grown.is_some_and(snapshot::Space::is_released);
        if is_released {
            // A fresh daemon cannot know of a shim that ended.
            anyhow::ensure!(grown.is_some_and(snapshot::Space::is_clean), "{grown:#?}");
        } else {
            anyhow::ensure!(grown == fresh, "grown: {grown:#?}\nfresh: {fresh:#?}");
        }
    }
    Ok(())
}
