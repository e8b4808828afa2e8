//! A guest whose requests are due at fixed times, whatever became of those before.

use std::collections::VecDeque;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use nix::errno::Errno;
use nix::poll::{PollFd, ppoll};
use nix::sys::time::TimeSpec;

use super::flight::{Flight, Progress};
use crate::lab::client::CROSSED_WITHIN;

/// Connections that a guest keeps.
const KEPT: usize = 8;
const LIMIT: Duration = Duration::from_secs(10);
/// While nothing is due.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A request whose connection ended before its answer did.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    pub(super) sent: Instant,
    pub(super) noticed: Instant,
    pub(super) is_on_kept: bool,
    /// Whether some of its answer had come.
    pub(super) had_begun: bool,
}

impl Cut {
    /// Whether it met the end of a connection that rested, which a server may bring about
    /// at any time, and is to be sent again (RFC 9112, 9.3.1). An answer that is cut off
    /// much later was owed.
    pub(super) fn is_sent_again(&self) -> bool {
        let is_late = self.noticed - self.sent >= CROSSED_WITHIN;
        self.is_on_kept && !self.had_begun && !is_late
    }
}

/// What became of a guest's requests.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    pub(super) answered: Vec<Duration>,
    pub(super) cut_off: Vec<Cut>,
    pub(super) refused: usize,
    pub(super) failed: Vec<String>,
}

impl Log {
    pub(super) fn add(&mut self, other: Self) {
        self.answered.extend(other.answered);
        self.cut_off.extend(other.cut_off);
        self.refused += other.refused;
        self.failed.extend(other.failed);
    }
}

#[derive(Debug, Default)]
struct Client {
    begun: u64,
    flying: Vec<Flight>,
    kept: VecDeque<TcpStream>,
    log: Log,
}

/// Asks from `first` on, until it is over and all is answered.
///
/// # Errors
/// When no socket can be made.
pub(super) fn ask(first: Instant, every: Duration, is_over: &AtomicBool) -> Result<Log> {
    let (mut client, mut due) = (Client::default(), first);
    loop {
        let is_over = is_over.load(Ordering::Relaxed);
        while !is_over && due <= Instant::now() {
            client.begin(due)?;
            due += every;
        }
        if is_over && client.flying.is_empty() {
            return Ok(client.log);
        }
        let idle = due.saturating_duration_since(Instant::now());
        client.proceed(if is_over {
            LOOK_AGAIN
        } else {
            idle.min(LOOK_AGAIN)
        })?;
    }
}

impl Client {
    /// Every second request on a connection that is kept.
    fn begin(&mut self, due: Instant) -> Result<()> {
        self.begun += 1;
        let keeps = self.begun.is_multiple_of(2);
        if keeps && self.kept.len() >= KEPT {
            while let Some(stream) = self.kept.pop_front() {
                if let Some(flight) = Flight::on(stream, due) {
                    self.flying.push(flight);
                    return Ok(());
                }
            }
        }
        self.flying.push(Flight::connect(due, keeps)?);
        Ok(())
    }

    /// Waits until something happens, and goes on with that.
    fn proceed(&mut self, patience: Duration) -> Result<()> {
        let flying = std::mem::take(&mut self.flying);
        let mut fds: Vec<PollFd<'_>> = flying
            .iter()
            .map(Flight::waits_for)
            .map(|(fd, what)| PollFd::new(fd, what))
            .collect();
        match ppoll(&mut fds, Some(TimeSpec::from_duration(patience)), None) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let happened: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(true)).collect();
        for (mut flight, something_happened) in flying.into_iter().zip(happened) {
            match something_happened.then(|| flight.advance()) {
                Some(Progress::Pending) | None => self.wait_for(flight),
                Some(ended) => self.end(&flight, ended)?,
            }
        }
        Ok(())
    }

    fn wait_for(&mut self, flight: Flight) {
        if flight.sent.elapsed() < LIMIT {
            self.flying.push(flight);
        } else {
            self.log.failed.push("no answer within 10 s".to_owned());
        }
    }

    fn end(&mut self, flight: &Flight, ended: Progress) -> Result<()> {
        match ended {
            Progress::Pending => {}
            Progress::Answered(stream) => {
                self.log.answered.push(flight.due.elapsed());
                self.kept.extend(stream);
            }
            Progress::Refused => self.log.refused += 1,
            Progress::Wrong(what) => self.log.failed.push(what),
            Progress::CutOff { had_begun } => {
                let cut = Cut {
                    sent: flight.sent,
                    noticed: Instant::now(),
                    is_on_kept: flight.is_on_kept,
                    had_begun,
                };
                self.log.cut_off.push(cut);
                if cut.is_sent_again() {
                    self.flying.push(Flight::connect(flight.due, flight.keeps)?);
                }
            }
        }
        Ok(())
    }
}
