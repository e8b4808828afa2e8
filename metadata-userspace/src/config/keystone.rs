//! How to reach Neutron's API: `[neutron]`, as in nova.conf.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{ClientIdentity, Secret};
use crate::http_url::HttpUrl;

/// `[neutron]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeystoneConfig {
    pub auth: Auth,
    pub endpoint: EndpointChoice,
    /// `insecure`: verify no certificate.
    pub insecure: bool,
    /// `cafile`.
    pub ca_cert: Option<PathBuf>,
    /// `certfile` and `keyfile`.
    pub client_identity: Option<ClientIdentity>,
    /// `timeout`: for each request.
    pub timeout: Duration,
}

/// `auth_type` and what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Auth {
    /// `none`: a Neutron that asks for no token.
    Unneeded,
    /// `password`, `v3password`.
    Password {
        url: HttpUrl,
        user: User,
        password: Secret,
        scope: Scope,
    },
    /// `v3applicationcredential`; its project is part of it.
    ApplicationCredential {
        url: HttpUrl,
        credential: Credential,
        secret: Secret,
    },
}

/// Who logs in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum User {
    Id(String),
    Name { name: String, domain: Domain },
}

/// A domain, by one of its names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Domain {
    Id(String),
    Name(String),
}

/// What the token is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scope {
    ProjectId(String),
    Project {
        name: String,
        domain: Domain,
    },
    /// `system_scope = all`.
    System,
}

/// Which application credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Credential {
    Id(String),
    Name { name: String, user: User },
}

/// Which of the catalog's endpoints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointChoice {
    /// `endpoint_override`: this one, whatever the catalog says.
    pub fixed: Option<HttpUrl>,
    pub service_type: String,
    pub service_name: Option<String>,
    /// `valid_interfaces`, the preferred one first.
    pub interfaces: Vec<Interface>,
    pub region: Option<String>,
}

/// Who an endpoint is meant for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interface {
    #[default]
    Public,
    Internal,
    Admin,
}

impl std::fmt::Display for Interface {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Admin => "admin",
        })
    }
}
