//! A small HTTP/1.1 client that sends exactly what a test says.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result};

/// A whole response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    /// Names in lower case, in the order received.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    /// The body, wrong UTF-8 replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// When it is not JSON.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_slice(&self.body)
            .with_context(|| format!("status {}, not JSON: {}", self.status, self.text()))
    }

    /// The first header of this lower-case name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(candidate, _)| candidate == name)
            .map(|(_, value)| value.as_str())
    }
}

/// A silent peer is an error, not a hang.
///
/// # Errors
/// When the socket refuses.
pub fn set_timeouts(stream: &TcpStream, limit: Duration) -> Result<()> {
    stream.set_read_timeout(Some(limit))?;
    Ok(stream.set_write_timeout(Some(limit))?)
}

/// Sends a GET with further header lines (each ended by CRLF) and reads the
/// response; the connection stays usable.
///
/// # Errors
/// When the connection fails or the response is malformed.
pub fn get(stream: &mut (impl Read + Write), path: &str, headers: &str) -> Result<Response> {
    send(stream, path, headers)?;
    read_response(stream)
}

/// Sends a GET alone.
///
/// # Errors
/// When the connection fails.
pub fn send(stream: &mut impl Write, path: &str, headers: &str) -> io::Result<()> {
    let head = format!("GET {path} HTTP/1.1\r\nHost: 169.254.169.254\r\n{headers}\r\n");
    stream.write_all(head.as_bytes())
}

/// Whether an established connection ended, by an end or a reset, before an answer was
/// whole; not so a silent peer, a refused connection or a malformed answer.
#[must_use]
pub fn is_cut_off(error: &anyhow::Error) -> bool {
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref());
    causes.any(|cause: &io::Error| is_end(cause.kind()))
}

/// Whether it says that the peer has ended the connection.
pub(super) fn is_end(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
    )
}

/// Reads one response, however it is framed.
///
/// # Errors
/// When the connection ends early, or the response is malformed.
pub fn read_response(stream: &mut impl Read) -> Result<Response> {
    let mut response = read_head(stream)?;
    let chunked = response.header("transfer-encoding") == Some("chunked");
    let length = response.header("content-length").map(str::parse::<usize>);
    response.body = match length {
        _ if chunked => read_chunks(stream)?,
        Some(length) => read_exactly(stream, length?)?,
        None if matches!(response.status, 100..=199 | 204 | 304) => Vec::new(),
        None => {
            let mut body = Vec::new();
            stream.read_to_end(&mut body)?;
            body
        }
    };
    Ok(response)
}

/// Reads the head of a response that has no body, whatever it says: to HEAD.
///
/// # Errors
/// When the connection ends early, or the response is malformed.
pub fn read_head(stream: &mut impl Read) -> Result<Response> {
    parse_head(&read_until(stream, b"\r\n\r\n")?)
}

fn parse_head(head: &[u8]) -> Result<Response> {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.trim_end().split("\r\n");
    let status_line = lines.next().unwrap_or_default();
    let status = status_line
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.get(2..5))
        .and_then(|code| code.parse().ok())
        .with_context(|| format!("not a status line: {status_line}"))?;
    let headers = lines
        .map(|line| {
            let (name, value) = line
                .split_once(':')
                .with_context(|| format!("not a header: {line}"))?;
            Ok((name.to_ascii_lowercase(), value.trim().to_owned()))
        })
        .collect::<Result<_>>()?;
    Ok(Response {
        status,
        headers,
        body: Vec::new(),
    })
}

/// Byte by byte, so that what follows stays in the socket.
fn read_until(stream: &mut impl Read, end: &[u8]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(end) {
        let mut byte = [0];
        match stream.read(&mut byte) {
            Ok(0) => {
                let what = format!(
                    "the connection ended after {:?}",
                    String::from_utf8_lossy(&bytes)
                );
                return Err(io::Error::new(ErrorKind::UnexpectedEof, what).into());
            }
            Ok(_) => bytes.extend(byte),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error).context("while reading a response"),
        }
    }
    Ok(bytes)
}

fn read_exactly(stream: &mut impl Read, length: usize) -> Result<Vec<u8>> {
    let mut body = vec![0; length];
    stream
        .read_exact(&mut body)
        .context("while reading a body")?;
    Ok(body)
}

fn read_chunks(stream: &mut impl Read) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = read_until(stream, b"\r\n")?;
        let size = String::from_utf8_lossy(&line);
        let size = usize::from_str_radix(size.trim_end(), 16)
            .with_context(|| format!("not a chunk size: {size}"))?;
        body.extend(read_exactly(stream, size)?);
        read_until(stream, b"\r\n")?;
        if size == 0 {
            return Ok(body);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_response_with_a_length_leaves_the_next_one_in_the_stream() {
        let mut stream: &[u8] = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nnoHTTP/1.1";
        let response = read_response(&mut stream).unwrap();
        assert_eq!((response.status, response.text().as_str()), (404, "no"));
        assert_eq!(stream, b"HTTP/1.1");
    }

    #[test]
    fn chunks_are_joined() {
        let mut stream: &[u8] =
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n";
        assert_eq!(read_response(&mut stream).unwrap().text(), "abcd");
    }

    #[test]
    fn a_body_that_ends_early_is_an_error() {
        let mut stream: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabc";
        assert!(read_response(&mut stream).is_err());
    }
}
