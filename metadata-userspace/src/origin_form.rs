//! Path and query of a request, whatever form its target has (RFC 9112 section 3.2).

use hyper::Uri;
use hyper::http::uri::{InvalidUri, PathAndQuery};

/// The target as a server gets it that is no proxy; the host that an absolute one names
/// is left out.
pub fn origin_form(target: &Uri) -> Result<PathAndQuery, InvalidUri> {
    let path = match target.path() {
        "" => "/",
        path => path,
    };
    match (target.scheme(), target.path_and_query(), target.query()) {
        (None, Some(alone), _) => Ok(alone.clone()),
        // Of `http://host#fragment` this part is empty: it reads as `/`, but hyper would
        // write nothing for it.
        (_, _, Some(query)) => PathAndQuery::try_from(format!("{path}?{query}")),
        (_, _, None) => PathAndQuery::try_from(path),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn every_form_has_a_path() {
        for (sent, path) in [
            ("/a//b?c", "/a//b?c"),
            ("/?", "/?"),
            ("*", "*"),
            ("host:80", "/"),
            ("http://host", "/"),
            ("http://host/", "/"),
            ("http://host?a=b", "/?a=b"),
            ("http://host#a", "/"),
            ("http://host?a#b", "/?a"),
            ("http://host/a%2F?b", "/a%2F?b"),
        ] {
            let target = origin_form(&sent.parse().unwrap()).unwrap();
            let written = Uri::from(target).to_string();
            assert_eq!(written, path, "{sent}");
        }
    }
}
