//! A guest that asks at a steady rate, whether answers come or not.
//!
//! A generator that waits for each answer asks less when answers are late, and so hides
//! how late the next one would have been. Here each request has a time at which it is
//! due, and its latency counts from there.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::prctl;
use nix::sys::time::TimeSpec;

use crate::bench::load;
use crate::bench::nginx;
use crate::bench::statistics::percentile;
use crate::lab::guest::{Guest, METADATA};

/// Longer than any proxy lets a guest wait.
const LIMIT: Duration = Duration::from_secs(40);

/// At the beginning, when connections are new and nothing is warm.
const UNCOUNTED: Duration = Duration::from_millis(300);

/// How fast to ask.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    pub(super) connections: usize,
    /// Requests a second; as many as are answered, when there is none.
    pub(super) rate: Option<f64>,
    pub(super) time: Duration,
}

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paced {
    /// Answers a second.
    pub(super) rate: f64,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
}

/// Asks from as many threads as there are processors, as wrk does.
///
/// # Errors
/// When a request gets no whole answer, or another than nginx's.
pub(super) fn ask(guest: &Guest, pace: Pace) -> Result<Paced> {
    let threads = thread::available_parallelism()?.get().min(pace.connections);
    let share = |rate: f64| rate / f64::from(u32::try_from(threads).unwrap_or(u32::MAX));
    let each = Pace {
        connections: pace.connections / threads,
        rate: pace.rate.map(share),
        time: pace.time,
    };
    let took = thread::scope(|scope| {
        let asking: Vec<_> = (0..threads)
            .map(|number| scope.spawn(move || guest.namespace().enter(|| asked(number, each))?))
            .collect();
        let took = asking.into_iter().map(|thread| match thread.join() {
            Ok(took) => took,
            Err(_) => bail!("the load generator panicked"),
        });
        took.collect::<Result<Vec<_>>>()
    })?;
    let mut took = took.concat();
    took.sort_by(f64::total_cmp);
    #[allow(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
    let answers = took.len() as f64;
    Ok(Paced {
        rate: answers / pace.time.saturating_sub(UNCOUNTED).as_secs_f64(),
        p50_us: percentile(&took, 50),
        p99_us: percentile(&took, 99),
    })
}

/// One thread's part: the latencies in microseconds.
fn asked(number: usize, pace: Pace) -> Result<Vec<f64>> {
    // The kernel would wake us up to 50 µs late, to save wake-ups.
    prctl::set_timerslack(1)?;
    let mut crowd = Crowd::connect(number, pace.connections)?;
    let step = pace.rate.map(|rate| Duration::from_secs_f64(1.0 / rate));
    let started = Instant::now();
    let (mut due, mut took) = (Duration::ZERO, Vec::new());
    loop {
        let now = started.elapsed();
        if step.is_none() {
            due = now;
        }
        while due <= now && due < pace.time && crowd.ask(due)? {
            due += step.unwrap_or_default();
        }
        let is_over = due >= pace.time;
        if is_over && crowd.is_idle() {
            return Ok(took);
        }
        ensure!(now < pace.time + LIMIT, "no answer within {LIMIT:?}");
        let until_next = match crowd.is_busy() || is_over {
            true => LIMIT,
            false => due.saturating_sub(started.elapsed()),
        };
        crowd.wait(until_next, |asked| {
            if asked >= UNCOUNTED {
                let late = started.elapsed().saturating_sub(asked);
                took.push(late.as_secs_f64() * 1e6);
            }
        })?;
    }
}

/// The connections of a thread.
struct Crowd {
    connections: Vec<Connection>,
    answers: Epoll,
    idle: Vec<usize>,
    requests: Vec<Vec<u8>>,
    asked: usize,
    answer: String,
}

struct Connection {
    stream: TcpStream,
    /// When the request was due that is on its way.
    due: Option<Duration>,
    received: Vec<u8>,
}

impl Crowd {
    fn connect(number: usize, connections: usize) -> Result<Self> {
        let answers = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let connect = |index| {
            let stream = TcpStream::connect(METADATA).context("cannot connect")?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let event = EpollEvent::new(EpollFlags::EPOLLIN, u64::try_from(index)?);
            answers.add(&stream, event)?;
            Ok(Connection {
                stream,
                due: None,
                received: Vec::with_capacity(4096),
            })
        };
        Ok(Self {
            connections: (0..connections).map(connect).collect::<Result<_>>()?,
            answers,
            idle: (0..connections).collect(),
            requests: load::requests(number),
            asked: 0,
            answer: nginx::answer(),
        })
    }

    fn is_idle(&self) -> bool {
        self.idle.len() == self.connections.len()
    }

    /// Whether no connection is free.
    fn is_busy(&self) -> bool {
        self.idle.is_empty()
    }

    /// Whether a connection was free for the request.
    fn ask(&mut self, due: Duration) -> Result<bool> {
        let Some(connection) = self
            .idle
            .pop()
            .and_then(|index| self.connections.get_mut(index))
        else {
            return Ok(false);
        };
        let next = self.asked % self.requests.len().max(1);
        let request = self.requests.get(next).context("there is no request")?;
        let sent = connection.stream.write(request).context("cannot send")?;
        ensure!(sent == request.len(), "a request did not fit into a buffer");
        connection.due = Some(due);
        self.asked += 1;
        Ok(true)
    }

    /// Waits for answers; `answered` hears when each request was due.
    fn wait(&mut self, limit: Duration, mut answered: impl FnMut(Duration)) -> Result<()> {
        // epoll counts in milliseconds.
        let mut any = [PollFd::new(self.answers.0.as_fd(), PollFlags::POLLIN)];
        ppoll(&mut any, Some(TimeSpec::from(limit)), None)?;
        let mut events = [EpollEvent::empty(); 64];
        let count = self.answers.wait(&mut events, EpollTimeout::ZERO)?;
        for event in events.iter().take(count) {
            let index = usize::try_from(event.data())?;
            let connection = self.connections.get_mut(index);
            let connection = connection.context("there is no such connection")?;
            if let Some(due) = connection.read(&self.answer)? {
                answered(due);
                self.idle.push(index);
            }
        }
        Ok(())
    }
}

impl Connection {
    /// When the request was due whose answer is here to the last byte.
    fn read(&mut self, answer: &str) -> Result<Option<Duration>> {
        let mut buffer = [0; 4096];
        let count = match self.stream.read(&mut buffer) {
            Ok(0) => bail!("a keep-alive connection was closed"),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error).context("cannot receive"),
        };
        self.received.extend(buffer.iter().take(count));
        if !self.received.ends_with(answer.as_bytes()) {
            return Ok(None);
        }
        ensure!(
            self.received.starts_with(b"HTTP/1.1 200 "),
            "an answer is not 200"
        );
        self.received.clear();
        Ok(self.due.take())
    }
}
