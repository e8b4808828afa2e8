//! Noticing a worker that lives and does nothing: stopped, in an endless loop, or with a
//! thread that waits for something that does not come. It matters to whoever comes to it,
//! so as long as nobody does, it is not asked, and an idle host's processors sleep.

use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::activity::Activity;

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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    /// It need not be asked before somebody comes.
    None,
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
            question: Question::Answered,
        }
    }

    /// Waits until something is due: as soon as somebody comes to the worker, but not sooner
    /// than so long after its last answer; `is_owed` says that it has to be asked anyway.
    /// Dropping the future loses nothing.
    pub async fn turn(&mut self, activity: &Activity, is_owed: bool) -> Turn {
        if self.question == Question::Answered {
            self.turns.tick().await;
            activity.arm();
            self.question = Question::None;
        }
        if self.question == Question::None {
            if !is_owed {
                activity.stirs().await;
            }
            self.turns.reset();
            self.question = Question::Open(0);
            return Turn::Ask;
        }
        self.turns.tick().await;
        self.question.still_open()
    }

    pub fn has_answered(&mut self) {
        self.question = Question::Answered;
    }
}

impl Question {
    fn still_open(&mut self) -> Turn {
        match self {
            Self::Open(missed) if *missed + 1 < MAY_MISS => {
                *missed += 1;
                Turn::Wait
            }
            _ => Turn::GiveUp,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::os::fd::OwnedFd;

    use nix::sys::epoll::{Epoll, EpollCreateFlags};
    use tokio::time::timeout;

    use super::*;

    /// To which somebody always comes, as far as is known.
    fn busy() -> Activity {
        Activity::new().unwrap()
    }

    fn calm() -> Activity {
        let mut activity = busy();
        let guests: OwnedFd = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).unwrap().0;
        activity.watch_guests(guests);
        activity
    }

    async fn turn(vigil: &mut Vigil, activity: &Activity) -> Turn {
        vigil.turn(activity, false).await
    }

    #[tokio::test(start_paused = true)]
    async fn who_answers_is_asked_again_after_a_while() {
        let (mut vigil, activity, started) = (Vigil::begin(), busy(), Instant::now());
        for times in 1..4 {
            assert_eq!(turn(&mut vigil, &activity).await, Turn::Ask);
            assert_eq!(started.elapsed(), EVERY * times);
            vigil.has_answered();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn to_whom_nobody_comes_is_not_asked_unless_something_is_owed() {
        let (mut vigil, activity) = (Vigil::begin(), calm());
        let hour = Duration::from_secs(3600);
        assert!(timeout(hour, vigil.turn(&activity, false)).await.is_err());
        assert_eq!(vigil.turn(&activity, true).await, Turn::Ask);
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_answer_is_given_up_in_time() {
        let (mut vigil, activity) = (Vigil::begin(), busy());
        assert_eq!(turn(&mut vigil, &activity).await, Turn::Ask);
        let asked = Instant::now();
        assert_eq!(turn(&mut vigil, &activity).await, Turn::Wait);
        assert_eq!(turn(&mut vigil, &activity).await, Turn::GiveUp);
        assert_eq!(asked.elapsed(), PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_machine_that_was_stopped_gives_a_worker_another_chance() {
        let (mut vigil, activity) = (Vigil::begin(), busy());
        assert_eq!(turn(&mut vigil, &activity).await, Turn::Ask);
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(turn(&mut vigil, &activity).await, Turn::Wait);
        vigil.has_answered();
        assert_eq!(turn(&mut vigil, &activity).await, Turn::Ask);
    }
}
