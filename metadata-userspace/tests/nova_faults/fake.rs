//! Something at Nova's address that behaves as a test says.

#[path = "../support/listening.rs"]
mod listening;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Result;

use listening::end_listening;

/// Answers each request after `delay`; ended on drop.
pub(crate) struct Fake {
    port: u16,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    answer: Vec<u8>,
    delay: Duration,
    requests: AtomicUsize,
    ended: AtomicBool,
    streams: Mutex<Vec<TcpStream>>,
}

impl Fake {
    /// `answer`: what it writes, head and all; nothing is a connection closed.
    pub(crate) fn start(port: u16, answer: &str, delay: Duration) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let shared = Arc::new(Shared {
            answer: answer.as_bytes().to_vec(),
            delay,
            requests: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
            streams: Mutex::default(),
        });
        let accepting = thread::spawn({
            let shared = Arc::clone(&shared);
            move || accept(&listener, &shared)
        });
        Ok(Self {
            port,
            shared,
            accepting: Some(accepting),
        })
    }

    pub(crate) fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    thread::scope(|scope| {
        for stream in listener.incoming().flatten() {
            if shared.ended.load(Ordering::SeqCst) {
                break;
            }
            if let Ok(kept) = stream.try_clone() {
                let mut streams = shared
                    .streams
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                streams.push(kept);
            }
            scope.spawn(|| converse(stream, shared));
        }
        if let Err(error) = end_listening(listener) {
            eprintln!("warning: a fake goes on listening: {error}");
        }
    });
}

fn converse(mut stream: TcpStream, shared: &Shared) {
    let mut request = Vec::new();
    let mut byte = [0];
    while let Ok(1) = stream.read(&mut byte) {
        request.extend(byte);
        if !request.ends_with(b"\r\n\r\n") {
            continue;
        }
        request.clear();
        shared.requests.fetch_add(1, Ordering::SeqCst);
        thread::sleep(shared.delay);
        let _it_may_have_left = stream.write_all(&shared.answer);
        if shared.answer.is_empty() {
            let _it_may_have_left = stream.shutdown(Shutdown::Both);
            return;
        }
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        let streams = &self.shared.streams;
        for stream in streams
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .drain(..)
        {
            let _it_may_have_left = stream.shutdown(Shutdown::Both);
        }
        // Wakes the thread, which then finds that it is over.
        let _nobody = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        if let Some(accepting) = self.accepting.take() {
            let _panicked = accepting.join();
        }
    }
}

/// A whole answer.
pub(crate) fn answer(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}")
}
