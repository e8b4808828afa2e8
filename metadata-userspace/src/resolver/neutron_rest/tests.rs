//! Against a scripted Keystone and Neutron, which share one address.

mod faults;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, AtomicUsize, Ordering};

use super::*;
use crate::config::{Auth, EndpointChoice, Interface, Scope, Secret, User};
use crate::testing::Scripted;

/// What the cloud does; every token has a number of its own.
#[derive(Default)]
struct Script {
    logins: AtomicUsize,
    /// Milliseconds.
    lifetime: AtomicU64,
    /// Other than 0: what Keystone answers instead of a token.
    keystone: AtomicU16,
    neutron: AtomicU16,
    /// Neutron refuses every token but the newest; or all.
    only_newest: AtomicBool,
    refuse_all: AtomicBool,
    pages: Mutex<Vec<String>>,
    /// Closes the connection once, in place of an answer.
    hang_up: AtomicBool,
}

struct Cloud {
    server: Scripted,
    script: Arc<Script>,
    rest: NeutronRest,
    dependencies: Dependencies,
}

fn response(status: u16, header: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status} X\r\n{header}Content-Length: {length}\r\n\r\n{body}").into_bytes()
}

impl Script {
    fn answer(&self, host: &str, request: &str) -> Vec<u8> {
        if request.starts_with("POST /identity/v3/auth/tokens ") {
            return self.keystone(host);
        }
        match self.hang_up.swap(false, Ordering::SeqCst) {
            true => Vec::new(),
            false => self.neutron(request),
        }
    }

    fn keystone(&self, host: &str) -> Vec<u8> {
        let number = self.logins.fetch_add(1, Ordering::SeqCst) + 1;
        match self.keystone.load(Ordering::SeqCst) {
            0 => {}
            status => return response(status, "", "{}"),
        }
        let milliseconds = self.lifetime.load(Ordering::SeqCst);
        let (seconds, millis) = (milliseconds / 1000, milliseconds % 1000);
        let body = format!(
            r#"{{"token": {{"issued_at": "2001-01-01T00:00:00Z",
            "expires_at": "2001-01-01T00:{:02}:{:02}.{millis:03}Z",
            "roles": [{{"name": "admin"}}],
            "catalog": [{{"type": "network", "endpoints":
                [{{"interface": "public", "region_id": "one", "url": "http://{host}/net/"}}]}}]}}}}"#,
            seconds / 60,
            seconds % 60
        );
        response(201, &format!("X-Subject-Token: token-{number}\r\n"), &body)
    }

    fn neutron(&self, request: &str) -> Vec<u8> {
        let newest = format!("token-{}\r\n", self.logins.load(Ordering::SeqCst));
        let refused = self.only_newest.load(Ordering::SeqCst) && !request.contains(&newest);
        if refused || self.refuse_all.load(Ordering::SeqCst) {
            return response(401, "", "Authentication required");
        }
        match self.neutron.load(Ordering::SeqCst) {
            0 => {}
            status => return response(status, "", "{}"),
        }
        let pages = self.pages.lock().unwrap();
        let page = match pages.as_slice() {
            [only] => only,
            several => {
                let marker = request.split("marker=").nth(1);
                let number = marker.map(|rest| rest.split([' ', '&']).next().unwrap());
                let number = number.map_or(0, |number| number.parse::<usize>().unwrap());
                &several[number]
            }
        };
        response(200, "", page)
    }
}

fn config(host: &str) -> KeystoneConfig {
    KeystoneConfig {
        auth: Auth::Password {
            url: format!("http://{host}/identity").parse().unwrap(),
            user: User::Id("u".to_owned()),
            password: Secret("s3cret".to_owned()),
            scope: Scope::ProjectId("p".to_owned()),
        },
        endpoint: EndpointChoice {
            fixed: None,
            service_type: "network".to_owned(),
            service_name: None,
            interfaces: vec![Interface::Internal, Interface::Public],
            region: None,
        },
        insecure: false,
        ca_cert: None,
        client_identity: None,
        timeout: Duration::from_secs(5),
    }
}

const ONE_PORT: &str = r#"{"ports": [{"id": "p1", "network_id": "n1",
    "mac_address": "FA:16:3e:00:00:01", "device_id": "i1", "project_id": "x", "tenant_id": "x",
    "fixed_ips": [{"subnet_id": "s", "ip_address": "10.0.0.5"},
                  {"subnet_id": "s6", "ip_address": "2001:db8::5"}]}]}"#;

impl Cloud {
    async fn start() -> Self {
        let script = Arc::new(Script::default());
        script.lifetime.store(3_000_000, Ordering::SeqCst);
        script.pages.lock().unwrap().push(ONE_PORT.to_owned());
        let told = Arc::clone(&script);
        let host = Arc::new(Mutex::new(String::new()));
        let known = Arc::clone(&host);
        let server = Scripted::start(move |request| told.answer(&known.lock().unwrap(), request));
        let server = server.await;
        *host.lock().unwrap() = server.address.to_string();
        let dependencies = Dependencies::default();
        let config = config(&server.address.to_string());
        let rest = NeutronRest::new(config, TlsFiles::default(), &dependencies).unwrap();
        Self {
            server,
            script,
            rest,
            dependencies,
        }
    }

    async fn ports(&self) -> Result<Vec<Port>, String> {
        let query = PortQuery {
            networks: vec!["n1".to_owned()],
            addresses: Vec::new(),
        };
        let ports = self.rest.ports(&query).await;
        ports.map_err(|error| error.to_string())
    }

    fn logins(&self) -> usize {
        self.script.logins.load(Ordering::SeqCst)
    }

    fn lists(&self) -> Vec<String> {
        let seen = self.server.seen();
        let asked = |request: &String| request.starts_with("GET");
        seen.into_iter().filter(asked).collect()
    }

    fn is_up(&self, name: &'static str) -> Option<bool> {
        self.dependencies.dependency(name).is_up()
    }
}

/// So much time passes at once.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn ports_are_read_with_a_token_from_the_catalogs_place() {
    let cloud = Cloud::start().await;
    let ports = cloud.ports().await.unwrap();
    assert_eq!(
        ports,
        [Port {
            id: "p1".to_owned(),
            network_id: "n1".to_owned(),
            mac: Some("fa:16:3e:00:00:01".parse().unwrap()),
            addresses: vec!["10.0.0.5".parse().unwrap(), "2001:db8::5".parse().unwrap()],
            device_id: "i1".into(),
            project_id: "x".into(),
        }]
    );
    let lists = cloud.lists();
    assert!(
        lists[0].starts_with("GET /net/v2.0/ports?limit=500&fields=id&"),
        "{lists:?}"
    );
    assert!(lists[0].contains("x-auth-token: token-1\r\n"), "{lists:?}");
    assert_eq!(cloud.is_up("keystone"), Some(true));
    assert_eq!(cloud.is_up("neutron"), Some(true));
}

#[tokio::test]
async fn connections_and_the_login_are_shared() {
    let cloud = Cloud::start().await;
    for _ in 0..3 {
        cloud.ports().await.unwrap();
    }
    let cloud = Arc::new(cloud);
    let asking: Vec<_> = (0..20)
        .map(|_| {
            let cloud = Arc::clone(&cloud);
            tokio::spawn(async move { cloud.ports().await.unwrap() })
        })
        .collect();
    for asking in asking {
        asking.await.unwrap();
    }
    assert_eq!(cloud.logins(), 1);
    let fresh = Cloud::start().await;
    let (one, two) = tokio::join!(fresh.ports(), fresh.ports());
    assert!(one.is_ok() && two.is_ok());
    assert_eq!(fresh.logins(), 1);
    // One to Keystone, and one or two to Neutron.
    assert!(fresh.server.connections() <= 3);
}

#[tokio::test]
async fn a_token_is_renewed_before_it_expires() {
    let cloud = Cloud::start().await;
    cloud.script.lifetime.store(100_000, Ordering::SeqCst);
    cloud.script.only_newest.store(true, Ordering::SeqCst);
    cloud.ports().await.unwrap();
    assert_eq!(cloud.logins(), 1);
    pass(Duration::from_secs(94)).await;
    cloud.ports().await.unwrap();
    assert_eq!(cloud.logins(), 2);
    let lists = cloud.lists();
    assert!(lists[1].contains("x-auth-token: token-2\r\n"), "{lists:?}");
    assert_eq!(lists.len(), 2, "nothing was refused");
}

#[tokio::test]
async fn pages_are_followed_and_never_elsewhere() {
    let cloud = Cloud::start().await;
    let page = |next: Option<usize>, id: &str| {
        let link = next.map(|n| {
            format!(r#"{{"rel": "next", "href": "http://192.0.2.1/x?limit=1&marker={n}"}},"#)
        });
        format!(
            r#"{{"ports": [{{"id": "{id}", "network_id": "n1", "tenant_id": "old"}}],
               "ports_links": [{}{{"rel": "previous", "href": "http://192.0.2.1/?marker=0"}}]}}"#,
            link.unwrap_or_default()
        )
    };
    *cloud.script.pages.lock().unwrap() =
        vec![page(Some(1), "a"), page(Some(2), "b"), page(None, "c")];
    let ports = cloud.ports().await.unwrap();
    let ids: Vec<_> = ports.iter().map(|port| port.id.as_str()).collect();
    assert_eq!(ids, ["a", "b", "c"]);
    assert_eq!(&*ports[0].project_id, "old");
    let lists = cloud.lists();
    assert!(lists[2].contains("network_id=n1&marker=2 "), "{lists:?}");
    *cloud.script.pages.lock().unwrap() = vec![page(Some(0), "a"), page(Some(0), "b")];
    let error = cloud.ports().await.unwrap_err();
    assert!(error.contains("no end"), "{error}");
}

#[tokio::test]
async fn a_routers_networks_are_told_once_each() {
    let cloud = Cloud::start().await;
    let port = |network: &str| format!(r#"{{"id": "p", "network_id": "{network}"}}"#);
    let ports = [port("b"), port("a"), port("b")].join(",");
    *cloud.script.pages.lock().unwrap() = vec![format!(r#"{{"ports": [{ports}]}}"#)];
    assert_eq!(cloud.rest.router_networks("r1").await.unwrap(), ["a", "b"]);
}

#[tokio::test]
async fn without_keystone_neutron_is_asked_without_a_token() {
    let cloud = Cloud::start().await;
    let mut config = config("127.0.0.1:1");
    config.auth = Auth::Unneeded;
    let place = format!("http://{}/v2.0", cloud.server.address);
    config.endpoint.fixed = Some(place.parse().unwrap());
    let dependencies = Dependencies::default();
    let rest = NeutronRest::new(config, TlsFiles::default(), &dependencies).unwrap();
    rest.router_networks("r1").await.unwrap();
    let lists = cloud.lists();
    assert!(lists[0].starts_with("GET /v2.0/ports?"), "{lists:?}");
    assert!(!lists[0].to_lowercase().contains("x-auth-token"));
    assert_eq!(dependencies.dependency("keystone").is_up(), None);
}
