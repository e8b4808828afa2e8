//! Who is asked for next when Nova has enough to do.
//!
//! Nova's first answer for an instance costs it many times as much as the further ones,
//! until it forgets the instance after 15 s. When a thousand guests boot at once and each
//! gets one document in turn, it has always forgotten all of them. So the line is not
//! first come, first served: guests that have begun their boot are let finish it.

mod spot;
mod standing;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
mod window;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tokio::time::Instant;

use spot::Spot;
use standing::Standings;
use window::Window;

/// Each so-manieth place is for who has waited longest, so that guests that go on asking
/// for ever keep nobody waiting for ever. A boot is fewer requests.
const ROUND: u64 = 32;

/// The line before Nova.
#[derive(Debug, Default)]
pub(super) struct Line(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    window: Window,
    under_way: usize,
    begun: Waiting,
    others: Waiting,
    standings: Standings,
    /// Of all who waited.
    number: u64,
    granted: u64,
}

/// By how long they have been waiting.
type Waiting = BTreeMap<Rank, oneshot::Sender<Place>>;

/// Since when, and a number of its own.
type Rank = (Instant, u64);

/// The right to ask Nova. Dropped, it is the next one's.
#[derive(Debug)]
pub(super) struct Place {
    line: Arc<Line>,
    since: Instant,
}

impl Line {
    /// Waits for a place.
    pub(super) async fn place(self: &Arc<Self>, instance: &str) -> Place {
        let spot = {
            let mut state = self.lock();
            let free = state.window.has_room_for_one_more_than(state.under_way);
            if free && !state.is_busy() {
                return self.grant(&mut state);
            }
            state.join(self, instance)
        };
        match spot.await {
            Some(place) => place,
            // The line holds the sender until it has sent.
            None => self.grant(&mut self.lock()),
        }
    }

    /// Whether somebody waits.
    pub(super) fn is_busy(&self) -> bool {
        self.lock().is_busy()
    }

    fn grant(self: &Arc<Self>, state: &mut State) -> Place {
        state.under_way += 1;
        Place {
            line: Arc::clone(self),
            since: Instant::now(),
        }
    }

    /// Whoever waited there does not any more.
    fn leave(&self, rank: Rank) {
        let mut state = self.lock();
        let left = state.begun.remove(&rank).or(state.others.remove(&rank));
        drop(state);
        drop(left);
    }

    /// Gives away what is free.
    fn advance(self: &Arc<Self>) {
        loop {
            let (waiting, place) = {
                let mut state = self.lock();
                if !state.window.has_room_for_one_more_than(state.under_way) {
                    return;
                }
                let Some(waiting) = state.next() else {
                    return;
                };
                (waiting, self.grant(&mut state))
            };
            // One that has left gives it back.
            drop(waiting.send(place));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_busy(&self) -> bool {
        !self.begun.is_empty() || !self.others.is_empty()
    }

    fn join(&mut self, line: &Arc<Line>, instance: &str) -> Spot {
        let (sender, place) = oneshot::channel();
        let (since, has_begun) = self.standings.waits(instance, Instant::now());
        self.number += 1;
        let rank = (since, self.number);
        let waiting = match has_begun {
            true => &mut self.begun,
            false => &mut self.others,
        };
        waiting.insert(rank, sender);
        Spot {
            line: Arc::clone(line),
            rank,
            place,
        }
    }

    /// Whose turn it is.
    fn next(&mut self) -> Option<oneshot::Sender<Place>> {
        self.granted += 1;
        let first = |waiting: &Waiting| waiting.keys().next().copied();
        let others_first = match (first(&self.begun), first(&self.others)) {
            (Some(begun), Some(other)) => self.granted.is_multiple_of(ROUND) && other < begun,
            (None, _) => true,
            (Some(_), None) => false,
        };
        let waiting = match others_first {
            true => &mut self.others,
            false => &mut self.begun,
        };
        waiting.pop_first().map(|(_, sender)| sender)
    }
}

impl Place {
    /// Nova answered for this instance.
    pub(super) fn answered(&self, instance: &str) {
        let mut state = self.line.lock();
        // Who has begun matters, and how Nova keeps up shows, while somebody waits.
        if state.is_busy() {
            let now = Instant::now();
            state.window.answered(now.duration_since(self.since));
            state.standings.answered(instance, now);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.line.lock().under_way -= 1;
        self.line.advance();
    }
}
