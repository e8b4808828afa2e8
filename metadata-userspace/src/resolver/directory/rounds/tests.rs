use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::{sleep, timeout};

use super::*;

const PACE: Duration = Duration::from_secs(1);
const EACH: Duration = Duration::from_millis(100);

/// Rounds that take [`EACH`], and how many were begun.
fn rounds() -> (Arc<Rounds>, Arc<AtomicU64>) {
    let begun = Arc::new(AtomicU64::new(0));
    let counter = begun.clone();
    let work = move || -> Asking<'static, ()> {
        counter.fetch_add(1, Ordering::Relaxed);
        Box::pin(async {
            sleep(EACH).await;
            Ok(())
        })
    };
    let rounds = Rounds::new(Box::new(work), PACE, Handle::current());
    (Arc::new(rounds), begun)
}

async fn many(rounds: &Arc<Rounds>) {
    let waiting: Vec<_> = (0..100)
        .map(|_| {
            let rounds = rounds.clone();
            tokio::spawn(async move { rounds.next().await })
        })
        .collect();
    for one in waiting {
        one.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn who_comes_together_shares_a_round() {
    let (rounds, begun) = rounds();
    many(&rounds).await;
    assert_eq!(begun.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn who_comes_during_a_round_shares_the_next_at_the_pace() {
    let (rounds, begun) = rounds();
    let start = Instant::now();
    let first = tokio::spawn({
        let rounds = rounds.clone();
        async move { rounds.next().await }
    });
    sleep(EACH / 2).await;
    rounds.this().await.unwrap();
    assert_eq!(start.elapsed(), EACH);
    first.await.unwrap().unwrap();
    many(&rounds).await;
    assert_eq!(begun.load(Ordering::Relaxed), 2);
    assert_eq!(start.elapsed(), PACE + EACH);
}

#[tokio::test(start_paused = true)]
async fn a_round_outlives_the_one_who_wanted_it() {
    let (rounds, begun) = rounds();
    let impatient = timeout(Duration::ZERO, rounds.next()).await;
    assert!(impatient.is_err());
    sleep(EACH * 2).await;
    assert_eq!(begun.load(Ordering::Relaxed), 1);
    sleep(PACE * 3).await;
    assert_eq!(begun.load(Ordering::Relaxed), 1, "nobody wants another");
    rounds.begin();
    rounds.begin();
    sleep(PACE * 3).await;
    assert_eq!(begun.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn failure_and_slowness_are_trouble() {
    let failing = || -> Asking<'static, ()> {
        Box::pin(async {
            sleep(LONG * 2).await;
            Err(ResolveError {
                source_name: "test",
                reason: "gone".to_owned(),
            })
        })
    };
    let rounds = Rounds::new(Box::new(failing), PACE, Handle::current());
    rounds.begin();
    sleep(LONG / 2).await;
    assert!(!rounds.in_trouble());
    sleep(LONG).await;
    assert!(rounds.in_trouble());
    sleep(LONG).await;
    assert!(rounds.in_trouble());
    assert_eq!(rounds.next().await.unwrap_err().reason, "gone");
}
