//! What several threads have of the connections.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::{agent, config};
use crate::metrics::Metrics;
use crate::proxy::{Origin, Proxy};
use crate::testing::{Fixed, Scripted, read_message, realm};

const THREADS: usize = 3;
const CONNECTIONS: usize = 63;

/// A proxy on several threads, each with a runtime of its own.
struct Threads {
    proxy: Arc<Proxy>,
    address: SocketAddr,
    drain: CancellationToken,
    /// Each ends when it is told so, or with all others.
    running: Vec<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Threads {
    fn before(nova: &Scripted) -> Self {
        let mut config = config();
        config.max_connections_per_guest = 1000;
        config.timeouts.http_request *= 100;
        config.timeouts.http_keep_alive *= 100;
        let (metrics, drain) = (Metrics::new(), CancellationToken::new());
        let upstream = agent(Fixed::found(), nova.address, &metrics);
        let proxy = Proxy::new(&config, upstream, metrics.proxy.clone(), &drain).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let origin = Arc::new(Origin::new(realm(), "qrouter-test", None));
        proxy.open(0, listener.into(), origin).unwrap();
        let proxy = Arc::new(proxy);
        let serve = |_| {
            let (end, ended) = oneshot::channel();
            let serving = Arc::clone(&proxy).serve();
            let thread = thread::spawn(move || {
                let runtime = Builder::new_current_thread().enable_all().build();
                runtime.unwrap().block_on(async {
                    tokio::select! {
                        served = serving => served.unwrap(),
                        Ok(()) = ended => {}
                    }
                });
            });
            (end, thread)
        };
        let running = (0..THREADS).map(serve).collect();
        while proxy.listeners.rota.connections().len() < THREADS {
            thread::yield_now();
        }
        Self {
            running,
            proxy,
            address,
            drain,
        }
    }

    /// A guest with a connection on which it has asked once.
    async fn guest(&self) -> TcpStream {
        let mut guest = TcpStream::connect(self.address).await.unwrap();
        ask(&mut guest).await;
        guest
    }

    fn end_one(&mut self) {
        let (end, thread) = self.running.pop().unwrap();
        end.send(()).unwrap();
        thread.join().unwrap();
    }

    fn end(self) {
        self.drain.cancel();
        for (_, thread) in self.running {
            thread.join().unwrap();
        }
    }
}

async fn ask(guest: &mut TcpStream) {
    guest.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    assert!(read_message(guest).await.unwrap().ends_with("hello"));
}

#[tokio::test]
async fn connections_are_spread_evenly_whether_they_come_at_once_or_not() {
    let nova = Scripted::constant("hello").await;
    for at_once in [false, true] {
        let threads = Threads::before(&nova);
        let mut guests = Vec::new();
        for _ in 0..CONNECTIONS {
            guests.push(match at_once {
                false => threads.guest().await,
                true => TcpStream::connect(threads.address).await.unwrap(),
            });
        }
        for guest in &mut guests {
            ask(guest).await;
        }
        let connections = threads.proxy.listeners.rota.connections();
        assert_eq!(connections.iter().sum::<usize>(), CONNECTIONS);
        let share = CONNECTIONS / THREADS;
        let is_even = |count: &usize| count.abs_diff(share) <= 2;
        assert!(connections.iter().all(is_even), "{connections:?}");
        drop(guests);
        threads.end();
    }
}

#[tokio::test]
async fn who_comes_is_accepted_whichever_thread_has_ended() {
    let nova = Scripted::constant("hello").await;
    let mut threads = Threads::before(&nova);
    while threads.running.len() > 1 {
        let _guests = [threads.guest().await, threads.guest().await];
        threads.end_one();
        threads.guest().await;
    }
    threads.end();
}
