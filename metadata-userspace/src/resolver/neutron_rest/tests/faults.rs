//! When Keystone or Neutron does not do what it should.

use super::*;
use crate::testing::{comes_true, no_such_host};

#[tokio::test]
async fn a_token_that_cannot_be_renewed_is_used_to_its_end() {
    let cloud = Cloud::start().await;
    cloud.script.lifetime.store(100_000, Ordering::SeqCst);
    cloud.ports().await.unwrap();
    cloud.script.keystone.store(503, Ordering::SeqCst);
    pass(Duration::from_secs(92)).await;
    cloud.ports().await.unwrap();
    assert_eq!(cloud.is_up("keystone"), Some(false));
    assert_eq!(cloud.is_up("neutron"), Some(true));
    pass(Duration::from_secs(10)).await;
    let error = cloud.ports().await.unwrap_err();
    assert!(
        error.contains("Keystone at http://") && error.contains("503"),
        "{error}"
    );
}

#[tokio::test]
async fn a_revoked_token_is_replaced_once() {
    let cloud = Cloud::start().await;
    cloud.ports().await.unwrap();
    cloud.script.only_newest.store(true, Ordering::SeqCst);
    cloud.script.logins.fetch_add(1, Ordering::SeqCst);
    cloud.ports().await.unwrap();
    assert_eq!(cloud.lists().len(), 3);
    cloud.script.refuse_all.store(true, Ordering::SeqCst);
    let before = cloud.logins();
    let error = cloud.ports().await.unwrap_err();
    assert!(error.contains("[keystone_authtoken]"), "{error}");
    assert_eq!((cloud.logins(), cloud.lists().len()), (before + 1, 5));
    assert_eq!(cloud.is_up("neutron"), Some(false));
    assert_eq!(cloud.is_up("keystone"), Some(true));
}

#[tokio::test]
async fn a_refused_login_is_not_repeated_at_once() {
    let cloud = Cloud::start().await;
    cloud.script.keystone.store(401, Ordering::SeqCst);
    for _ in 0..5 {
        let error = cloud.ports().await.unwrap_err();
        assert!(error.contains("[neutron] username"), "{error}");
    }
    assert_eq!(cloud.logins(), 1);
    assert_eq!(cloud.is_up("keystone"), Some(false));
    assert_eq!(cloud.is_up("neutron"), None, "nobody asked it");
}

#[tokio::test]
async fn a_kept_connection_that_died_is_replaced() {
    let cloud = Cloud::start().await;
    cloud.script.hang_up.store(true, Ordering::SeqCst);
    let error = cloud.ports().await.unwrap_err();
    assert!(error.contains("ended before the answer"), "{error}");
    cloud.ports().await.unwrap();
    cloud.script.hang_up.store(true, Ordering::SeqCst);
    cloud.ports().await.unwrap();
    assert_eq!(cloud.lists().len(), 4);
}

#[tokio::test]
async fn what_neutron_says_instead_of_ports_is_explained() {
    let cloud = Cloud::start().await;
    for (status, part) in [
        (403, "the role admin"),
        (404, "endpoint_override"),
        (503, "see its log"),
    ] {
        cloud.script.neutron.store(status, Ordering::SeqCst);
        let error = cloud.ports().await.unwrap_err();
        assert!(
            error.contains(part) && error.contains("Neutron at http://"),
            "{error}"
        );
    }
    cloud.script.neutron.store(0, Ordering::SeqCst);
    for garbage in ["<html>", "{}", r#"{"ports": [{"id": 5}]}"#] {
        *cloud.script.pages.lock().unwrap() = vec![garbage.to_owned()];
        let error = cloud.ports().await.unwrap_err();
        assert!(error.contains("makes no sense"), "{error}");
    }
    let endless = " ".repeat((16 << 20) + 1);
    *cloud.script.pages.lock().unwrap() = vec![endless];
    let error = cloud.ports().await.unwrap_err();
    assert!(error.contains("longer than"), "{error}");
    *cloud.script.pages.lock().unwrap() = vec![ONE_PORT.to_owned()];
    assert_eq!(cloud.ports().await.unwrap().len(), 1);
    assert_eq!(cloud.is_up("neutron"), Some(true));
}

#[tokio::test]
async fn a_silent_or_dead_keystone_is_told_apart() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let ask = async || {
        let mut config = config(&address.to_string());
        config.timeout = Duration::from_millis(100);
        let rest = NeutronRest::new(config, TlsFiles::default(), &Dependencies::default());
        let error = rest.unwrap().router_networks("r1").await.unwrap_err();
        error.to_string()
    };
    let error = ask().await;
    assert!(error.contains("no answer within 100ms"), "{error}");
    drop(silent);
    let error = ask().await;
    assert!(error.contains("Connection refused"), "{error}");
    let error = {
        let mut config = config(&no_such_host());
        config.timeout = Duration::from_secs(10);
        let rest = NeutronRest::new(config, TlsFiles::default(), &Dependencies::default());
        rest.unwrap()
            .router_networks("r1")
            .await
            .unwrap_err()
            .to_string()
    };
    assert!(error.contains("check [neutron] auth_url"), "{error}");
}

#[tokio::test]
async fn an_outage_ends_without_a_question() {
    let cloud = Cloud::start().await;
    cloud.script.neutron.store(503, Ordering::SeqCst);
    let rest = cloud.rest.clone();
    let watching = tokio::spawn(async move { rest.watch().await });
    while cloud.is_up("neutron").is_none() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(cloud.is_up("neutron"), Some(false));
    cloud.script.neutron.store(0, Ordering::SeqCst);
    assert!(comes_true(|| cloud.is_up("neutron") == Some(true)).await);
    watching.abort();
}
