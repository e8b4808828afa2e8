//! Guests ask through the directory; a scripted Neutron counts its calls.

mod ipv6;

use std::sync::Mutex;

use tokio::time::{Instant, sleep};

use super::*;
use crate::identity::{MacAddr, Port};
use crate::resolver::source::PortQuery;
use crate::resolver::{Identifier, Resolution, ResolveError, Resolver};

const LIFETIME: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Default)]
struct Cloud {
    ports: Vec<Port>,
    networks: Vec<String>,
    calls: usize,
    broken: bool,
    slow: Duration,
}

#[derive(Default)]
struct ScriptedNeutron(Mutex<Cloud>);

impl ScriptedNeutron {
    fn change(&self, change: impl FnOnce(&mut Cloud)) {
        change(&mut self.0.lock().unwrap());
    }

    fn calls(&self) -> usize {
        self.0.lock().unwrap().calls
    }

    async fn answer<T>(&self, answer: impl FnOnce(&Cloud) -> T) -> Result<T, ResolveError> {
        let slow = {
            let mut cloud = self.0.lock().unwrap();
            cloud.calls += 1;
            cloud.slow
        };
        sleep(slow).await;
        let cloud = self.0.lock().unwrap();
        match cloud.broken {
            true => Err(ResolveError {
                source_name: "scripted",
                reason: "broken".to_owned(),
            }),
            false => Ok(answer(&cloud)),
        }
    }
}

impl PortSource for ScriptedNeutron {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn router_networks<'a>(&'a self, _: &'a str) -> Asking<'a, Vec<String>> {
        Box::pin(self.answer(|cloud| cloud.networks.clone()))
    }

    fn ports<'a>(&'a self, query: &'a PortQuery) -> Asking<'a, Vec<Port>> {
        let wanted = |port: &&Port| {
            let address = |address| port.addresses.contains(address);
            query.networks.contains(&port.network_id)
                && (query.addresses.is_empty() || query.addresses.iter().any(address))
        };
        Box::pin(self.answer(move |cloud| cloud.ports.iter().filter(wanted).cloned().collect()))
    }
}

fn port(instance: &str, last: u8, mac: u8) -> Port {
    Port {
        id: format!("port-of-{instance}"),
        network_id: "network".to_owned(),
        mac: Some(MacAddr([0xfa, 0x16, 0x3e, 0, 0, mac])),
        addresses: vec![[10, 0, 0, last].into()],
        device_id: instance.into(),
        project_id: "project".into(),
    }
}

struct Asked {
    neutron: Arc<ScriptedNeutron>,
    directory: Arc<Directory>,
    identifier: Arc<Identifier>,
}

impl Asked {
    fn new(ports: Vec<Port>) -> Self {
        Self::with_lifetime(ports, LIFETIME)
    }

    fn with_lifetime(ports: Vec<Port>, lifetime: Duration) -> Self {
        let neutron = Arc::new(ScriptedNeutron::default());
        neutron.change(|cloud| {
            cloud.ports = ports;
            cloud.networks = vec!["network".to_owned()];
            cloud.slow = Duration::from_millis(30);
        });
        let directory = Directory::new(neutron.clone(), lifetime, Handle::current());
        let directory = Arc::new(directory);
        Self {
            neutron,
            identifier: Arc::new(Identifier::new(directory.clone(), PATIENCE)),
            directory,
        }
    }

    /// The instance behind 10.0.0.`last`, or why there is none.
    async fn who(&self, last: u8, mac: Option<u8>) -> String {
        who(&self.identifier, last, mac).await
    }
}

async fn who(identifier: &Identifier, last: u8, mac: Option<u8>) -> String {
    let requester = Requester {
        realm: Realm::Router("router".to_owned()),
        address: [10, 0, 0, last].into(),
        mac: mac.map(|mac| MacAddr([0xfa, 0x16, 0x3e, 0, 0, mac])),
    };
    match identifier.resolve(&requester).await {
        Ok(Resolution::Found(port)) => port.device_id.to_string(),
        Ok(Resolution::Pretender { claimed, real }) => {
            format!("{} as {}", real.device_id, claimed.device_id)
        }
        Ok(other) => format!("{other:?}"),
        Err(error) => error.reason,
    }
}

#[tokio::test(start_paused = true)]
async fn a_boot_storm_costs_two_calls() {
    let ports = (1..=100).map(|last| port(&last.to_string(), last, last));
    let asked = Asked::new(ports.collect());
    let guests: Vec<_> = (0..1000)
        .map(|number: u32| {
            let identifier = asked.identifier.clone();
            let last = u8::try_from(number % 100 + 1).unwrap();
            tokio::spawn(async move { (last, who(&identifier, last, Some(last)).await) })
        })
        .collect();
    for guest in guests {
        let (last, found) = guest.await.unwrap();
        assert_eq!(found, last.to_string());
    }
    assert_eq!(asked.neutron.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_boots_before_its_port_is_visible_is_waited_for() {
    let asked = Asked::new(vec![port("old", 5, 5)]);
    assert_eq!(asked.who(5, Some(5)).await, "old");
    let neutron = asked.neutron.clone();
    tokio::spawn(async move {
        sleep(Duration::from_secs(3)).await;
        neutron.change(|cloud| cloud.ports.push(port("new", 6, 6)));
    });
    assert_eq!(asked.who(6, Some(6)).await, "new");
}

#[tokio::test(start_paused = true)]
async fn an_address_that_nobody_has_costs_little_and_is_remembered_for_a_moment() {
    let asked = Asked::new(Vec::new());
    let start = Instant::now();
    assert_eq!(asked.who(6, Some(6)).await, "Unknown");
    assert!(start.elapsed() >= PATIENCE && start.elapsed() < PATIENCE * 2);
    let calls = asked.neutron.calls();
    assert!(calls <= 14, "{calls}");
    let start = Instant::now();
    assert_eq!(asked.who(6, Some(6)).await, "Unknown");
    assert_eq!(start.elapsed(), Duration::ZERO);
    sleep(Duration::from_secs(4)).await;
    asked
        .neutron
        .change(|cloud| cloud.ports.push(port("new", 6, 6)));
    assert_eq!(asked.who(6, Some(6)).await, "new");
}

#[tokio::test(start_paused = true)]
async fn a_neighbours_mac_is_found_out_and_the_neighbour_served_on() {
    let asked = Asked::new(vec![port("a", 5, 5), port("b", 6, 6)]);
    assert_eq!(asked.who(5, Some(6)).await, "b as a");
    assert_eq!(asked.who(5, Some(5)).await, "a");
    assert_eq!(asked.who(5, Some(6)).await, "b as a");
    let calls = asked.neutron.calls();
    assert_eq!(asked.who(5, Some(6)).await, "b as a");
    assert_eq!(asked.neutron.calls(), calls, "confirmed already");
}

#[tokio::test(start_paused = true)]
async fn an_address_that_went_to_another_instance_never_finds_the_old_one() {
    for mac in [Some(7), None] {
        let asked = Asked::with_lifetime(vec![port("old", 5, 5)], LIFETIME * 1000);
        assert_eq!(asked.who(5, Some(5)).await, "old");
        asked
            .neutron
            .change(|cloud| cloud.ports = vec![port("new", 5, 7)]);
        assert_eq!(asked.who(5, mac).await, "new", "{mac:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_moved_to_another_address_is_no_pretender() {
    let asked = Asked::new(vec![port("a", 5, 5), port("b", 6, 6)]);
    assert_eq!(asked.who(5, Some(5)).await, "a");
    asked
        .neutron
        .change(|cloud| cloud.ports = vec![port("b", 5, 6)]);
    assert_eq!(asked.who(5, Some(6)).await, "b");
}

#[tokio::test(start_paused = true)]
async fn while_neutron_is_away_the_known_are_served_and_the_new_wait() {
    let asked = Asked::new(vec![port("a", 5, 5)]);
    assert_eq!(asked.who(5, Some(5)).await, "a");
    asked.neutron.change(|cloud| cloud.broken = true);
    sleep(LIFETIME * 10).await;
    for mac in [Some(5), None] {
        let start = Instant::now();
        assert_eq!(asked.who(5, mac).await, "a");
        assert!(start.elapsed() <= Duration::from_millis(1200), "{mac:?}");
    }
    assert_eq!(asked.who(5, Some(7)).await, "broken");
    let start = Instant::now();
    assert_eq!(asked.who(6, Some(6)).await, "broken");
    assert!(start.elapsed() >= PATIENCE);
    let neutron = asked.neutron.clone();
    tokio::spawn(async move {
        sleep(Duration::from_secs(2)).await;
        neutron.change(|cloud| {
            cloud.broken = false;
            cloud.ports.push(port("b", 6, 6));
        });
    });
    assert_eq!(asked.who(6, Some(6)).await, "b");
}

#[tokio::test(start_paused = true)]
async fn a_neutron_that_hangs_delays_the_known_by_a_second_at_most() {
    let asked = Asked::new(vec![port("a", 5, 5)]);
    assert_eq!(asked.who(5, Some(5)).await, "a");
    asked.neutron.change(|cloud| cloud.slow = LIFETIME * 1000);
    sleep(LIFETIME * 2).await;
    let start = Instant::now();
    assert_eq!(asked.who(5, Some(5)).await, "a");
    assert_eq!(start.elapsed(), Duration::from_secs(1));
    sleep(Duration::from_secs(3)).await;
    let start = Instant::now();
    assert_eq!(asked.who(5, Some(5)).await, "a");
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(asked.who(6, Some(6)).await, "no answer within 5s");
}

#[tokio::test(start_paused = true)]
async fn after_a_silence_all_wait_for_one_answer() {
    let asked = Asked::new(vec![port("a", 5, 5), port("b", 6, 6)]);
    assert_eq!(asked.who(5, Some(5)).await, "a");
    sleep(LIFETIME * 2).await;
    let start = Instant::now();
    let first = tokio::spawn({
        let identifier = asked.identifier.clone();
        async move { who(&identifier, 5, Some(5)).await }
    });
    sleep(Duration::from_millis(5)).await;
    assert_eq!(asked.who(6, Some(6)).await, "b");
    assert_eq!(first.await.unwrap(), "a");
    assert!(start.elapsed() < Duration::from_millis(200));
    assert_eq!(asked.neutron.calls(), 4);
}

#[tokio::test(start_paused = true)]
async fn new_interfaces_are_new_networks() {
    let lifetime = LIFETIME * 1000;
    let asked = Asked::with_lifetime(vec![port("a", 5, 5)], lifetime);
    assert_eq!(asked.who(5, Some(5)).await, "a");
    asked.neutron.change(|cloud| cloud.networks.clear());
    assert_eq!(asked.who(5, Some(5)).await, "a", "nobody said so");
    asked
        .directory
        .distrust(&Realm::Router("router".to_owned()));
    assert_eq!(asked.who(5, Some(5)).await, "Unknown");
}

#[tokio::test(start_paused = true)]
async fn guests_that_go_on_asking_never_wait_for_a_renewal() {
    let asked = Asked::new(vec![port("a", 5, 5)]);
    assert_eq!(asked.who(5, Some(5)).await, "a");
    for _ in 0..100 {
        sleep(Duration::from_millis(300)).await;
        let start = Instant::now();
        assert_eq!(asked.who(5, Some(5)).await, "a");
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
    let calls = asked.neutron.calls();
    assert!((6..=10).contains(&calls), "{calls} in 30 s");
}
