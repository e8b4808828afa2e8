//! HTTP as cloud-init's requests library speaks it.

use std::io::{self, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::lab::http::{self, Response};

/// `url_timeout` of cloud-init (sources/__init__.py), to connect and for each read.
const TIMEOUT: Duration = Duration::from_secs(10);

const CONTINUE: u16 = 100;

const HEADERS: &str = "User-Agent: Cloud-Init/25.3\r\nAccept-Encoding: gzip, deflate\r\n\
                       Accept: */*\r\nConnection: keep-alive\r\n";

/// Who is asked, and what goes with each request.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) address: SocketAddr,
    /// Header lines, each with its end.
    pub(super) headers: String,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// No connection came about.
    NoConnection,
    TimedOut,
    /// The connection ended before the answer.
    Lost,
}

/// What `requests.Session` is: a connection that is used again while it lasts. Each of
/// cloud-init's `readurl` has one (url_helper.py), for its first try and the further ones.
pub(super) struct Session<'a> {
    target: &'a Target,
    connection: Option<BufReader<TcpStream>>,
    /// How many `100 Continue` came.
    pub(super) interim: u64,
}

impl<'a> Session<'a> {
    pub(super) fn with(target: &'a Target) -> Self {
        Self {
            target,
            connection: None,
            interim: 0,
        }
    }

    pub(super) fn get(&mut self, path: &str) -> Result<Response, Failure> {
        if let Some(connection) = self.connection.take() {
            match self.ask(connection, path) {
                // The server closed it meanwhile.
                Err(Failure::Lost) => {}
                outcome => return outcome,
            }
        }
        let connected = TcpStream::connect_timeout(&self.target.address, TIMEOUT);
        let stream = connected.map_err(|error| match failure(&error) {
            Failure::TimedOut => Failure::TimedOut,
            _ => Failure::NoConnection,
        })?;
        if http::set_timeouts(&stream, TIMEOUT).is_err() {
            return Err(Failure::NoConnection);
        }
        self.ask(BufReader::new(stream), path)
    }

    fn ask(
        &mut self,
        mut connection: BufReader<TcpStream>,
        path: &str,
    ) -> Result<Response, Failure> {
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: 169.254.169.254\r\n{HEADERS}{}\r\n",
            self.target.headers
        );
        let sent = connection.get_mut().write_all(head.as_bytes());
        sent.map_err(|error| failure(&error))?;
        let response = self.read_response(&mut connection)?;
        let closes = response
            .header("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"));
        if !closes {
            self.connection = Some(connection);
        }
        Ok(response)
    }

    /// As Python's http.client does (`begin`): each of its reads may take the whole
    /// time-out, and 100 is passed over; any other status is the answer.
    fn read_response(
        &mut self,
        connection: &mut BufReader<TcpStream>,
    ) -> Result<Response, Failure> {
        loop {
            let response = http::read_response(connection).map_err(|error| {
                let cause = error.chain().find_map(|cause| cause.downcast_ref());
                cause.map_or(Failure::Lost, failure)
            })?;
            if response.status != CONTINUE {
                return Ok(response);
            }
            self.interim += 1;
        }
    }
}

fn failure(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Failure::TimedOut,
        _ => Failure::Lost,
    }
}
