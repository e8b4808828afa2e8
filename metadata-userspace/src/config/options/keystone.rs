//! `[neutron]`: how services log in to ask Neutron's API, as in nova.conf. The
//! names, meanings and older spellings are keystoneauth's (keystoneauth1/loading).

use super::super::keystone::Interface;
use super::super::load::keystone::AuthType;
use super::super::types::{
    Boolean, Choice, Choices, FilePath, Hidden, Optional, Seconds, Text, Url,
};
use super::options;

pub(in crate::config) const NEUTRON_GROUP: &str = "neutron";

options! {
    /// How to log in; only the neutron-rest resolver uses this group.
    AUTH_TYPE: Optional<Choice<AuthType>> = NEUTRON_GROUP "auth_type"
        was NEUTRON_GROUP "auth_plugin" default ""
        Optional(Choice(&[
            ("password", AuthType::Password),
            ("v3password", AuthType::Password),
            ("v3applicationcredential", AuthType::ApplicationCredential),
            ("none", AuthType::Unneeded),
        ]));
    /// Another group to read these options from: not supported.
    AUTH_SECTION: Optional<Text> = NEUTRON_GROUP "auth_section" default "" Optional(Text);
    /// Keystone, with /v3 or without.
    AUTH_URL: Url = NEUTRON_GROUP "auth_url" default "" Url;
    /// Who logs in, by id.
    USER_ID: Optional<Text> = NEUTRON_GROUP "user_id" default "" Optional(Text);
    /// Who logs in, by name.
    USERNAME: Optional<Text> = NEUTRON_GROUP "username"
        was NEUTRON_GROUP "user_name" was NEUTRON_GROUP "user-name" default "" Optional(Text);
    /// The domain of that name, by id.
    USER_DOMAIN_ID: Optional<Text> = NEUTRON_GROUP "user_domain_id" default "" Optional(Text);
    /// The domain of that name, by its own name.
    USER_DOMAIN_NAME: Optional<Text> = NEUTRON_GROUP "user_domain_name" default "" Optional(Text);
    /// That user's password.
    PASSWORD: Optional<Hidden> = NEUTRON_GROUP "password" default "" Optional(Hidden);
    /// The project to log in to, by id.
    PROJECT_ID: Optional<Text> = NEUTRON_GROUP "project_id"
        was NEUTRON_GROUP "tenant_id" was NEUTRON_GROUP "tenant-id" default "" Optional(Text);
    /// The project to log in to, by name.
    PROJECT_NAME: Optional<Text> = NEUTRON_GROUP "project_name"
        was NEUTRON_GROUP "tenant_name" was NEUTRON_GROUP "tenant-name" default "" Optional(Text);
    /// The domain of that name, by id.
    PROJECT_DOMAIN_ID: Optional<Text> = NEUTRON_GROUP "project_domain_id" default ""
        Optional(Text);
    /// The domain of that name, by its own name.
    PROJECT_DOMAIN_NAME: Optional<Text> = NEUTRON_GROUP "project_domain_name" default ""
        Optional(Text);
    /// The domain of user and project where none is set, by id.
    DEFAULT_DOMAIN_ID: Optional<Text> = NEUTRON_GROUP "default_domain_id" default ""
        Optional(Text);
    /// The domain of user and project where none is set, by name.
    DEFAULT_DOMAIN_NAME: Optional<Text> = NEUTRON_GROUP "default_domain_name" default ""
        Optional(Text);
    /// Log in to the whole cloud instead of a project.
    SYSTEM_SCOPE: Optional<Choice<()>> = NEUTRON_GROUP "system_scope" default ""
        Optional(Choice(&[("all", ())]));
    /// The application credential, by id.
    APPLICATION_CREDENTIAL_ID: Optional<Text> = NEUTRON_GROUP "application_credential_id"
        default "" Optional(Text);
    /// The application credential, by name; needs its user as well.
    APPLICATION_CREDENTIAL_NAME: Optional<Text> = NEUTRON_GROUP "application_credential_name"
        default "" Optional(Text);
    /// The application credential's secret.
    APPLICATION_CREDENTIAL_SECRET: Optional<Hidden> = NEUTRON_GROUP
        "application_credential_secret" default "" Optional(Hidden);

    /// Neutron's own URL, in place of the catalog's.
    ENDPOINT_OVERRIDE: Url = NEUTRON_GROUP "endpoint_override" default "" Url;
    /// Its type in the catalog.
    SERVICE_TYPE: Text = NEUTRON_GROUP "service_type" default "network" Text;
    /// Its name in the catalog; any when empty.
    SERVICE_NAME: Optional<Text> = NEUTRON_GROUP "service_name" default "" Optional(Text);
    /// Which of its endpoints, the preferred one first.
    VALID_INTERFACES: Choices<Interface> = NEUTRON_GROUP "valid_interfaces"
        was NEUTRON_GROUP "interface" default "internal,public"
        Choices(&[
            ("internal", Interface::Internal),
            ("public", Interface::Public),
            ("admin", Interface::Admin),
        ]);
    /// Its region; any when empty.
    REGION_NAME: Optional<Text> = NEUTRON_GROUP "region_name" default "" Optional(Text);

    /// PEM file of the authorities that may sign Keystone's and Neutron's
    /// certificates; the system's when empty.
    CAFILE: Optional<FilePath> = NEUTRON_GROUP "cafile" default "" Optional(FilePath);
    /// PEM file of our certificate for them.
    CERTFILE: Optional<FilePath> = NEUTRON_GROUP "certfile" default "" Optional(FilePath);
    /// PEM file of that certificate's key; in certfile when empty.
    KEYFILE: Optional<FilePath> = NEUTRON_GROUP "keyfile" default "" Optional(FilePath);
    /// Do not verify their certificates.
    INSECURE: Boolean = NEUTRON_GROUP "insecure" default "false" Boolean;
    /// Seconds for an answer of Keystone or Neutron.
    TIMEOUT: Seconds = NEUTRON_GROUP "timeout" default "10" Seconds;
}
