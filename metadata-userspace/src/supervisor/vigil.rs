//! Noticing a worker that lives and does nothing: stopped, in an endless loop, or with a
//! thread that waits for something that does not come.

use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// How often it is asked. Each time, every thread of the worker wakes up.
const EVERY: Duration = Duration::from_secs(5);
/// How often in a row it may leave a question open. More than once, because a machine that
/// was stopped as a whole finds all its deadlines over when it goes on.
const MAY_MISS: u32 = 2;
/// After how long without an answer it is replaced.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    Ask,
    /// It has not answered yet.
    Wait,
    GiveUp,
}

/// Asks one worker again and again whether it is alive.
#[derive(Debug)]
pub struct Vigil {
    turns: Interval,
    question: Question,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Question {
    #[default]
    Answered,
    /// For so many turns.
    Open(u32),
}

impl Vigil {
    /// Needs a tokio runtime.
    pub fn begin() -> Self {
        let mut turns = interval_at(Instant::now() + EVERY, EVERY);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            turns,
            question: Question::default(),
        }
    }

    /// Waits until something is due. Dropping the future loses nothing.
    pub async fn turn(&mut self) -> Turn {
        self.turns.tick().await;
        self.question.turn()
    }

    pub fn has_answered(&mut self) {
        self.question = Question::Answered;
    }
}

impl Question {
    fn turn(&mut self) -> Turn {
        let (turn, next) = match *self {
            Self::Answered => (Turn::Ask, Self::Open(0)),
            Self::Open(missed) if missed + 1 < MAY_MISS => (Turn::Wait, Self::Open(missed + 1)),
            Self::Open(missed) => (Turn::GiveUp, Self::Open(missed)),
        };
        *self = next;
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_answers_is_asked_again() {
        let mut vigil = Vigil::begin();
        for _ in 0..3 {
            assert_eq!(vigil.turn().await, Turn::Ask);
            vigil.has_answered();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_is_given_up_in_time() {
        let mut vigil = Vigil::begin();
        assert_eq!(vigil.turn().await, Turn::Ask);
        let asked = Instant::now();
        assert_eq!(vigil.turn().await, Turn::Wait);
        assert_eq!(vigil.turn().await, Turn::GiveUp);
        assert_eq!(asked.elapsed(), PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_machine_that_was_stopped_gives_a_worker_another_chance() {
        let mut vigil = Vigil::begin();
        assert_eq!(vigil.turn().await, Turn::Ask);
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(vigil.turn().await, Turn::Wait);
        vigil.has_answered();
        assert_eq!(vigil.turn().await, Turn::Ask);
    }
}
