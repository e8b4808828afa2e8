use hyper::HeaderMap;

use super::*;
use crate::config::{Interface, Secret};

fn password(user: User, scope: Scope) -> Auth {
    Auth::Password {
        url: "http://keystone:5000".parse().unwrap(),
        user,
        password: Secret("s3cret".to_owned()),
        scope,
    }
}

fn service_user() -> Auth {
    let name = |text: &str| Domain::Name(text.to_owned());
    password(
        User::Name {
            name: "neutron".to_owned(),
            domain: name("Default"),
        },
        Scope::Project {
            name: "service".to_owned(),
            domain: Domain::Id("default".to_owned()),
        },
    )
}

fn application_credential(credential: Credential) -> Auth {
    Auth::ApplicationCredential {
        url: "http://keystone/identity/v3".parse().unwrap(),
        credential,
        secret: Secret("hush".to_owned()),
    }
}

fn choice() -> EndpointChoice {
    EndpointChoice {
        fixed: None,
        service_type: "network".to_owned(),
        service_name: None,
        interfaces: vec![Interface::Public],
        region: None,
    }
}

fn answer(status: u16, token: Option<&'static str>, body: &str) -> Answer {
    let mut headers = HeaderMap::new();
    if let Some(token) = token {
        headers.insert("x-subject-token", HeaderValue::from_static(token));
    }
    Answer {
        status: StatusCode::from_u16(status).unwrap(),
        headers,
        body: body.to_owned().into(),
    }
}

fn fault(answer: &Answer, auth: &Auth) -> String {
    granted(answer, auth, &choice()).unwrap_err().to_string()
}

/// As Keystone 2026.1 answers, shortened.
const BODY: &str = r#"{"token": {
    "methods": ["password"],
    "user": {"domain": {"id": "default", "name": "Default"}, "id": "423f", "name": "neutron"},
    "audit_ids": ["mAjXQhiYRyKwkB4qygdLVg"],
    "expires_at": "2026-11-05T22:00:11.000000Z",
    "issued_at": "2026-11-05T21:00:33.819948Z",
    "roles": [{"id": "51cc", "name": "admin"}, {"id": "9fe2", "name": "member"}],
    "catalog": [{"id": "1", "type": "network", "name": "neutron", "endpoints": [
        {"id": "2", "interface": "public", "region": "RegionOne", "region_id": "RegionOne",
         "url": "http://neutron:9696"}]}]
}}"#;

#[test]
fn the_version_is_part_of_the_url_once() {
    let place = |auth: &Auth| place(auth).unwrap().to_string();
    assert_eq!(place(&service_user()), "http://keystone:5000/v3");
    let credential = application_credential(Credential::Id("1".to_owned()));
    assert_eq!(place(&credential), "http://keystone/identity/v3");
    assert_eq!(super::place(&Auth::Unneeded), None);
}

#[test]
fn a_service_user_logs_in_by_names() {
    let expected = json!({"auth": {
        "identity": {"methods": ["password"], "password": {"user": {
            "name": "neutron", "domain": {"name": "Default"}, "password": "s3cret"}}},
        "scope": {"project": {"name": "service", "domain": {"id": "default"}}}}});
    assert_eq!(request(&service_user()), expected);
}

#[test]
fn a_user_logs_in_by_id_to_the_system() {
    let auth = password(User::Id("423f".to_owned()), Scope::System);
    let request = request(&auth);
    assert_eq!(request["auth"]["scope"], json!({"system": {"all": true}}));
    let user = &request["auth"]["identity"]["password"]["user"];
    assert_eq!(*user, json!({"id": "423f", "password": "s3cret"}));
    let auth = password(User::Id("1".to_owned()), Scope::ProjectId("2".to_owned()));
    assert_eq!(
        super::request(&auth)["auth"]["scope"],
        json!({"project": {"id": "2"}})
    );
}

#[test]
fn an_application_credential_has_its_project_in_it() {
    let auth = application_credential(Credential::Id("21dc".to_owned()));
    let credential = json!({"id": "21dc", "secret": "hush"});
    let expected = json!({"auth": {"identity": {
        "methods": ["application_credential"], "application_credential": credential}}});
    assert_eq!(request(&auth), expected);
    let auth = application_credential(Credential::Name {
        name: "metadatad".to_owned(),
        user: User::Id("423f".to_owned()),
    });
    assert_eq!(
        request(&auth)["auth"]["identity"]["application_credential"],
        json!({"name": "metadatad", "user": {"id": "423f"}, "secret": "hush"})
    );
}

#[test]
fn a_token_lives_as_long_as_keystones_clock_says() {
    let granted = granted(&answer(201, Some("gAAA"), BODY), &service_user(), &choice()).unwrap();
    assert_eq!(granted.token, "gAAA");
    assert!(granted.token.is_sensitive());
    assert_eq!(granted.lifetime.as_secs(), 3577);
    assert_eq!(granted.roles, ["admin", "member"]);
    assert_eq!(granted.neutron.unwrap().to_string(), "http://neutron:9696");
}

#[test]
fn an_override_needs_no_catalog() {
    let mut choice = choice();
    choice.fixed = Some("http://10.0.0.1:9696".parse().unwrap());
    let body = r#"{"token": {"issued_at": "2026-11-05T21:00:00Z", "expires_at": "2026-11-05T22:00:00.5Z"}}"#;
    let granted = granted(&answer(201, Some("t"), body), &service_user(), &choice).unwrap();
    assert_eq!(granted.neutron.unwrap(), choice.fixed.unwrap());
}

#[test]
fn refusals_name_the_options_to_check() {
    let credential = application_credential(Credential::Id("1".to_owned()));
    for (status, auth, part) in [
        (401, &service_user(), "[neutron] username"),
        (401, &credential, "application_credential_secret"),
        (404, &service_user(), "auth_url"),
        (302, &service_user(), "auth_url"),
        (503, &service_user(), "503 Service Unavailable"),
    ] {
        let fault = fault(&answer(status, None, "{}"), auth);
        assert!(fault.contains(part), "{status}: {fault}");
        assert!(!fault.contains("s3cret") && !fault.contains("hush"));
    }
}

#[test]
fn what_is_no_token_is_garbage() {
    let no_time = BODY.replace("2026-11-05T22:00:11.000000Z", "tomorrow");
    let backwards = BODY.replace("2026-11-05T22", "2026-11-04T22");
    for answer in [
        answer(200, Some("t"), "<html>"),
        answer(200, Some("t"), r#"{"versions": {}}"#),
        answer(201, None, BODY),
        answer(201, Some("t"), &no_time),
        answer(201, Some("t"), &backwards),
    ] {
        assert!(fault(&answer, &service_user()).contains("makes no sense"));
    }
}
