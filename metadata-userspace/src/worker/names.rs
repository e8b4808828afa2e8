//! Having the supervisor look names up: that reads files, loads libraries and speaks
//! with name servers, and this process can do none of it.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};

use crate::upstream::names::{LookUp, Names};

/// Characters of the longest name there is (RFC 1035, section 2.3.4).
pub const LONGEST_NAME: usize = 253;

type Answer = io::Result<Vec<IpAddr>>;

/// Names that are looked up; each once, however many wait for it.
#[derive(Clone, Default)]
pub struct NameDesk(Arc<Inner>);

#[derive(Default)]
struct Inner {
    shared: Mutex<Shared>,
    news: Notify,
}

#[derive(Default)]
struct Shared {
    /// Not yet passed on.
    asked: VecDeque<String>,
    /// Not yet answered.
    waiting: HashMap<String, Vec<oneshot::Sender<Answer>>>,
    /// Nobody answers any more.
    closed: bool,
}

impl Shared {
    fn enlist(&mut self, host: &str, sender: oneshot::Sender<Answer>) {
        match self.waiting.get_mut(host) {
            _ if self.closed => {}
            Some(waiting) => {
                waiting.retain(|waiting| !waiting.is_closed());
                waiting.push(sender);
            }
            None => {
                self.waiting.insert(host.to_owned(), vec![sender]);
                self.asked.push_back(host.to_owned());
            }
        }
    }
}

impl NameDesk {
    /// The next name that is asked for.
    pub async fn asked(&self) -> String {
        loop {
            let next = self.shared().asked.pop_front();
            match next {
                Some(host) => return host,
                None => self.0.news.notified().await,
            }
        }
    }

    /// Hands the addresses, or why there are none, to all who wait for them.
    pub fn answer(&self, host: &str, answer: Result<Vec<IpAddr>, String>) {
        let waiting = self.shared().waiting.remove(host);
        for waiting in waiting.into_iter().flatten() {
            // Who stopped waiting does not want it.
            let _ = waiting.send(answer.clone().map_err(io::Error::other));
        }
    }

    /// Whoever asks from now on, or waits, is told that nobody answers: addresses that are
    /// known already are used at once.
    pub fn close(&self) {
        let mut shared = self.shared();
        shared.closed = true;
        shared.waiting.clear();
    }

    async fn addresses(&self, host: &str) -> Answer {
        if host.len() > LONGEST_NAME {
            return Err(io::Error::other("no name is that long"));
        }
        let (sender, answer) = oneshot::channel();
        self.shared().enlist(host, sender);
        self.0.news.notify_one();
        let gone = |_| io::Error::other("the supervisor is gone");
        answer.await.map_err(gone)?
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.0.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Names for NameDesk {
    fn look_up<'a>(&'a self, host: &'a str) -> LookUp<'a> {
        Box::pin(self.addresses(host))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[tokio::test]
    async fn one_question_answers_all_who_wait() {
        let desk = NameDesk::default();
        let found = vec![IpAddr::from(Ipv4Addr::LOCALHOST)];
        let supervisor = async {
            assert_eq!(desk.asked().await, "here");
            assert!(desk.shared().asked.is_empty());
            desk.answer("here", Ok(found.clone()));
        };
        let (first, second) = (desk.look_up("here"), desk.look_up("here"));
        let (first, second, ()) = tokio::join!(first, second, supervisor);
        assert_eq!((first.unwrap(), second.unwrap()), (found.clone(), found));
    }

    #[tokio::test]
    async fn who_asks_after_the_answer_asks_anew() {
        let desk = NameDesk::default();
        for problem in ["no such name", "no name server"] {
            let supervisor = async {
                let host = desk.asked().await;
                desk.answer(&host, Err(problem.to_owned()));
            };
            let (answer, ()) = tokio::join!(desk.look_up("nowhere"), supervisor);
            assert_eq!(answer.unwrap_err().to_string(), problem);
        }
    }

    #[tokio::test]
    async fn nobody_waits_for_a_supervisor_that_is_gone() {
        let desk = NameDesk::default();
        let closing = async {
            desk.asked().await;
            desk.close();
        };
        let (answer, ()) = tokio::join!(desk.look_up("here"), closing);
        assert_eq!(answer.unwrap_err().to_string(), "the supervisor is gone");
        assert!(desk.look_up("there").await.is_err());
    }

    #[tokio::test]
    async fn what_is_no_name_is_not_asked_for() {
        let desk = NameDesk::default();
        let long = "a".repeat(LONGEST_NAME + 1);
        assert!(desk.look_up(&long).await.is_err());
        assert!(desk.shared().asked.is_empty());
    }
}
