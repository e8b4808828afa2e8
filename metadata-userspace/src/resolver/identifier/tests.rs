use std::sync::Mutex;

use super::*;
use crate::resolver::identify::Certainty;
use crate::testing::{port, realm};

/// Shows one sighting after the other, a new one at each renewal.
struct Shown(Mutex<Vec<Option<Sighting>>>);

impl Ports for Shown {
    fn name(&self) -> &'static str {
        "shown"
    }

    fn sight(&self, _: &Requester) -> Option<Sighting> {
        self.0.lock().unwrap().first().cloned().flatten()
    }

    fn renew<'a>(&'a self, _: &'a Requester) -> Asking<'a, ()> {
        Box::pin(async {
            let mut sightings = self.0.lock().unwrap();
            if sightings.len() > 1 {
                sightings.remove(0);
            }
            Ok(())
        })
    }
}

fn sighting(found: bool, certainty: Certainty) -> Option<Sighting> {
    let ports = found.then(|| Arc::new(port()));
    Some(Sighting {
        by_address: ports.into_iter().collect(),
        by_mac: Vec::new(),
        certainty,
        failing: false,
    })
}

async fn resolve(shown: Vec<Option<Sighting>>) -> (Resolution, Duration) {
    let ports = Arc::new(Shown(Mutex::new(shown)));
    let identifier = Identifier::new(ports, Duration::from_secs(5));
    let requester = Requester {
        realm: realm(),
        address: [10, 0, 0, 5].into(),
        mac: None,
    };
    let start = Instant::now();
    let resolution = identifier.resolve(&requester).await.unwrap();
    (resolution, start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn what_is_sure_is_answered_at_once() {
    let (resolution, took) = resolve(vec![sighting(true, Certainty::Sure)]).await;
    assert_eq!(resolution, Resolution::Found(Arc::new(port())));
    assert_eq!(took, Duration::ZERO);
    let (resolution, took) = resolve(vec![sighting(false, Certainty::Sure)]).await;
    assert_eq!((resolution, took), (Resolution::Unknown, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_known_yet_is_looked_for_again() {
    let none = || sighting(false, Certainty::Current);
    let found = sighting(true, Certainty::Current);
    let (resolution, took) = resolve(vec![None, none(), none(), found]).await;
    assert_eq!(resolution, Resolution::Found(Arc::new(port())));
    assert!(took < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_source_with_no_news_is_not_asked_without_pause() {
    let (resolution, took) = resolve(vec![sighting(false, Certainty::Current)]).await;
    assert_eq!(resolution, Resolution::Unknown);
    assert!(took >= Duration::from_secs(5) && took < Duration::from_secs(6));
}
