use serde_json::json;

use super::*;

#[test]
fn the_ec2_tree_grows_with_its_versions() {
    let mut names = vec![
        "ami-id",
        "ami-launch-index",
        "ami-manifest-path",
        "hostname",
        "instance-id",
        "local-ipv4",
        "public-keys/",
        "reservation-id",
        "security-groups",
    ];
    for (version, added) in [
        ("1.0", &[][..]),
        (
            "2007-01-19",
            &["local-hostname", "public-hostname", "public-ipv4"],
        ),
        ("2007-03-01", &[]),
        ("2007-08-29", &["instance-type"]),
        ("2007-10-10", &[]),
        ("2007-12-15", &["block-device-mapping/"]),
        ("2008-02-01", &["placement/"]),
        ("2008-09-01", &["instance-action"]),
        ("2009-04-04", &[]),
        ("latest", &[]),
    ] {
        names.extend(added);
        names.sort_unstable();
        assert_eq!(text(&format!("/{version}/")), "meta-data/\nuser-data");
        assert_eq!(text(&format!("/{version}/meta-data")), names.join("\n"));
        for name in added {
            let early = format!("/1.0/meta-data/{name}");
            assert_eq!(status(&early), 404, "{early}");
        }
    }
}

#[test]
fn ec2_values() {
    let key = text("/latest/meta-data/public-keys/0/openssh-key");
    assert!(key.starts_with("ssh-ed25519 "));
    for (path, value) in [
        ("ami-launch-index", "0"),
        ("ami-manifest-path", "FIXME"),
        ("hostname", "web-1.novalocal"),
        ("local-hostname", "web-1.novalocal"),
        ("public-hostname", "web-1.novalocal"),
        ("instance-id", "i-0000002a"),
        ("local-ipv4", "17.17.17.5"),
        ("public-ipv4", "203.0.113.5"),
        ("reservation-id", "r-3k1x9a2b"),
        ("security-groups", "default\nweb"),
        ("instance-type", "m1.small"),
        ("instance-action", "none"),
        ("placement/", "availability-zone"),
        ("placement/availability-zone", "nova"),
        ("block-device-mapping", "ami\nebs0\nroot"),
        ("block-device-mapping/ami", "vda"),
        ("block-device-mapping/root", "/dev/vda"),
        ("public-keys", "0=admin@example"),
        ("public-keys/", "0=admin@example"),
        ("public-keys/0", "openssh-key"),
        ("public-keys/0/", "openssh-key"),
    ] {
        assert_eq!(text(&format!("/latest/meta-data/{path}")), value, "{path}");
        assert_eq!(text(&format!("/ec2/2009-04-04/meta-data/{path}")), value);
    }
    assert_eq!(
        text("/latest/user-data"),
        "#cloud-config\npackages: [nginx]\n"
    );
}

#[test]
fn the_forwarded_address_stands_in_for_a_missing_one() {
    let mut inventory = serde_json::to_value(example()).unwrap();
    inventory[0]["ports"] = json!([]);
    let inventory: Inventory = serde_json::from_value(inventory).unwrap();
    let settings = Settings {
        shared_secret: Secret(SECRET.to_owned()),
        dhcp_domain: String::new(),
    };
    let ask = |path| {
        let parts = signed(WEB, path).into_parts().0;
        match respond(&inventory, &settings, &parts) {
            Answer::Ready(reply) => String::from_utf8(reply.body.to_vec()).unwrap(),
            Answer::Password(_) => unreachable!("not a password's path"),
        }
    };
    assert_eq!(ask("/latest/meta-data/local-ipv4"), "192.0.2.7");
    assert_eq!(ask("/latest/meta-data/hostname"), "web-1");
    assert_eq!(ask("/openstack/latest/network_data.json"), "{}");
}
