//! A Nova that answers when it is allowed to.

use std::collections::HashMap;
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
    /// By path; these need no permit.
    at_once: Mutex<HashMap<String, Vec<u8>>>,
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
            at_once: Mutex::default(),
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

    /// Answers this at once to whoever asks for `path`.
    pub(super) fn answer_at_once(&self, path: &str, answer: Vec<u8>) {
        let path = path.to_owned();
        self.state.at_once.lock().unwrap().insert(path, answer);
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
        for _ in 0..10_000 {
            if self.requests() >= count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("{} requests of {count}", self.requests());
    }
}

async fn converse(mut stream: TcpStream, state: Arc<State>) {
    while let Some(request) = read_message(&mut stream).await {
        state.requests.fetch_add(1, Ordering::SeqCst);
        let path = request.split(' ').nth(1).unwrap();
        let at_once = state.at_once.lock().unwrap().get(path).cloned();
        let answer = match at_once {
            Some(answer) => answer,
            None => {
                state.permits.acquire().await.unwrap().forget();
                state.answer.lock().unwrap().clone()
            }
        };
        if stream.write_all(&answer).await.is_err() {
            return;
        }
    }
}
