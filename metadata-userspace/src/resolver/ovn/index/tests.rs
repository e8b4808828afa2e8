use proptest::prelude::*;

use super::*;

fn id(number: u8) -> Uuid {
    Uuid::from_u128(number.into())
}

fn address(number: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, number])
}

fn mac(number: u8) -> MacAddr {
    MacAddr([0xfa, 0x16, 0x3e, 0, 0, number])
}

fn binding(datapath: u8, number: u8, device: &str) -> Binding {
    Binding {
        datapath: id(datapath),
        chassis: id(0),
        up: false,
        port: Arc::new(Port {
            id: format!("port of {device}"),
            network_id: String::new(),
            mac: Some(mac(number)),
            addresses: vec![address(number)],
            device_id: device.into(),
            project_id: Arc::default(),
        }),
    }
}

/// Network 100 is datapath 1.
fn index() -> Index {
    let mut index = Index::default();
    index.set_network(id(1), Some(id(100)));
    index
}

fn devices(index: &Index, number: u8) -> Vec<String> {
    let found = index.find(id(100), address(number), None);
    let devices = found
        .by_address
        .iter()
        .map(|port| port.device_id.to_string());
    devices.collect()
}

#[test]
fn a_port_is_found_by_its_address_and_its_mac_in_its_network_only() {
    let mut index = index();
    index.set_network(id(2), Some(id(200)));
    index.set_binding(id(11), Some(binding(1, 5, "a")));
    index.set_binding(id(12), Some(binding(2, 5, "b")));
    let found = index.find(id(100), address(5), Some(mac(5)));
    assert_eq!(found.by_address, found.by_mac);
    assert_eq!(devices(&index, 5), ["a"]);
    assert_eq!(
        index.find(id(100), address(6), Some(mac(6))),
        Found::default()
    );
    assert_eq!(
        index.find(id(250), address(5), Some(mac(5))),
        Found::default()
    );
}

#[test]
fn a_reused_address_is_the_new_ports() {
    let mut index = index();
    index.set_binding(id(11), Some(binding(1, 5, "old")));
    let before = index.changes(id(100));
    index.set_binding(id(11), None);
    index.set_binding(id(12), Some(binding(1, 5, "new")));
    assert_eq!(devices(&index, 5), ["new"]);
    assert_ne!(index.changes(id(100)), before);
    index.set_binding(id(12), Some(binding(1, 6, "new")));
    assert!(devices(&index, 5).is_empty());
    assert_eq!(devices(&index, 6), ["new"]);
}

#[test]
fn of_several_rows_the_one_of_this_host_or_with_flows_is_meant() {
    let mut index = index();
    let elsewhere = binding(1, 5, "elsewhere");
    index.set_binding(id(11), Some(elsewhere.clone()));
    index.set_binding(id(12), Some(binding(1, 5, "stale")));
    assert_eq!(devices(&index, 5).len(), 2, "nobody can tell");
    let up = Binding {
        up: true,
        ..elsewhere.clone()
    };
    index.set_binding(id(11), Some(up));
    assert_eq!(devices(&index, 5), ["elsewhere"]);
    let here = Binding {
        chassis: id(9),
        ..binding(1, 5, "here")
    };
    index.set_binding(id(13), Some(here));
    index.set_chassis(Some(id(9)));
    assert_eq!(devices(&index, 5), ["here"]);
}

#[test]
fn a_network_is_covered_when_all_of_its_datapaths_are() {
    let mut index = index();
    assert_eq!(index.uncovered(id(100)), Some(vec![id(1)]));
    assert_eq!(index.uncovered(id(250)), None);
    index.cover([id(1)].into_iter());
    assert_eq!(index.uncovered(id(100)), Some(vec![]));
    index.set_network(id(2), Some(id(100)));
    assert_eq!(index.uncovered(id(100)), Some(vec![id(2)]));
    index.cover_all();
    assert_eq!(index.uncovered(id(100)), Some(vec![]));
}

#[test]
fn a_datapath_that_changes_its_network_takes_its_ports_along() {
    let mut index = index();
    index.set_binding(id(11), Some(binding(1, 5, "a")));
    assert_eq!(index.set_network(id(1), Some(id(200))), [id(11)]);
    assert_eq!(index.find(id(200), address(5), None).by_address.len(), 1);
    assert!(devices(&index, 5).is_empty());
    index.set_network(id(1), None);
    index.set_binding(id(11), None);
    assert!(index.ports.is_empty() && index.datapaths.is_empty());
}

proptest! {
    /// However rows came about, the index is that of the rows there are.
    #[test]
    fn single_changes_lead_to_the_index_that_is_built_at_once(
        changes in prop::collection::vec((0u8..6, prop::option::of((1u8..4, 0u8..4))), 0..60),
    ) {
        let networks = |index: &mut Index| {
            index.set_network(id(1), Some(id(100)));
            index.set_network(id(2), Some(id(100)));
            index.set_network(id(3), Some(id(200)));
        };
        let (mut index, mut rows) = (Index::default(), HashMap::new());
        networks(&mut index);
        for (row, state) in &changes {
            let state = state.map(|(datapath, number)| binding(datapath, number, &row.to_string()));
            index.set_binding(id(*row), state.clone());
            match state {
                Some(state) => rows.insert(*row, state),
                None => rows.remove(row),
            };
        }
        let mut rebuilt = Index::default();
        networks(&mut rebuilt);
        for (row, state) in &rows {
            rebuilt.set_binding(id(*row), Some(state.clone()));
        }
        for number in 0..4 {
            for network in [100, 200] {
                let names = |index: &Index| {
                    let found = index.find(id(network), address(number), Some(mac(number)));
                    let names = |ports: Vec<Arc<Port>>| {
                        let mut names: Vec<_> = ports.iter().map(|port| port.id.clone()).collect();
                        names.sort();
                        names
                    };
                    (names(found.by_address), names(found.by_mac))
                };
                prop_assert_eq!(names(&index), names(&rebuilt));
            }
        }
        for row in 0..6 {
            index.set_binding(id(row), None);
        }
        prop_assert!(index.is_empty());
    }
}
