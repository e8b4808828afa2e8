//! Guests that send long bodies slowly.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::Frame;
use tokio::task::JoinSet;
use tokio::time::{Interval, interval, sleep};

use super::*;
use crate::body::request::RequestFault;
use crate::body::{self, BodyError};
use crate::within::within;

/// So much, then nothing for ever.
struct Stalls(Option<Bytes>);

impl hyper::body::Body for Stalls {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.0.take() {
            Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            None => Poll::Pending,
        }
    }
}

/// After more than is held back.
fn stalls() -> Body {
    stalls_after(100_000)
}

fn stalls_after(bytes: usize) -> Body {
    Stalls(Some(Bytes::from(vec![b'y'; bytes]))).boxed_unsync()
}

#[tokio::test]
async fn nova_is_kept_waiting_by_a_few_at_a_time() {
    let server = Scripted::constant("hello").await;
    let mut config = nova_config(server.address);
    config.deadline = Duration::from_secs(60);
    let client = Client::new(&config);
    let mut guests = JoinSet::new();
    for _ in 0..20 {
        let nova = client.nova.clone();
        guests.spawn(async move {
            let (instance, requester, queue) = (instance(), requester(), Queue::unlimited());
            let request = request(Method::POST, stalls());
            let patience = Patience::Ordinary;
            let forwarded = nova.forward(&instance, &requester, request, &queue, patience);
            forwarded.await.is_ok()
        });
    }
    while server.connections() == 0 {
        sleep(Duration::from_millis(1)).await;
    }
    sleep(Duration::from_millis(100)).await;
    assert!(server.connections() <= 4, "{}", server.connections());
    assert_eq!(client.get().await.unwrap(), "hello");
}

#[tokio::test]
async fn it_says_nothing_about_nova() {
    let server = Scripted::constant("hello").await;
    let mut config = nova_config(server.address);
    config.deadline = Duration::from_secs(2);
    let client = Client::new(&config);
    let answer = client.send(Method::POST, stalls()).await;
    let slow = matches!(answer, Err(NovaError::RequestBody(RequestFault::Slow(_))));
    assert!(slow, "{answer:?}");
    assert_eq!(client.is_up(), None);
}

#[tokio::test]
async fn of_all_guests_a_few_long_bodies_are_held_and_every_short_one() {
    let server = Scripted::constant("hello").await;
    let mut config = nova_config(server.address);
    config.deadline = Duration::from_secs(3);
    let client = Arc::new(Client::new(&config));
    let mut stalling = JoinSet::new();
    let less_than_is_held_back = 10_000;
    for _ in 0..64 {
        let client = Arc::clone(&client);
        let body = stalls_after(less_than_is_held_back);
        stalling.spawn(async move { client.send(Method::POST, body).await });
    }
    sleep(Duration::from_millis(200)).await;
    let [password, long] = [1020, 5000].map(|length| body::full(vec![b'y'; length]));
    let password = client.send(Method::POST, password).await;
    let long = pin!(client.send(Method::POST, long));
    let taken = within(Duration::from_secs(1), long).await;
    assert_eq!(text(password.unwrap()).await, "hello");
    assert!(taken.is_none());
    for answer in stalling.join_all().await {
        let slow = matches!(answer, Err(NovaError::RequestBody(RequestFault::Slow(_))));
        assert!(slow, "{answer:?}");
    }
}

/// A byte now and then, for ever.
struct Trickles(Option<Bytes>, Interval);

impl hyper::body::Body for Trickles {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(bytes) = self.0.take() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        let tick = self.1.poll_tick(cx);
        tick.map(|_| Some(Ok(Frame::data(Bytes::from_static(b"y")))))
    }
}

fn trickles() -> Body {
    let first = Bytes::from(vec![b'y'; 100_000]);
    Trickles(Some(first), interval(Duration::from_millis(10))).boxed_unsync()
}

#[tokio::test]
async fn who_stalls_or_trickles_lets_others_have_its_turn() {
    let server = Scripted::constant("hello").await;
    let mut config = nova_config(server.address);
    config.deadline = Duration::from_secs(8);
    let client = Client::new(&config);
    let bodies = [stalls, trickles, stalls, trickles].map(|body| body());
    let slow = bodies.map(|body| client.send(Method::POST, body));
    let quick = async {
        while server.connections() < 4 {
            sleep(Duration::from_millis(1)).await;
        }
        let whole = body::full(vec![b'y'; 100_000]);
        client.send(Method::POST, whole).await
    };
    let [first, second, third, fourth] = slow;
    let (first, second, third, fourth, quick) = tokio::join!(first, second, third, fourth, quick);
    assert_eq!(text(quick.unwrap()).await, "hello");
    for answer in [first, second, third, fourth] {
        let slow = matches!(answer, Err(NovaError::RequestBody(RequestFault::Slow(_))));
        assert!(slow, "{answer:?}");
    }
}
