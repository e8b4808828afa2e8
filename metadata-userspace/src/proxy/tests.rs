//! The proxy as a guest meets it, over real sockets.

mod bodies;
mod framing;
mod limits;
mod rota;
mod turns;
mod unix;
mod unknown;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Origin, Proxy, Upstream};
use crate::agent::Agent;
use crate::config::{ProxyConfig, ProxyTimeouts, ProxyUpstream};
use crate::metrics::Metrics;
use crate::testing::{Fixed, Scripted, nova as nova_client, nova_config, realm};
use crate::upstream::TlsFiles;

const SECOND: Duration = Duration::from_secs(1);

fn config() -> ProxyConfig {
    ProxyConfig {
        upstream: ProxyUpstream::Agent,
        timeouts: ProxyTimeouts {
            connect: SECOND,
            client: SECOND / 4,
            server: SECOND,
            http_request: SECOND / 4,
            http_keep_alive: SECOND / 4,
        },
        max_head_size: 16 * 1024,
        max_body_size: 64 * 1024,
        max_connections_per_guest: 8,
        rate_limits: None,
        access_log: true,
    }
}

/// Nothing runs out but what a test makes short.
fn patient() -> ProxyConfig {
    let mut config = config();
    config.timeouts = ProxyTimeouts {
        connect: 60 * SECOND,
        client: 60 * SECOND,
        server: 60 * SECOND,
        http_request: 60 * SECOND,
        http_keep_alive: 60 * SECOND,
    };
    config
}

/// A proxy on loopback; its connections end with it.
struct Served {
    address: SocketAddr,
    metrics: Metrics,
    drain: CancellationToken,
    serving: JoinHandle<()>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(config: &ProxyConfig, upstream: impl FnOnce(&Metrics) -> Upstream) -> Served {
    serve_at("127.0.0.1:0", config, upstream).await
}

async fn serve_at(
    address: &str,
    config: &ProxyConfig,
    upstream: impl FnOnce(&Metrics) -> Upstream,
) -> Served {
    let metrics = Metrics::new();
    let upstream = upstream(&metrics);
    let drain = CancellationToken::new();
    let proxy = Proxy::new(config, upstream, metrics.proxy.clone(), &drain).unwrap();
    let listener = TcpListener::bind(address).unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let origin = Arc::new(Origin::new(
        realm(),
        "qrouter-test",
        config.rate_limits.clone(),
    ));
    proxy.open(0, listener.into(), origin).unwrap();
    let serving = tokio::spawn(async { Arc::new(proxy).serve().await.unwrap() });
    Served {
        address,
        metrics,
        drain,
        serving,
    }
}

/// The whole way: proxy, agent, `nova`.
async fn before(nova: &Scripted, config: &ProxyConfig) -> Served {
    serve(config, |metrics| {
        agent(Fixed::found(), nova.address, metrics)
    })
    .await
}

fn agent(resolver: Arc<Fixed>, nova: SocketAddr, metrics: &Metrics) -> Upstream {
    let nova = nova_client(&nova_config(nova), &TlsFiles::default(), metrics);
    let agent = Agent::new(
        resolver,
        nova.unwrap(),
        crate::config::MacCheck::Enforce,
        metrics.agent.clone(),
    );
    Upstream::Agent(Arc::new(agent))
}
