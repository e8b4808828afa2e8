use std::fs;

use tempfile::TempDir;

use super::*;

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/inventory.toml");

fn load(text: &str) -> (TempDir, Result<Inventory, InventoryError>) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("inventory.toml");
    fs::write(&path, text).unwrap();
    let loaded = Inventory::load(&path);
    (directory, loaded)
}

/// Each fault as `instance: field`, for the faults of `text`.
fn faults(text: &str) -> Vec<String> {
    match load(text).1.unwrap_err() {
        InventoryError::Faults { faults, .. } => faults
            .iter()
            .map(|fault| format!("{}: {}", fault.instance, fault.field))
            .collect(),
        other => vec![other.to_string()],
    }
}

fn instance(uuid: u32, name: &str, rest: &str) -> String {
    format!(
        "[[instance]]\nuuid = \"{uuid:08x}-0000-4000-8000-000000000000\"\nproject_id = \"p\"\nname = \"{name}\"\n{rest}\n"
    )
}

fn port(network: u32, mac: u32, addresses: &str) -> String {
    format!(
        "[[instance.port]]\nnetwork_id = \"{network:08x}-0000-4000-8000-000000000000\"\nmac_address = \"fa:16:3e:00:00:{mac:02x}\"\nfixed_ips = [{addresses}]\n"
    )
}

#[test]
fn the_example_is_sound() {
    let inventory = Inventory::load(Path::new(EXAMPLE)).unwrap();
    let [web, db] = inventory.instances() else {
        unreachable!("the example has two instances");
    };
    assert_eq!(web.ports.first().unwrap().fixed_ips.len(), 2);
    assert_eq!(db.hostname, "db-1");
    assert_eq!(db.security_groups, ["default"]);
    assert_eq!(db.block_devices.get("root").unwrap(), "/dev/vda");
    assert_eq!(web.first_ipv4(), db.first_ipv4());
}

#[test]
fn the_worker_gets_what_the_parent_loaded() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("inventory.toml");
    let user_data = [0x1f, 0x8b, 0x08, 0x00, 0xff];
    fs::write(directory.path().join("data.gz"), user_data).unwrap();
    let mut text = fs::read_to_string(EXAMPLE).unwrap();
    text += "\n[[instance]]\nuuid = \"00000001-0000-4000-8000-000000000000\"\nproject_id = \"p\"\nname = \"n\"\nuser_data_file = \"data.gz\"\n";
    fs::write(&path, text).unwrap();

    let loaded = Inventory::load(&path).unwrap();
    let json = serde_json::to_string(&loaded).unwrap();
    let shipped: Inventory = serde_json::from_str(&json).unwrap();
    assert_eq!(shipped.instances(), loaded.instances());
    let uuid = "00000001-0000-4000-8000-000000000000".parse().unwrap();
    let user_data_shipped = shipped.instance(uuid).unwrap().user_data.clone().unwrap();
    assert_eq!(user_data_shipped.0.as_ref(), user_data);
}

#[test]
fn a_file_without_instances_is_an_empty_inventory() {
    assert_eq!(load("").1.unwrap().instances().len(), 0);
}

#[test]
fn every_fault_is_told_at_once() {
    let text = "
[[instance]]
name = 'first one'
project_id = 'a b'
image_id = 'x'
user_data = 'a'
user_data_file = 'b'
public_keys = { 'a=b' = 'ssh' }
block_devices = { 'a/b' = '/dev/vdb' }
vendor_data = { weight = inf }
vendor_data2 = { static = {} }
[[instance.file]]
path = '/etc/motd'
[[instance.port]]
router_ids = ['r']
mac_address = 'fa:16:3e'
fixed_ips = ['10.0.0.300', { address = '10.0.0.5', cidr = '10.1.0.0/24', gateway = '::1' }]
[[instance]]
uuid = 'not one'
user_data_file = 'missing'
";
    let first = "instance 1 (first one)";
    let second = "instance 2 (not one)";
    let mut expected: Vec<String> = [
        "uuid",
        "project_id",
        "hostname",
        "image_id",
        "public_keys",
        "block_devices",
        "user_data",
        "vendor_data.weight",
        "vendor_data2",
        "file 1: content",
        "port 1: network_id",
        "port 1: router_ids",
        "port 1: mac_address",
        "port 1: fixed_ips",
        "port 1: fixed_ips",
        "port 1: fixed_ips",
    ]
    .iter()
    .map(|field| format!("{first}: {field}"))
    .collect();
    for field in ["uuid", "name", "project_id", "user_data_file"] {
        expected.push(format!("{second}: {field}"));
    }
    let mut found = faults(text);
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn a_fault_says_what_was_found_and_what_is_allowed() {
    let text = instance(1, "a", "[[instance.port]]\nmac_address = 'fe'\n");
    let message = load(&text).1.unwrap_err().to_string();
    assert!(message.contains("inventory.toml"), "{message}");
    assert!(
        message.contains("instance 1 (a): port 1: mac_address: `fe` is not a MAC address (six octets like fa:16:3e:00:00:01)"),
        "{message}"
    );
    assert!(
        message.contains("port 1: network_id: missing: a UUID like"),
        "{message}"
    );
}

#[test]
fn an_unknown_field_is_told_with_its_line() {
    for (text, line) in [
        (instance(1, "a", "flavour = 'm1'"), "line 5"),
        (
            instance(
                1,
                "a",
                "[[instance.port]]\nfixed_ips = [{ adress = '10.0.0.1' }]",
            ),
            "line 6",
        ),
        (instance(1, "a", "launch_index = 'one'"), "line 5"),
    ] {
        let message = load(&text).1.unwrap_err().to_string();
        assert!(message.contains(line), "{message}");
    }
}

#[test]
fn what_must_be_unique_is_checked_between_instances() {
    let one = |rest: &str| instance(1, "one", rest);
    let two = |rest: &str| instance(2, "two", rest);
    for (text, field) in [
        (one("") + &instance(1, "two", ""), "uuid"),
        (one("ec2_id = 7") + &two("ec2_id = 7"), "ec2_id"),
        (
            one(&port(9, 1, "'10.0.0.1'")) + &two(&port(9, 2, "'10.0.0.1'")),
            "port 1: fixed_ips",
        ),
        (
            one(&port(9, 1, "'10.0.0.1'")) + &two(&port(9, 1, "'10.0.0.2'")),
            "port 1: mac_address",
        ),
    ] {
        assert_eq!(faults(&text), [format!("instance 2 (two): {field}")]);
    }
}

#[test]
fn networks_may_repeat_addresses_and_macs() {
    let text = instance(1, "one", &port(8, 1, "'10.0.0.1'"))
        + &instance(2, "two", &port(9, 1, "'10.0.0.1'"));
    assert_eq!(load(&text).1.unwrap().instances().len(), 2);
}

#[test]
fn ids_stay_when_the_file_is_edited() {
    let one = instance(1, "one", &port(8, 1, "'10.0.0.1'"));
    let two = instance(2, "two", "");
    let ids = |text: &str| {
        let inventory = load(text).1.unwrap();
        let uuid = "00000001-0000-4000-8000-000000000000".parse().unwrap();
        let instance = inventory.instance(uuid).unwrap();
        let port = instance.ports.first().unwrap();
        (instance.ec2_id, instance.reservation_id.clone(), port.id)
    };
    assert_eq!(ids(&one), ids(&(two + &one)));
}
