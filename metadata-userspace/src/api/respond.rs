//! From a request's head to what is to be done about it.

use hyper::Method;
use hyper::header::{ACCEPT, HeaderMap};
use hyper::http::request::Parts;
use uuid::Uuid;

use super::accept::{ErrorForm, error_form};
use super::reply::{Refusal, Reply};
use super::{Settings, admission, ec2, openstack, path};
use crate::inventory::Inventory;

/// What a request comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Ready(Reply),
    /// The password of this instance is read or, with `POST`, to be set.
    Password(Uuid),
}

/// Every method but that of a password request reads as `GET`.
pub(super) fn respond(inventory: &Inventory, settings: &Settings, request: &Parts) -> Answer {
    try_respond(inventory, settings, request)
        .unwrap_or_else(|refusal| Answer::Ready(refusal.reply(form_of_errors(&request.headers))))
}

pub(super) fn form_of_errors(headers: &HeaderMap) -> ErrorForm {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    error_form(accept.unwrap_or_default())
}

fn try_respond(
    inventory: &Inventory,
    settings: &Settings,
    request: &Parts,
) -> Result<Answer, Refusal> {
    if request.method == Method::CONNECT {
        return Err(Refusal::bad_request("This is not a proxy."));
    }
    let segments =
        path::segments(request.uri.path()).ok_or(Refusal::bad_request("The path is not UTF-8."))?;
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    // Load balancers ask for it: whoever may connect may know the versions.
    if segments.is_empty() {
        return Ok(Answer::Ready(ec2::versions()));
    }
    let instance = admission::admit(&request.headers, inventory, &settings.shared_secret.0)?;
    let reply = match segments.as_slice() {
        ["openstack", rest @ ..] => return openstack::answer(instance, settings, rest),
        ["ec2", rest @ ..] | rest => {
            let forwarded_for = request.headers.get("x-forwarded-for");
            let address = forwarded_for.and_then(|value| value.to_str().ok());
            ec2::answer(instance, settings, address.unwrap_or_default(), rest)
        }
    };
    reply.map(Answer::Ready)
}
