use super::*;
use crate::identity::Realm;

const OWN: &str = "fa:16:3e:00:00:05";
const NEIGHBOURS: &str = "fa:16:3e:00:00:06";
const ROUTERS: &str = "fa:16:3e:ff:ff:01";

fn port(network: &str, last: u8) -> Arc<Port> {
    Arc::new(Port {
        id: format!("port-{network}-{last}"),
        network_id: network.to_owned(),
        mac: Some(MacAddr([0xfa, 0x16, 0x3e, 0, 0, last])),
        addresses: vec![IpAddr::from([10, 0, 0, last])],
        device_id: format!("instance-{network}-{last}").into(),
        project_id: "project".into(),
    })
}

fn requester(address: &str, mac: Option<&str>) -> Requester {
    Requester {
        realm: Realm::Router("router".to_owned()),
        address: address.parse().unwrap(),
        mac: mac.map(|mac| mac.parse().unwrap()),
    }
}

/// Judges `requester` by a sighting of these ports.
fn judged(
    requester: &Requester,
    by_address: &[&Arc<Port>],
    by_mac: &[&Arc<Port>],
) -> (Resolution, Option<Doubt>) {
    let sighting = Sighting {
        by_address: by_address.iter().copied().cloned().collect(),
        by_mac: by_mac.iter().copied().cloned().collect(),
        certainty: Certainty::Current,
        failing: false,
    };
    let judgement = judge(requester, &sighting);
    (judgement.resolution, judgement.doubt)
}

#[test]
fn an_address_with_its_own_mac_is_beyond_doubt() {
    let own = port("a", 5);
    let requester = requester("10.0.0.5", Some(OWN));
    assert_eq!(
        judged(&requester, &[&own], &[&own]),
        (Resolution::Found(own.clone()), None)
    );
}

#[test]
fn another_ports_mac_makes_a_pretender_in_the_same_network_only() {
    let (claimed, real, elsewhere) = (port("a", 5), port("a", 6), port("b", 6));
    let requester = requester("10.0.0.5", Some(NEIGHBOURS));
    assert_eq!(
        judged(&requester, &[&claimed], &[&elsewhere]),
        (Resolution::Found(claimed.clone()), Some(Doubt::OtherMac))
    );
    let pretender = Resolution::Pretender {
        claimed: claimed.clone(),
        real: real.clone(),
    };
    assert_eq!(
        judged(&requester, &[&claimed], &[&elsewhere, &real]),
        (pretender, Some(Doubt::OtherMac))
    );
}

#[test]
fn a_mac_that_no_port_has_passes_after_a_second_look() {
    let own = port("a", 5);
    let requester = requester("10.0.0.5", Some(ROUTERS));
    assert_eq!(
        judged(&requester, &[&own], &[]),
        (Resolution::Found(own.clone()), Some(Doubt::OtherMac))
    );
}

#[test]
fn without_a_mac_the_address_alone_is_no_proof() {
    let own = port("a", 5);
    let requester = requester("10.0.0.5", None);
    assert_eq!(
        judged(&requester, &[&own], &[]),
        (Resolution::Found(own.clone()), Some(Doubt::Unproven))
    );
}

#[test]
fn of_several_ports_with_one_address_the_mac_tells() {
    let (one, other) = (port("a", 5), port("b", 6));
    let ports = [&one, &other];
    let with_mac = requester("10.0.0.5", Some(NEIGHBOURS));
    assert_eq!(
        judged(&with_mac, &ports, &[&other]),
        (Resolution::Found(other.clone()), None)
    );
    let without = requester("10.0.0.5", None);
    assert_eq!(
        judged(&without, &ports, &[]),
        (Resolution::Ambiguous(2), Some(Doubt::NotFound))
    );
}

#[test]
fn a_link_local_address_is_known_by_the_mac_alone() {
    let own = port("a", 5);
    let privacy = requester("fe80::1:2:3:4", Some(OWN));
    assert_eq!(mac_to_find(&privacy), Some(OWN.parse().unwrap()));
    assert_eq!(
        judged(&privacy, &[], &[&own]),
        (Resolution::Found(own.clone()), None)
    );
    let eui64 = requester("fe80::f816:3eff:fe00:5", None);
    assert_eq!(mac_to_find(&eui64), Some(OWN.parse().unwrap()));
    assert_eq!(mac_to_find(&requester("fe80::1:2:3:4", None)), None);
}

#[test]
fn an_ipv6_address_that_no_port_has_leads_to_the_mac() {
    let (own, neighbour) = (port("a", 5), port("a", 6));
    let temporary = requester("2001:db8::8d2f:1c3a:77:aa01", Some(OWN));
    assert_eq!(
        judged(&temporary, &[], &[&own]),
        (Resolution::Found(own.clone()), None)
    );
    let pretender = Resolution::Pretender {
        claimed: neighbour.clone(),
        real: own.clone(),
    };
    assert_eq!(
        judged(&temporary, &[&neighbour], &[&own]),
        (pretender, Some(Doubt::OtherMac))
    );
    let nobody = (Resolution::Unknown, Some(Doubt::NotFound));
    assert_eq!(judged(&temporary, &[], &[]), nobody);
    // Of IPv4 a guest has the addresses that it was given.
    let ipv4 = requester("10.0.0.66", Some(OWN));
    assert_eq!(judged(&ipv4, &[], &[&own]), nobody);
}

#[test]
fn a_port_without_an_instance_may_yet_get_one() {
    let free = Arc::new(Port {
        device_id: Arc::default(),
        ..(*port("a", 5)).clone()
    });
    let requester = requester("10.0.0.5", Some(OWN));
    assert_eq!(
        judged(&requester, &[&free], &[&free]),
        (Resolution::Unknown, Some(Doubt::NotFound))
    );
}

#[test]
fn certainty_ends_every_doubt_and_age_begins_one() {
    let own = port("a", 5);
    let mut sighting = Sighting {
        by_address: vec![own],
        by_mac: Vec::new(),
        certainty: Certainty::Sure,
        failing: false,
    };
    let doubt = |sighting: &Sighting, mac| judge(&requester("10.0.0.5", mac), sighting).doubt;
    assert_eq!(doubt(&sighting, None), None);
    assert_eq!(doubt(&sighting, Some(ROUTERS)), None);
    sighting.certainty = Certainty::Expired;
    assert_eq!(doubt(&sighting, Some(OWN)), Some(Doubt::Expired));
    assert_eq!(doubt(&sighting, Some(ROUTERS)), Some(Doubt::OtherMac));
}
