//! Guests that go on asking, and what became of it.

use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use xtask::lab::guest::Guest;
use xtask::lab::http;

use crate::DOCUMENT;

/// Half of them with a connection for each request.
const CLIENTS: usize = 4;
const PAUSE: Duration = Duration::from_millis(2);

/// What guests met.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) answered: usize,
    pub(crate) failed: Vec<String>,
    pub(crate) slowest: Duration,
}

/// Has a guest ask while `act` runs.
pub(crate) fn during(guest: &Guest, act: impl FnOnce() -> Result<()>) -> Result<Tally> {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let done = &done;
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| scope.spawn(move || ask_until(done, guest, number % 2 == 0)))
            .collect();
        let acted = {
            let _done = SetOnDrop(done);
            act()
        };
        let mut all = Tally::default();
        for client in clients {
            let tally = client.join().map_err(|_| anyhow!("a client panicked"))?;
            all.answered += tally.answered;
            all.failed.extend(tally.failed);
            all.slowest = all.slowest.max(tally.slowest);
        }
        acted.map(|()| all)
    })
}

/// Also when what happens meanwhile panics.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

fn ask_until(done: &AtomicBool, guest: &Guest, keep_alive: bool) -> Tally {
    let mut tally = Tally::default();
    let mut kept = None;
    while !done.load(Relaxed) {
        let start = Instant::now();
        match ask(guest, kept.take()) {
            Ok(stream) => {
                tally.answered += 1;
                kept = stream.filter(|_| keep_alive);
            }
            Err(error) => tally.failed.push(format!("{error:#}")),
        }
        tally.slowest = tally.slowest.max(start.elapsed());
        thread::sleep(PAUSE);
    }
    tally
}

/// One request, on the connection that is kept if there is one. A server may close a
/// connection that rests at any time; then a client asks again on a new one (RFC 9112,
/// 9.3.1). Nothing else may fail.
fn ask(guest: &Guest, kept: Option<TcpStream>) -> Result<Option<TcpStream>> {
    if let Some(mut stream) = kept
        && let Ok(response) = http::get(&mut stream, DOCUMENT, "")
    {
        ensure!(response.status == 200, "{response:?}");
        return Ok(goes_on(&response).then_some(stream));
    }
    let mut stream = guest.connect()?;
    let response = http::get(&mut stream, DOCUMENT, "").context("on a new connection")?;
    ensure!(response.status == 200, "{response:?}");
    Ok(goes_on(&response).then_some(stream))
}

fn goes_on(response: &http::Response) -> bool {
    response.header("connection") != Some("close")
}
