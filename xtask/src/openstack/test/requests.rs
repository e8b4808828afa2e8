//! What the guests ask: every document, every spelling, every method, and what
//! hostile or unusual clients send.

use std::net::Ipv4Addr;

use super::difference::{
    AGENT_PAGE, CHUNKED, FORWARDED_FOR, HAPROXY_PAGE, HEAD_LENGTH, HEAD_MISSING, LONG_HEAD,
    LOST_BODY, NOT_UTF8, OVN_NETWORK, QUESTION_MARK, TOO_LONG_HEAD, UNPACKED,
};
use super::request::{Before, Request};
use crate::openstack::fabric::STRANGER;

const META_DATA: &str = "/openstack/latest/meta_data.json";
const PASSWORD: &str = "/openstack/latest/password";
/// Of the instance `multi`, on the other network of its router.
const SECOND_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 20, 0, 8);
const HOST_NAME: &str = "/latest/meta-data/hostname";

/// All of them, in the order in which they are sent.
pub(super) fn all() -> Vec<Request> {
    [
        openstack_tree(),
        ec2_tree(),
        user_data(),
        spellings(),
        methods(),
        protocol(),
        spoofed(),
        guests(),
        password(),
    ]
    .concat()
}

fn openstack_tree() -> Vec<Request> {
    const GROUP: &str = "openstack tree";
    let versions = [
        "2012-08-10",
        "2013-04-04",
        "2013-10-17",
        "2015-10-15",
        "2016-06-30",
        "2016-10-06",
        "2017-02-22",
        "2018-08-27",
        "2020-10-14",
        "2025-04-04",
        "latest",
    ];
    let mut paths = vec!["/openstack".to_owned(), "/openstack/".to_owned()];
    for version in versions {
        paths.push(format!("/openstack/{version}"));
        paths.push(format!("/openstack/{version}/meta_data.json"));
    }
    for document in [
        "latest/user_data",
        "latest/vendor_data.json",
        "latest/vendor_data2.json",
        "latest/network_data.json",
        "2012-08-10/vendor_data.json",
        "2013-10-17/network_data.json",
        "2015-10-15/vendor_data2.json",
        "2030-01-01",
        "latest/no_such.json",
        "content",
    ] {
        paths.push(format!("/openstack/{document}"));
    }
    let mut requests: Vec<Request> = paths.iter().map(|path| Request::get(GROUP, path)).collect();
    // Nova fails without an answer.
    requests.push(Request::get(GROUP, "/openstack/latest/content").differs(AGENT_PAGE));
    requests
}

fn ec2_tree() -> Vec<Request> {
    const GROUP: &str = "EC2 tree";
    let mut paths: Vec<String> = ["/", "/ec2", "/latest", "/1.0/meta-data/", "/2009-04-04/"]
        .map(str::to_owned)
        .into();
    for leaf in [
        "",
        "ami-id",
        "ami-launch-index",
        "block-device-mapping/",
        "block-device-mapping/ami",
        "hostname",
        "instance-action",
        "instance-id",
        "instance-type",
        "local-hostname",
        "local-ipv4",
        "placement/availability-zone",
        "public-ipv4",
        "public-keys/",
        "public-keys/0",
        "public-keys/0/openssh-key",
        "reservation-id",
        "security-groups",
        "no-such-thing",
    ] {
        paths.push(format!("/latest/meta-data/{leaf}"));
    }
    for other in [
        "/latest/dynamic/instance-identity/document",
        "/2021-03-23/meta-data/",
        "/latest/api/token",
    ] {
        paths.push(other.to_owned());
    }
    let mut requests: Vec<Request> = paths.iter().map(|path| Request::get(GROUP, path)).collect();
    // Nova fails without an answer.
    requests.push(Request::get(GROUP, &format!("{HOST_NAME}/below")).differs(AGENT_PAGE));
    requests
}

fn user_data() -> Vec<Request> {
    const GROUP: &str = "user data";
    let both = |guest| {
        ["/latest/user-data", "/openstack/latest/user_data"]
            .map(|path| Request::get(GROUP, path).from(guest))
    };
    let mut requests = [both("web"), both("big"), both("plain")].concat();
    requests.extend(both("binary").map(|request| request.differs(UNPACKED)));
    requests
}

fn spellings() -> Vec<Request> {
    const GROUP: &str = "spellings of a path";
    let mut requests: Vec<Request> = [
        "//latest//meta-data//hostname",
        "/latest/./meta-data/x/../hostname",
        "/../../latest/meta-data/hostname",
        "/latest/meta%2Ddata/hostname",
        "/latest%2Fmeta-data%2Fhostname",
        "/latest/meta-data/hostname/",
        "/latest/meta-data/hostname?a=b&c=%20",
        "/latest/meta-data/hostname?",
        "/latest/meta-data/hostname%0d%0aX:%20y",
        "/LATEST/meta-data/hostname",
        "http://169.254.169.254/latest/meta-data/hostname",
    ]
    .iter()
    .map(|path| Request::get(GROUP, path))
    .collect();
    requests.push(Request::get(GROUP, &format!("{HOST_NAME}%3Fa")).differs(QUESTION_MARK));
    requests.push(Request::get(GROUP, "/latest/%ff").differs(NOT_UTF8));
    requests.push(Request::get(GROUP, "/latest/ meta-data").differs(HAPROXY_PAGE));
    requests
}

fn methods() -> Vec<Request> {
    const GROUP: &str = "methods";
    let mut requests: Vec<Request> = ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"]
        .iter()
        .map(|method| Request::with_headers(GROUP, method, META_DATA, "Content-Length: 0\r\n"))
        .collect();
    requests.push(Request::with_headers(
        GROUP,
        "PUT",
        "/latest/api/token",
        "X-aws-ec2-metadata-token-ttl-seconds: 60\r\nContent-Length: 0\r\n",
    ));
    requests.push(Request::with_headers(GROUP, "HEAD", META_DATA, "").differs(HEAD_LENGTH));
    requests.push(Request::with_headers(GROUP, "HEAD", "/missing", "").differs(HEAD_MISSING));
    requests
}

fn protocol() -> Vec<Request> {
    const GROUP: &str = "HTTP";
    let host = "Host: 169.254.169.254\r\n";
    let close = "Connection: close\r\n\r\n";
    let first = format!("GET {HOST_NAME} HTTP/1.1\r\n{host}\r\n");
    let last = format!("GET /latest/meta-data/instance-id HTTP/1.1\r\n{host}{close}");
    let pipelined = format!("{first}{last}");
    let filler = |length: usize| format!("X-Filler: {}\r\n", "x".repeat(length));
    let lines = "X-Line: some text\r\n".repeat(90);
    vec![
        Request::raw(
            GROUP,
            "HTTP/1.0",
            &[&format!("GET {HOST_NAME} HTTP/1.0\r\n\r\n")],
        ),
        Request::raw(
            GROUP,
            "HTTP/1.1 without Host",
            &[&format!("GET {HOST_NAME} HTTP/1.1\r\n{close}")],
        ),
        Request::raw(GROUP, "two requests on a connection", &[&first, &last]),
        Request::raw(GROUP, "two requests at once", &[&pipelined]),
        Request::raw(
            GROUP,
            "a head in two segments",
            &[
                &format!("GET {HOST_NAME} HTTP/1.1\r\nHo"),
                &format!("st: a\r\n{close}"),
            ],
        ),
        Request::with_headers(GROUP, "GET", HOST_NAME, &lines).named("90 header lines"),
        Request::with_headers(GROUP, "GET", HOST_NAME, &filler(5000))
            .named("a head of 5 kB")
            .differs(LONG_HEAD),
        Request::with_headers(GROUP, "GET", HOST_NAME, &filler(20_000))
            .named("a head of 20 kB")
            .differs(TOO_LONG_HEAD),
        Request::with_headers(GROUP, "GET", "/missing", "Accept: application/json\r\n"),
        Request::with_headers(GROUP, "GET", HOST_NAME, "Range: bytes=0-1\r\n"),
        Request::with_headers(GROUP, "GET", HOST_NAME, "If-None-Match: *\r\n"),
        Request::with_headers(GROUP, "GET", HOST_NAME, "Accept-Encoding: gzip\r\n"),
        Request::with_headers(GROUP, "GET", HOST_NAME, "Expect: 100-continue\r\n"),
        Request::raw(GROUP, "not HTTP", &["hello\r\n\r\n"]).differs(HAPROXY_PAGE),
    ]
}

fn spoofed() -> Vec<Request> {
    const GROUP: &str = "spoofed identity";
    let id = "0dfcbe86-a471-5682-be7f-08def251adab";
    let mut requests: Vec<Request> = [
        format!("X-Instance-ID: {id}\r\nX-Instance-ID-Signature: 00\r\n"),
        format!("X_Instance_ID: {id}\r\n"),
        "X-Tenant-ID: other\r\n".to_owned(),
        format!("X-Neutron-Router-ID: {id}\r\n"),
        format!("X-Neutron-Network-ID: {id}\r\n"),
        "X-Metadata-Provider: x\r\n".to_owned(),
    ]
    .iter()
    .map(|headers| Request::with_headers(GROUP, "GET", META_DATA, headers))
    .collect();
    let forwarded = "X-Forwarded-For: 10.10.0.7\r\n";
    requests.push(Request::with_headers(GROUP, "GET", META_DATA, forwarded).differs(FORWARDED_FOR));
    let network = format!("X-OVN-Network-ID: {id}\r\n");
    requests.push(Request::with_headers(GROUP, "GET", META_DATA, &network).differs(OVN_NETWORK));
    requests
}

fn guests() -> Vec<Request> {
    const GROUP: &str = "who is who";
    vec![
        Request::get(GROUP, META_DATA).from("plain"),
        Request::get(GROUP, META_DATA).from("multi"),
        Request::get(GROUP, META_DATA)
            .from("multi")
            .source(SECOND_ADDRESS),
        Request::get(GROUP, "/openstack/latest/network_data.json").from("multi"),
        // Another project's, with the address that web has.
        Request::get(GROUP, META_DATA).from("twin"),
        Request::get(GROUP, "/openstack/latest/user_data").from("twin"),
        Request::get(GROUP, META_DATA).from("lonely").only_ovn(),
        Request::get(GROUP, META_DATA)
            .source(STRANGER)
            .differs(AGENT_PAGE),
        Request::get(GROUP, "/")
            .source(STRANGER)
            .differs(AGENT_PAGE),
    ]
}

fn password() -> Vec<Request> {
    const GROUP: &str = "password";
    let get = || Request::get(GROUP, PASSWORD);
    let head = |length: usize| {
        format!(
            "POST {PASSWORD} HTTP/1.1\r\nHost: 169.254.169.254\r\nAccept: */*\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n"
        )
    };
    let whole = format!("{}secret one", head(10));
    let long = format!("{}{}", head(1021), "x".repeat(1021));
    let chunked = format!(
        "POST {PASSWORD} HTTP/1.1\r\nHost: 169.254.169.254\r\nAccept: */*\r\n\
         Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n6\r\nchunky\r\n0\r\n\r\n"
    );
    vec![
        get().after(Before::NoPassword),
        Request::with_headers(GROUP, "PUT", PASSWORD, "Content-Length: 0\r\n"),
        Request::raw(GROUP, "POST of 1021 bytes", &[&long]),
        Request::raw(GROUP, "POST", &[&whole]),
        get().named("GET after POST").after(Before::FreshNova),
        Request::raw(GROUP, "POST again", &[&whole]),
        Request::raw(GROUP, "POST in two segments", &[&head(10), "secret two"])
            .after(Before::NoPassword),
        get()
            .named("GET after POST in two segments")
            .after(Before::FreshNova)
            .differs(LOST_BODY),
        Request::raw(GROUP, "POST in chunks", &[&chunked]).after(Before::NoPassword),
        get()
            .named("GET after POST in chunks")
            .after(Before::FreshNova)
            .differs(CHUNKED),
    ]
}
