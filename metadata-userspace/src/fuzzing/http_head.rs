use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::http::uri::PathAndQuery;
use hyper::{Uri, header};

use crate::identity::{MacAddr, Realm, Requester};
use crate::nova::path;
use crate::proxy::headers::replace_identity;

/// Longer targets are refused before.
const LONGEST_TARGET: usize = 8 * 1024;

const ID: &str = "8f3a9a93-5a1c-4ce9-9266-e3048098412a";

/// What is made of a request's head: of its target ([`crate::nova`]) a path with one
/// meaning, and of its header ([`crate::proxy`]) one without any identity but ours.
///
/// The first byte tells who asks. Then come lines: the target, and headers.
pub fn http_head(data: &[u8]) {
    let Some((&who, head)) = data.split_first() else {
        return;
    };
    let mut lines = head.split(|byte| *byte == b'\n');
    let target = lines.next().unwrap_or_default();
    if target.len() <= LONGEST_TARGET
        && let Ok(target) = Uri::try_from(target)
    {
        assert_has_one_meaning(&target);
    }
    let sent: Vec<_> = lines.filter_map(header).collect();
    assert_only_we_say_who_asks(&sent, &requester(who));
}

/// By hyper's own rules.
fn header(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = line.split_at_checked(colon)?;
    let value = value.strip_prefix(b":")?.trim_ascii();
    Some((
        HeaderName::from_bytes(name).ok()?,
        HeaderValue::from_bytes(value).ok()?,
    ))
}

fn requester(byte: u8) -> Requester {
    let address = match byte >> 1 & 3 {
        0 => "10.0.0.5",
        1 => "2001:db8::5",
        _ => "fe80::1234:5678:9abc:def0",
    };
    Requester {
        realm: match byte & 1 {
            0 => Realm::Router(ID.to_owned()),
            _ => Realm::Network(ID.to_owned()),
        },
        address: address
            .parse()
            .unwrap_or(std::net::Ipv4Addr::LOCALHOST.into()),
        mac: (byte & 8 != 0).then_some(MacAddr([0xfa, 0x16, 0x3e, 0, 0, 5])),
    }
}

fn assert_has_one_meaning(sent: &Uri) {
    let target = path::target(sent);
    assert!(target.is_ok(), "{sent} cannot be put");
    let Ok(target) = target else { return };
    assert_eq!(target.query(), sent.query());
    let path = target.path();
    assert!(path.starts_with('/') && !path.contains("//"), "{path}");
    // As Nova takes it apart once more.
    let segments = path.split('/').map(decoded);
    for segment in segments {
        assert!(segment != b"." && segment != b"..", "{path}");
        assert!(!segment.contains(&b'/'), "{path}");
    }
    let again = Uri::from(PathAndQuery::clone(&target));
    assert_eq!(path::target(&again).ok(), Some(target));
}

fn decoded(segment: &str) -> Vec<u8> {
    let mut pieces = segment.split('%');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let escaped = piece.split_at_checked(2);
        let octet = escaped.and_then(|(digits, _)| u8::from_str_radix(digits, 16).ok());
        assert!(octet.is_some(), "`%{piece}` stands for nothing");
        bytes.extend(octet);
        bytes.extend(escaped.map(|(_, rest)| rest).unwrap_or_default().bytes());
    }
    bytes
}

fn assert_only_we_say_who_asks(sent: &[(HeaderName, HeaderValue)], requester: &Requester) {
    let mut headers = HeaderMap::new();
    for (name, value) in sent {
        headers.append(name.clone(), value.clone());
    }
    let before = headers.clone();
    replace_identity(&mut headers, requester);
    let ours: &[&str] = match requester.realm {
        Realm::Router(_) => &["x-forwarded-for", "x-neutron-router-id"],
        Realm::Network(_) => &[
            "x-forwarded-for",
            "x-neutron-network-id",
            "x-ovn-network-id",
        ],
    };
    for name in ours {
        assert_eq!(headers.get_all(*name).iter().count(), 1, "{name}");
    }
    let closes = headers.get_all(header::CONNECTION).iter();
    assert!(closes.eq(["close"]), "the next hop keeps the connection");
    for name in headers.keys().map(HeaderName::as_str) {
        let is_ours = ours.contains(&name) || name == "connection";
        assert!(is_ours || !says_who_asks(name) && !frames(name), "{name}");
    }
    for name in before.keys() {
        if !says_who_asks(name.as_str()) && !frames(name.as_str()) && !is_named(&before, name) {
            let (left, sent) = (headers.get_all(name), before.get_all(name));
            assert!(left.iter().eq(sent), "{name} is lost");
        }
    }
    for (name, id) in [
        ("x-neutron-router-id", ID),
        ("x-neutron-network-id", ID),
        ("x-ovn-network-id", ID),
    ] {
        assert!(headers.get(name).is_none_or(|value| value == id));
    }
}

/// To a hop behind CGI or WSGI, too, where `_` and `-` are the same.
fn says_who_asks(name: &str) -> bool {
    let name = name.replace('_', "-").to_ascii_lowercase();
    let beginnings = [
        "x-forwarded-",
        "x-neutron-",
        "x-ovn-",
        "x-instance-",
        "x-tenant-",
        "x-metadata-",
    ];
    ["forwarded", "x-forwarded", "x-real-ip"].contains(&name.as_str())
        || beginnings
            .iter()
            .any(|beginning| name.starts_with(beginning))
}

/// Or means one connection only.
fn frames(name: &str) -> bool {
    let name = name.replace('_', "-").to_ascii_lowercase();
    let names = [
        "connection",
        "content-length",
        "expect",
        "keep-alive",
        "te",
        "trailer",
        "trailers",
        "transfer-encoding",
        "upgrade",
    ];
    names.contains(&name.as_str()) || name.starts_with("proxy-")
}

fn is_named(headers: &HeaderMap, name: &HeaderName) -> bool {
    let lists = headers.get_all(header::CONNECTION).iter();
    let mut names = lists.flat_map(|list| list.as_bytes().split(|byte| *byte == b','));
    names.any(|named| {
        named
            .trim_ascii()
            .eq_ignore_ascii_case(name.as_str().as_bytes())
    })
}
