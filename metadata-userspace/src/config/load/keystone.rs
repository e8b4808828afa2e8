//! `[neutron]`, when the neutron-rest resolver is chosen.

use crate::config::keystone::{
    Auth, Credential, Domain, EndpointChoice, Interface, KeystoneConfig, Scope, User,
};
use crate::config::option::Opt;
use crate::config::options as table;
use crate::config::reader::Reader;
use crate::config::types::{OptionType, Optional, Text};
use crate::config::{ClientIdentity, Secret};
use crate::http_url::HttpUrl;

/// `auth_type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::config) enum AuthType {
    #[default]
    Password,
    ApplicationCredential,
    Unneeded,
}

/// `None`: the reader has the faults.
pub(super) fn keystone(reader: &mut Reader<'_>) -> Option<KeystoneConfig> {
    refuse_other_group(reader);
    let auth = auth(reader);
    let endpoint = endpoint(reader);
    let cert = reader.read(&table::CERTFILE);
    let key = reader.read(&table::KEYFILE).or_else(|| cert.clone());
    let config = KeystoneConfig {
        auth: auth?,
        endpoint,
        insecure: reader.read(&table::INSECURE),
        ca_cert: reader.read(&table::CAFILE),
        client_identity: cert
            .zip(key)
            .map(|(cert, key)| ClientIdentity { cert, key }),
        timeout: reader.read(&table::TIMEOUT),
    };
    if config.auth == Auth::Unneeded && config.endpoint.fixed.is_none() {
        let problem = "must be set when auth_type is none: without Keystone there is no catalog; \
                       name Neutron's URL";
        reader.reject(&table::ENDPOINT_OVERRIDE.spec, problem.to_owned());
    }
    Some(config)
}

fn refuse_other_group(reader: &mut Reader<'_>) {
    if let Some(group) = reader.read(&table::AUTH_SECTION) {
        let problem = format!("is not followed; copy the options of [{group}] into [neutron]");
        reader.reject(&table::AUTH_SECTION.spec, problem);
    }
}

fn auth(reader: &mut Reader<'_>) -> Option<Auth> {
    let allowed = "one of password, v3applicationcredential, none";
    let kind = required(reader, &table::AUTH_TYPE, allowed)?;
    match kind {
        AuthType::Unneeded => Some(Auth::Unneeded),
        AuthType::Password => {
            let (url, user) = (auth_url(reader), user(reader));
            let password = required(reader, &table::PASSWORD, "the user's password");
            let scope = scope(reader);
            Some(Auth::Password {
                url: url?,
                user: user?,
                password: password?,
                scope: scope?,
            })
        }
        AuthType::ApplicationCredential => {
            let (url, credential) = (auth_url(reader), credential(reader));
            Some(Auth::ApplicationCredential {
                secret: credential_secret(reader)?,
                url: url?,
                credential: credential?,
            })
        }
    }
}

fn auth_url(reader: &mut Reader<'_>) -> Option<HttpUrl> {
    required(
        reader,
        &table::AUTH_URL,
        "Keystone's URL, as https://HOST:5000",
    )
}

fn credential_secret(reader: &mut Reader<'_>) -> Option<Secret> {
    let allowed = "the secret that Keystone showed when the credential was made";
    required(reader, &table::APPLICATION_CREDENTIAL_SECRET, allowed)
}

fn credential(reader: &mut Reader<'_>) -> Option<Credential> {
    if let Some(id) = reader.read(&table::APPLICATION_CREDENTIAL_ID) {
        return Some(Credential::Id(id));
    }
    match reader.read(&table::APPLICATION_CREDENTIAL_NAME) {
        Some(name) => Some(Credential::Name {
            name,
            user: user(reader)?,
        }),
        None => {
            let problem = "must be set, or application_credential_name and its user";
            reader.reject(&table::APPLICATION_CREDENTIAL_ID.spec, problem.to_owned());
            None
        }
    }
}

fn user(reader: &mut Reader<'_>) -> Option<User> {
    if let Some(id) = reader.read(&table::USER_ID) {
        return Some(User::Id(id));
    }
    let name = required(reader, &table::USERNAME, "a name, or user_id an id");
    let domain = domain(reader, &table::USER_DOMAIN_ID, &table::USER_DOMAIN_NAME);
    Some(User::Name {
        name: name?,
        domain: domain?,
    })
}

fn scope(reader: &mut Reader<'_>) -> Option<Scope> {
    let id = reader.read(&table::PROJECT_ID);
    let name = reader.read(&table::PROJECT_NAME);
    let system = reader.read(&table::SYSTEM_SCOPE).is_some();
    match (id, name) {
        (Some(_), _) | (_, Some(_)) if system => {
            let problem = "cannot be set together with project_id or project_name: a token is for \
                           one or the other";
            reader.reject(&table::SYSTEM_SCOPE.spec, problem.to_owned());
            None
        }
        _ if system => Some(Scope::System),
        (Some(id), _) => Some(Scope::ProjectId(id)),
        (None, Some(name)) => {
            let domain = domain(
                reader,
                &table::PROJECT_DOMAIN_ID,
                &table::PROJECT_DOMAIN_NAME,
            );
            Some(Scope::Project {
                name,
                domain: domain?,
            })
        }
        (None, None) => {
            let problem = "must be set, or project_id, or system_scope to all: the user's project, \
                           usually service";
            reader.reject(&table::PROJECT_NAME.spec, problem.to_owned());
            None
        }
    }
}

/// Names are unique inside a domain only.
fn domain(
    reader: &mut Reader<'_>,
    id: &Opt<Optional<Text>>,
    name: &Opt<Optional<Text>>,
) -> Option<Domain> {
    for (id, name) in [
        (id, name),
        (&table::DEFAULT_DOMAIN_ID, &table::DEFAULT_DOMAIN_NAME),
    ] {
        if let Some(id) = reader.read(id) {
            return Some(Domain::Id(id));
        }
        if let Some(name) = reader.read(name) {
            return Some(Domain::Name(name));
        }
    }
    let problem = format!("must be set, or {}: usually Default", id.spec.name);
    reader.reject(&name.spec, problem);
    None
}

fn endpoint(reader: &mut Reader<'_>) -> EndpointChoice {
    let mut interfaces = reader.read(&table::VALID_INTERFACES);
    if interfaces.is_empty() {
        interfaces.push(Interface::Public);
    }
    EndpointChoice {
        fixed: reader.read(&table::ENDPOINT_OVERRIDE),
        service_type: reader.read(&table::SERVICE_TYPE),
        service_name: reader.read(&table::SERVICE_NAME),
        interfaces,
        region: reader.read(&table::REGION_NAME),
    }
}

/// A value that must be there; `allowed` says what it may be.
fn required<K, T>(reader: &mut Reader<'_>, option: &Opt<K>, allowed: &str) -> Option<T>
where
    K: OptionType<Value = Option<T>>,
{
    let before = reader.fault_count();
    let value = reader.read(option);
    if value.is_none() && reader.fault_count() == before {
        let problem = format!("must be set for the neutron-rest resolver: {allowed}");
        reader.reject(&option.spec, problem);
    }
    value
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]
mod tests;
