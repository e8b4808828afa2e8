//! Guests that hear that somebody is there, and those that do not.

use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::*;
use crate::nova::line::Place;
use crate::nova::tests::gated::Gated;

const DEADLINE: Duration = Duration::from_millis(300);
/// Nobody who has to wait for others gets a place so soon.
const SHORT: Duration = Duration::from_millis(20);

/// A Nova that would answer at once, and has enough to do.
struct Busy {
    client: Client,
    places: Vec<Place>,
    _server: Gated,
}

impl Busy {
    async fn new() -> Self {
        let server = Gated::start("hello").await;
        server.open();
        let mut config = nova_config(server.address);
        config.deadline = DEADLINE;
        let client = Client::new(&config);
        let mut places = Vec::new();
        while let Ok(place) = timeout(SHORT, client.nova.exchange.line.place("other")).await {
            places.push(place);
        }
        Self {
            client,
            places,
            _server: server,
        }
    }

    fn ask(&self, path: &'static str, patience: Patience) -> JoinHandle<Result<String, String>> {
        let nova = self.client.nova.clone();
        let mut request = request(Method::GET, body::empty());
        *request.uri_mut() = path.parse().unwrap();
        tokio::spawn(async move {
            let (instance, requester, queue) = (instance(), requester(), Queue::unlimited());
            let forwarded = nova.forward(&instance, &requester, request, &queue, patience);
            match forwarded.await {
                Ok(answer) => Ok(text(answer).await),
                Err(error) => Err(error.to_string()),
            }
        })
    }
}

#[tokio::test]
async fn who_is_told_waits_for_its_turn_beyond_the_deadline() {
    let busy = Busy::new().await;
    let told = busy.ask("/openstack/a", Patience::Told);
    let also_told = busy.ask("/openstack/a", Patience::Told);
    let silent = busy.ask("/openstack/b", Patience::Ordinary);
    let error = silent.await.unwrap().unwrap_err();
    assert!(error.contains("more to do"), "{error}");
    sleep(DEADLINE * 2).await;
    assert!(!told.is_finished() && !also_told.is_finished());
    drop(busy.places);
    assert_eq!(told.await.unwrap().unwrap(), "hello");
    assert_eq!(also_told.await.unwrap().unwrap(), "hello");
}

#[tokio::test]
async fn nobody_waits_for_a_nova_that_hangs_beyond_the_deadline() {
    let busy = Busy::new().await;
    let hang = &busy.client.nova.exchange.hang;
    let wait = hang.wait();
    sleep(hang.sign).await;
    assert!(wait.is_in_vain());
    let told = busy.ask("/openstack/a", Patience::Told);
    let error = timeout(DEADLINE * 10, told).await.unwrap().unwrap();
    assert!(error.unwrap_err().contains("more to do"));
}
