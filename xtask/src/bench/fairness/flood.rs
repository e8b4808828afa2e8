//! What a guest can do to others, in its namespace.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow};
use nix::libc;

use super::crowd::{self, Habit};
use super::rates::Pace;
use super::syns;
use crate::bench::nginx;
use crate::lab::guest::{Guest, METADATA};

const THREADS: usize = 32;
const REQUESTS_PER_SECOND: u32 = 20_000;
const BODIES_PER_SECOND: u32 = 1_000;
/// Below metadatad's `max_body_size`, so that it is passed on.
const BODY: usize = 64_000;
const PATIENCE: Duration = Duration::from_secs(1);

/// A kind of flood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flood {
    None,
    /// From spoofed ports, with nothing behind them.
    Syns,
    /// Heads that come a byte a second.
    SlowHeads,
    /// Answers that are hardly read.
    SlowReads,
    /// New connections, each held as long as it lasts.
    Connections,
    /// Posts as large as they may be.
    LargeBodies,
    /// Requests as fast as they are answered.
    Requests,
}

impl Flood {
    /// None comes first: the others are compared with it.
    pub(super) const ALL: [Self; 7] = [
        Self::None,
        Self::Syns,
        Self::SlowHeads,
        Self::SlowReads,
        Self::Connections,
        Self::LargeBodies,
        Self::Requests,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::None => "no flood",
            Self::Syns => "SYNs",
            Self::SlowHeads => "slow heads",
            Self::SlowReads => "slow reads",
            Self::Connections => "connections",
            Self::LargeBodies => "large bodies",
            Self::Requests => "requests",
        }
    }

    /// Floods until it is over; `done` counts what was sent.
    ///
    /// # Errors
    /// When the flood cannot be made.
    pub(super) fn run(self, guest: &Guest, over: &AtomicBool, done: &AtomicU64) -> Result<()> {
        let crowd = |habit| {
            guest.namespace().enter(|| {
                be_nice();
                crowd::gather(habit, over, done)
            })?
        };
        match self {
            Self::None => Ok(()),
            Self::Syns => guest.namespace().enter(|| {
                be_nice();
                syns::send(guest.address, over, done)
            })?,
            Self::SlowHeads => crowd(Habit::SlowHeads),
            Self::SlowReads => crowd(Habit::SlowReads),
            Self::Connections => crowd(Habit::Silent),
            Self::LargeBodies => {
                let head = format!(
                    "POST /openstack/2013-04-04/password HTTP/1.1\r\nHost: x\r\n\
                     Content-Length: {BODY}\r\n\r\n"
                );
                let request = [head.as_bytes(), vec![b'x'; BODY].as_slice()].concat();
                by_threads(guest, &request, BODIES_PER_SECOND, over, done)
            }
            Self::Requests => {
                let request = b"GET /openstack/latest/meta_data.json HTTP/1.1\r\nHost: x\r\n\r\n";
                by_threads(guest, request, REQUESTS_PER_SECOND, over, done)
            }
        }
    }
}

/// Connections that ask again as soon as they are answered, up to a rate.
fn by_threads(
    guest: &Guest,
    request: &[u8],
    per_second: u32,
    over: &AtomicBool,
    done: &AtomicU64,
) -> Result<()> {
    let pace = Pace::new(per_second);
    thread::scope(|scope| {
        let work = || {
            guest.namespace().enter(|| {
                be_nice();
                while !over.load(Ordering::Relaxed) {
                    // Whatever ends a connection, the flood goes on with another.
                    let _ = keep_asking(request, &pace, over, done);
                    thread::sleep(Duration::from_millis(1));
                }
            })
        };
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            thread.join().map_err(|_| anyhow!("a flood panicked"))??;
        }
        Ok(())
    })
}

fn keep_asking(
    request: &[u8],
    pace: &Pace,
    over: &AtomicBool,
    done: &AtomicU64,
) -> std::io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&METADATA.into(), PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let length = nginx::answer().len();
    let mut answer = vec![0; 16 * 1024];
    while !over.load(Ordering::Relaxed) {
        pace.wait();
        stream.write_all(request)?;
        // Head and body together are a bit longer than the body.
        let mut read = 0;
        while read < length {
            match stream.read(&mut answer)? {
                0 => return Ok(()),
                more => read += more,
            }
        }
        done.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

/// The lowest priority, for this thread and those that it makes: others come first
/// wherever there is a choice.
fn be_nice() {
    // SAFETY: the call takes no pointers; 0 is the calling thread (setpriority(2)).
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 19) };
}
