use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{advance, sleep, timeout};

use super::*;

/// Longer than anything here takes.
const WHILE: Duration = Duration::from_millis(1);

/// A line before a Nova that has enough to do.
struct Full {
    line: Arc<Line>,
    places: Vec<Place>,
    granted: mpsc::UnboundedReceiver<(&'static str, Place)>,
    grants: mpsc::UnboundedSender<(&'static str, Place)>,
}

impl Full {
    async fn new() -> Self {
        let line = Arc::default();
        let places = all_places(&line).await;
        let (grants, granted) = mpsc::unbounded_channel();
        Self {
            line,
            places,
            granted,
            grants,
        }
    }

    /// Somebody asks, and waits.
    async fn asks(&self, instance: &'static str) -> JoinHandle<()> {
        let (line, grants) = (Arc::clone(&self.line), self.grants.clone());
        let asking = tokio::spawn(async move {
            let place = line.place(instance).await;
            grants.send((instance, place)).unwrap();
        });
        sleep(WHILE).await;
        asking
    }

    /// Nova answers this one; whose is the place?
    async fn next_after(&mut self, instance: &str) -> &'static str {
        loop {
            let place = self.places.pop().unwrap();
            place.answered(instance);
            drop(place);
            // An answer that came late leaves fewer places.
            if let Ok(granted) = timeout(WHILE, self.granted.recv()).await {
                let (next, place) = granted.unwrap();
                self.places.push(place);
                return next;
            }
        }
    }
}

async fn all_places(line: &Arc<Line>) -> Vec<Place> {
    let mut places = Vec::new();
    while let Ok(place) = timeout(WHILE, line.place("somebody")).await {
        places.push(place);
    }
    places
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_while_nova_has_room() {
    let line = Arc::default();
    let places = all_places(&line).await;
    assert_eq!(places.len(), 16);
    drop(places);
    assert_eq!(all_places(&line).await.len(), 16);
}

#[tokio::test(start_paused = true)]
async fn who_has_begun_goes_before_who_has_not() {
    let mut full = Full::new().await;
    for instance in ["a", "b", "c"] {
        full.asks(instance).await;
    }
    assert_eq!(full.next_after("begun").await, "a");
    full.asks("begun").await;
    assert_eq!(full.next_after("x").await, "begun");
    assert_eq!(full.next_after("x").await, "b");
}

#[tokio::test(start_paused = true)]
async fn boots_that_never_end_keep_nobody_waiting_for_ever() {
    let mut full = Full::new().await;
    full.asks("a").await;
    full.asks("new").await;
    assert_eq!(full.next_after("flood").await, "a");
    let mut floods = 0;
    full.asks("flood").await;
    loop {
        full.asks("flood").await;
        match full.next_after("flood").await {
            "new" => break,
            _ => floods += 1,
        }
        assert!(floods < 40);
    }
    assert!(floods > 20, "the begun go first: {floods}");
}

#[tokio::test(start_paused = true)]
async fn who_gave_up_and_asks_again_has_its_old_place() {
    let mut full = Full::new().await;
    let first = full.asks("first").await;
    full.asks("second").await;
    first.abort();
    advance(Duration::from_secs(1)).await;
    full.asks("first").await;
    assert_eq!(full.next_after("x").await, "first");
}

#[tokio::test(start_paused = true)]
async fn who_stays_away_has_lost_it() {
    let mut full = Full::new().await;
    let first = full.asks("first").await;
    full.asks("second").await;
    first.abort();
    advance(Duration::from_secs(61)).await;
    full.asks("first").await;
    assert_eq!(full.next_after("x").await, "second");
}

#[tokio::test(start_paused = true)]
async fn who_leaves_takes_no_place_along() {
    let full = Full::new().await;
    for _ in 0..100 {
        full.asks("a").await.abort();
        sleep(WHILE).await;
    }
    assert!(!full.line.is_busy());
    drop(full.places);
    assert_eq!(all_places(&full.line).await.len(), 16);
}
