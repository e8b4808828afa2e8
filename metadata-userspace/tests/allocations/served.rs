//! The hops of the worker on a thread of their own.

use std::fs::{self, File};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use metadatad::agent::Agent;
use metadatad::config::{
    MacCheck, NovaConfig, NovaProtocol, ProxyConfig, ProxyTimeouts, ProxyUpstream, Secret,
};
use metadatad::identity::Realm;
use metadatad::inventory::Inventory;
use metadatad::logging::batch::Writer;
use metadatad::logging::{self, LogOptions};
use metadatad::metrics::Metrics;
use metadatad::nova::Nova;
use metadatad::proxy::{Origin, Proxy, Upstream};
use metadatad::resolver::Identifier;
use metadatad::resolver::inventory::InventoryPorts;
use metadatad::upstream::TlsFiles;
use tokio_util::sync::CancellationToken;

use crate::counting::Counters;
use crate::{Served, nova};

const ROUTER: &str = "8f3a9a93-5a1c-4ce9-9266-e3048098412a";
const MINUTE: Duration = Duration::from_secs(60);

/// Serves the guest 127.0.0.1 until the process ends.
pub(crate) fn serve(response_ttl: Duration) -> Served {
    log_into_nothing();
    let counters: &'static Counters = Box::leak(Box::default());
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_all().build().unwrap();
        Writer::start().unwrap().collector().install();
        counters.count_here();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            listener.set_nonblocking(true).unwrap();
            sender.send(listener.local_addr().unwrap()).unwrap();
            let realm = Realm::Router(ROUTER.to_owned());
            let origin = Arc::new(Origin::new(realm, "qrouter-test", None));
            let proxy = Arc::new(proxy(response_ttl));
            proxy.open(1, listener.into(), origin).unwrap();
            proxy.serve().await.unwrap();
        });
    });
    Served {
        address: receiver.recv().unwrap(),
        allocations: counters,
    }
}

/// Once a process; the lines of the requests are of no use here.
fn log_into_nothing() {
    let options = LogOptions {
        debug: false,
        access_log: true,
    };
    if logging::init(options).is_ok() {
        let nothing = File::options().write(true).open("/dev/null").unwrap();
        nix::unistd::dup2_stderr(nothing).unwrap();
    }
}

fn proxy(response_ttl: Duration) -> Proxy {
    let metrics = Metrics::new();
    let config = NovaConfig {
        response_ttl,
        ..nova_config()
    };
    let dependency = metrics.dependencies.dependency("nova");
    let nova = Nova::new(
        &config,
        &TlsFiles::default(),
        metrics.nova.clone(),
        dependency,
    );
    let inventory = Arc::new(arc_swap::ArcSwap::from_pointee(inventory()));
    let ports = Arc::new(InventoryPorts::new(inventory));
    let agent = Agent::new(
        Arc::new(Identifier::new(ports, MINUTE)),
        nova.unwrap(),
        MacCheck::Enforce,
        metrics.agent.clone(),
    );
    let upstream = Upstream::Agent(Arc::new(agent));
    let (metrics, never) = (metrics.proxy.clone(), CancellationToken::new());
    Proxy::new(&proxy_config(), upstream, metrics, &never).unwrap()
}

fn inventory() -> Inventory {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("inventory.toml");
    let text = format!(
        "[[instance]]\n\
         uuid = '5c9b1c1e-0f5e-4d1e-8a6e-2f4c4f5d6e7f'\n\
         project_id = '0123456789abcdef0123456789abcdef'\n\
         name = 'c1'\n\
         [[instance.port]]\n\
         network_id = '4e9b1c1e-0f5e-4d1e-8a6e-2f4c4f5d6e7f'\n\
         router_ids = ['{ROUTER}']\n\
         mac_address = 'fa:16:3e:00:00:05'\n\
         fixed_ips = ['127.0.0.1']\n"
    );
    fs::write(&file, text).unwrap();
    Inventory::load(&file).unwrap()
}

fn nova_config() -> NovaConfig {
    let address = nova::start();
    NovaConfig {
        protocol: NovaProtocol::Http,
        host: address.ip().to_string(),
        port: address.port(),
        insecure: false,
        ca_cert: None,
        client_identity: None,
        shared_secret: Secret("s3cret".to_owned()),
        deadline: MINUTE,
        response_ttl: Duration::ZERO,
        stale_if_error: MINUTE,
    }
}

fn proxy_config() -> ProxyConfig {
    ProxyConfig {
        upstream: ProxyUpstream::Agent,
        timeouts: ProxyTimeouts {
            connect: MINUTE,
            client: MINUTE,
            server: MINUTE,
            http_request: MINUTE,
            http_keep_alive: MINUTE,
        },
        max_head_size: 16 * 1024,
        max_body_size: 64 * 1024,
        max_connections_per_guest: 8,
        rate_limits: None,
        access_log: true,
    }
}
