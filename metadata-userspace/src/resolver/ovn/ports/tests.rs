use super::*;
use crate::identity::{MacAddr, Port};
use crate::resolver::Resolution;
use crate::resolver::identify::judge;
use crate::resolver::ovn::binding::Binding;

const NETWORK: Uuid = Uuid::from_u128(100);
const DATAPATH: Uuid = Uuid::from_u128(1);
const ROW: Uuid = Uuid::from_u128(11);

fn mac() -> MacAddr {
    MacAddr([0xfa, 0x16, 0x3e, 0, 0, 5])
}

fn bound() -> Binding {
    Binding {
        datapath: DATAPATH,
        chassis: Uuid::from_u128(0),
        up: true,
        port: Arc::new(Port {
            mac: Some(mac()),
            addresses: vec!["10.0.0.5".parse().unwrap()],
            ..crate::testing::port()
        }),
    }
}

fn requester(address: &str, mac: Option<MacAddr>) -> Requester {
    Requester {
        realm: Realm::Network(NETWORK.to_string()),
        address: address.parse().unwrap(),
        mac,
    }
}

/// The network and its datapath, whose ports nobody has asked for.
fn ports() -> OvnPorts {
    let shared = Shared::new();
    shared.index_mut().set_network(DATAPATH, Some(NETWORK));
    OvnPorts::new(Arc::new(shared))
}

/// As the task that keeps the index answers.
fn answer(ports: &OvnPorts) {
    let question = ports.shared.last_question();
    let wanted = ports.shared.take_wanted();
    ports.shared.index_mut().cover(wanted.into_iter());
    ports.shared.standing.send_modify(|standing| {
        standing.problem = None;
        standing.answered = question;
        standing.as_of = Some(Instant::now());
        standing.changes += 1;
    });
}

#[tokio::test]
async fn a_network_is_known_once_its_ports_were_asked_for() {
    let ports = ports();
    let guest = requester("10.0.0.5", Some(mac()));
    assert_eq!(ports.sight(&guest), None);
    ports.shared.index_mut().set_binding(ROW, Some(bound()));
    let server = async {
        ports.shared.woken.notified().await;
        answer(&ports);
    };
    let (renewed, ()) = tokio::join!(Ports::renew(&ports, &guest), server);
    renewed.unwrap();
    let sighting = ports.sight(&guest).unwrap();
    assert_eq!((sighting.by_address.len(), sighting.by_mac.len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_address_alone_counts_while_the_index_is_fresh() {
    let ports = ports();
    ports.shared.index_mut().set_binding(ROW, Some(bound()));
    ports.shared.ask(vec![DATAPATH]);
    answer(&ports);
    let certainty = |mac| ports.sight(&requester("10.0.0.5", mac)).unwrap().certainty;
    assert_eq!(certainty(None), Certainty::Sure);
    // Another MAC may be a new port's.
    assert_eq!(certainty(Some(mac())), Certainty::Current);
    tokio::time::advance(FRESH).await;
    assert_eq!(certainty(None), Certainty::Current);
    let unknown = ports.sight(&requester("10.0.0.6", None)).unwrap();
    assert_eq!(unknown.certainty, Certainty::Current);
}

#[tokio::test(start_paused = true)]
async fn without_a_server_nobody_is_sure_of_anything() {
    let ports = ports();
    ports.shared.index_mut().set_binding(ROW, Some(bound()));
    ports.shared.ask(vec![DATAPATH]);
    answer(&ports);
    ports
        .shared
        .standing
        .send_modify(|standing| standing.problem = Some("refused".into()));
    let guest = requester("10.0.0.5", None);
    let sighting = ports.sight(&guest).unwrap();
    assert_eq!(sighting.by_address.len(), 1);
    assert_eq!(
        (sighting.certainty, sighting.failing),
        (Certainty::Current, true)
    );
    let stranger = requester("10.0.0.6", None);
    let error = Ports::renew(&ports, &stranger).await.unwrap_err();
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_slow_does_not_hold_up_who_is_known() {
    let ports = ports();
    ports.shared.index_mut().set_binding(ROW, Some(bound()));
    ports.shared.ask(vec![DATAPATH]);
    answer(&ports);
    let before = Instant::now();
    let guest = requester("10.0.0.5", None);
    assert!(Ports::renew(&ports, &guest).await.is_err());
    assert_eq!(before.elapsed(), SLOW);
    ports
        .shared
        .standing
        .send_modify(|standing| standing.waiting_since = Some(before));
    tokio::time::advance(Duration::from_millis(1)).await;
    assert!(ports.sight(&guest).unwrap().failing);
}

#[tokio::test(start_paused = true)]
async fn guests_with_addresses_of_their_own_making_are_known_by_mac() {
    let ports = ports();
    ports.shared.index_mut().set_binding(ROW, Some(bound()));
    ports.shared.ask(vec![DATAPATH]);
    answer(&ports);
    for address in ["fe80::1:2:3:4", "2001:db8::8d2f:1c3a:77:aa01"] {
        let guest = requester(address, Some(mac()));
        let judgement = judge(&guest, &ports.sight(&guest).unwrap());
        assert_eq!(judgement.doubt, None, "{address}");
        assert!(matches!(judgement.resolution, Resolution::Found(_)));
        // Who is known is not kept waiting for a change.
        let before = Instant::now();
        assert!(Ports::renew(&ports, &guest).await.is_err());
        assert_eq!(before.elapsed(), SLOW);
    }
}

#[tokio::test]
async fn ovns_routers_are_no_realm() {
    let ports = ports();
    let guest = Requester {
        realm: Realm::Router(NETWORK.to_string()),
        ..requester("10.0.0.5", None)
    };
    let sighting = ports.sight(&guest).unwrap();
    assert_eq!(sighting.certainty, Certainty::Sure);
    assert!(sighting.by_address.is_empty());
}
