//! A Nova that answers when it is allowed to.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::testing::{ok, read_message};

/// Takes requests at once; each answer needs a permit.
pub(super) struct Gated {
    pub(super) address: SocketAddr,
    state: Arc<State>,
}

struct State {
    requests: AtomicUsize,
    permits: Semaphore,
    answer: Mutex<Vec<u8>>,
}

impl Gated {
    /// Answers 200 with `body`.
    pub(super) async fn start(body: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            requests: AtomicUsize::new(0),
            permits: Semaphore::new(0),
            answer: Mutex::new(ok(body)),
        });
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(converse(stream, Arc::clone(&shared)));
            }
        });
        Self { address, state }
    }

    /// Answers this from now on.
    pub(super) fn answer(&self, answer: Vec<u8>) {
        *self.state.answer.lock().unwrap() = answer;
    }

    /// Lets so many answers out.
    pub(super) fn permit(&self, answers: usize) {
        self.state.permits.add_permits(answers);
    }

    /// Lets every answer out from now on.
    pub(super) fn open(&self) {
        self.permit(Semaphore::MAX_PERMITS / 2);
    }

    /// Holds every answer back from now on.
    pub(super) fn hang(&self) {
        self.state
            .permits
            .forget_permits(self.state.permits.available_permits());
    }

    pub(super) fn requests(&self) -> usize {
        self.state.requests.load(Ordering::SeqCst)
    }

    pub(super) async fn wait_for_requests(&self, count: usize) {
        for _ in 0..2000 {
            if self.requests() >= count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("{} requests of {count}", self.requests());
    }
}

async fn converse(mut stream: TcpStream, state: Arc<State>) {
    while read_message(&mut stream).await.is_some() {
        state.requests.fetch_add(1, Ordering::SeqCst);
        state.permits.acquire().await.unwrap().forget();
        let answer = state.answer.lock().unwrap().clone();
        if stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}
