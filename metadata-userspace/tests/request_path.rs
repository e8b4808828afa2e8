//! What a guest gets from 169.254.169.254, and what it cannot get.

#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;
use xtask::lab::daemon::{Daemon, Setup};
use xtask::lab::guest::Guest;
use xtask::lab::http;
use xtask::lab::inventory::{self, Instance};
use xtask::lab::router::{PROXY_PORT, Router, Subnet};
use xtask::lab::site::Site;

const METADATAD: &str = env!("CARGO_BIN_EXE_metadatad");
const DOCUMENT: &str = "/openstack/latest/meta_data.json";
const SHORT: Duration = Duration::from_secs(3);

#[test]
fn curl_in_the_guest_prints_the_guests_own_documents() -> Result<()> {
    let site = Site::with(
        METADATAD,
        |instance| instance.meta = vec![("role".to_owned(), "web \"1\"".to_owned())],
        |setup| setup,
    )?;
    let text = site
        .guest
        .curl(&format!("http://169.254.169.254{DOCUMENT}"))?;
    let document: serde_json::Value = serde_json::from_str(&text)?;
    assert_eq!(document["uuid"], site.instance.uuid);
    assert_eq!(document["project_id"], site.instance.project_id);
    assert_eq!(document["meta"]["role"], "web \"1\"");
    let id = site
        .guest
        .curl("http://169.254.169.254/latest/meta-data/instance-id")?;
    let digits = id.strip_prefix("i-").unwrap_or_default();
    assert!(
        digits.len() == 8 && u32::from_str_radix(digits, 16).is_ok(),
        "{id}"
    );
    let address = site.guest.get("/latest/meta-data/local-ipv4")?;
    assert_eq!(address.text(), site.guest.address.to_string());
    Ok(())
}

#[test]
fn no_iptables_rule_is_involved() -> Result<()> {
    let site = Site::create(METADATAD)?;
    assert_eq!(site.guest.get(DOCUMENT)?.status, 200);
    for table in ["filter", "nat", "mangle", "raw"] {
        let rules = site
            .router
            .namespace()
            .sh(&format!("iptables-save -t {table}"))?;
        assert!(!rules.contains("\n-A"), "{rules}");
    }
    Ok(())
}

#[test]
fn an_address_that_no_instance_has_gets_404() -> Result<()> {
    let site = Site::create(METADATAD)?;
    let stranger = Ipv4Addr::new(17, 17, 17, 66);
    let inside = site.guest.namespace();
    inside.ip(&format!("address add {stranger}/24 dev eth0"))?;
    let mut stream = site.guest.connect_from(SocketAddrV4::new(stranger, 0))?;
    let response = http::get(&mut stream, DOCUMENT, "")?;
    assert_eq!(response.status, 404, "{}", response.text());
    assert!(!response.text().contains(&site.instance.uuid));
    assert_eq!(site.guest.get(DOCUMENT)?.status, 200);
    Ok(())
}

#[test]
fn the_proxy_port_itself_is_closed_to_guests() -> Result<()> {
    let site = Site::create(METADATAD)?;
    for address in [Ipv4Addr::new(169, 254, 169, 254), Subnet::TUTORIAL.gateway] {
        let to = SocketAddrV4::new(address, PROXY_PORT);
        assert!(site.guest.connect_within(to.into(), SHORT).is_err(), "{to}");
    }
    // Nor does a single packet of the attempt come in.
    let dropped = &site.daemon.status()?["verdicts"]["proxy_port_dropped"]["packets"];
    assert!(dropped.as_u64() > Some(0), "{dropped}");
    assert_eq!(site.guest.get(DOCUMENT)?.status, 200);
    Ok(())
}

/// Two routers with one guest each, in one daemon.
struct Neighbours {
    _daemon: Daemon,
    guest: Guest,
    own: Instance,
    other: Instance,
    other_router: Router,
    _router: Router,
}

fn neighbours() -> Result<Neighbours> {
    let (router, other_router) = (Router::create()?, Router::create()?);
    let guest = Guest::behind(&router, Subnet::TUTORIAL)?;
    let elsewhere = Subnet {
        guest: Ipv4Addr::new(17, 17, 17, 9),
        ..Subnet::TUTORIAL
    };
    let other_guest = Guest::behind(&other_router, elsewhere)?;
    let own = Instance::of(&guest, &router, "own")?;
    let other = Instance::of(&other_guest, &other_router, "other")?;
    let names = [&router, &other_router].map(|router| router.namespace().name().to_owned());
    let names = [names[0].as_str(), names[1].as_str()];
    let inventory = inventory::file(&[own.clone(), other.clone()])?;
    let daemon = Daemon::serving(Setup::new(METADATAD, &names, inventory)?, &names)?;
    Ok(Neighbours {
        _daemon: daemon,
        guest,
        own,
        other,
        other_router,
        _router: router,
    })
}

/// Every header by which the hops behind the proxy name an identity, as the
/// neighbour would have it.
fn stolen_identity(other: &Instance, router: &Router) -> Vec<(&'static str, String)> {
    vec![
        ("X-Forwarded-For", "17.17.17.9".to_owned()),
        ("Forwarded", "for=17.17.17.9".to_owned()),
        ("X-Neutron-Router-ID", router.id().to_owned()),
        ("X-Neutron-Network-ID", router.id().to_owned()),
        ("X-OVN-Network-ID", router.id().to_owned()),
        ("X-Instance-ID", other.uuid.clone()),
        ("X-Instance-ID-Signature", "0".repeat(64)),
        ("X-Tenant-ID", other.project_id.clone()),
        ("X-Metadata-Provider", router.id().to_owned()),
        ("X-Metadata-Provider-Signature", "0".repeat(64)),
    ]
}

fn spelt(headers: &[(&str, String)], spell: fn(&str) -> String) -> String {
    headers
        .iter()
        .map(|(name, value)| format!("{}: {value}\r\n", spell(name)))
        .collect()
}

#[test]
fn headers_that_name_an_identity_change_nothing() -> Result<()> {
    let site = neighbours()?;
    let headers = stolen_identity(&site.other, &site.other_router);
    let spellings: [fn(&str) -> String; 4] = [
        str::to_owned,
        |name| name.replace('-', "_"),
        str::to_lowercase,
        |name| name.replacen('-', "_", 1).to_uppercase(),
    ];
    // Around each size at which some hop of the path may have a buffer's end.
    let paddings = [0, 200, 1_300, 2_900, 3_500, 4_000, 7_000, 12_000, 15_000];
    for spell in spellings {
        let stolen = spelt(&headers, spell);
        for padding in paddings {
            let pad = format!("X-Padding: {}\r\n", "p".repeat(padding));
            for head in [format!("{pad}{stolen}"), format!("{stolen}{pad}")] {
                let response = site.guest.get_with(DOCUMENT, &head)?;
                assert_eq!(response.status, 200, "{}\n{head}", response.text());
                assert_eq!(response.json()?["uuid"], site.own.uuid, "{head}");
            }
        }
    }
    Ok(())
}

#[test]
fn identity_headers_that_arrive_late_change_nothing() -> Result<()> {
    let site = neighbours()?;
    let stolen = spelt(
        &stolen_identity(&site.other, &site.other_router),
        str::to_owned,
    );
    let mut stream = site.guest.connect()?;
    stream.set_nodelay(true)?;
    stream.write_all(format!("GET {DOCUMENT} HTTP/1.1\r\nHost: metadata\r\n").as_bytes())?;
    for line in stolen.split_inclusive("\r\n") {
        stream.write_all(line.as_bytes())?;
        sleep(Duration::from_millis(20));
    }
    stream.write_all(b"\r\n")?;
    let response = http::read_response(&mut stream)?;
    assert_eq!(response.json()?["uuid"], site.own.uuid);
    Ok(())
}

#[test]
fn a_head_beyond_the_limit_is_refused() -> Result<()> {
    let site = Site::create(METADATAD)?;
    let padding = format!("X-Padding: {}\r\n", "p".repeat(17_000));
    assert_eq!(site.guest.get_with(DOCUMENT, &padding)?.status, 431);
    assert_eq!(site.guest.get(DOCUMENT)?.status, 200);
    Ok(())
}

#[test]
fn requests_sent_at_once_on_one_connection_are_answered_in_order() -> Result<()> {
    let site = Site::create(METADATAD)?;
    let mut stream = site.guest.connect()?;
    let paths = [
        "/latest/meta-data/local-ipv4",
        DOCUMENT,
        "/none",
        "/openstack",
    ];
    let requests: String = paths
        .iter()
        .map(|path| format!("GET {path} HTTP/1.1\r\nHost: metadata\r\n\r\n"))
        .collect();
    stream.write_all(requests.as_bytes())?;
    assert_eq!(http::read_response(&mut stream)?.text(), "17.17.17.5");
    assert_eq!(
        http::read_response(&mut stream)?.json()?["uuid"],
        site.instance.uuid
    );
    assert_eq!(http::read_response(&mut stream)?.status, 404);
    assert!(
        http::read_response(&mut stream)?
            .text()
            .contains("2012-08-10")
    );
    Ok(())
}

#[test]
fn a_guest_of_http_1_0_gets_its_document_and_the_end() -> Result<()> {
    let site = Site::create(METADATAD)?;
    let mut stream = site.guest.connect()?;
    stream.write_all(format!("GET {DOCUMENT} HTTP/1.0\r\n\r\n").as_bytes())?;
    assert_eq!(
        http::read_response(&mut stream)?.json()?["uuid"],
        site.instance.uuid
    );
    let mut rest = Vec::new();
    std::io::Read::read_to_end(&mut stream, &mut rest)?;
    assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
    Ok(())
}

#[test]
fn a_password_is_posted_once_and_read_back() -> Result<()> {
    let site = Site::create(METADATAD)?;
    let path = "/openstack/latest/password";
    assert_eq!(site.guest.get(path)?.body, b"");
    for (expected, password) in [(200, "c2VjcmV0"), (409, "b3RoZXI=")] {
        let mut stream = site.guest.connect()?;
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: metadata\r\nContent-Length: {}\r\n\r\n",
            password.len()
        );
        stream.write_all(head.as_bytes())?;
        // A client that sends the body in a segment of its own.
        sleep(Duration::from_millis(200));
        stream.write_all(password.as_bytes())?;
        assert_eq!(http::read_response(&mut stream)?.status, expected);
    }
    assert_eq!(site.guest.get(path)?.text(), "c2VjcmV0");
    Ok(())
}
