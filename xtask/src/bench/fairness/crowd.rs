//! Many connections of one guest that do little, held by one thread.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, connect, setsockopt, socket, sockopt,
};

use crate::bench::nginx;
use crate::lab::guest::METADATA;

/// More than the 1024 that Neutron's haproxy serves at a time.
const MOST: usize = 1_500;
const NEW_PER_TICK: usize = 20;
const TICK: Duration = Duration::from_millis(10);
/// Of each connection.
const EVERY: Duration = Duration::from_secs(1);

/// What the connections do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Habit {
    Silent,
    SlowHeads,
    SlowReads,
}

/// Holds as many connections as it gets, until it is over; `done` counts them.
///
/// # Errors
/// When no socket can be made.
pub(super) fn gather(habit: Habit, over: &AtomicBool, done: &AtomicU64) -> Result<()> {
    let mut crowd: VecDeque<(Instant, TcpStream)> = VecDeque::new();
    while !over.load(Ordering::Relaxed) {
        let tick = Instant::now();
        for _ in 0..NEW_PER_TICK {
            if crowd.len() >= MOST && habit != Habit::Silent {
                break;
            }
            if crowd.len() >= MOST {
                crowd.pop_front();
            }
            crowd.push_back((tick, open(habit)?));
            done.fetch_add(1, Ordering::Relaxed);
        }
        act(habit, &mut crowd, tick);
        thread::sleep(TICK.saturating_sub(tick.elapsed()));
    }
    Ok(())
}

/// Lets those whose turn it is do what they do; those that were ended are forgotten.
fn act(habit: Habit, crowd: &mut VecDeque<(Instant, TcpStream)>, now: Instant) {
    if habit == Habit::Silent {
        return;
    }
    while let Some((turn, _)) = crowd.front()
        && *turn <= now
    {
        let Some((_, mut stream)) = crowd.pop_front() else {
            return;
        };
        if act_once(habit, &mut stream) {
            crowd.push_back((now + EVERY, stream));
        }
    }
}

/// Whether the connection is still there.
fn act_once(habit: Habit, stream: &mut TcpStream) -> bool {
    let result = match habit {
        Habit::Silent => Ok(1),
        Habit::SlowHeads => stream.write(b"G"),
        Habit::SlowReads => {
            let request = format!("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", nginx::LARGE);
            let _ = stream.write(request.as_bytes());
            stream.read(&mut [0; 16])
        }
    };
    match result {
        Ok(count) => count > 0,
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    }
}

fn open(habit: Habit) -> Result<TcpStream> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(AddressFamily::Inet, SockType::Stream, flags, None).context("no socket")?;
    if habit == Habit::SlowReads {
        setsockopt(&fd, sockopt::RcvBuf, &4096)?;
    }
    match connect(fd.as_raw_fd(), &SockaddrIn::from(METADATA)) {
        Ok(()) | Err(Errno::EINPROGRESS) => Ok(TcpStream::from(fd)),
        Err(error) => Err(error).context("cannot connect"),
    }
}
