use std::path::Path;

use super::*;
use crate::identity::Realm;
use crate::resolver::Resolution;
use crate::resolver::identify::judge;

const ROUTER_A: &str = "aaaaaaaa-0000-4000-8000-000000000000";
const ROUTER_B: &str = "bbbbbbbb-0000-4000-8000-000000000000";
const NETWORK_1: &str = "00000001-0000-4000-8000-000000000000";
const NETWORK_2: &str = "00000002-0000-4000-8000-000000000000";
const ALPHA: &str = "a1a1a1a1-0000-4000-8000-000000000000";
const BETA: &str = "b1b1b1b1-0000-4000-8000-000000000000";

/// Alpha behind router A, beta behind A and B: same address, two networks.
fn resolver() -> InventoryPorts {
    let instance = |uuid, network, routers: &str, mac, extra| {
        format!(
            "[[instance]]\nuuid = '{uuid}'\nproject_id = 'project-{uuid}'\nname = 'n'\n[[instance.port]]\nnetwork_id = '{network}'\nrouter_ids = [{routers}]\nmac_address = 'fa:16:3e:00:00:{mac}'\nfixed_ips = ['10.0.0.5', '{extra}']\n"
        )
    };
    let text = instance(
        ALPHA,
        NETWORK_1,
        &format!("'{ROUTER_A}'"),
        "01",
        "2001:db8::1",
    ) + &instance(
        BETA,
        NETWORK_2,
        &format!("'{ROUTER_A}', '{ROUTER_B}'"),
        "02",
        "2001:db8::2",
    );
    InventoryPorts::new(Arc::new(ArcSwap::from_pointee(load(&text))))
}

fn load(text: &str) -> Inventory {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("inventory.toml");
    std::fs::write(&path, text).unwrap();
    Inventory::load(Path::new(&path)).unwrap()
}

/// The instance, or why there is none.
fn ask(ports: &InventoryPorts, realm: Realm, address: &str, mac: Option<&str>) -> String {
    let requester = Requester {
        realm,
        address: address.parse().unwrap(),
        mac: mac.map(|mac| mac.parse().unwrap()),
    };
    let judgement = judge(&requester, &ports.sight(&requester).unwrap());
    assert_eq!(judgement.doubt, None);
    match judgement.resolution {
        Resolution::Found(port) => format!("{} of {}", port.device_id, port.project_id),
        other => format!("{other:?}"),
    }
}

fn router(id: &str) -> Realm {
    Realm::Router(id.to_owned())
}

fn network(id: &str) -> Realm {
    Realm::Network(id.to_owned())
}

fn found(uuid: &str) -> String {
    format!("{uuid} of project-{uuid}")
}

#[test]
fn the_realm_decides_who_has_an_address() {
    let resolver = resolver();
    for (realm, expected) in [
        (network(NETWORK_1), found(ALPHA)),
        (network(NETWORK_2), found(BETA)),
        (router(ROUTER_B), found(BETA)),
        (router(ROUTER_A), "Ambiguous(2)".to_owned()),
        (network(ROUTER_B), "Unknown".to_owned()),
        (router(NETWORK_1), "Unknown".to_owned()),
        (router("no-uuid"), "Unknown".to_owned()),
    ] {
        assert_eq!(ask(&resolver, realm, "10.0.0.5", None), expected);
    }
    let nobody = ask(&resolver, router(ROUTER_B), "10.0.0.6", None);
    assert_eq!(nobody, "Unknown".to_owned());
}

#[test]
fn spelling_matters_neither_in_ids_nor_in_addresses() {
    let resolver = resolver();
    let upper = router(&ROUTER_B.to_uppercase());
    assert_eq!(ask(&resolver, upper, "::ffff:10.0.0.5", None), found(BETA));
    let long = "2001:0db8:0:0:0:0:0:0001";
    assert_eq!(ask(&resolver, router(ROUTER_A), long, None), found(ALPHA));
}

#[test]
fn a_link_local_source_is_known_by_its_mac() {
    let resolver = resolver();
    let stable_privacy = "fe80::1234:5678:9abc:def0";
    let at = |address, mac| ask(&resolver, router(ROUTER_A), address, mac);
    assert_eq!(at("fe80::f816:3eff:fe00:2", None), found(BETA));
    assert_eq!(at(stable_privacy, Some("fa:16:3e:00:00:01")), found(ALPHA));
    assert_eq!(at(stable_privacy, None), "Unknown".to_owned());
    // The frame's MAC counts, not the one an address pretends.
    assert_eq!(
        at("fe80::f816:3eff:fe00:2", Some("fa:16:3e:00:00:01")),
        found(ALPHA)
    );
    assert_eq!(
        at("fe80::f816:3eff:fe00:2", Some("fa:16:3e:00:00:99")),
        "Unknown"
    );
    // f8:16:3e without ff:fe behind it is no EUI-64.
    assert_eq!(at("fe80::f816:3e11:2200:2", None), "Unknown".to_owned());
}

#[test]
fn a_temporary_address_is_known_by_its_mac_and_a_neighbours_is_not_ones_own() {
    let resolver = resolver();
    let at = |address, mac| ask(&resolver, router(ROUTER_A), address, Some(mac));
    let temporary = "2001:db8::8d2f:1c3a:77:aa01";
    assert_eq!(at(temporary, "fa:16:3e:00:00:01"), found(ALPHA));
    assert_eq!(at(temporary, "fa:16:3e:00:00:99"), "Unknown");
    assert_eq!(at("2001:db8::2", "fa:16:3e:00:00:02"), found(BETA));
    // No instance has 10.0.0.66, whoever asks with it.
    assert_eq!(at("10.0.0.66", "fa:16:3e:00:00:01"), "Unknown");
}

#[test]
fn a_new_inventory_counts_from_the_next_request_on() {
    let resolver = resolver();
    resolver.inventory.store(Arc::new(Inventory::default()));
    let gone = ask(&resolver, network(NETWORK_1), "10.0.0.5", None);
    assert_eq!(gone, "Unknown".to_owned());
}
