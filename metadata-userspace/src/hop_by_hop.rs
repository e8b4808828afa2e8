//! Headers that mean one connection only (RFC 9110 section 7.6.1).

use hyper::HeaderMap;
use hyper::header::{CONNECTION, HeaderName};

/// Whether a header of this name must not be passed on. `_` counts as `-`:
/// servers that speak CGI or WSGI cannot tell them apart.
pub fn is_hop_by_hop(name: &str) -> bool {
    const NAMES: [&str; 7] = [
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "trailers",
        "transfer-encoding",
        "upgrade",
    ];
    NAMES.iter().any(|hop| same_name(name, hop)) || has_prefix(name, "proxy-")
}

/// Removes them, and those that `Connection` names.
pub fn strip(headers: &mut HeaderMap) {
    for name in named_by_connection(headers) {
        headers.remove(name);
    }
    // Few messages have more than one, so looking again costs less than a list.
    while let Some(name) = headers.keys().find(|name| is_hop_by_hop(name.as_str())) {
        let name = name.clone();
        headers.remove(name);
    }
}

/// Those that would be left otherwise.
fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
    headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(|name| name.trim_ascii())
        .filter(|name| !str::from_utf8(name).is_ok_and(is_hop_by_hop))
        .filter_map(|name| HeaderName::from_bytes(name).ok())
        .collect()
}

/// Equal but for case and `_` instead of `-`; `canonical` is in lower case.
pub fn same_name(name: &str, canonical: &str) -> bool {
    name.len() == canonical.len() && has_prefix(name, canonical)
}

/// Begins so, but for case and `_` instead of `-`; `canonical` is in lower case.
pub fn has_prefix(name: &str, canonical: &str) -> bool {
    name.len() >= canonical.len()
        && name.bytes().zip(canonical.bytes()).all(|(byte, wanted)| {
            let byte = byte.to_ascii_lowercase();
            byte == wanted || byte == b'_' && wanted == b'-'
        })
}
