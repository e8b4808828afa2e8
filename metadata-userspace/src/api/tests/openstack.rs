use super::*;

#[test]
fn the_openstack_tree_grows_with_its_versions() {
    let mut names = vec!["meta_data.json", "user_data"];
    for (version, added) in [
        ("2012-08-10", None),
        ("2013-04-04", Some("password")),
        ("2013-10-17", Some("vendor_data.json")),
        ("2015-10-15", Some("network_data.json")),
        ("2016-06-30", None),
        ("2016-10-06", Some("vendor_data2.json")),
        ("2017-02-22", None),
        ("2018-08-27", None),
        ("2020-10-14", None),
        ("2025-04-04", None),
        ("latest", None),
    ] {
        names.extend(added);
        assert_eq!(text(&format!("/openstack/{version}/")), names.join("\n"));
    }
    for early in [
        "2012-08-10/password",
        "2013-04-04/vendor_data.json",
        "2015-10-15/vendor_data2.json",
    ] {
        assert_eq!(status(&format!("/openstack/{early}")), 404, "{early}");
    }
}

#[test]
fn meta_data_grows_with_its_versions() {
    let always = [
        "availability_zone",
        "files",
        "hostname",
        "keys",
        "launch_index",
        "meta",
        "name",
        "public_keys",
        "uuid",
    ];
    let mut names = always.to_vec();
    for (version, added) in [
        ("2012-08-10", None),
        ("2013-04-04", Some("random_seed")),
        ("2013-10-17", None),
        ("2015-10-15", Some("project_id")),
        ("2016-06-30", Some("devices")),
        ("2020-10-14", Some("dedicated_cpus")),
        ("latest", None),
    ] {
        names.extend(added);
        names.sort_unstable();
        let document = document(WEB, &format!("/openstack/{version}/meta_data.json"), JSON);
        let keys: Vec<&String> = document.as_object().unwrap().keys().collect();
        assert_eq!(keys, names, "{version}");
    }
}

#[test]
fn meta_data_says_what_the_inventory_says() {
    let document = document(WEB, "/openstack/latest/meta_data.json", JSON);
    assert_eq!(document["uuid"], WEB.0);
    assert_eq!(document["project_id"], WEB.1);
    assert_eq!(document["hostname"], "web-1.novalocal");
    assert_eq!(document["meta"], json!({"role": "frontend"}));
    assert_eq!(document["dedicated_cpus"], json!([2, 3]));
    assert_eq!(document["keys"][0]["name"], "admin@example");
    assert_eq!(document["keys"][0]["type"], "ssh");
    assert_eq!(
        document["keys"][0]["data"],
        document["public_keys"]["admin@example"]
    );
    let file = json!([{"path": "/etc/motd", "content_path": "/content/0000"}]);
    assert_eq!(document["files"], file);
    assert_eq!(text("/openstack/content/0000"), "Welcome to web-1.\n");
}

#[test]
fn no_two_requests_get_one_seed() {
    let seed = || {
        let document = document(WEB, "/openstack/latest/meta_data.json", JSON);
        document["random_seed"].as_str().unwrap().to_owned()
    };
    let first = seed();
    assert_eq!(first.len(), 684, "512 bytes as base64");
    assert_ne!(first, seed());
}

#[test]
fn devices_show_what_their_version_knows() {
    let devices = |version| {
        let path = format!("/openstack/{version}/meta_data.json");
        document(WEB, &path, JSON)["devices"].clone()
    };
    let mut nic = json!({
        "type": "nic", "mac": "fa:16:3e:17:17:05", "bus": "pci",
        "address": "0000:00:02.0", "tags": ["front"],
    });
    let disk = json!({
        "type": "disk", "serial": "disk-vol-2352423", "bus": "scsi",
        "address": "1:0:2:0", "tags": ["data"],
    });
    assert_eq!(devices("2016-06-30"), json!([nic, disk]));
    nic["vlan"] = json!(100);
    assert_eq!(devices("2017-02-22"), json!([nic, disk]));
    nic["vf_trusted"] = json!(false);
    assert_eq!(devices("2018-08-27"), json!([nic, disk]));
}

#[test]
fn network_data_tells_a_guest_how_to_configure_itself() {
    let port = "c7f1a3d2-4b1e-4d6f-8a90-1b2c3d4e5f60";
    let network = "11a6bf5e-9a4f-4bbd-9f3c-0d6a3f1f1a01";
    let dns = |address: &str| json!({"type": "dns", "address": address});
    let expected = json!({
        "links": [{
            "id": "tapc7f1a3d2-4b", "vif_id": port, "type": "phy", "mtu": 1450,
            "ethernet_mac_address": "fa:16:3e:17:17:05",
        }],
        "networks": [
            {
                "id": "network0", "type": "ipv4", "link": "tapc7f1a3d2-4b",
                "ip_address": "17.17.17.5", "netmask": "255.255.255.0",
                "routes": [
                    {"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "17.17.17.1"},
                    {"network": "10.20.0.0", "netmask": "255.255.0.0", "gateway": "17.17.17.2"},
                ],
                "services": [dns("9.9.9.9"), dns("149.112.112.112")],
                "network_id": network,
            },
            {
                "id": "network1", "type": "ipv6_slaac", "link": "tapc7f1a3d2-4b",
                "ip_address": "2001:db8:17::5", "netmask": "ffff:ffff:ffff:ffff::",
                "routes": [{"network": "::", "netmask": "::", "gateway": "2001:db8:17::1"}],
                "services": [dns("2620:fe::fe")],
                "network_id": network,
            },
        ],
        "services": [dns("9.9.9.9"), dns("149.112.112.112"), dns("2620:fe::fe")],
    });
    let path = "/openstack/latest/network_data.json";
    assert_eq!(document(WEB, path, TEXT), expected);

    let by_dhcp = document(DB, path, TEXT);
    let link = by_dhcp["links"][0]["id"].clone();
    let network = json!([{
        "id": "network0", "type": "ipv4_dhcp", "link": link,
        "network_id": "22b7c06f-ab50-4cce-a04d-1e7b40202b02",
    }]);
    assert_eq!(by_dhcp["networks"], network);
    assert_eq!(by_dhcp["links"][0]["mtu"], Value::Null);
}

#[test]
fn vendor_data_is_static_and_dynamic() {
    let vendor_data = document(WEB, "/openstack/latest/vendor_data.json", JSON);
    assert!(vendor_data["cloud-init"].is_string());
    let vendor_data2 = document(WEB, "/openstack/latest/vendor_data2.json", JSON);
    let expected = json!({"static": vendor_data, "monitoring": {"agent": true}});
    assert_eq!(vendor_data2, expected);
}

#[test]
fn passwords_are_left_to_the_store() {
    for path in [
        "/openstack/latest/password",
        "/openstack/2013-04-04/password/",
    ] {
        assert_eq!(
            answer(signed(WEB, path)),
            Answer::Password(WEB.0.parse().unwrap())
        );
    }
}
