//! Which requests are the same request.

use std::net::IpAddr;

use hyper::Method;
use hyper::http::uri::PathAndQuery;

use super::request::Asked;
use super::upload::Upload;
use crate::identity::Instance;

/// A GET whose answer may be given to whoever asks the same: the same instance,
/// and nobody else.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Question {
    pub(super) instance: Instance,
    pub(super) page: Page,
}

/// What an instance asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Page {
    /// From where: Nova answers with it (`local-ipv4`) when it knows no other
    /// address (nova/api/metadata/base.py).
    pub(super) address: IpAddr,
    /// Path and query as Nova is sent them.
    pub(super) target: PathAndQuery,
}

impl Question {
    /// `None`: the request is to reach Nova by itself.
    pub(super) fn of(asked: Asked<'_>, upload: &Upload) -> Option<Self> {
        let shareable =
            *asked.method == Method::GET && upload.is_empty() && !is_password(asked.target.path());
        shareable.then(|| Self {
            instance: asked.instance.clone(),
            page: Page {
                address: asked.address,
                target: asked.target.clone(),
            },
        })
    }
}

/// A guest may post a password at any time and must then see it, and it is a
/// secret that no memory shall keep. `path` is normalised; anything that comes
/// near the name is meant.
fn is_password(path: &str) -> bool {
    const NAME: &[u8] = b"password";
    let mut parts = path.as_bytes().windows(NAME.len());
    parts.any(|part| matches!(part, [b'p' | b'P', ..]) && part.eq_ignore_ascii_case(NAME))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::body::{self, Body};
    use crate::nova::path;
    use crate::testing::{instance, requester};

    fn question(method: &Method, target: &str, body: Body) -> Option<Question> {
        let asked = Asked {
            instance: &instance(),
            address: requester().address,
            method,
            target: &path::target(&target.parse().unwrap()).unwrap(),
        };
        Question::of(asked, &Upload::Whole(body, None))
    }

    fn get(target: &str) -> Option<Question> {
        question(&Method::GET, target, body::empty())
    }

    #[test]
    fn spellings_of_a_path_are_one_question_and_other_things_are_not() {
        let asked = get("/openstack/latest/meta_data.json");
        assert_eq!(asked, get("//openstack/./%6catest/x/../meta_data.json"));
        for other in ["/openstack/latest", "/openstack/latest/meta_data.json?a"] {
            assert_ne!(asked, get(other), "{other}");
        }
    }

    #[test]
    fn only_a_get_without_a_body_is_shared() {
        assert!(get("/openstack").is_some());
        for (method, body) in [
            (Method::HEAD, body::empty()),
            (Method::POST, body::empty()),
            (Method::PUT, body::full("x")),
            (Method::GET, body::full("x")),
        ] {
            assert_eq!(question(&method, "/openstack", body), None, "{method}");
        }
    }

    #[test]
    fn no_spelling_of_the_password_is_shared() {
        for path in [
            "/openstack/latest/password",
            "/openstack/2013-04-04/password/",
            "/openstack/latest/password//",
            "/openstack/latest/password/.",
            "/openstack/latest/x/../password?x",
            "/openstack/latest/pass%77ord",
            "/openstack/latest/Password",
            "/openstack/latest/password%2F",
            "/openstack/latest/password%3Fx",
            "/openstack%2flatest%2fpassword",
            "//openstack//latest//password",
        ] {
            assert_eq!(get(path), None, "{path}");
        }
    }
}
