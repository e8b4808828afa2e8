//! A client that keeps its connection, and knows which ends of one it must put up with.

use std::io::{self, ErrorKind};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::http::{self, Response};

/// A server that closes a connection that rests has closed it before it reads what crosses
/// with that. One that takes a request, and closes the connection so much later, owed an
/// answer.
pub(crate) const CROSSED_WITHIN: Duration = Duration::from_secs(1);

const KEPT: &str = "on a kept connection";

/// Asks on the connection that it has kept, if it has.
#[derive(Debug, Default)]
pub struct Client {
    kept: Option<TcpStream>,
}

/// A request that was answered with 200.
#[derive(Clone, Copy, Debug)]
pub struct Answered {
    /// When it turned out that the kept connection had ended, and the request was sent
    /// again on a new one.
    pub sent_again: Option<Instant>,
}

impl Client {
    /// GET. A server may close a connection that rests at any time; a client whose request
    /// met that asks again on a new one (RFC 9112, 9.3.1). Nothing else is tried again.
    ///
    /// # Errors
    /// When there is no connection, or it ends once an answer has begun or is owed, or the
    /// answer is malformed or not 200.
    pub fn get(
        &mut self,
        path: &str,
        connect: impl FnOnce() -> Result<TcpStream>,
    ) -> Result<Answered> {
        let mut sent_again = None;
        if let Some(mut stream) = self.kept.take() {
            if begins_to_answer(&mut stream, path).context(KEPT)? {
                let response = http::read_response(&mut stream).context(KEPT)?;
                return self.judge(stream, &response, None);
            }
            sent_again = Some(Instant::now());
        }
        let mut stream = connect()?;
        let response = http::get(&mut stream, path, "").context("on a new connection")?;
        self.judge(stream, &response, sent_again)
    }

    /// Does not keep the connection.
    pub fn close(&mut self) {
        self.kept = None;
    }

    fn judge(
        &mut self,
        stream: TcpStream,
        response: &Response,
        sent_again: Option<Instant>,
    ) -> Result<Answered> {
        ensure!(response.status == 200, "{response:?}");
        let goes_on = response.header("connection") != Some("close");
        self.kept = goes_on.then_some(stream);
        Ok(Answered { sent_again })
    }
}

/// Sends a request; `false` if the connection ended before any byte of an answer, and
/// nothing was owed.
fn begins_to_answer(stream: &mut TcpStream, path: &str) -> io::Result<bool> {
    let sent = Instant::now();
    match http::send(stream, path, "").and_then(|()| first_byte(stream)) {
        Ok(()) => Ok(true),
        Err(error) if !http::is_end(error.kind()) => Err(error),
        Err(_) if sent.elapsed() < CROSSED_WITHIN => Ok(false),
        Err(error) => {
            let what = format!("{error} {:?} after a request", sent.elapsed());
            Err(io::Error::new(error.kind(), what))
        }
    }
}

/// Waits for it, and leaves it where it is.
fn first_byte(stream: &TcpStream) -> io::Result<()> {
    loop {
        match stream.peek(&mut [0]) {
            Ok(0) => {
                return Err(io::Error::new(
                    ErrorKind::UnexpectedEof,
                    "the connection ended",
                ));
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => return other.map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    const WHOLE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

    /// Asks twice of a server that answers once, and says `second` after so long when it is
    /// asked again; on any later connection it answers.
    fn ask_twice(second: &'static str, after: Duration) -> Result<Answered> {
        let server = TcpListener::bind("127.0.0.1:0")?;
        let address = server.local_addr()?;
        let connect = || Ok(TcpStream::connect(address)?);
        thread::scope(|scope| {
            scope.spawn(move || -> Result<()> {
                let (mut stream, _) = server.accept()?;
                let _ = stream.read(&mut [0; 1024])?;
                stream.write_all(WHOLE.as_bytes())?;
                let _ = stream.read(&mut [0; 1024])?;
                thread::sleep(after);
                stream.write_all(second.as_bytes())?;
                drop(stream);
                let (mut stream, _) = server.accept()?;
                let _ = stream.read(&mut [0; 1024])?;
                Ok(stream.write_all(WHOLE.as_bytes())?)
            });
            let mut client = Client::default();
            client.get("/", connect)?;
            let second = client.get("/", connect);
            // So that the server ends.
            let _ = TcpStream::connect(address);
            second
        })
    }

    #[test]
    fn what_crossed_the_end_of_a_kept_connection_is_sent_again() -> Result<()> {
        assert!(ask_twice("", Duration::ZERO)?.sent_again.is_some());
        assert!(ask_twice(WHOLE, Duration::ZERO)?.sent_again.is_none());
        Ok(())
    }

    #[test]
    fn nothing_else_is_tried_again() {
        let truncated = ask_twice(
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nok",
            Duration::ZERO,
        );
        assert!(truncated.is_err_and(|error| http::is_cut_off(&error)));
        let malformed = ask_twice("what?\r\n\r\n", Duration::ZERO);
        assert!(malformed.is_err_and(|error| !http::is_cut_off(&error)));
        let wrong = ask_twice(
            "HTTP/1.1 503 X\r\ncontent-length: 0\r\n\r\n",
            Duration::ZERO,
        );
        assert!(wrong.is_err_and(|error| !http::is_cut_off(&error)));
        let owed = ask_twice("", CROSSED_WITHIN);
        assert!(owed.is_err_and(|error| http::is_cut_off(&error)));
    }
}
