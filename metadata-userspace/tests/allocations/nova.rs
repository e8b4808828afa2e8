//! A Nova that says the same to everybody.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

/// The body; nothing else ends like it.
pub(crate) const ANSWER: &str = "{\"uuid\": \"5c9b1c1e-0f5e-4d1e-8a6e-2f4c4f5d6e7f\"}";

/// Serves until the process ends.
pub(crate) fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || converse(stream.unwrap()));
        }
    });
    address
}

fn converse(mut stream: TcpStream) {
    let mut request = Vec::new();
    let mut part = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut part) {
        request.extend(part.iter().take(count));
        if request.ends_with(b"\r\n\r\n") {
            request.clear();
            let length = ANSWER.len();
            let head = "HTTP/1.1 200 OK\r\nDate: Wed, 25 Nov 2026 18:00:00 GMT\r\n\
                        Content-Type: application/json\r\nConnection: keep-alive\r\n";
            let answer = format!("{head}Content-Length: {length}\r\n\r\n{ANSWER}");
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }
}
