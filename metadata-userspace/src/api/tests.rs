mod ec2;
mod openstack;

use std::path::Path;

use hyper::http::request::Parts;
use hyper::{Method, Request};
use serde_json::{Value, json};

use super::respond::{Answer, respond};
use super::{Settings, reply::Reply};
use crate::config::Secret;
use crate::inventory::Inventory;
use crate::signature::sign;

const SECRET: &str = "shared secret";
const WEB: (&str, &str) = (
    "8a1c6f9e-3f7b-4d0a-9a53-0f1d2c3b4a59",
    "5f705e3e9dc84ac0bb4a4e0b5cbf6a10",
);
/// The least an instance can be: no key, no user data.
const DB: (&str, &str) = (
    "3b0e9a55-7c2d-4f4e-b8a1-2d9c0a7e6f12",
    "b91c2d7e4f5a4e3f9d8c7b6a5f4e3d2c",
);
const TEXT: &str = "text/plain; charset=UTF-8";
const JSON: &str = "application/json";

fn example() -> Inventory {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/inventory.toml");
    Inventory::load(Path::new(path)).unwrap()
}

fn answer(request: Request<()>) -> Answer {
    let settings = Settings {
        shared_secret: Secret(SECRET.to_owned()),
        dhcp_domain: "novalocal".to_owned(),
    };
    let parts: Parts = request.into_parts().0;
    respond(&example(), &settings, &parts)
}

fn reply(request: Request<()>) -> Reply {
    match answer(request) {
        Answer::Ready(reply) => reply,
        Answer::Password(_) => unreachable!("not a password's path"),
    }
}

fn signed((uuid, project): (&str, &str), path: &str) -> Request<()> {
    Request::builder()
        .uri(path)
        .header("x-instance-id", uuid)
        .header("x-tenant-id", project)
        .header("x-instance-id-signature", sign(SECRET.as_bytes(), uuid))
        .header("x-forwarded-for", "192.0.2.7")
        .body(())
        .unwrap()
}

fn get(instance: (&str, &str), path: &str) -> (u16, &'static str, String) {
    let reply = reply(signed(instance, path));
    let body = String::from_utf8(reply.body.to_vec()).unwrap();
    (reply.status.as_u16(), reply.content_type, body)
}

/// The text at `path` of the example's first instance.
fn text(path: &str) -> String {
    let (status, content_type, body) = get(WEB, path);
    assert_eq!((status, content_type), (200, TEXT), "{path}");
    body
}

fn document(instance: (&str, &str), path: &str, wanted_type: &str) -> Value {
    let (status, content_type, body) = get(instance, path);
    assert_eq!((status, content_type), (200, wanted_type), "{path}");
    serde_json::from_str(&body).unwrap()
}

fn status(path: &str) -> u16 {
    get(WEB, path).0
}

#[test]
fn versions_are_listed_as_nova_lists_them() {
    let ec2 = "1.0\n2007-01-19\n2007-03-01\n2007-08-29\n2007-10-10\n2007-12-15\n2008-02-01\n2008-09-01\n2009-04-04\nlatest";
    for path in ["/", "/ec2", "/ec2/", "/openstack/.."] {
        assert_eq!(text(path), ec2, "{path}");
    }
    let openstack = "2012-08-10\n2013-04-04\n2013-10-17\n2015-10-15\n2016-06-30\n2016-10-06\n2017-02-22\n2018-08-27\n2020-10-14\n2025-04-04\nlatest";
    for path in ["/openstack", "/openstack/"] {
        assert_eq!(text(path), openstack, "{path}");
    }
}

#[test]
fn what_an_instance_lacks_is_absent_or_empty() {
    assert_eq!(get(DB, "/latest/").2, "meta-data/");
    assert_eq!(get(DB, "/latest/user-data").0, 404);
    assert_eq!(get(DB, "/openstack/latest/user_data").0, 404);
    assert!(!get(DB, "/latest/meta-data/").2.contains("public-keys"));
    assert_eq!(
        get(DB, "/latest/meta-data/public-ipv4"),
        (200, TEXT, String::new())
    );
    let vendor_data = document(DB, "/openstack/latest/vendor_data.json", JSON);
    assert_eq!(vendor_data, json!({}));
    assert!(!get(DB, "/openstack/latest").2.contains("user_data"));
}

#[test]
fn paths_mean_what_posix_says() {
    let listing = text("/latest/meta-data");
    for path in [
        "/latest/meta-data/",
        "//latest//meta-data/.",
        "/openstack/../latest/meta-data",
        "/latest%2fmeta-data",
        "/latest/meta-data/placement/..?query=ignored",
    ] {
        assert_eq!(text(path), listing, "{path}");
    }
}

#[test]
fn what_is_not_there_is_404() {
    for path in [
        "/nope",
        "/2021-03-23/meta-data/",
        "/dynamic/instance-identity/document",
        "/latest/api/token",
        "/latest/meta-data/hostname/x",
        "/latest/meta-data/security-groups/default",
        "/latest/meta-data/public-keys/1",
        "/latest/user-data/x",
        "/openstack/1.0/meta_data.json",
        "/openstack/latest/content",
        "/openstack/latest/meta_data.json/x",
        "/openstack/content",
        "/openstack/content/0001",
        "/openstack/content/0",
        "/openstack/content/0000/x",
    ] {
        assert_eq!(status(path), 404, "{path}");
    }
    assert_eq!(status("/latest/%ff"), 400);
}

#[test]
fn every_method_reads() {
    for method in ["HEAD", "PUT", "DELETE", "OPTIONS", "BREW"] {
        let mut request = signed(WEB, "/latest/meta-data/instance-id");
        *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
        assert_eq!(reply(request).body, "i-0000002a", "{method}");
    }
    let mut token = signed(WEB, "/latest/api/token");
    *token.method_mut() = Method::PUT;
    assert_eq!(reply(token).status, 404);
}

#[test]
fn a_request_needs_each_header_in_turn() {
    let names = ["x-instance-id", "x-instance-id-signature", "x-tenant-id"];
    for missing in 0..names.len() {
        let mut request = signed(WEB, "/latest/");
        for name in names.into_iter().skip(missing) {
            request.headers_mut().remove(name);
        }
        request
            .headers_mut()
            .insert("accept", "application/json".parse().unwrap());
        let reply = reply(request);
        assert_eq!(reply.status, 400);
        let body: Value = serde_json::from_slice(&reply.body).unwrap();
        let message = body["message"].as_str().unwrap().to_lowercase();
        assert!(
            message.starts_with(&format!("{} ", names.into_iter().nth(missing).unwrap())),
            "{message}"
        );
    }
    let bare = Request::builder().uri("/").body(()).unwrap();
    assert_eq!(reply(bare).status, 200);
}

#[test]
fn only_the_signed_for_owner_is_served() {
    let tampered = |name: &'static str, value: &str| {
        let mut request = signed(WEB, "/latest/");
        request.headers_mut().insert(name, value.parse().unwrap());
        reply(request).status.as_u16()
    };
    assert_eq!(tampered("x-instance-id-signature", "0"), 403);
    assert_eq!(tampered("x-instance-id", DB.0), 403);
    assert_eq!(tampered("x-tenant-id", DB.1), 404);
    assert_eq!(tampered("x-metadata-provider", "p"), 400);
    let nobody = ("00000000-0000-4000-8000-000000000000", WEB.1);
    assert_eq!(get(nobody, "/latest/").0, 404);
    assert_eq!(get(("no uuid", WEB.1), "/latest/").0, 404);

    let mut twice = signed(WEB, "/latest/");
    twice
        .headers_mut()
        .append("x-instance-id", DB.0.parse().unwrap());
    assert_eq!(reply(twice).status, 400);
}

#[test]
fn errors_are_told_in_the_form_that_is_accepted() {
    for (accept, content_type) in [
        (None, TEXT),
        (Some("*/*"), "text/html; charset=UTF-8"),
        (Some("application/json"), JSON),
    ] {
        let mut request = signed(WEB, "/nope");
        if let Some(accept) = accept {
            request
                .headers_mut()
                .insert("accept", accept.parse().unwrap());
        }
        assert_eq!(reply(request).content_type, content_type, "{accept:?}");
    }
}
