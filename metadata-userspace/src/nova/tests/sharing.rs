//! Guests that ask the same at the same time.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::nova::tests::gated::Gated;

const LIMIT: Duration = Duration::from_secs(5);
/// Nobody who has to wait for others gets a place so soon.
const SHORT: Duration = Duration::from_millis(20);

/// What a guest heard: a body, or why there is none.
type Heard = JoinHandle<Result<String, String>>;

fn ask(client: &Client, who: Instance, path: &str) -> Heard {
    ask_in(&Arc::new(Queue::unlimited()), client, who, path)
}

/// In the queue of a guest.
fn ask_in(queue: &Arc<Queue>, client: &Client, who: Instance, path: &str) -> Heard {
    let queue = Arc::clone(queue);
    let (nova, mut request) = (client.nova.clone(), request(Method::GET, body::empty()));
    *request.uri_mut() = path.parse().unwrap();
    tokio::spawn(async move {
        match nova
            .forward(&who, &requester(), request, &queue, Patience::Ordinary)
            .await
        {
            Ok(answer) => Ok(text(answer).await),
            Err(error) => Err(error.to_string()),
        }
    })
}

async fn heard(guest: Heard) -> Result<String, String> {
    tokio::time::timeout(LIMIT, guest).await.unwrap().unwrap()
}

/// Until everyone who can has joined.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(50)).await;
}

#[tokio::test]
async fn many_guests_requests_are_one_to_nova() {
    let server = Gated::start("hello").await;
    let client = Client::of(server.address);
    let guests: Vec<_> = (0..64)
        .map(|_| ask(&client, instance(), "/openstack"))
        .collect();
    settle().await;
    server.open();
    for guest in guests {
        assert_eq!(heard(guest).await.unwrap(), "hello");
    }
    assert_eq!(server.requests(), 1);
    assert_eq!(client.metrics.shared.get(), 63);
    // Shared, not cached.
    assert_eq!(client.get().await.unwrap(), "hello");
    assert_eq!(server.requests(), 2);
}

/// As when Nova is busy and a guest comes again, because it has no patience.
#[tokio::test]
async fn who_joins_later_waits_for_as_long_as_anybody() {
    let server = Gated::start("hello").await;
    let client = Client::of(server.address);
    let mut places = Vec::new();
    while let Ok(place) = timeout(SHORT, client.nova.exchange.line.place("other")).await {
        places.push(place);
    }
    let first = ask(&client, instance(), "/openstack");
    sleep(client.nova.exchange.deadline / 2).await;
    let second = ask(&client, instance(), "/openstack");
    let error = heard(first).await.unwrap_err();
    assert!(error.contains("more to do"), "{error}");
    drop(places);
    server.open();
    assert_eq!(heard(second).await.unwrap(), "hello");
    assert_eq!(server.requests(), 1);
}

/// cloud-init's first request, while Nova is busy with others.
#[tokio::test]
async fn the_list_of_versions_waits_for_nobody() {
    let server = Gated::start("latest").await;
    server.open();
    let client = Client::of(server.address);
    assert_eq!(
        heard(ask(&client, instance(), "/openstack")).await.unwrap(),
        "latest"
    );
    let mut places = Vec::new();
    while let Ok(place) = timeout(SHORT, client.nova.exchange.line.place("other")).await {
        places.push(place);
    }
    let waiting = ask(&client, instance(), "/openstack/latest");
    settle().await;
    let other = Instance {
        id: "another".into(),
        ..instance()
    };
    for path in ["/openstack", "/openstack/"] {
        assert_eq!(
            heard(ask(&client, other.clone(), path)).await.unwrap(),
            "latest"
        );
    }
    assert_eq!((server.requests(), waiting.is_finished()), (1, false));
    drop(places);
    assert_eq!(heard(waiting).await.unwrap(), "latest");
    heard(ask(&client, other, "/openstack")).await.unwrap();
    assert_eq!(server.requests(), 3, "Nova is asked when it has time");
}

#[tokio::test]
async fn a_guests_requests_share_a_fetch_however_few_turns_it_has() {
    let server = Gated::start("hello").await;
    let client = Client::of(server.address);
    let queue = Arc::new(Queue::new(2));
    let ask = |path| ask_in(&queue, &client, instance(), path);
    let first: Vec<_> = (0..64).map(|_| ask("/openstack")).collect();
    settle().await;
    let others = ["/1", "/2"].map(ask);
    server.wait_for_requests(2).await;
    settle().await;
    assert_eq!(server.requests(), 2, "a fetch each for two turns");
    server.permit(1);
    for guest in first {
        assert_eq!(heard(guest).await.unwrap(), "hello");
    }
    server.open();
    for guest in others {
        assert_eq!(heard(guest).await.unwrap(), "hello");
    }
    assert_eq!((server.requests(), client.metrics.shared.get()), (3, 63));
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_too_long_for_a_turn_hears_so() {
    let server = Gated::start("hello").await;
    let client = Client::of(server.address);
    let queue = Arc::new(Queue::new(1));
    let _turn = queue.turn().await;
    let refused = ask_in(&queue, &client, instance(), "/openstack").await;
    let error = refused.unwrap().unwrap_err();
    assert!(error.contains("earlier requests"), "{error}");
    assert_eq!(server.requests(), 0);
}

/// It lent its turn to the next one while another fetched the same for it.
#[tokio::test]
async fn whoever_waits_too_long_for_its_turn_again_hears_so() {
    let server = Gated::start("hello").await;
    let client = Client::of(server.address);
    let fetches = ask(&client, instance(), "/openstack");
    server.wait_for_requests(1).await;
    let queue = Arc::new(Queue::new(1));
    let waits = ask_in(&queue, &client, instance(), "/openstack");
    settle().await;
    let _turn = queue.turn().await;
    fetches.abort();
    let error = heard(waits).await.unwrap_err();
    assert!(error.contains("earlier requests"), "{error}");
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn requests_that_differ_are_not_shared() {
    let server = Gated::start("hello").await;
    let client = Client::of(server.address);
    let other_project = Instance {
        project_id: "other".into(),
        ..instance()
    };
    let other_instance = Instance {
        id: "other".into(),
        ..instance()
    };
    let guests = [
        ask(&client, instance(), "/openstack"),
        ask(&client, instance(), "/openstack/latest"),
        ask(&client, other_project, "/openstack"),
        ask(&client, other_instance, "/openstack"),
        ask(&client, instance(), "/openstack/latest/password"),
        ask(&client, instance(), "/openstack/latest/password"),
    ];
    server.wait_for_requests(guests.len()).await;
    server.open();
    for guest in guests {
        heard(guest).await.unwrap();
    }
    assert_eq!(client.metrics.shared.get(), 0);
}

#[tokio::test]
async fn when_the_guest_hangs_up_who_asked_first_another_takes_over() {
    let server = Gated::start("hello").await;
    let client = Client::of(server.address);
    let first = ask(&client, instance(), "/openstack");
    server.wait_for_requests(1).await;
    let others: Vec<_> = (0..8)
        .map(|_| ask(&client, instance(), "/openstack"))
        .collect();
    settle().await;
    first.abort();
    server.wait_for_requests(2).await;
    server.open();
    for guest in others {
        assert_eq!(heard(guest).await.unwrap(), "hello");
    }
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn a_failure_is_shared_as_well() {
    let server = Gated::start("").await;
    server.answer(b"garbage\r\n\r\n".to_vec());
    let client = Client::of(server.address);
    let guests: Vec<_> = (0..8)
        .map(|_| ask(&client, instance(), "/openstack"))
        .collect();
    settle().await;
    server.open();
    for guest in guests {
        assert_eq!(heard(guest).await, Err("the answer is not HTTP".to_owned()));
    }
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn a_hanging_nova_keeps_nobody_longer_than_the_deadline() {
    let server = Gated::start("").await;
    let mut config = nova_config(server.address);
    config.deadline = Duration::from_millis(300);
    let client = Client::new(&config);
    let started = Instant::now();
    let guests: Vec<_> = (0..8)
        .map(|_| ask(&client, instance(), "/openstack"))
        .collect();
    for guest in guests {
        assert_eq!(heard(guest).await, Err("no answer within 300ms".to_owned()));
    }
    // One deadline after another would be 2.4 s.
    assert!(started.elapsed() < Duration::from_secs(2));
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn a_long_answer_is_passed_on_to_each_alone() {
    let long = "0123456789abcdef".repeat(32 * 1024);
    let server = Gated::start(&long).await;
    let client = Client::of(server.address);
    let guests: Vec<_> = (0..4)
        .map(|_| ask(&client, instance(), "/openstack"))
        .collect();
    settle().await;
    server.open();
    for guest in guests {
        assert!(heard(guest).await.unwrap() == long, "it differs");
    }
    assert_eq!(server.requests(), 4);
}

#[test]
fn guests_on_different_threads_share() {
    let runtime = |_| {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let [here, there, elsewhere] = [(); 3].map(runtime);
    let server = here.block_on(Gated::start("hello"));
    let client = Client::of(server.address);
    let threads = [&there, &elsewhere].map(|runtime| runtime.handle().clone());
    std::thread::scope(|scope| {
        let over = CancellationToken::new();
        for runtime in [there, elsewhere] {
            let over = over.clone();
            scope.spawn(move || runtime.block_on(over.cancelled_owned()));
        }
        let _end_them = over.drop_guard();
        let asking = |thread: &tokio::runtime::Handle| {
            let _inside = thread.enter();
            let guest = ask(&client, instance(), "/openstack");
            // Begins when the guest has.
            (guest, tokio::spawn(async {}))
        };
        let (guests, begun): (Vec<_>, Vec<_>) = threads.iter().map(asking).unzip();
        here.block_on(async {
            for begun in begun {
                begun.await.unwrap();
            }
            server.wait_for_requests(1).await;
            settle().await;
            server.open();
            for guest in guests {
                assert_eq!(heard(guest).await.unwrap(), "hello");
            }
        });
    });
    assert_eq!(server.requests(), 1);
}
