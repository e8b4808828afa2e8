//! Keystone v3 in words: what is sent to it and what it says.

use std::time::Duration;

use hyper::StatusCode;
use hyper::header::HeaderValue;
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::catalog::{self, Service};
use super::error::Cause;
use super::site::Answer;
use crate::config::{Auth, Credential, Domain, EndpointChoice, Scope, User};
use crate::http_url::HttpUrl;

/// Below Keystone's v3 URL.
pub(super) const TOKENS: &str = "/auth/tokens";

/// A token and what came with it.
#[derive(Debug)]
pub(super) struct Granted {
    pub(super) token: HeaderValue,
    /// From the moment it was issued.
    pub(super) lifetime: Duration,
    pub(super) roles: Vec<String>,
    /// Where Neutron is, or why the catalog does not tell.
    pub(super) neutron: Result<HttpUrl, Cause>,
}

/// Keystone's v3 API, when `auth` needs Keystone at all. As in keystoneauth,
/// `auth_url` may end with the version or without it.
pub(super) fn place(auth: &Auth) -> Option<HttpUrl> {
    let url = match auth {
        Auth::Unneeded => return None,
        Auth::Password { url, .. } | Auth::ApplicationCredential { url, .. } => url,
    };
    Some(match url.path.ends_with("/v3") {
        true => url.clone(),
        false => url.below("/v3"),
    })
}

/// The request for a token.
pub(super) fn request(auth: &Auth) -> Value {
    match auth {
        Auth::Unneeded => Value::Null,
        Auth::Password {
            user,
            password,
            scope,
            ..
        } => {
            let mut user = self::user(user);
            if let Some(user) = user.as_object_mut() {
                user.insert("password".to_owned(), json!(password.0));
            }
            json!({"auth": {
                "identity": {"methods": ["password"], "password": {"user": user}},
                "scope": self::scope(scope),
            }})
        }
        Auth::ApplicationCredential {
            credential, secret, ..
        } => {
            let credential = match credential {
                Credential::Id(id) => json!({"id": id, "secret": secret.0}),
                Credential::Name { name, user } => {
                    json!({"name": name, "user": self::user(user), "secret": secret.0})
                }
            };
            json!({"auth": {"identity": {
                "methods": ["application_credential"],
                "application_credential": credential,
            }}})
        }
    }
}

fn user(user: &User) -> Value {
    match user {
        User::Id(id) => json!({"id": id}),
        User::Name { name, domain } => json!({"name": name, "domain": self::domain(domain)}),
    }
}

fn domain(domain: &Domain) -> Value {
    match domain {
        Domain::Id(id) => json!({"id": id}),
        Domain::Name(name) => json!({"name": name}),
    }
}

fn scope(scope: &Scope) -> Value {
    match scope {
        Scope::ProjectId(id) => json!({"project": {"id": id}}),
        Scope::Project { name, domain } => {
            json!({"project": {"name": name, "domain": self::domain(domain)}})
        }
        Scope::System => json!({"system": {"all": true}}),
    }
}

#[derive(Deserialize)]
struct Body {
    token: Token,
}

#[derive(Deserialize)]
struct Token {
    issued_at: String,
    expires_at: String,
    #[serde(default)]
    roles: Vec<Role>,
    #[serde(default)]
    catalog: Vec<Service>,
}

#[derive(Deserialize)]
struct Role {
    name: String,
}

/// The token in Keystone's answer.
pub(super) fn granted(
    answer: &Answer,
    auth: &Auth,
    choice: &EndpointChoice,
) -> Result<Granted, Cause> {
    if let Some(advice) = advice(answer.status, auth) {
        return Err(Cause::Refused {
            status: answer.status,
            advice,
        });
    }
    let body: Body = serde_json::from_slice(&answer.body).map_err(Cause::garbage)?;
    let token = answer.headers.get("X-Subject-Token");
    let mut token = token
        .ok_or_else(|| Cause::garbage("it has no X-Subject-Token"))?
        .clone();
    token.set_sensitive(true);
    let neutron = match &choice.fixed {
        Some(url) => Ok(url.clone()),
        None => in_catalog(&body.token.catalog, choice),
    };
    Ok(Granted {
        token,
        lifetime: lifetime(&body.token)?,
        roles: body.token.roles.into_iter().map(|role| role.name).collect(),
        neutron,
    })
}

fn in_catalog(catalog: &[Service], choice: &EndpointChoice) -> Result<HttpUrl, Cause> {
    let url = catalog::find(catalog, choice).map_err(Cause::NoEndpoint)?;
    url.parse().map_err(|error| {
        Cause::NoEndpoint(format!(
            "the catalog's endpoint cannot be used: {error}; correct it with `openstack endpoint \
             set`, or set [neutron] endpoint_override"
        ))
    })
}

/// By Keystone's clock alone: ours may be wrong.
fn lifetime(token: &Token) -> Result<Duration, Cause> {
    let time = |text: &str| {
        OffsetDateTime::parse(text, &Rfc3339)
            .map_err(|error| Cause::garbage(format!("`{}`: {error}", text.escape_debug())))
    };
    let lifetime = time(&token.expires_at)? - time(&token.issued_at)?;
    lifetime
        .try_into()
        .map_err(|_| Cause::garbage("the token expires before it is issued"))
}

fn advice(status: StatusCode, auth: &Auth) -> Option<String> {
    let credentials = match auth {
        Auth::Unneeded | Auth::Password { .. } => {
            "username, user_domain_name, password, project_name and project_domain_name (or the \
             ids in their places)"
        }
        Auth::ApplicationCredential { .. } => {
            "application_credential_id (or _name and its user) and application_credential_secret, \
             and that it has not expired"
        }
    };
    Some(match status.as_u16() {
        200..=299 => return None,
        401 => format!("it refused the credentials: check [neutron] {credentials}"),
        403 => format!("it lets this user have no token: check [neutron] {credentials}"),
        300..=399 | 404 | 405 | 410 => {
            "there is no Keystone v3: check [neutron] auth_url".to_owned()
        }
        429 | 500..=599 => {
            "Keystone, or what stands before it, has a fault: see its log".to_owned()
        }
        _ => "see Keystone's log".to_owned(),
    })
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
mod tests;
