//! What clients read from a connection on which interim answers are written.

mod slow;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Mutex;

use hyper::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use proptest::collection::vec;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::sleep;

use super::*;
use slow::{Slow, millis};

const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";
const CLOUD_INIT: &str = "User-Agent: Cloud-Init/25.3\r\n";

/// How one request is answered.
#[derive(Clone, Debug)]
struct Answer {
    /// Milliseconds.
    after: u64,
    /// Parts of the body, each after so many more.
    parts: Vec<(u64, usize)>,
    has_length: bool,
}

impl Answer {
    fn after(after: u64) -> Self {
        Self {
            after,
            parts: vec![(0, 3)],
            has_length: true,
        }
    }

    fn length(&self) -> usize {
        self.parts.iter().map(|(_, length)| length).sum()
    }

    async fn response(self) -> Response<Slow> {
        sleep(millis(self.after)).await;
        let (length, has_length) = (self.length(), self.has_length);
        let mut response = Response::new(Slow::new(self.parts));
        if has_length {
            response
                .headers_mut()
                .insert("content-length", length.into());
        }
        response
    }
}

/// A server that gives these answers, and interim ones every millisecond.
struct Server {
    interim: Arc<Interim>,
    answers: Mutex<VecDeque<Answer>>,
}

impl Server {
    fn new(answers: &[Answer]) -> Arc<Self> {
        let mut interim = Interim::counted_by(&Counter::default());
        Arc::get_mut(&mut interim).unwrap().after = millis(1);
        Arc::new(Self {
            interim,
            answers: Mutex::new(answers.iter().cloned().collect()),
        })
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Slow> {
        let answer = self.answers.lock().unwrap().pop_front().unwrap();
        let patience = Patience::of(&request);
        let response = pin!(answer.response());
        self.interim.until(patience, response).await
    }

    /// A client's end of a connection on which so many bytes may be under way.
    fn connect(self: &Arc<Self>, room: usize) -> DuplexStream {
        let (client, server) = duplex(room);
        let io = InterimIo::new(TokioIo::new(server), Arc::clone(&self.interim));
        let server = Arc::clone(self);
        let service = service_fn(move |request| {
            let server = Arc::clone(&server);
            async move { Ok::<_, Infallible>(server.answer(request).await) }
        });
        let mut http = http1::Builder::new();
        http.half_close(true).writev(false);
        tokio::spawn(http.serve_connection(io, service).into_future());
        client
    }
}

/// What a client reads that sends all its requests at once, and pauses after each read.
async fn converse(answers: &[Answer], heads: &str, room: usize, pauses: &[u64]) -> String {
    let server = Server::new(answers);
    let (mut from, mut to) = tokio::io::split(server.connect(room));
    let sending = async {
        to.write_all(heads.as_bytes()).await.unwrap();
        to.shutdown().await.unwrap();
    };
    let reading = async {
        let (mut text, mut buffer) = (Vec::new(), [0; 64]);
        for pause in pauses.iter().cycle() {
            match from.read(&mut buffer).await.unwrap() {
                0 => break,
                count => text.extend(buffer.iter().take(count)),
            }
            sleep(millis(*pause)).await;
        }
        String::from_utf8(text).unwrap()
    };
    let ((), text) = tokio::join!(sending, reading);
    assert_eq!(server.interim.sent.get(), count(&text));
    text
}

fn count(text: &str) -> u64 {
    u64::try_from(text.matches(CONTINUE).count()).unwrap()
}

/// What is left behind the interim answers and the whole answer; panics if there is
/// something else.
fn pass_over<'a>(mut text: &'a str, answer: &Answer) -> &'a str {
    while let Some(rest) = text.strip_prefix(CONTINUE) {
        text = rest;
    }
    let (head, mut rest) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    if answer.has_length {
        let (body, next) = rest.split_at(answer.length());
        assert_eq!(body, "x".repeat(answer.length()));
        return next;
    }
    for (_, length) in &answer.parts {
        let chunk = format!("{length:X}\r\n{}\r\n", "x".repeat(*length));
        rest = rest.strip_prefix(chunk.as_str()).unwrap();
    }
    rest.strip_prefix("0\r\n\r\n").unwrap()
}

async fn heard(answer: Answer, head: &str) -> u64 {
    let text = converse(&[answer], &format!("{head}\r\n"), 4096, &[0]).await;
    count(&text)
}

#[tokio::test(start_paused = true)]
async fn who_waits_hears_so_and_who_is_answered_at_once_does_not() {
    let head = format!("GET / HTTP/1.1\r\n{CLOUD_INIT}");
    assert_eq!(heard(Answer::after(0), &head).await, 0);
    let heard = heard(Answer::after(20), &head).await;
    assert!((5..20).contains(&heard), "{heard}");
}

#[tokio::test(start_paused = true)]
async fn only_who_is_known_to_pass_over_it_hears_it() {
    let told = [
        "GET / HTTP/1.1\r\nUser-Agent: Cloud-Init/25.3\r\n",
        "HEAD / HTTP/1.1\r\nUser-Agent: python-requests/2.31.0\r\n",
        "GET / HTTP/1.1\r\nuser-agent: Python-urllib/3.11\r\n",
        "GET / HTTP/1.1\r\nUser-Agent: Wget\r\n",
    ];
    let others = [
        "GET / HTTP/1.0\r\nUser-Agent: Cloud-Init/25.3\r\n",
        "GET / HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nUser-Agent: node\r\n",
        "GET / HTTP/1.1\r\nUser-Agent: Go-http-client/1.1\r\n",
        "POST / HTTP/1.1\r\nUser-Agent: Cloud-Init/25.3\r\n",
        "GET / HTTP/1.1\r\nUser-Agent: Cloud-Init/25.3\r\nContent-Length: 1\r\n",
    ];
    for head in told {
        assert_ne!(heard(Answer::after(5), head).await, 0, "{head}");
    }
    for head in others {
        assert_eq!(heard(Answer::after(5), head).await, 0, "{head}");
    }
}

fn answer() -> impl Strategy<Value = Answer> {
    let part = (0_u64..4, 1_usize..200);
    (0_u64..6, vec(part, 1..4), any::<bool>()).prop_map(|(after, parts, has_length)| Answer {
        after,
        parts,
        has_length,
    })
}

proptest! {
    /// However little room there is, however slowly the client reads, and however many
    /// requests it sends ahead.
    #[test]
    fn it_never_mixes_with_an_answer(
        answers in vec(answer(), 1..6),
        room in 1_usize..300,
        pauses in vec(0_u64..3, 1..8),
    ) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().unwrap();
        let heads = format!("GET / HTTP/1.1\r\n{CLOUD_INIT}\r\n").repeat(answers.len());
        let text = runtime.block_on(converse(&answers, &heads, room, &pauses));
        let rest = answers.iter().fold(text.as_str(), |text, answer| pass_over(text, answer));
        prop_assert_eq!(rest, "");
    }
}
