//! One request on its way.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::Instant;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::poll::PollFlags;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, connect, socket};

use crate::lab::guest::METADATA;

const HEAD_END: &[u8] = b"\r\n\r\n";

/// A request, from when it was due.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) due: Instant,
    pub(super) sent: Instant,
    /// Whether another request was answered on this connection before.
    pub(super) is_on_kept: bool,
    /// Whether the connection is to be kept afterwards.
    pub(super) keeps: bool,
    stream: TcpStream,
    is_connecting: bool,
    answer: Vec<u8>,
}

/// What became of it.
#[derive(Debug)]
pub(super) enum Progress {
    Pending,
    /// Answered with 200, whole; the connection if it goes on.
    Answered(Option<TcpStream>),
    /// There was no connection.
    Refused,
    /// There was one, which ended before the answer did.
    CutOff {
        had_begun: bool,
    },
    Wrong(String),
}

impl Flight {
    /// On a new connection.
    ///
    /// # Errors
    /// When no socket can be made.
    pub(super) fn connect(due: Instant, keeps: bool) -> Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd = socket(AddressFamily::Inet, SockType::Stream, flags, None).context("no socket")?;
        let sent = Instant::now();
        match connect(fd.as_raw_fd(), &SockaddrIn::from(METADATA)) {
            Ok(()) | Err(Errno::EINPROGRESS) => {}
            Err(errno) => return Err(errno).context("cannot connect"),
        }
        Ok(Self {
            due,
            sent,
            is_on_kept: false,
            keeps,
            stream: TcpStream::from(fd),
            is_connecting: true,
            answer: Vec::new(),
        })
    }

    /// On a connection that was kept; `None` if that has ended.
    pub(super) fn on(mut stream: TcpStream, due: Instant) -> Option<Self> {
        let has_ended =
            !matches!(stream.peek(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock);
        let sent = Instant::now();
        if has_ended || write(&mut stream, true).is_err() {
            return None;
        }
        Some(Self {
            due,
            sent,
            is_on_kept: true,
            keeps: true,
            stream,
            is_connecting: false,
            answer: Vec::new(),
        })
    }

    pub(super) fn waits_for(&self) -> (BorrowedFd<'_>, PollFlags) {
        let what = match self.is_connecting {
            true => PollFlags::POLLOUT,
            false => PollFlags::POLLIN,
        };
        (self.stream.as_fd(), what)
    }

    /// Goes on as far as it can.
    pub(super) fn advance(&mut self) -> Progress {
        if self.is_connecting {
            self.is_connecting = false;
            if !matches!(self.stream.take_error(), Ok(None)) {
                return Progress::Refused;
            }
            if write(&mut self.stream, self.keeps).is_err() {
                return Progress::CutOff { had_begun: false };
            }
            return Progress::Pending;
        }
        let mut buffer = [0; 16_384];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(count) if count > 0 => {
                    self.answer
                        .extend_from_slice(buffer.get(..count).unwrap_or_default());
                    if let Some(done) = self.judge() {
                        return done;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Progress::Pending,
                Ok(_) | Err(_) => {
                    let had_begun = !self.answer.is_empty();
                    return Progress::CutOff { had_begun };
                }
            }
        }
    }

    fn judge(&self) -> Option<Progress> {
        let mut ends = self.answer.windows(HEAD_END.len());
        let head_length = ends.position(|end| end == HEAD_END)? + HEAD_END.len();
        let head = String::from_utf8_lossy(self.answer.get(..head_length)?).to_ascii_lowercase();
        if !head.starts_with("http/1.1 200 ") {
            return Some(Progress::Wrong(first_line(&head)));
        }
        let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name));
        let Some(Ok(length)) = field("content-length: ").map(str::parse::<usize>) else {
            return Some(Progress::Wrong("an answer without a length".to_owned()));
        };
        if self.answer.len() < head_length + length {
            return None;
        }
        let goes_on = self.keeps && field("connection: ") != Some("close");
        // What cannot be kept is closed, which is nobody's fault.
        let stream = goes_on.then(|| self.stream.try_clone().ok()).flatten();
        Some(Progress::Answered(stream))
    }
}

fn first_line(head: &str) -> String {
    head.lines().next().unwrap_or_default().to_owned()
}

fn write(stream: &mut TcpStream, keeps: bool) -> std::io::Result<()> {
    let connection = if keeps { "" } else { "Connection: close\r\n" };
    let request = format!(
        "GET /openstack/latest/meta_data.json HTTP/1.1\r\nHost: 169.254.169.254\r\n{connection}\r\n"
    );
    stream.write_all(request.as_bytes())
}
