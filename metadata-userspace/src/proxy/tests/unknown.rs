//! Guests that nobody knows.

use std::sync::Arc;

use super::{Served, agent, config, serve_at};
use crate::resolver::Resolution;
use crate::testing::{Fixed, Scripted, raw};

async fn before_nobody(address: &str) -> Served {
    let nova = Scripted::constant("hello").await;
    let unknown = Arc::new(Fixed(Ok(Resolution::Unknown)));
    serve_at(address, &config(), |metrics| {
        agent(unknown, nova.address, metrics)
    })
    .await
}

#[tokio::test]
async fn over_ipv4_they_hear_so() {
    let proxy = before_nobody("127.0.0.1:0").await;
    let answer = raw(proxy.address, "GET /openstack HTTP/1.1\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
}

#[tokio::test]
async fn over_ipv6_they_hear_nothing() {
    let proxy = before_nobody("[::1]:0").await;
    for request in [
        "GET /openstack HTTP/1.1\r\n\r\n",
        "POST /openstack/2013-04-04/password HTTP/1.1\r\nContent-Length: 4\r\n\r\nabcd",
        "GET /openstack HTTP/1.1\r\n\r\nGET /latest HTTP/1.1\r\n\r\n",
    ] {
        assert_eq!(raw(proxy.address, request).await, "", "{request}");
    }
    assert_eq!(proxy.metrics.totals().refused.get("unanswered"), Some(&3));
    let metrics = proxy.metrics.encode().unwrap();
    let line = "metadatad_proxy_refused_total{reason=\"unanswered\"} 3\n";
    assert!(metrics.contains(line), "{metrics}");
}
