//! A stand-in for Keystone and Neutron, at two ports of this host's loopback. The
//! real ones are compared by `cargo xtask openstack test`.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use xtask::lab::unique;

use crate::api::{Keystone, Neutron};

pub(crate) type Answer = Response<Full<Bytes>>;

/// What a server does with requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Well,
    /// Takes requests and says nothing, as a stopped process does.
    Silent,
    Slow(Duration),
    /// Answers every request with this status.
    Status(u16),
    /// Answers what is no JSON.
    Babbling,
    /// Answers what is no HTTP.
    Garbage,
}

/// The servers; they end with it.
pub(crate) struct Cloud {
    pub(crate) keystone: Server,
    pub(crate) neutron: Server,
    pub(crate) state: Arc<State>,
    runtime: Runtime,
}

pub(crate) struct State {
    keystone: Mutex<Keystone>,
    neutron: Mutex<Neutron>,
}

impl State {
    pub(crate) fn keystone(&self) -> MutexGuard<'_, Keystone> {
        self.keystone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn neutron(&self) -> MutexGuard<'_, Neutron> {
        self.neutron.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of the two.
pub(crate) struct Server {
    which: Which,
    port: u16,
    mood: Arc<Mutex<Mood>>,
    running: CancellationToken,
}

#[derive(Clone, Copy)]
enum Which {
    Keystone,
    Neutron,
}

impl Cloud {
    /// A cloud that is well and has no ports.
    pub(crate) fn start() -> Result<Self> {
        Self::with(None)
    }

    /// A cloud that speaks TLS only.
    pub(crate) fn with_tls(acceptor: TlsAcceptor) -> Result<Self> {
        Self::with(Some(acceptor))
    }

    fn with(tls: Option<TlsAcceptor>) -> Result<Self> {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let (keystone, neutron) = (Server::new(Which::Keystone)?, Server::new(Which::Neutron)?);
        let place = format!("{scheme}://127.0.0.1:{}", neutron.port);
        let mut cloud = Self {
            keystone,
            neutron,
            state: Arc::new(State {
                keystone: Mutex::new(Keystone::new(place)),
                neutron: Mutex::default(),
            }),
            runtime: Runtime::new()?,
        };
        for server in [&mut cloud.keystone, &mut cloud.neutron] {
            server.start(&cloud.runtime, &cloud.state, tls.clone())?;
        }
        Ok(cloud)
    }

    pub(crate) fn auth_url(&self, scheme: &str) -> String {
        format!("{scheme}://127.0.0.1:{}", self.keystone.port)
    }

    pub(crate) fn start_keystone(&mut self) -> Result<()> {
        self.keystone.start(&self.runtime, &self.state, None)
    }

    pub(crate) fn start_neutron(&mut self) -> Result<()> {
        self.neutron.start(&self.runtime, &self.state, None)
    }
}

impl Server {
    fn new(which: Which) -> Result<Self> {
        Ok(Self {
            which,
            port: unique::loopback_port()?,
            mood: Arc::new(Mutex::new(Mood::Well)),
            running: CancellationToken::new(),
        })
    }

    pub(crate) fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap_or_else(PoisonError::into_inner) = mood;
    }

    /// Ends every connection and listens no more.
    pub(crate) fn stop(&self) {
        self.running.cancel();
    }

    fn start(
        &mut self,
        runtime: &Runtime,
        state: &Arc<State>,
        tls: Option<TlsAcceptor>,
    ) -> Result<()> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let listener = runtime.block_on(TcpListener::bind(address))?;
        self.running = CancellationToken::new();
        let (running, which) = (self.running.clone(), self.which);
        let (mood, state) = (self.mood.clone(), state.clone());
        runtime.spawn(self.running.clone().run_until_cancelled_owned(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let served = welcome(stream, tls.clone(), mood.clone(), state.clone(), which);
                tokio::spawn(running.clone().run_until_cancelled_owned(served));
            }
        }));
        Ok(())
    }
}

async fn welcome(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    mood: Arc<Mutex<Mood>>,
    state: Arc<State>,
    which: Which,
) {
    if *mood.lock().unwrap_or_else(PoisonError::into_inner) == Mood::Garbage {
        let _ = stream.try_write(b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n");
        return;
    }
    match tls {
        None => serve(stream, mood, state, which).await,
        Some(acceptor) => {
            if let Ok(stream) = acceptor.accept(stream).await {
                serve(stream, mood, state, which).await;
            }
        }
    }
}

async fn serve<S>(stream: S, mood: Arc<Mutex<Mood>>, state: Arc<State>, which: Which)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let service = service_fn(move |request| {
        let mood = *mood.lock().unwrap_or_else(PoisonError::into_inner);
        let state = state.clone();
        async move { Ok::<_, Infallible>(answer(request, mood, &state, which).await) }
    });
    // A client that went away is no concern here.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(request: Request<Incoming>, mood: Mood, state: &State, which: Which) -> Answer {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes());
    match mood {
        Mood::Well => {}
        Mood::Silent => std::future::pending().await,
        Mood::Slow(pause) => tokio::time::sleep(pause).await,
        Mood::Status(status) => return plain(status, "{}"),
        Mood::Babbling | Mood::Garbage => return plain(200, "<html>It works!</html>"),
    }
    match which {
        Which::Keystone => state.keystone().answer(&head, &body.unwrap_or_default()),
        Which::Neutron => {
            let token = head.headers.get("x-auth-token");
            let token = token.and_then(|token| token.to_str().ok());
            match state.keystone().knows(token) {
                true => state.neutron().answer(&head),
                false => {
                    state.neutron().refused += 1;
                    plain(401, "Authentication required")
                }
            }
        }
    }
}

pub(crate) fn plain(status: u16, body: &str) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body.to_owned())));
    if let Ok(status) = status.try_into() {
        *answer.status_mut() = status;
    }
    answer
}
