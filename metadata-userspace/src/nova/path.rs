//! The path as Nova gets it: decoded, resolved, encoded again.
//!
//! Nova decodes and normalises the path once more, so both sides must see the
//! same one. Neutron's agent re-quotes the decoded path too
//! (neutron/common/metadata.py), but turns `%3F` into a real `?` and fails on
//! bytes that are not UTF-8; those stay encoded here.

use std::borrow::Cow;
use std::fmt::Write as _;

use hyper::Uri;
use hyper::http::uri::PathAndQuery;

use crate::origin_form::origin_form;

/// Path and query of a request, for Nova.
pub(crate) fn target(sent: &Uri) -> Result<PathAndQuery, hyper::http::Error> {
    let sent = origin_form(sent)?;
    let text = match (normalised(sent.path()), sent.query()) {
        (Cow::Borrowed(_), _) => None,
        (path, Some(query)) => Some(format!("{path}?{query}")),
        (path, None) => Some(path.into_owned()),
    };
    Ok(match text {
        None => sent,
        Some(text) => PathAndQuery::try_from(text)?,
    })
}

/// `path` without dot segments and empty segments, beginning with `/`.
fn normalised(path: &str) -> Cow<'_, str> {
    if is_normal(path) {
        return Cow::Borrowed(path);
    }
    Cow::Owned(encode(&resolve(&decode(path))))
}

fn is_normal(path: &str) -> bool {
    let Some(segments) = path.strip_prefix('/') else {
        return false;
    };
    let mut segments = segments.split('/').peekable();
    while let Some(segment) = segments.next() {
        let empty = segment.is_empty() && segments.peek().is_some();
        if empty || matches!(segment, "." | "..") || !segment.bytes().all(is_plain) {
            return false;
        }
    }
    true
}

/// RFC 3986 section 3.3: what a segment holds unencoded (`pchar`).
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte)
}

/// A `%` without two hexadecimal digits stands for itself.
fn decode(path: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.as_bytes();
    while let Some((&byte, rest)) = bytes.split_first() {
        let escaped = match (byte, rest) {
            (b'%', [high, low, rest @ ..]) => octet(*high, *low).map(|octet| (octet, rest)),
            _ => None,
        };
        let (byte, rest) = escaped.unwrap_or((byte, rest));
        decoded.push(byte);
        bytes = rest;
    }
    decoded
}

fn octet(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? << 4 | digit(low)?).ok()
}

/// The segments that are left; a last empty one stands for a trailing slash.
fn resolve(path: &[u8]) -> Vec<&[u8]> {
    let mut segments: Vec<&[u8]> = Vec::new();
    let mut directory = true;
    for segment in path.split(|byte| *byte == b'/') {
        directory = matches!(segment, b"" | b"." | b"..");
        match segment {
            b"" | b"." => {}
            b".." => {
                segments.pop();
            }
            name => segments.push(name),
        }
    }
    if directory {
        segments.push(b"");
    }
    segments
}

fn encode(segments: &[&[u8]]) -> String {
    let mut path = String::new();
    for segment in segments {
        path.push('/');
        for &byte in *segment {
            if is_plain(byte) {
                path.push(char::from(byte));
            } else {
                // Writing to a String does not fail.
                let _ = write!(path, "%{byte:02X}");
            }
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nova_sees_one_spelling_of_a_path() {
        for (sent, seen) in [
            ("/openstack/latest", "/openstack/latest"),
            ("/latest/meta-data/", "/latest/meta-data/"),
            (
                "/latest/public-keys/0=my:key@x",
                "/latest/public-keys/0=my:key@x",
            ),
            ("/", "/"),
            ("", "/"),
            ("*", "/*"),
            ("/a%2Fb", "/a/b"),
            ("//a///b//", "/a/b/"),
            ("/a/./b/../c", "/a/c"),
            ("/a/%2e%2E/c", "/c"),
            ("/../../etc", "/etc"),
            ("/a/..", "/"),
            ("/a/.", "/a/"),
            ("/a%3Fb", "/a%3Fb"),
            ("/a%23b", "/a%23b"),
            ("/a%0d%0ab", "/a%0D%0Ab"),
            ("/a%252e%252e/b", "/a%252e%252e/b"),
            ("/%ff", "/%FF"),
            ("/%zz%4", "/%25zz%254"),
            ("/%61", "/a"),
        ] {
            assert_eq!(normalised(sent), seen, "{sent}");
        }
    }

    #[test]
    fn a_path_that_an_absolute_target_lacks_is_written_too() {
        for (sent, seen) in [
            ("http://169.254.169.254#a", "/"),
            ("http://169.254.169.254?a=b", "/?a=b"),
        ] {
            let target = target(&Uri::from_static(sent)).map(Uri::from);
            assert_eq!(
                target.map(|target| target.to_string()).ok(),
                Some(seen.into())
            );
        }
    }

    proptest! {
        #[test]
        fn the_result_is_a_plain_path_and_stays_as_it_is(path in "[/.%0-9a-fA-F?#\\x00-\\u{ff}]{0,64}") {
            let once = normalised(&path).into_owned();
            prop_assert!(once.starts_with('/'));
            prop_assert!(once.bytes().all(|b| is_plain(b) || b == b'/' || b == b'%'));
            prop_assert!(!once.split('/').any(|s| s == "." || s == ".."));
            prop_assert!(!once.contains("//"));
            prop_assert_eq!(decode(&once).len(), decode(&normalised(&once)).len());
        }
    }
}
