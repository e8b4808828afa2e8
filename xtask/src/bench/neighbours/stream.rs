//! One TCP connection from guest to guest, both ends of which a single thread serves by
//! turns, so that this runs on one processor too.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::clock::Clock;
use super::lanes::Lane;

const KIB: usize = 1024;
/// Some 20 ms.
const BURST: usize = 128 * KIB * KIB;
const CHUNK: usize = 256 * KIB;
const LIMIT: Duration = Duration::from_secs(10);

/// A connection that is open all the time.
pub(super) struct Stream {
    near: TcpStream,
    far: TcpStream,
    chunk: Vec<u8>,
    clock: Clock,
}

impl Stream {
    /// # Errors
    /// When there is no connection between the guests.
    pub(super) fn open(lane: &Lane, clock: Clock) -> Result<Self> {
        let listen = || TcpListener::bind((lane.far.address, 0));
        let listener = lane.far.namespace().enter(listen)??;
        let near = lane.near.connect_to(listener.local_addr()?)?;
        let (far, _) = listener.accept()?;
        near.set_nonblocking(true)?;
        far.set_nonblocking(true)?;
        Ok(Self {
            near,
            far,
            chunk: vec![0; CHUNK],
            clock,
        })
    }

    /// Nanoseconds for each KiB of a burst.
    ///
    /// # Errors
    /// When the connection stalls or ends.
    pub(super) fn burst(&mut self) -> Result<f64> {
        let deadline = Instant::now() + LIMIT;
        let began = self.clock.now()?;
        let (mut sent, mut received) = (0, 0);
        while received < BURST {
            if sent < BURST {
                sent += now_or_nothing(self.near.write(&self.chunk))?;
            }
            received += now_or_nothing(self.far.read(&mut self.chunk))?;
            if Instant::now() > deadline {
                bail!("a TCP connection between guests stalls");
            }
        }
        let time = self.clock.now()?.saturating_sub(began);
        #[allow(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
        Ok(time.as_secs_f64() * 1e9 / (received / KIB) as f64)
    }
}

fn now_or_nothing(result: io::Result<usize>) -> io::Result<usize> {
    match result {
        Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        other => other,
    }
}
