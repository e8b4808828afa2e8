use std::time::Duration;

use super::*;
use crate::config::{Config, ConfigSource, ConfigSources};

fn load(neutron: &str) -> Result<KeystoneConfig, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("agent.ini");
    let text = format!("[metadatad]\nresolver = neutron-rest\n[neutron]\n{neutron}");
    std::fs::write(&path, text).unwrap();
    let sources = ConfigSources {
        from: vec![ConfigSource::File(path)],
        inventory: None,
    };
    let config = Config::load(&sources).map_err(|errors| errors.to_string())?;
    Ok(config.keystone.unwrap())
}

/// The group as installation guides have it for nova.conf.
const GUIDE: &str = "auth_url = http://controller:5000
auth_type = password
project_domain_name = Default
user_domain_name = Default
region_name = RegionOne
project_name = service
username = neutron
password = s3cret
";

#[test]
fn the_group_of_nova_conf_can_be_copied() {
    let more = "service_metadata_proxy = true\nmetadata_proxy_shared_secret = x\n";
    let config = load(&format!("{GUIDE}{more}")).unwrap();
    let default = || Domain::Name("Default".to_owned());
    let expected = Auth::Password {
        url: "http://controller:5000".parse().unwrap(),
        user: User::Name {
            name: "neutron".to_owned(),
            domain: default(),
        },
        password: Secret("s3cret".to_owned()),
        scope: Scope::Project {
            name: "service".to_owned(),
            domain: default(),
        },
    };
    assert_eq!(config.auth, expected);
    let endpoint = &config.endpoint;
    assert_eq!(
        endpoint.interfaces,
        [Interface::Internal, Interface::Public]
    );
    assert_eq!(endpoint.region.as_deref(), Some("RegionOne"));
    assert_eq!(endpoint.service_type, "network");
    assert_eq!(config.timeout, Duration::from_secs(10));
    assert!(!format!("{config:?}").contains("s3cret"));
}

#[test]
fn the_older_spellings_of_keystoneauth_are_read() {
    let text = "auth_plugin = v3password\nauth_url = http://k/v3\nuser-name = u\npassword = p\n\
                default_domain_id = d\ntenant_name = t\ninterface = admin\n";
    let config = load(text).unwrap();
    let domain = Domain::Id("d".to_owned());
    let Auth::Password { user, scope, .. } = config.auth else {
        panic!("{:?}", config.auth);
    };
    let name = "u".to_owned();
    assert_eq!(
        user,
        User::Name {
            name,
            domain: domain.clone()
        }
    );
    let name = "t".to_owned();
    assert_eq!(scope, Scope::Project { name, domain });
    assert_eq!(config.endpoint.interfaces, [Interface::Admin]);
}

#[test]
fn an_application_credential_needs_no_project() {
    let text = "auth_type = v3applicationcredential\nauth_url = https://k\n\
                application_credential_id = 21dc\napplication_credential_secret = hush\n";
    let config = load(text).unwrap();
    let Auth::ApplicationCredential { credential, .. } = config.auth else {
        panic!("{:?}", config.auth);
    };
    assert_eq!(credential, Credential::Id("21dc".to_owned()));
}

#[test]
fn a_certificate_may_have_its_key_in_the_same_file() {
    let config = load(&format!("{GUIDE}certfile = /a.pem\n")).unwrap();
    let pair = config.client_identity.unwrap();
    assert_eq!((pair.cert, pair.key), ("/a.pem".into(), "/a.pem".into()));
    let config = load(&format!("{GUIDE}keyfile = /a.pem\n")).unwrap();
    assert_eq!(config.client_identity, None);
}

#[test]
fn without_keystone_neutrons_place_is_needed() {
    let config = load("auth_type = none\nendpoint_override = http://n:9696\n").unwrap();
    assert_eq!(config.auth, Auth::Unneeded);
    let error = load("auth_type = none\n").unwrap_err();
    assert!(
        error.contains("[neutron] endpoint_override: must be set"),
        "{error}"
    );
}

/// The options that errors are about, in their order.
fn faulty(text: &str) -> Vec<String> {
    let errors = load(text).unwrap_err();
    let option = |line: &str| {
        let (_, rest) = line.split_once("[neutron] ").unwrap();
        rest.split(':').next().unwrap().to_owned()
    };
    errors.lines().map(option).collect()
}

#[test]
fn all_that_is_missing_is_told_at_once() {
    assert_eq!(faulty(""), ["auth_type"]);
    let expected = [
        "auth_url",
        "username",
        "user_domain_name",
        "password",
        "project_name",
    ];
    assert_eq!(faulty("auth_type = password\n"), expected);
    let expected = [
        "auth_url",
        "application_credential_id",
        "application_credential_secret",
    ];
    assert_eq!(faulty("auth_type = v3applicationcredential\n"), expected);
    let by_name = "auth_type = v3applicationcredential\nauth_url = http://k\n\
                   application_credential_name = n\napplication_credential_secret = s\n";
    assert_eq!(faulty(by_name), ["username", "user_domain_name"]);
}

#[test]
fn a_wrong_value_is_one_fault_and_says_what_is_allowed() {
    let text = GUIDE.replace("http://controller:5000", "controller");
    let error = load(&text).unwrap_err();
    assert!(
        error.contains("agent.ini:4: [neutron] auth_url: `controller` must be a URL"),
        "{error}"
    );
    assert_eq!(error.lines().count(), 1);
    let error = load(&GUIDE.replace("password\n", "v3oidcpassword\n")).unwrap_err();
    assert!(error.contains("v3applicationcredential"), "{error}");
    assert_eq!(error.lines().count(), 1);
    for wrong in [
        "timeout = 0\n",
        "valid_interfaces = publicURL\n",
        "auth_section = keystone_authtoken\n",
        "system_scope = all\n",
        "system_scope = some\n",
    ] {
        let error = load(&format!("{GUIDE}{wrong}")).unwrap_err();
        let option = wrong.split(' ').next().unwrap();
        assert!(
            error.contains(&format!("agent.ini:12: [neutron] {option}: ")),
            "{error}"
        );
        assert_eq!(error.lines().count(), 1);
    }
}

#[test]
fn the_group_is_not_looked_at_for_other_resolvers() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("agent.ini");
    let text = "[metadatad]\nresolver = inventory\ninventory = /x\n[neutron]\nauth_type = bogus\n";
    std::fs::write(&path, text).unwrap();
    let sources = ConfigSources {
        from: vec![ConfigSource::File(path)],
        inventory: None,
    };
    let config = Config::load(&sources).unwrap();
    assert_eq!(config.keystone, None);
    let notes: Vec<_> = config.notes.iter().map(ToString::to_string).collect();
    assert!(
        notes.concat().contains("only the neutron-rest resolver"),
        "{notes:?}"
    );
}
